-- name: register
-- purpose: Make a receiver known that may keep what arrives on disk; what is known of it stays.
INSERT INTO receiver_spool (id, name, told_at) VALUES (%(id)s, %(name)s, clock_timestamp()) ON CONFLICT (id) DO NOTHING

-- name: clock
-- purpose: What time it is in the database.
SELECT clock_timestamp()

-- name: hold
-- purpose: How far a receiver's buffer has been written, for nobody else until the transaction ends.
SELECT segment, drained FROM receiver_spool WHERE id = %(id)s FOR UPDATE

-- name: alive
-- purpose: A receiver that keeps nothing back is there.
INSERT INTO receiver_spool (id, name, told_at) VALUES (%(id)s, %(name)s, clock_timestamp())
ON CONFLICT (id) DO UPDATE
SET name = excluded.name, told_at = clock_timestamp(), waits_since = NULL, given_up = false

-- name: waits
-- purpose: A receiver tells since when something waits, with the writers' lock held: the time before which nothing counts as received that it writes, for so far may have been judged; and the clock.
WITH before AS (
    SELECT id, CASE WHEN given_up THEN clock_timestamp()
                    WHEN waits_since IS NULL THEN least(clock_timestamp(), told_at + %(lease)s)
                    ELSE not_before END AS not_before
    FROM receiver_spool WHERE id = %(id)s
)
UPDATE receiver_spool r
SET told_at = clock_timestamp(), given_up = false, not_before = before.not_before,
    waits_since = greatest(%(oldest)s, before.not_before)
FROM before
WHERE r.id = before.id
RETURNING r.not_before, clock_timestamp()

-- name: moved
-- purpose: Everything up to a place of a segment has been written, in this transaction; what waits is no older than that.
UPDATE receiver_spool
SET segment = %(segment)s, drained = %(drained)s, waits_since = greatest(waits_since, %(oldest)s)
WHERE id = %(id)s

-- name: last_received
-- purpose: When the last event of the log was received, with the writers' lock held. The first bound lets old parts be skipped, the second ends the search where there is none.
SELECT received_at FROM event
WHERE received_at >= %(since)s AND seq > (SELECT last_value FROM event_seq) - 100000
ORDER BY seq DESC
LIMIT 1

-- name: outcome
-- purpose: What became of a transaction: committed, aborted, in progress, or NULL where that is not known any more.
SELECT pg_xact_status(%(transaction)s::text::xid8)

-- name: settled
-- purpose: What was late is in the log, and nothing waits; that was settled before it is told.
UPDATE receiver_spool
SET told_at = clock_timestamp(), waits_since = NULL, late_since = %(since)s, late_until = %(until)s,
    late_count = %(count)s, late_settled_at = statement_timestamp()
WHERE id = %(id)s

-- name: leave
-- purpose: A receiver ends and leaves nothing behind that would have to be waited for.
DELETE FROM receiver_spool WHERE id = %(id)s AND waits_since IS NULL AND late_settled_at IS NULL

-- name: rest
-- purpose: The same, of one of which it is still told what was late: that is its last word.
UPDATE receiver_spool SET given_up = true, told_at = late_settled_at WHERE id = %(id)s AND waits_since IS NULL

-- name: awaited
-- purpose: The receivers that are waited for: when each told something last, and since when something waits there.
SELECT id, told_at, waits_since FROM receiver_spool WHERE NOT given_up

-- name: keeping
-- purpose: The receivers that have something on their disks; and those that ended without a word, of which nobody knows.
SELECT name, told_at, waits_since FROM receiver_spool
WHERE waits_since IS NOT NULL OR (given_up AND told_at IS DISTINCT FROM late_settled_at)
ORDER BY name, told_at

-- name: give_up
-- purpose: Receivers are waited for no longer, with the writers' lock held; unless they have told something since.
UPDATE receiver_spool r SET given_up = true
FROM unnest(%(ids)s::uuid[], %(told)s::timestamptz[]) AS one (id, told_at)
WHERE r.id = one.id AND r.told_at = one.told_at

-- name: judged_to
-- purpose: Up to when may have been judged, with the writers' lock held, and the clock: whoever is waited for has been.
SELECT least(clock_timestamp(), min(coalesce(waits_since, told_at + %(lease)s))), clock_timestamp()
FROM receiver_spool WHERE NOT given_up

-- name: unmapped
-- purpose: Since when requests of sources wait that were received by then.
SELECT min(received_at) FROM source_request WHERE mapped_at IS NULL AND received_at <= %(until)s
