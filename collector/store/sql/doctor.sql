-- name: server
-- purpose: Which server this is, who asks, and whether it loads TimescaleDB.
SELECT current_setting('server_version_num')::int AS number, current_setting('server_version') AS version,
       position('timescaledb' IN current_setting('shared_preload_libraries')) > 0 AS preloaded,
       pg_database_size(current_database()) AS bytes

-- name: extensions
-- purpose: What is installed in the database, and of what version the server offers it.
SELECT e.extname, e.extversion, NULL::text AS offered FROM pg_extension e
UNION ALL
SELECT a.name, NULL, a.default_version FROM pg_available_extensions a WHERE a.name = 'timescaledb'

-- name: rights
-- purpose: What the user may do with the tables of ours; the audit log is only added to.
WITH ours AS (
    SELECT c.oid, c.relname::text AS name, c.relowner
    FROM pg_class c
    WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p')
      AND NOT EXISTS (SELECT FROM pg_inherits i WHERE i.inhrelid = c.oid)
)
SELECT current_user::text AS name, (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) AS superuser,
       coalesce(array_agg(name ORDER BY name) FILTER (WHERE NOT has_table_privilege(oid, 'SELECT')), '{}') AS unreadable,
       coalesce(array_agg(name ORDER BY name) FILTER (WHERE NOT has_table_privilege(oid, 'INSERT')
           OR name <> 'audit' AND NOT (has_table_privilege(oid, 'UPDATE') AND has_table_privilege(oid, 'DELETE'))),
           '{}') AS unwritable,
       coalesce(array_agg(name ORDER BY name) FILTER (WHERE NOT pg_has_role(relowner, 'MEMBER')), '{}') AS not_owned,
       has_schema_privilege(current_schema(), 'CREATE') AS creates
FROM ours

-- name: waiting
-- purpose: How many events wait to be applied, and when the oldest of them arrived.
SELECT greatest(0, l.head - p.seq) AS waiting,
       (SELECT e.received_at FROM event e WHERE e.seq > p.seq ORDER BY e.seq LIMIT 1) AS oldest
FROM (SELECT coalesce((SELECT seq FROM projection WHERE name = 'instances'), 0) AS seq) p
CROSS JOIN (SELECT CASE WHEN is_called THEN last_value ELSE 0 END AS head FROM event_seq) l

-- name: limited
-- purpose: Who was answered within the last hour that he sends too much.
SELECT by, name, requests FROM rate_limited WHERE until > clock_timestamp() - interval '1 hour'

-- name: replica
-- purpose: Whether this is a standby, and how old what it replayed last is where it has not replayed all it received.
SELECT pg_is_in_recovery() AS recovering,
       CASE WHEN pg_last_wal_receive_lsn() IS DISTINCT FROM pg_last_wal_replay_lsn()
            THEN clock_timestamp() - pg_last_xact_replay_timestamp() END AS lag

-- name: kafka_offsets
-- purpose: How far a group has appended each partition, and when it moved last.
SELECT topic, partition, next_offset, moved_at FROM kafka_offset WHERE consumer_group = %(group)s

-- name: receivers
-- purpose: The receivers that have something on their disks; and those that are silent without a word that nothing is left there.
SELECT name, told_at, waits_since FROM receiver_spool
WHERE waits_since IS NOT NULL
   OR (CASE WHEN given_up THEN told_at IS DISTINCT FROM late_settled_at
            ELSE told_at < clock_timestamp() - interval '1 minute' END)
ORDER BY name, told_at
