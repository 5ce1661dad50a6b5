-- name: record_policy
-- purpose: For how long a class is kept from now on; one that has changed is gone through at once.
INSERT INTO retention AS r (class, keep_micros) VALUES (%(class)s, %(keep)s)
ON CONFLICT (class) DO UPDATE SET keep_micros = excluded.keep_micros, ran_at = NULL
WHERE r.keep_micros IS DISTINCT FROM excluded.keep_micros

-- name: ran
-- purpose: When a class was last gone through to its end, and since when nothing of it is missing.
SELECT ran_at, kept_since FROM retention WHERE class = %(class)s

-- name: record_run
-- purpose: A class has been gone through to its end.
UPDATE retention SET ran_at = %(now)s WHERE class = %(class)s

-- name: record_dropped
-- purpose: What is dropped in this transaction, and since when nothing is missing when it ends.
UPDATE retention
SET kept_since = greatest(kept_since, %(kept_since)s), dropped_rows = dropped_rows + %(rows)s,
    freed_bytes = freed_bytes + %(bytes)s
WHERE class = %(class)s

-- name: projected
-- purpose: Up to when everything received has been applied and judged; locked against the projector and a rebuild until the transaction ends.
SELECT swept_to FROM projection WHERE name = 'instances' FOR UPDATE

-- name: partitions
-- purpose: The native partitions of a table of the log but for the default one, the oldest first.
SELECT n.nspname, c.relname, m.bounds[1]::timestamptz AS since, m.bounds[2]::timestamptz AS until,
       pg_total_relation_size(c.oid) AS bytes, greatest(c.reltuples, s.n_live_tup, 0)::bigint AS rows,
       false AS compressed
FROM pg_inherits i
JOIN pg_class c ON c.oid = i.inhrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_stat_all_tables s ON s.relid = c.oid
CROSS JOIN LATERAL (
    SELECT regexp_match(pg_get_expr(c.relpartbound, c.oid), 'FROM \(''([^'']+)''\) TO \(''([^'']+)''\)') AS bounds
) m
WHERE i.inhparent = %(table)s::regclass AND m.bounds IS NOT NULL
ORDER BY since

-- name: chunks
-- purpose: The chunks of a table of the log, the oldest first.
SELECT c.chunk_schema::text, c.chunk_name::text, c.range_start AS since, c.range_end AS until,
       coalesce(d.total_bytes, 0)::bigint AS bytes,
       greatest(approximate_row_count(format('%%I.%%I', c.chunk_schema, c.chunk_name)::regclass), s.n_live_tup, 0) AS rows,
       c.is_compressed AS compressed
FROM timescaledb_information.chunks c
LEFT JOIN chunks_detailed_size(%(table)s::text::regclass) d
       ON d.chunk_schema = c.chunk_schema AND d.chunk_name = c.chunk_name
LEFT JOIN pg_stat_all_tables s ON s.schemaname = c.chunk_schema AND s.relname = c.chunk_name
WHERE c.hypertable_name = %(table)s::text AND c.hypertable_schema = current_schema()
ORDER BY since

-- name: make_needed
-- purpose: The events received before an instant that are kept all the same; it lasts as long as the session.
CREATE TEMPORARY TABLE IF NOT EXISTS needed_event (seq bigint, received_at timestamptz, PRIMARY KEY (seq, received_at))

-- name: find_needed
-- purpose: Of instances that are not finished, or of which anything arrived since then: so that of each instance the log has all events or none. And what people rejected.
INSERT INTO needed_event (seq, received_at)
SELECT l.seq, l.received_at
FROM instance_event l JOIN instance i ON i.id = l.instance_id
WHERE l.received_at < %(until)s
  AND i.verdict IN ('on_track', 'due_soon', 'stuck', 'blind', 'failed', 'inconsistent', 'paused', 'waived')
