-- name: held
-- purpose: the newest instances that a cause holds up, with all that was said of them
-- Which they are is read from the index of what is open alone.
WITH newest AS MATERIALIZED (
    SELECT id
    FROM instance
    WHERE verdict = %(verdict)s AND verdict IN ('stuck', 'blind', 'failed', 'inconsistent')
      AND (%(workflow)s::text IS NULL OR workflow = %(workflow)s)
      AND (%(waiting_for)s::text IS NULL OR waiting_for = %(waiting_for)s)
      AND (%(source)s::text IS NULL OR source_awaited = %(source)s)
      AND (%(reason)s::text IS NULL OR reason = %(reason)s)
    ORDER BY id DESC
    LIMIT %(most)s
)
SELECT instance.workflow, instance.workflow_version, instance.progress
FROM newest
JOIN instance USING (id);

-- name: others
-- purpose: as many others of the workflows that a cause holds up, of the newest instances there are
-- Bounded by what is looked at: a workflow that is rare is not searched for through all that ever was.
WITH affected AS MATERIALIZED (
    SELECT DISTINCT workflow
    FROM instance
    WHERE verdict = %(verdict)s AND verdict IN ('stuck', 'blind', 'failed', 'inconsistent')
      AND (%(workflow)s::text IS NULL OR workflow = %(workflow)s)
      AND (%(source)s::text IS NULL OR source_awaited = %(source)s)
),
newest AS MATERIALIZED (
    SELECT id, workflow, verdict
    FROM instance
    ORDER BY id DESC
    LIMIT %(looked_at)s
),
others AS MATERIALIZED (
    SELECT newest.id
    FROM newest
    JOIN affected USING (workflow)
    WHERE newest.verdict <> %(verdict)s
    ORDER BY newest.id DESC
    LIMIT %(most)s
)
SELECT instance.workflow, instance.workflow_version, instance.progress
FROM others
JOIN instance USING (id);
