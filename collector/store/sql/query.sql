-- name: now
-- purpose: The database's clock, which stamped everything that was received.
SELECT clock_timestamp()

-- name: open_counts
-- purpose: Open instances and what they are worth, per workflow, verdict and currency.
SELECT workflow, verdict, value_currency, count(*) AS count, sum(value_amount) AS amount, min(stuck_since) AS oldest
FROM instance
WHERE verdict IN ('on_track', 'due_soon', 'stuck', 'blind', 'failed', 'inconsistent', 'paused')
GROUP BY workflow, verdict, value_currency

-- name: final_counts
-- purpose: Finished instances per workflow and verdict.
SELECT workflow, verdict, count(*) AS count
FROM instance
WHERE verdict IN ('cancelled', 'completed', 'completed_late', 'waived')
GROUP BY workflow, verdict

-- name: hourly
-- purpose: Good and bad items per hour for the objectives with this prefix.
SELECT objective, date_trunc('hour', bucket) AS hour, sum(good)::bigint AS good, sum(bad)::bigint AS bad
FROM sli_bucket
WHERE objective LIKE %(prefix)s AND bucket >= %(since)s AND bucket < %(until)s
GROUP BY objective, hour

-- name: items
-- purpose: Good and bad items of each objective in its own rolling window, and those whose deadline lies ahead.
SELECT o.objective,
       coalesce(sum(b.good) FILTER (WHERE b.bucket < %(until)s), 0)::bigint AS good,
       coalesce(sum(b.bad) FILTER (WHERE b.bucket < %(until)s), 0)::bigint AS bad,
       coalesce(sum(b.bad) FILTER (WHERE b.bucket >= %(until)s), 0)::bigint AS pending
FROM unnest(%(objectives)s::text[], %(since)s::timestamptz[]) AS o (objective, since)
LEFT JOIN sli_bucket b ON b.objective = o.objective AND b.bucket >= o.since
GROUP BY o.objective

-- name: stale_steps
-- purpose: The steps in the number of stale changes of one freshness objective, with what was stale before the window.
SELECT greatest(bucket, %(since)s) AS bucket, sum(stale_step)::bigint AS step
FROM sli_bucket
WHERE objective = %(objective)s AND bucket < %(until)s AND stale_step <> 0
GROUP BY 1
ORDER BY 1

-- name: first_bucket
-- purpose: Since when there is anything to say about a workflow.
SELECT min(bucket) FROM sli_bucket WHERE objective = %(objective)s

-- name: daily
-- purpose: Good and bad items of one objective per day.
SELECT date_trunc('day', bucket) AS day, sum(good)::bigint AS good, sum(bad)::bigint AS bad
FROM sli_bucket
WHERE objective = %(objective)s AND bucket >= %(since)s AND bucket < %(until)s
GROUP BY day
ORDER BY day

-- name: sources
-- purpose: What has arrived from each source.
SELECT s.source, s.last_received_at, s.last_occurred_at, s.received, s.duplicates, s.unmatched,
       (SELECT count(*) FROM dead_letter d WHERE d.source = s.source AND d.seq IS NOT NULL) AS dead_letters,
       (SELECT count(*) FROM dead_letter d WHERE d.source = s.source AND d.seq IS NULL) AS rejected
FROM source_state s
ORDER BY s.source

-- name: progress_of_log
-- purpose: How far the projection is, and how much was ever received.
SELECT p.seq, p.received_at, p.swept_to,
       (SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM event_seq) AS head,
       (SELECT coalesce(sum(received), 0)::bigint FROM source_state) AS received
FROM projection p
WHERE p.name = 'instances'

-- name: instance
-- purpose: One instance, also by the id of one that was merged into it.
SELECT i.*
FROM instance i
WHERE i.id = coalesce((SELECT m.instance_id FROM instance_merge m WHERE m.merged_id = %(id)s), %(id)s)

-- name: merged
-- purpose: The instances that were merged into one, and by which event.
SELECT m.merged_id, m.at, e.source, e.id, e.type
FROM instance_merge m LEFT JOIN event e ON e.seq = m.seq
WHERE m.instance_id = %(id)s
ORDER BY m.at, m.merged_id

-- name: events
-- purpose: The events of one instance in the order in which they occurred.
SELECT l.event_key, l.seq, l.milestone, l.received_at, l.trace_id, e.source, e.id, e.type, e.occurred_at, e.body
FROM instance_event l JOIN event e ON e.seq = l.seq AND e.received_at = l.received_at
WHERE l.instance_id = %(id)s
ORDER BY e.occurred_at, l.seq
LIMIT %(limit)s