UNION
SELECT l.seq, l.received_at
FROM instance_event l
WHERE l.received_at < %(until)s
  AND l.instance_id IN (SELECT o.instance_id FROM instance_event o WHERE o.received_at >= %(until)s)
UNION
SELECT r.event_seq, r.event_received_at
FROM rejected_join r
WHERE r.event_received_at < %(until)s AND r.at >= %(audit_since)s

-- name: analyze_needed
-- purpose: How many there are decides how they are looked up.
ANALYZE needed_event

-- name: forget_needed
-- purpose: The session goes back to where others use it.
DROP TABLE IF EXISTS needed_event

-- name: drop_dead_letters
-- purpose: Some of the dead letters that were received before the log has everything, but for those whose event is still there.
DELETE FROM dead_letter
WHERE number IN (
    SELECT d.number FROM dead_letter d
    WHERE d.received_at < %(until)s AND (d.seq IS NULL OR NOT EXISTS (SELECT FROM event e WHERE e.seq = d.seq))
    ORDER BY d.number LIMIT %(limit)s
)

-- name: drop_source_requests
-- purpose: Some of the requests of sources that have become events, but for those that an open dead letter is replayed from.
DELETE FROM source_request
WHERE number IN (
    SELECT r.number FROM source_request r
    WHERE r.received_at < %(until)s AND r.mapped_at IS NOT NULL
      AND NOT EXISTS (SELECT FROM dead_letter d WHERE d.request = r.number AND d.settled_at IS NULL)
    ORDER BY r.received_at LIMIT %(limit)s
)

-- name: finished
-- purpose: Instances after one that have finished and of which nothing arrived since then. Ids begin with the time of the first arrival.
SELECT i.id, i.workflow, i.progress
FROM instance i
WHERE i.id > %(after)s AND i.id < %(before)s AND i.verdict IN ('cancelled', 'completed', 'completed_late')
  AND NOT EXISTS (SELECT FROM instance_event l WHERE l.instance_id = i.id AND l.received_at >= %(until)s)
ORDER BY i.id
LIMIT %(limit)s

-- name: drop_joining_keys
-- purpose: The keys that identified them …
DELETE FROM instance_key k
USING unnest(%(owners)s::uuid[], %(workflows)s::text[], %(namespaces)s::text[], %(values)s::text[])
      AS m (instance_id, workflow, namespace, value)
WHERE k.joins AND k.value = m.value AND k.namespace = m.namespace AND k.workflow = m.workflow
  AND k.instance_id = m.instance_id

-- name: drop_search_keys
-- purpose: … and those that only found them.
DELETE FROM instance_key k
USING unnest(%(owners)s::uuid[], %(workflows)s::text[], %(namespaces)s::text[], %(values)s::text[])
      AS m (instance_id, workflow, namespace, value)
WHERE NOT k.joins AND k.value = m.value AND k.namespace = m.namespace AND k.instance_id = m.instance_id

-- name: drop_links
-- purpose: Their links to events.
DELETE FROM instance_event WHERE instance_id = ANY(%(ids)s)

-- name: drop_changes
-- purpose: What was said of them.
DELETE FROM verdict_change WHERE instance_id = ANY(%(ids)s)

-- name: drop_notes
-- purpose: What people noted of them and of what was merged into them …
DELETE FROM instance_note
WHERE instance_id = ANY(%(ids)s || ARRAY(SELECT m.merged_id FROM instance_merge m WHERE m.instance_id = ANY(%(ids)s)))

-- name: drop_handling
-- purpose: … and who handled them.
DELETE FROM instance_handling
WHERE instance_id = ANY(%(ids)s || ARRAY(SELECT m.merged_id FROM instance_merge m WHERE m.instance_id = ANY(%(ids)s)))

-- name: drop_merges
-- purpose: The ids that led to them.
DELETE FROM instance_merge WHERE instance_id = ANY(%(ids)s)

