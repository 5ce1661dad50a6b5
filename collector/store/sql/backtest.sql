-- name: extent
-- purpose: How many events the log holds, the last of their numbers, and when the first of them occurred.
SELECT count(*) AS events, coalesce(max(seq), 0) AS last, min(occurred_at) AS began FROM event

-- name: log
-- purpose: The whole log in its order.
SELECT seq, received_at, occurred_at, source, id, type, body FROM event ORDER BY seq

-- name: occurrences
-- purpose: When anything of these sources occurred, in that order.
SELECT source, type, occurred_at FROM event WHERE source = ANY(%(sources)s) ORDER BY occurred_at
