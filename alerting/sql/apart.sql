-- name: held
-- purpose: the newest instances that a cause holds up, with all that was said of them
SELECT workflow, workflow_version, progress
FROM instance
WHERE verdict = %(verdict)s AND reason <> 'source_catching_up'
  AND (%(workflow)s::text IS NULL OR workflow = %(workflow)s)
  AND (%(waiting_for)s::text IS NULL OR waiting_for = %(waiting_for)s)
  AND (%(source)s::text IS NULL OR source_awaited = %(source)s)
  AND (%(reason)s::text IS NULL OR reason = %(reason)s)
ORDER BY id DESC
LIMIT %(most)s;

-- name: others
-- purpose: as many others of the workflows that a cause holds up, newest first
WITH affected AS MATERIALIZED (
    SELECT DISTINCT workflow
    FROM instance
    WHERE verdict = %(verdict)s
      AND (%(workflow)s::text IS NULL OR workflow = %(workflow)s)
      AND (%(source)s::text IS NULL OR source_awaited = %(source)s)
)
SELECT i.workflow, i.workflow_version, i.progress
FROM affected
CROSS JOIN LATERAL (
    SELECT id, workflow, workflow_version, progress
    FROM instance
    WHERE instance.workflow = affected.workflow AND verdict <> %(verdict)s
    ORDER BY id DESC
    LIMIT %(most)s
) AS i
ORDER BY i.id DESC
LIMIT %(most)s;
