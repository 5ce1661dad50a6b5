-- name: in_force
-- purpose: A digest of the definitions in force; equal where the same are.
SELECT md5(
  concat_ws(
    E'\n',
    (SELECT string_agg(concat_ws(' ', workflow, version, fingerprint), E'\n' ORDER BY workflow)
     FROM definition WHERE until_seq IS NULL),
    (SELECT string_agg(concat_ws(' ', kind, name, body), E'\n' ORDER BY kind, name) FROM current_definition)
  )
)

-- name: end_projection
-- purpose: End the sessions that project, or lend a hand, and wait until they have ended (at most so many milliseconds); true for each that has.
SELECT pg_terminate_backend(pid, %(patience)s)
FROM (
    SELECT DISTINCT pid
    FROM pg_locks
    WHERE locktype = 'advisory' AND granted AND objsubid = 1 AND classid::bigint << 32 | objid::bigint = ANY(%(locks)s)
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND pid <> pg_backend_pid()
) projecting
