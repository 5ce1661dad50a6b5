-- name: written
-- purpose: What the primary has written by now, and which database it is; on a standby it cannot be asked.
SELECT clock_timestamp() AS at,
       pg_wal_lsn_diff(pg_current_wal_flush_lsn(), '0/0')::bigint AS written,
       (SELECT system_identifier FROM pg_control_system()) AS cluster,
       (SELECT oid::bigint FROM pg_database WHERE datname = current_database()) AS database,
       (SELECT max(version_num) FROM alembic_version) AS schema

-- name: replayed
-- purpose: What a standby has replayed by now, how far the projection had got by then, and which database it is.
SELECT pg_is_in_recovery() AS standby,
       pg_wal_lsn_diff(pg_last_wal_replay_lsn(), '0/0')::bigint AS replayed,
       pg_last_xact_replay_timestamp() AS last_commit,
       (SELECT swept_to FROM projection WHERE name = 'instances') AS swept_to,
       (SELECT system_identifier FROM pg_control_system()) AS cluster,
       (SELECT oid::bigint FROM pg_database WHERE datname = current_database()) AS database,
       (SELECT max(version_num) FROM alembic_version) AS schema
