-- name: applied
-- purpose: How far the log has been applied.
SELECT seq FROM projection WHERE name = 'instances'

-- name: open_counts
-- purpose: How many instances are open, per workflow and the version they started under.
SELECT workflow, workflow_version, count(*)
FROM instance
WHERE verdict IN ('on_track', 'due_soon', 'stuck', 'blind', 'failed', 'inconsistent', 'paused', 'waived')
GROUP BY workflow, workflow_version
ORDER BY workflow, workflow_version

-- name: open_instances
-- purpose: The open instances under these versions of a workflow, in the order in which they were first heard of.
SELECT id, workflow_version, title, value_amount, value_currency, progress
FROM instance
WHERE workflow = %(workflow)s AND workflow_version = ANY(%(versions)s)
  AND verdict IN ('on_track', 'due_soon', 'stuck', 'blind', 'failed', 'inconsistent', 'paused', 'waived')
ORDER BY id

-- name: events_of
-- purpose: The events of these instances, of each in the order of the log; without a source where the log no longer has one.
SELECT l.instance_id, l.seq, l.event_key, l.received_at, e.source, e.type, e.occurred_at, e.body
FROM instance_event l LEFT JOIN event e ON e.seq = l.seq AND e.received_at = l.received_at
WHERE l.instance_id = ANY(%(ids)s)
ORDER BY l.instance_id, l.seq