-- name: drop_instances
-- purpose: The instances themselves, which count no longer.
WITH gone AS (
    DELETE FROM instance WHERE id = ANY(%(ids)s) RETURNING workflow, verdict
)
UPDATE instance_count c
SET count = c.count - g.count
FROM (SELECT workflow, verdict, count(*) AS count FROM gone GROUP BY workflow, verdict) g
WHERE c.workflow = g.workflow AND c.verdict = g.verdict

-- name: drop_counts_of_none
-- purpose: … nor do the verdicts that none has any more.
DELETE FROM instance_count WHERE count = 0

-- name: drop_splits
-- purpose: That they were once one with others, of which none is there any more either.
DELETE FROM instance_split s
WHERE (s.instance_id = ANY(%(ids)s) OR s.part_id = ANY(%(ids)s))
  AND NOT EXISTS (SELECT FROM instance i WHERE i.id IN (s.instance_id, s.part_id))

-- name: forget_in_memory
-- purpose: Whoever projects forgets what it holds in memory.
UPDATE projection SET forgotten = forgotten + 1, counted = pg_current_xact_id()::xid::text WHERE name = 'instances'

-- name: old_places
-- purpose: The objectives, in all and in groups, that have buckets from before an instant.
WITH RECURSIVE place AS (
    (SELECT objective, grp FROM sli_bucket ORDER BY objective, grp LIMIT 1)
    UNION ALL
    SELECT n.objective, n.grp
    FROM place p
    CROSS JOIN LATERAL (
        SELECT s.objective, s.grp FROM sli_bucket s
        WHERE (s.objective, s.grp) > (p.objective, p.grp) ORDER BY s.objective, s.grp LIMIT 1
    ) n
)
SELECT p.objective, p.grp
FROM place p
WHERE EXISTS (
    SELECT FROM unnest(ARRAY[5, 60, 1440]::smallint[]) AS w (minutes)
    JOIN sli_bucket b ON b.objective = p.objective AND b.grp = p.grp AND b.minutes = w.minutes AND b.bucket < %(until)s
)

-- name: drop_buckets
-- purpose: Drop the buckets of these places from before an instant. Their steps count in the first that are kept, and where there were any that one stays to say so.
WITH gone AS (
    DELETE FROM sli_bucket b
    USING unnest(%(objectives)s::text[], %(groups)s::text[]) AS p (objective, grp)
    WHERE b.objective = p.objective AND b.grp = p.grp AND b.minutes = ANY (ARRAY[5, 60, 1440]::smallint[])
      AND b.bucket < %(until)s
    RETURNING b.*
), kept AS (
    INSERT INTO sli_bucket (objective, grp, minutes, bucket, unit, good, bad, waived, cancelled, stale_step)
    SELECT objective, grp, minutes, %(until)s, unit, 0, 0, 0, 0, sum(stale_step)
    FROM gone
    GROUP BY objective, grp, minutes, unit
    HAVING sum(stale_step) <> 0
        OR minutes = 5
           AND bool_or(stale_step <> 0 OR (good = 0 AND bad = 0 AND waived = 0 AND cancelled = 0))
    ON CONFLICT (objective, grp, minutes, bucket, unit) DO UPDATE
    SET stale_step = sli_bucket.stale_step + excluded.stale_step
)
SELECT count(*) FROM gone

-- name: drop_incidents
-- purpose: Some of the incidents that were resolved before an instant, with their history.
DELETE FROM incident
WHERE id IN (
    SELECT id FROM incident WHERE status = 'resolved' AND resolved_at < %(until)s ORDER BY opened_at LIMIT %(limit)s
)

-- name: drop_messages
-- purpose: Some of the messages that belong to no incident and were settled before an instant, with their history.
DELETE FROM outbox
WHERE id IN (
    SELECT id FROM outbox WHERE incident_id IS NULL AND settled_at < %(until)s ORDER BY id LIMIT %(limit)s
)
