-- name: open
-- purpose: Write down the stretch of the log that several projectors apply.
INSERT INTO shared_stretch (after, seq, said) VALUES (%(after)s, %(seq)s, %(said)s)

-- name: deal
-- purpose: The shares of a new stretch, of none of which anything has been applied.
INSERT INTO stretch_share (number, seq, done)
SELECT number, %(after)s::bigint, false FROM generate_series(0, %(shares)s::int - 1) number

-- name: stretch
-- purpose: The stretch that is being applied.
SELECT said FROM shared_stretch

-- name: waiting
-- purpose: Which stretch has shares that are not done.
SELECT after FROM shared_stretch WHERE EXISTS (SELECT FROM stretch_share WHERE NOT done)

-- name: shares
-- purpose: Its shares and how far each is.
SELECT number, seq, done, duplicates FROM stretch_share ORDER BY number

-- name: locked
-- purpose: That the position is where the stretch begins, nothing was deleted, and the share is as far as we know; nobody changes that until the transaction ends, and others who apply shares do not wait for each other.
SELECT p.seq, p.forgotten, s.seq, s.done
FROM projection p, stretch_share s
WHERE p.name = 'instances' AND s.number = %(share)s
FOR KEY SHARE OF p FOR UPDATE OF s

-- name: take
-- purpose: Take a share, until this session leaves it or ends.
SELECT pg_try_advisory_lock(%(lock)s)

-- name: leave
-- purpose: Leave it.
SELECT pg_advisory_unlock(%(lock)s)

-- name: note
-- purpose: How far a share has been applied.
UPDATE stretch_share SET seq = %(seq)s, done = %(done)s, duplicates = %(duplicates)s WHERE number = %(share)s

-- name: close
-- purpose: There is no stretch any more.
DELETE FROM stretch_share;
DELETE FROM shared_stretch

-- name: ready
-- purpose: Say, as long as the session lives, that it takes shares.
SELECT pg_try_advisory_lock_shared(%(lock)s)

-- name: hands
-- purpose: How many sessions but that of the leader take shares.
SELECT count(*)
FROM pg_locks
WHERE locktype = 'advisory' AND granted AND objsubid = 1 AND classid::bigint << 32 | objid::bigint = %(lock)s
  AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND pid <> %(leader)s
