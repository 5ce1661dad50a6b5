-- name: extent
-- purpose: How many events the log holds, the last of their numbers, when the first occurred from which on it has all, and since when it has all where retention has dropped some.
SELECT count(*) AS events, coalesce(max(e.seq), 0) AS last,
       min(e.occurred_at) FILTER (WHERE r.kept_since IS NULL OR e.received_at >= r.kept_since) AS began,
       min(r.kept_since) AS kept_since
FROM event e LEFT JOIN retention r ON r.class = 'events'

-- name: log
-- purpose: The whole log in its order.
SELECT seq, received_at, occurred_at, source, id, type, body FROM event ORDER BY seq

-- name: occurrences
-- purpose: When anything of these sources occurred, in that order.
SELECT source, type, occurred_at
FROM event
WHERE source = ANY(%(sources)s)
  AND received_at >= coalesce((SELECT kept_since FROM retention WHERE class = 'events'), '-infinity'::timestamptz)
ORDER BY occurred_at
