-- name: newest_events
-- purpose: The newest events of the log that occurred since then, but for the acts of people. Nothing is received before it occurs but for a clock that is off, which the day covers; it lets old partitions be skipped.
SELECT source, type, occurred_at, received_at, body
FROM event
WHERE received_at >= %(since)s::timestamptz - interval '1 day' AND occurred_at >= %(since)s::timestamptz
  AND source <> 'milepost'
  AND (%(sources)s::text[] IS NULL
       OR EXISTS (SELECT FROM unnest(%(sources)s::text[]) AS s (prefix) WHERE starts_with(source, s.prefix)))
  AND (%(types)s::text[] IS NULL
       OR EXISTS (SELECT FROM unnest(%(types)s::text[]) AS t (prefix) WHERE starts_with(type, t.prefix)))
ORDER BY seq DESC
LIMIT %(limit)s

-- name: newest_instances
-- purpose: The instances begun last, by their ids, which grow with the time; of them those that moved since then.
SELECT i.workflow, i.workflow_version, i.progress
FROM (SELECT workflow, workflow_version, progress, updated_at FROM instance ORDER BY id DESC LIMIT %(limit)s) i
WHERE i.updated_at >= %(since)s::timestamptz

-- name: dead_letters_by_reason
-- purpose: The newest dead letters counted by their reason and source, each with the detail of the last.
SELECT d.reason, d.source, count(*) AS count, max(d.received_at) AS last_at,
       (array_agg(d.detail ORDER BY d.number DESC))[1] AS detail
FROM (SELECT number, received_at, source, reason, detail FROM dead_letter
      WHERE received_at >= %(since)s::timestamptz ORDER BY number DESC LIMIT %(limit)s) d
GROUP BY d.reason, d.source
ORDER BY count DESC, d.reason, d.source

-- name: heard
-- purpose: The sources that have ever sent an event.
SELECT source FROM source_state

-- name: is_there
-- purpose: Whether this database holds a log.
SELECT to_regclass('event') IS NOT NULL AND to_regclass('source_state') IS NOT NULL
