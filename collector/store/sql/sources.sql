-- name: waiting
-- purpose: The oldest requests of these sources that have not become events; those that another process has are passed over.
SELECT number, received_at, source, method, path, headers::text, body, clock_timestamp()
FROM source_request
WHERE mapped_at IS NULL AND source = ANY(%(sources)s)
ORDER BY number
LIMIT %(limit)s
FOR UPDATE SKIP LOCKED

-- name: mapped
-- purpose: These have become what they can become.
UPDATE source_request SET mapped_at = clock_timestamp() WHERE number = ANY(%(numbers)s)

-- name: request
-- purpose: One request as it is kept.
SELECT number, received_at, source, method, path, headers::text, body
FROM source_request
WHERE number = %(number)s

-- name: count_waiting
-- purpose: How many requests wait to become events, by source; of sources that nobody knows any more as well.
SELECT source, count(*) FROM source_request WHERE mapped_at IS NULL GROUP BY source

-- name: count_open_letters
-- purpose: How many dead letters nobody has settled, by source.
SELECT source, count(*) FROM dead_letter WHERE settled_at IS NULL GROUP BY source

-- name: letters
-- purpose: Dead letters that are not settled, the oldest first; by number, source or reason.
SELECT number, received_at, source, reason, detail, event_id, type, workflow, seq, body, request, item
FROM dead_letter
WHERE settled_at IS NULL
  AND (%(numbers)s::bigint[] IS NULL OR number = ANY(%(numbers)s))
  AND (%(source)s::text IS NULL OR source = %(source)s)
  AND (%(reason)s::text IS NULL OR reason = %(reason)s)
  AND (%(workflows)s::text[] IS NULL OR workflow = ANY (%(workflows)s))
ORDER BY number
LIMIT %(limit)s
FOR UPDATE

-- name: settle
-- purpose: Say of dead letters what became of them, by whom and why.
UPDATE dead_letter
SET settled_at = clock_timestamp(), settled_as = %(how)s, settled_by = %(by)s, settled_because = %(because)s
WHERE number = ANY(%(numbers)s) AND settled_at IS NULL

-- name: tell_anew
-- purpose: What is wrong with a dead letter by the mapping of today.
UPDATE dead_letter SET reason = %(reason)s, detail = %(detail)s WHERE number = %(number)s

-- name: letter
-- purpose: One dead letter whole, with what was sent where that is kept.
SELECT d.number, d.received_at, d.source, d.reason, d.detail, d.event_id, d.type, d.workflow, d.item,
       d.request, r.headers::text AS headers, coalesce(r.body, d.body, e.body) AS body,
       d.settled_at, d.settled_as, d.settled_by, d.settled_because
FROM dead_letter d
LEFT JOIN source_request r ON r.number = d.request
LEFT JOIN event e ON e.seq = d.seq AND e.received_at = d.received_at
WHERE d.number = %(number)s AND (%(workflows)s::text[] IS NULL OR d.workflow = ANY (%(workflows)s))

-- name: log_again
-- purpose: Give a logged event to the projection once more, at the end of the log.
INSERT INTO event (occurred_at, source, id, type, subject, trace_id, span_id, body)
SELECT occurred_at, source, id, type, subject, trace_id, span_id, body FROM event WHERE seq = %(seq)s

-- name: sample_taken
-- purpose: Whether somebody has noted for this quarter of an hour what sources had sent.
SELECT 1 FROM source_sample WHERE slot = %(slot)s LIMIT 1

-- name: sample
-- purpose: Note what every source has sent by now; of two processes that do so one is enough.
INSERT INTO source_sample (slot, source, taken_at, received)
SELECT %(slot)s, source, %(now)s, received FROM source_state
ON CONFLICT DO NOTHING

-- name: forget_samples
-- purpose: What is usual is told from samples of whole hours; those in between, and those before an instant, say nothing.
DELETE FROM source_sample
WHERE taken_at < %(before)s OR (taken_at < %(thinned)s AND date_trunc('hour', slot, 'UTC') <> slot)

-- name: declare_polls
-- purpose: Note what is to be asked for, from now on; what is noted already stays as it is.
INSERT INTO source_poll (source, name)
SELECT * FROM unnest(%(sources)s::text[], %(names)s::text[])
ON CONFLICT (source, name) DO NOTHING

-- name: claim_poll
-- purpose: Take what is due for longest and nobody has, for so many seconds; whoever had it before can store nothing more.
WITH due AS (
    SELECT p.source, p.name
    FROM source_poll p
    JOIN unnest(%(sources)s::text[], %(names)s::text[]) AS wanted (source, name) USING (source, name)
    WHERE p.due_at <= clock_timestamp() AND p.claimed_until <= clock_timestamp()
    ORDER BY p.due_at
    LIMIT 1
    FOR UPDATE OF p SKIP LOCKED
)
UPDATE source_poll p
SET claim = p.claim + 1, claimed_until = clock_timestamp() + make_interval(secs => %(seconds)s)
FROM due
WHERE p.source = due.source AND p.name = due.name
RETURNING p.source, p.name, p.state, p.failures, p.claim

-- name: poll_went_on
-- purpose: Move the place to ask on from, with what was read in the same transaction; nothing where the claim is another's.
UPDATE source_poll
SET state = %(state)s, failures = 0, claimed_until = clock_timestamp() + make_interval(secs => %(seconds)s)
WHERE source = %(source)s AND name = %(name)s AND claim = %(claim)s

-- name: poll_rests
-- purpose: Let go of it for so many seconds.
UPDATE source_poll
SET due_at = clock_timestamp() + make_interval(secs => %(seconds)s), failures = %(failures)s,
    claimed_until = '-infinity'
WHERE source = %(source)s AND name = %(name)s AND claim = %(claim)s