-- name: spans
-- purpose: The spans of the traces that the events of one instance belong to; a span that came twice, once.
SELECT DISTINCT ON (s.start_ns, s.trace_id, s.span_id)
       s.trace_id, s.span_id, s.parent_span_id, s.service, s.name, s.kind, s.status, s.start_ns, s.end_ns, s.body
FROM (SELECT DISTINCT trace_id FROM instance_event WHERE instance_id = %(id)s AND trace_id IS NOT NULL) t
JOIN span s ON s.trace_id = t.trace_id
ORDER BY s.start_ns, s.trace_id, s.span_id, s.received_at
LIMIT %(limit)s

-- name: history
-- purpose: What was said of one instance, and when.
SELECT at, verdict, verdict_from, reason, waiting_for FROM verdict_change WHERE instance_id = %(id)s ORDER BY at, verdict

-- name: dead_letters
-- purpose: A page of dead letters, newest first.
SELECT number, received_at, source, reason, detail, event_id, type, workflow
FROM dead_letter
WHERE (%(source)s::text IS NULL OR source = %(source)s) AND (%(before)s::bigint IS NULL OR number < %(before)s)
ORDER BY number DESC
LIMIT %(limit)s

-- name: count_dead_letters
-- purpose: How many there are.
SELECT count(*) FROM dead_letter WHERE %(source)s::text IS NULL OR source = %(source)s

-- name: search
-- purpose: Instances that carry a key beginning with this text; an exact match first.
SELECT k.namespace, k.value, i.id, i.title, i.workflow, i.verdict
FROM (
    (SELECT namespace, value, instance_id FROM instance_key WHERE joins AND value LIKE %(prefix)s
     ORDER BY value USING ~<~ LIMIT 200)
    UNION
    (SELECT namespace, value, instance_id FROM instance_key WHERE NOT joins AND value LIKE %(prefix)s
     ORDER BY value USING ~<~ LIMIT 200)
) k
JOIN instance i ON i.id = k.instance_id
ORDER BY k.value <> %(text)s, i.updated_at DESC
LIMIT %(limit)s

-- name: incidents
-- purpose: Incidents, those that fire first, heaviest first.
SELECT id, status, severity, title, workflow, domain, verdict, waiting_for, source, owner, count, peak_count, value,
       oldest_since, opened_at, updated_at, resolved_at
FROM incident
WHERE %(status)s::text IS NULL OR status = %(status)s
ORDER BY status, resolved_at DESC NULLS FIRST, count DESC, opened_at DESC
LIMIT %(limit)s

-- name: incident
-- purpose: One incident.
SELECT id, status, severity, title, workflow, domain, verdict, waiting_for, source, reason, owner, count, peak_count,
       value, oldest_since, opened_at, updated_at, resolved_at, samples
FROM incident
WHERE id = %(id)s

-- name: incident_timeline
-- purpose: What happened to an incident.
SELECT at, what, detail FROM incident_event WHERE incident_id = %(id)s ORDER BY id

-- name: incident_deliveries
-- purpose: Whom it was told to, and how that went.
SELECT target, kind, transition, reason, state, attempts, last_status, last_attempt_at, created_at
FROM outbox
WHERE incident_id = %(id)s
ORDER BY id

-- name: incidents_of_instance
-- purpose: Open incidents with the cause of one instance.
SELECT id, status, severity, title, workflow, domain, verdict, waiting_for, source, owner, count, peak_count, value,
       oldest_since, opened_at, updated_at, resolved_at
FROM incident
WHERE status = 'firing' AND verdict = %(verdict)s
  AND (verdict = 'blind' OR workflow = %(workflow)s)
  AND (verdict NOT IN ('stuck', 'inconsistent') OR waiting_for IS NOT DISTINCT FROM %(waiting_for)s)
  AND (verdict NOT IN ('stuck', 'blind') OR source IS NOT DISTINCT FROM %(source)s)
  AND (verdict NOT IN ('failed', 'inconsistent') OR reason IS NOT DISTINCT FROM %(reason)s)
ORDER BY opened_at
LIMIT 5

-- name: gauges
-- purpose: Open instances for the metrics.
SELECT workflow, verdict, count(*) FROM instance
WHERE verdict IN ('on_track', 'due_soon', 'stuck', 'blind', 'failed', 'inconsistent', 'paused')
GROUP BY workflow, verdict
