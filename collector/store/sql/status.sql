-- name: database
-- purpose: Which server this is, how large the database is, which migration it is at, and the database's clock.
SELECT current_setting('server_version') AS version, pg_database_size(current_database()) AS bytes,
       (SELECT version_num FROM alembic_version) AS migration, clock_timestamp() AS now

-- name: extensions
-- purpose: What is installed in the database besides PostgreSQL itself.
SELECT extname, extversion FROM pg_extension WHERE extname <> 'plpgsql' ORDER BY extname

-- name: tables
-- purpose: Every table of ours with its size, rows and dead rows, those of its partitions or chunks among them; rows are estimated.
SELECT t.relname::text AS name,
       sum(pg_table_size(o.oid))::bigint AS table_bytes,
       sum(pg_indexes_size(o.oid))::bigint AS index_bytes,
       sum(greatest(o.reltuples, s.n_live_tup, 0))::bigint AS rows,
       sum(coalesce(s.n_dead_tup, 0))::bigint AS dead_rows,
       max(greatest(s.last_vacuum, s.last_autovacuum)) AS vacuumed_at
FROM pg_class t
JOIN LATERAL (
    SELECT t.oid UNION ALL SELECT i.inhrelid FROM pg_inherits i WHERE i.inhparent = t.oid
) p ON true
JOIN pg_class o ON o.oid = p.oid AND o.relkind = 'r'
LEFT JOIN pg_stat_all_tables s ON s.relid = o.oid
WHERE t.relnamespace = current_schema()::regnamespace AND t.relkind IN ('r', 'p')
  AND NOT EXISTS (SELECT FROM pg_inherits i WHERE i.inhrelid = t.oid)
GROUP BY t.relname
ORDER BY t.relname

-- name: retention
-- purpose: For how long each class is kept, since when nothing is missing, and what was dropped so far.
SELECT class, keep_micros, kept_since, ran_at, dropped_rows, freed_bytes FROM retention

-- name: ends_of_events
-- purpose: When the first and the last event of the log arrived.
SELECT (SELECT received_at FROM event ORDER BY seq LIMIT 1) AS oldest,
       (SELECT received_at FROM event ORDER BY seq DESC LIMIT 1) AS newest

-- name: ends_of_instances
-- purpose: The ids of the instances that were first heard of first and last; ids begin with that time.
SELECT (SELECT id FROM instance ORDER BY id LIMIT 1) AS oldest, (SELECT id FROM instance ORDER BY id DESC LIMIT 1) AS newest

-- name: ends_of_buckets
-- purpose: The first and the last bucket of any objective; the last may lie ahead.
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
SELECT min(a.bucket) AS oldest, max(z.bucket) AS newest
FROM place p
CROSS JOIN LATERAL (
    SELECT bucket FROM sli_bucket b
    WHERE b.objective = p.objective AND b.grp = p.grp AND b.minutes = 5 ORDER BY bucket LIMIT 1
) a
CROSS JOIN LATERAL (
    SELECT bucket FROM sli_bucket b
    WHERE b.objective = p.objective AND b.grp = p.grp AND b.minutes = 5 ORDER BY bucket DESC LIMIT 1
) z

-- name: ends_of_audit
-- purpose: When the first and the last incident was opened.
SELECT min(opened_at) AS oldest, max(opened_at) AS newest FROM incident

-- name: due_instances
-- purpose: How many instances have finished of those that were first heard of before an instant.
SELECT count(*) FROM instance WHERE id < %(before)s AND verdict IN ('cancelled', 'completed', 'completed_late')

-- name: due_audit
-- purpose: How many incidents were resolved before an instant.
SELECT count(*) FROM incident WHERE status = 'resolved' AND resolved_at < %(until)s

-- name: compression
-- purpose: How large the compressed chunks of a table were, and are.
SELECT count(*) FILTER (WHERE compression_status = 'Compressed') AS chunks,
       coalesce(sum(before_compression_total_bytes), 0)::bigint AS before_bytes,
       coalesce(sum(after_compression_total_bytes), 0)::bigint AS after_bytes
FROM chunk_compression_stats(%(table)s::text::regclass)

-- name: due_buckets
-- purpose: How many buckets of these objectives and groups began before an instant.
SELECT count(*)
FROM unnest(%(objectives)s::text[], %(groups)s::text[]) AS p (objective, grp)
JOIN sli_bucket b ON b.objective = p.objective AND b.grp = p.grp AND b.minutes = ANY (ARRAY[5, 60, 1440]::smallint[])
WHERE b.bucket < %(until)s
