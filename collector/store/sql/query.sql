-- name: now
-- purpose: The database's clock, which stamped everything that was received.
SELECT clock_timestamp()

-- name: last_commit_replayed
-- purpose: When the last transaction was committed that a standby has replayed.
SELECT pg_last_xact_replay_timestamp() AS at

-- name: counts_of_instances
-- purpose: How many instances each workflow has of each verdict.
SELECT workflow, verdict, count FROM instance_count

-- name: waiting
-- purpose: How many open instances of a workflow wait for each of its milestones.
SELECT waiting_for, count(*) AS count
FROM instance
WHERE workflow = %(workflow)s AND waiting_for IS NOT NULL
  AND verdict IN ('on_track', 'due_soon', 'stuck', 'blind', 'failed', 'inconsistent', 'paused', 'waived')
GROUP BY waiting_for

-- name: waiting_everywhere
-- purpose: How many open instances of each verdict wait for each milestone.
SELECT workflow, waiting_for, verdict, count(*) AS count
FROM instance
WHERE waiting_for IS NOT NULL
  AND verdict IN ('on_track', 'due_soon', 'stuck', 'blind', 'failed', 'inconsistent', 'paused', 'waived')
GROUP BY workflow, waiting_for, verdict

-- name: versions_of_workflow
-- purpose: When each version of a workflow was loaded.
SELECT version, loaded_at FROM definition WHERE workflow = %(workflow)s

-- name: at_risk
-- purpose: What the instances that need a person are worth, per workflow and currency, since when the first is stuck, and how many are orphans.
SELECT workflow, value_currency, sum(value_amount) AS amount, min(stuck_since) AS oldest,
       count(*) FILTER (WHERE reason = 'orphan') AS orphans
FROM instance
WHERE verdict IN ('stuck', 'failed', 'inconsistent')
GROUP BY workflow, value_currency

-- name: hourly
-- purpose: Good and bad items per hour of these objectives.
SELECT objective, date_trunc('hour', bucket) AS hour, sum(good)::bigint AS good, sum(bad)::bigint AS bad
FROM sli_bucket
WHERE objective = ANY (%(objectives)s) AND grp = '' AND minutes = 5 AND unit = ''
  AND bucket >= %(since)s AND bucket < %(until)s
GROUP BY objective, hour

-- name: days_until_an_hour
-- purpose: What objectives counted on each day (UTC) before an hour of the day.
SELECT objective, (bucket AT TIME ZONE 'UTC')::date AS day, sum(good)::bigint AS good, sum(bad)::bigint AS bad
FROM sli_bucket
WHERE objective = ANY (%(objectives)s) AND grp = '' AND minutes = 60 AND unit = ''
  AND bucket >= %(since)s AND bucket < %(until)s AND extract(hour FROM bucket AT TIME ZONE 'UTC') < %(hour)s
GROUP BY objective, day

-- name: counts
-- purpose: What was counted in runs of buckets of one width each, by the number of the question and unit.
SELECT q.number, b.unit, sum(b.good) AS good, sum(b.bad) AS bad, sum(b.waived) AS waived,
       sum(b.cancelled) AS cancelled, sum(b.step)::bigint AS step
FROM unnest(%(numbers)s::int[], %(places)s::int[], %(minutes)s::smallint[], %(since)s::bigint[], %(until)s::bigint[])
     AS q (number, place, minutes, since, until)
JOIN unnest(%(objectives)s::text[], %(groups)s::text[]) WITH ORDINALITY AS o (objective, grp, place) USING (place)
CROSS JOIN LATERAL (
    SELECT s.unit, sum(s.good) AS good, sum(s.bad) AS bad, sum(s.waived) AS waived, sum(s.cancelled) AS cancelled,
           sum(s.stale_step) AS step
    FROM sli_bucket s
    WHERE s.objective = o.objective AND s.grp = o.grp AND s.minutes = q.minutes
      AND s.bucket >= to_timestamp(q.since) AND s.bucket < to_timestamp(q.until)
    GROUP BY s.unit
) b
GROUP BY q.number, b.unit

-- name: begins
-- purpose: The first bucket of objectives, in all or in a group.
SELECT q.number, b.bucket
FROM unnest(%(numbers)s::int[], %(objectives)s::text[], %(groups)s::text[]) AS q (number, objective, grp)
CROSS JOIN LATERAL (
    SELECT s.bucket
    FROM sli_bucket s
    WHERE s.objective = q.objective AND s.grp = q.grp AND s.minutes = 5
    ORDER BY s.bucket
    LIMIT 1
) b

-- name: days_of_steps
-- purpose: The days of objectives between two instants, in order, each with the transaction that last changed anything in it.
SELECT q.number, array_agg(date_part('epoch', b.bucket)::bigint ORDER BY b.bucket) AS at,
       array_agg(b.changed ORDER BY b.bucket) AS changed
FROM unnest(%(numbers)s::int[], %(places)s::int[], %(since)s::bigint[], %(until)s::bigint[])
     AS q (number, place, since, until)
JOIN unnest(%(objectives)s::text[], %(groups)s::text[]) WITH ORDINALITY AS o (objective, grp, place) USING (place)
CROSS JOIN LATERAL (
    SELECT s.bucket, s.xmin::text::bigint AS changed
    FROM sli_bucket s
    WHERE s.objective = o.objective AND s.grp = o.grp AND s.minutes = 1440 AND s.unit = ''
      AND s.bucket >= to_timestamp(q.since) AND s.bucket < to_timestamp(q.until)
) b
GROUP BY q.number

-- name: steps
-- purpose: Where the number of stale changes of objectives rises and falls between two instants, in order.
SELECT q.number, b.at, b.value
FROM unnest(%(numbers)s::int[], %(places)s::int[], %(since)s::bigint[], %(until)s::bigint[])
     AS q (number, place, since, until)
JOIN unnest(%(objectives)s::text[], %(groups)s::text[]) WITH ORDINALITY AS o (objective, grp, place) USING (place)
CROSS JOIN LATERAL (
    SELECT array_agg(date_part('epoch', t.bucket)::bigint) AS at, array_agg(t.stale_step) AS value
    FROM (
        SELECT s.bucket, s.stale_step
        FROM sli_bucket s
        WHERE s.objective = o.objective AND s.grp = o.grp AND s.minutes = 5 AND s.stale_step <> 0
          AND s.bucket >= to_timestamp(q.since) AND s.bucket < to_timestamp(q.until)
        ORDER BY s.bucket
    ) t
) b
WHERE b.at IS NOT NULL

-- name: volumes
-- purpose: How many items each bucket of one width has between two instants, of objectives, in order.
SELECT q.number, array_agg(extract(epoch FROM b.bucket)::bigint ORDER BY b.bucket) AS at,
       array_agg(b.value ORDER BY b.bucket) AS value
FROM unnest(%(numbers)s::int[], %(places)s::int[], %(minutes)s::smallint[], %(since)s::bigint[], %(until)s::bigint[])
     AS q (number, place, minutes, since, until)
JOIN unnest(%(objectives)s::text[], %(groups)s::text[]) WITH ORDINALITY AS o (objective, grp, place) USING (place)
CROSS JOIN LATERAL (
    SELECT s.bucket, s.good::bigint AS value
    FROM sli_bucket s
    WHERE s.objective = o.objective AND s.grp = o.grp AND s.minutes = q.minutes AND s.unit = '' AND s.good <> 0
      AND s.bucket >= to_timestamp(q.since) AND s.bucket < to_timestamp(q.until)
) b
GROUP BY q.number

-- name: groups_of_objective
-- purpose: The groups in which anything was counted since an instant.
SELECT DISTINCT grp
FROM sli_bucket
WHERE objective = %(objective)s AND grp <> '' AND minutes = 1440 AND bucket >= %(since)s AND bucket < %(until)s
ORDER BY grp
LIMIT %(most)s

-- name: objective_versions
-- purpose: The targets an objective had, and since when, in order.
SELECT since, (body ->> 'target')::double precision AS target
FROM objective_version
WHERE objective = %(objective)s
ORDER BY since

-- name: kept_periods
-- purpose: What the periods of an objective came to when they were over, by the number of items or slices.
SELECT since, target, good, bad, closed_at
FROM objective_period
WHERE objective = %(objective)s AND grp = %(grp)s AND unit = '' AND period = %(period)s AND zone = %(zone)s

-- name: kept_places
-- purpose: The periods of an objective that are kept.
SELECT grp, since
FROM objective_period
WHERE objective = %(objective)s AND period = %(period)s AND zone = %(zone)s

-- name: keep_period
-- purpose: Keep what a period came to; what is kept stays.
INSERT INTO objective_period (objective, grp, unit, period, zone, since, until, target, good, bad, closed_at)
VALUES (%(objective)s, %(grp)s, %(unit)s, %(period)s, %(zone)s, %(since)s, %(until)s, %(target)s, %(good)s, %(bad)s,
        %(closed_at)s)
ON CONFLICT DO NOTHING

-- name: sources
-- purpose: What has arrived from each source.
SELECT s.source, s.last_received_at, s.last_occurred_at, s.received, s.duplicates, s.unmatched,
       s.ahead, s.ahead_most, s.ahead_day, s.ahead_most_of_day
FROM source_state s
ORDER BY s.source

-- name: unused_of_sources
-- purpose: Of each source the dead letters that nobody has settled, and what is kept of it and has not become events.
SELECT source, sum(dead_letters)::bigint AS dead_letters, sum(rejected)::bigint AS rejected,
       sum(waiting)::bigint AS waiting
FROM (
    SELECT source, count(*) FILTER (WHERE seq IS NOT NULL) AS dead_letters,
           count(*) FILTER (WHERE seq IS NULL) AS rejected, 0 AS waiting
    FROM dead_letter WHERE settled_at IS NULL GROUP BY source
    UNION ALL
    SELECT source, 0, 0, count(*) FROM source_request WHERE mapped_at IS NULL GROUP BY source
) counted
GROUP BY source

-- name: source_samples
-- purpose: What each source had sent by when (micros), since an instant.
SELECT source, array_agg((extract(epoch FROM taken_at) * 1000000)::bigint ORDER BY slot) AS taken,
       array_agg(received ORDER BY slot) AS counts
FROM source_sample
WHERE slot >= %(since)s
GROUP BY source

-- name: samples_of_source
-- purpose: What one source had sent by when (micros), between two instants.
SELECT (extract(epoch FROM taken_at) * 1000000)::bigint AS taken, received
FROM source_sample
WHERE source = %(source)s AND slot >= %(since)s AND slot <= %(until)s
ORDER BY slot

-- name: source_types
-- purpose: What has arrived of the types that are expected by themselves.
SELECT source, type, last_received_at, last_occurred_at FROM source_type_state

-- name: log_began
-- purpose: Since when the log has everything that was received: the first event in it, or later where retention has dropped some; of a log that was emptied, what is known besides.
SELECT coalesce(
    greatest(
        (SELECT received_at FROM event ORDER BY seq LIMIT 1),
        (SELECT kept_since FROM retention WHERE class = 'events')
    ),
    (SELECT min(last_received_at) FROM source_state)
) AS at

-- name: kept_since
-- purpose: Since when nothing of a class is missing, where something was dropped.
SELECT kept_since FROM retention WHERE class = %(class)s AND kept_since IS NOT NULL

-- name: gone_and_traces
-- purpose: How many events of one instance the log no longer has, and the traces of all of them.
SELECT count(*) FILTER (WHERE e.seq IS NULL) AS gone,
       array_agg(DISTINCT l.trace_id) FILTER (WHERE l.trace_id IS NOT NULL) AS traces
FROM instance_event l LEFT JOIN event e ON e.seq = l.seq AND e.received_at = l.received_at
WHERE l.instance_id = %(id)s

-- name: progress_of_log
-- purpose: How far the projection is, and how much was ever received; on a standby a sequence runs ahead of what was taken from it.
SELECT p.seq, p.received_at, p.swept_to,
       CASE WHEN pg_is_in_recovery() THEN (SELECT coalesce(max(seq), 0) FROM event)
            ELSE (SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM event_seq) END AS head,
       (SELECT coalesce(sum(received), 0)::bigint FROM source_state) AS received
FROM projection p
WHERE p.name = 'instances'

-- name: late_receivers
-- purpose: Receivers that kept on disk what came while the database was away: of the last day, and those that still write it.
SELECT name, waits_since, late_since, late_until, late_count, late_settled_at
FROM receiver_spool
WHERE (waits_since IS NOT NULL AND NOT given_up) OR late_settled_at > %(since)s
ORDER BY coalesce(waits_since, late_since), name

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

-- name: rejected
-- purpose: The events that people rejected out of these instances, out of what was joined into them, or out of what they were one with until then, as far as that was known; with the parts that it fell apart into, and when they counted again.
SELECT r.event_key, r.at, r.by, r.reason, e.source, e.id, e.type,
       CASE WHEN r.accepted_at <= coalesce(%(known_at)s::timestamptz, 'infinity') THEN r.accepted_at END AS accepted_at,
       ARRAY(
           SELECT s.part_id FROM instance_split s WHERE s.instance_id = r.instance_id AND s.seq = r.seq ORDER BY s.part_id
       ) AS parts
FROM rejected_join r LEFT JOIN event e ON e.seq = r.event_seq AND e.received_at = r.event_received_at
WHERE (r.workflow, r.event_key, r.seq) IN (
    WITH one AS (
        SELECT unnest(%(ids)s::uuid[]) AS id
        UNION
        SELECT m.merged_id FROM instance_merge m
        WHERE m.instance_id = ANY(%(ids)s) AND m.at <= coalesce(%(known_at)s::timestamptz, 'infinity')
    )
    SELECT o.workflow, o.event_key, o.seq FROM rejected_join o JOIN one ON one.id = o.instance_id
    UNION
    SELECT o.workflow, o.event_key, o.seq
    FROM one
    JOIN instance_split s ON s.part_id = one.id
    JOIN rejected_join o ON o.instance_id = s.instance_id AND o.seq = s.seq
)
  AND r.at <= coalesce(%(known_at)s::timestamptz, 'infinity')
ORDER BY r.seq

-- name: events
-- purpose: The events of one instance in the order in which they occurred.
SELECT l.event_key, l.seq, l.milestone, l.received_at, l.trace_id, e.source, e.id, e.type, e.occurred_at, e.body
FROM instance_event l JOIN event e ON e.seq = l.seq AND e.received_at = l.received_at
WHERE l.instance_id = %(id)s
ORDER BY e.occurred_at, l.seq
LIMIT %(limit)s

-- name: history
-- purpose: What was said of one instance, and when.
SELECT at, verdict, verdict_from, reason, waiting_for FROM verdict_change WHERE instance_id = %(id)s ORDER BY at, verdict

-- name: linked
-- purpose: The instances of other workflows that carry the same keys, where a key identifies at least one of the two, and which of the two it does; those that need a person first.
SELECT i.id, i.workflow, i.title, i.verdict, array_agg(k.namespace || '=' || k.value ORDER BY k.place) AS keys,
       bool_or(o.joins AND k.joins) AS same, bool_or(o.joins) AS identified
FROM unnest(%(namespaces)s::text[], %(values)s::text[], %(joins)s::boolean[])
     WITH ORDINALITY AS k (namespace, value, joins, place)
CROSS JOIN LATERAL (
    SELECT o.instance_id, true AS joins FROM instance_key o
    WHERE o.joins AND o.value = k.value AND o.namespace = k.namespace AND o.workflow <> %(workflow)s
    UNION
    (SELECT o.instance_id, false FROM instance_key o
     WHERE k.joins AND NOT o.joins AND o.value = k.value AND o.namespace = k.namespace AND o.workflow <> %(workflow)s
     LIMIT 1000)
) o
JOIN instance i ON i.id = o.instance_id
GROUP BY i.id, i.workflow, i.title, i.verdict, i.updated_at
ORDER BY i.verdict NOT IN ('stuck', 'failed', 'inconsistent', 'blind'), i.updated_at DESC, i.id
LIMIT %(limit)s

-- name: beside
-- purpose: Of each key that finds instances and identifies none of them, the others that carry it so, those that need a person first, and how many there are, counted up to a limit.
SELECT k.namespace, k.value, o.id, o.workflow, o.title, o.verdict, o.updated_at, o.total, o.pressing
FROM unnest(%(namespaces)s::text[], %(values)s::text[]) WITH ORDINALITY AS k (namespace, value, place)
CROSS JOIN LATERAL (
    SELECT i.id, i.workflow, i.title, i.verdict, i.updated_at, count(*) OVER () AS total,
           count(*) FILTER (WHERE i.verdict IN ('stuck', 'failed', 'inconsistent')) OVER () AS pressing
    FROM (SELECT s.instance_id FROM instance_key s
          WHERE NOT s.joins AND s.value = k.value AND s.namespace = k.namespace AND s.instance_id <> %(id)s
          LIMIT %(counted)s) f
    JOIN instance i ON i.id = f.instance_id
    ORDER BY i.verdict NOT IN ('stuck', 'failed', 'inconsistent', 'blind'), i.updated_at DESC, i.id
    LIMIT %(limit)s
) o
ORDER BY k.place, o.verdict NOT IN ('stuck', 'failed', 'inconsistent', 'blind'), o.updated_at DESC, o.id

-- name: word_on_join
-- purpose: Whether an event is one of an instance's, whether there are others besides what people did, whether the log no longer has one of them, and whether the event is rejected in the workflow.
SELECT coalesce(bool_or(l.event_key = %(event_key)s), false) AS linked,
       coalesce(bool_or(l.event_key <> %(event_key)s AND e.source <> %(acts)s), false) AS others,
       coalesce(bool_or(e.seq IS NULL), false) AS gone,
       EXISTS (
           SELECT FROM rejected_join r
           WHERE r.workflow = %(workflow)s AND r.event_key = %(event_key)s AND r.accepted_at IS NULL
       ) AS rejected
FROM instance_event l LEFT JOIN event e ON e.seq = l.seq AND e.received_at = l.received_at
WHERE l.instance_id = %(id)s

-- name: keys_among
-- purpose: Which of these values are keys of an instance; by its id alone no index finds them.
SELECT namespace, value, joins FROM instance_key
WHERE joins AND value = ANY(%(values)s) AND instance_id = %(id)s
UNION ALL
SELECT namespace, value, joins FROM instance_key
WHERE NOT joins AND value = ANY(%(values)s) AND instance_id = %(id)s
ORDER BY namespace, value

-- name: carriers
-- purpose: The instances that any of these keys identifies.
SELECT i.id, i.progress
FROM unnest(%(namespaces)s::text[], %(values)s::text[]) AS k (namespace, value)
JOIN instance_key o ON o.joins AND o.value = k.value AND o.namespace = k.namespace
JOIN instance i ON i.id = o.instance_id

-- name: dead_letters
-- purpose: A page of dead letters that nobody has settled, newest first.
SELECT number, received_at, source, reason, detail, event_id, type, workflow
FROM dead_letter
WHERE settled_at IS NULL AND (%(source)s::text IS NULL OR source = %(source)s)
  AND (%(reason)s::text IS NULL OR reason = %(reason)s) AND (%(before)s::bigint IS NULL OR number < %(before)s)
ORDER BY number DESC
LIMIT %(limit)s

-- name: count_dead_letters
-- purpose: How many there are.
SELECT count(*) FROM dead_letter
WHERE settled_at IS NULL AND (%(source)s::text IS NULL OR source = %(source)s)
  AND (%(reason)s::text IS NULL OR reason = %(reason)s)

-- name: search
-- purpose: Instances that carry a key beginning with this text; an exact match first.
SELECT k.namespace, k.value, k.joins, i.id, i.title, i.workflow, i.verdict
FROM (
    (SELECT namespace, value, joins, instance_id FROM instance_key WHERE joins AND value LIKE %(prefix)s
     ORDER BY value USING ~<~ LIMIT 200)
    UNION
    (SELECT namespace, value, joins, instance_id FROM instance_key WHERE NOT joins AND value LIKE %(prefix)s
     ORDER BY value USING ~<~ LIMIT 200)
) k
JOIN instance i ON i.id = k.instance_id
ORDER BY k.value <> %(text)s, i.updated_at DESC
LIMIT %(limit)s

-- name: incidents
-- purpose: Incidents, those that fire first, in the order asked for or the heaviest first; by words of the title, the cause or what was said of them, and by when they were open.
SELECT id, status, severity, title, workflow, domain, verdict, waiting_for, source, reason, owner, entity, count, peak_count,
       value, oldest_since, opened_at, updated_at, resolved_at, acknowledged_by, acknowledged_until, postponed_until,
       assignee
FROM incident
WHERE (%(status)s::text IS NULL OR status = %(status)s)
  AND (%(severity)s::text IS NULL OR severity = %(severity)s)
  AND (%(domain)s::text IS NULL OR domain = %(domain)s OR %(domain)s = ANY (domains))
  AND (%(owner)s::text IS NULL OR owner = %(owner)s OR %(owner)s = ANY (owners))
  AND (%(q)s::text IS NULL
       OR strpos(lower(concat_ws(' ', title, workflow, waiting_for, source, reason, owner, assignee)), lower(%(q)s)) > 0
       OR EXISTS (SELECT FROM incident_event AS said
                  WHERE said.incident_id = incident.id AND said.by IS NOT NULL
                    AND strpos(lower(said.detail), lower(%(q)s)) > 0))
  AND (%(since)s::timestamptz IS NULL OR resolved_at IS NULL OR resolved_at >= %(since)s)
  AND (%(until)s::timestamptz IS NULL OR opened_at < %(until)s)
ORDER BY status,
    CASE %(sort)s::text
        WHEN '-count' THEN count
        -- Amounts of different currencies are never added: the largest stands for all.
        WHEN '-value' THEN (SELECT MAX((one ->> 'amount')::numeric) FROM jsonb_array_elements(value) AS one)
        WHEN 'oldest_since' THEN -EXTRACT(EPOCH FROM oldest_since)
        WHEN '-opened_at' THEN EXTRACT(EPOCH FROM opened_at)
    END DESC NULLS LAST,
    resolved_at DESC NULLS FIRST, count DESC, opened_at DESC
LIMIT %(limit)s

-- name: incident
-- purpose: One incident.
SELECT id, status, severity, title, workflow, domain, verdict, waiting_for, source, reason, owner, entity, count, peak_count,
       value, oldest_since, opened_at, updated_at, resolved_at, samples, dedup_key, runbook, acknowledged_by,
       acknowledged_at, acknowledged_until, postponed_by, postponed_until, assignee, settled_by, clear_since, apart,
       changes, points, whom
FROM incident
WHERE id = %(id)s

-- name: incident_timeline
-- purpose: What happened to an incident.
SELECT at, what, detail, by FROM incident_event WHERE incident_id = %(id)s ORDER BY id

-- name: incident_deliveries
-- purpose: Whom it was told to, and how that went.
SELECT target, kind, transition, reason, state, attempts, last_status, last_attempt_at, created_at
FROM outbox
WHERE incident_id = %(id)s
ORDER BY id

-- name: incident_attempts
-- purpose: Every attempt to deliver the messages of an incident, what went out and what came back, the newest first.
SELECT o.message_id, o.target, o.transition, o.reason AS told_because, d.attempt, d.at, d.fate, d.reason, d.status, d.error, d.sent, d.answer, d.remark
FROM outbox AS o
JOIN delivery AS d ON d.outbox_id = o.id
WHERE o.incident_id = %(id)s
ORDER BY d.id DESC
LIMIT 200

-- name: messages_of_incidents
-- purpose: Whom these incidents were told to last, in the order in which that was written.
SELECT * FROM (
    SELECT id, incident_id, target, kind, transition, state, coalesce(last_attempt_at, created_at) AS at
    FROM outbox
    WHERE incident_id = ANY (%(ids)s)
    ORDER BY id DESC
    LIMIT %(limit)s
) last
ORDER BY id

-- name: incidents_of_instance
-- purpose: Incidents that fired while an instance stood as their cause says, those that fire still first, then the latest.
WITH held AS MATERIALIZED (
    SELECT *
    FROM unnest(%(verdicts)s::text[], %(reasons)s::text[], %(waiting_for)s::text[], %(sources)s::text[],
                %(since)s::timestamptz[], %(until)s::timestamptz[])
         AS h (verdict, reason, waiting_for, source, since, until)
)
SELECT i.id, i.status, i.severity, i.title, i.workflow, i.domain, i.verdict, i.waiting_for, i.source, i.reason, i.owner,
       i.entity, i.count, i.peak_count, i.value, i.oldest_since, i.opened_at, i.updated_at, i.resolved_at
FROM incident AS i
WHERE EXISTS (
    SELECT FROM held AS h
    WHERE i.verdict = h.verdict
      AND (i.verdict = 'blind' OR i.workflow = %(workflow)s)
      AND (i.verdict <> 'blind' OR i.reason IS NOT DISTINCT FROM NULLIF(h.reason, 'source_silent'))
      AND (i.verdict NOT IN ('stuck', 'inconsistent') AND i.reason IS DISTINCT FROM 'type_silent'
           OR i.waiting_for IS NOT DISTINCT FROM h.waiting_for)
      AND (i.verdict NOT IN ('stuck', 'blind') OR i.source IS NOT DISTINCT FROM h.source)
      AND (i.verdict NOT IN ('failed', 'inconsistent') OR i.reason IS NOT DISTINCT FROM h.reason)
      -- What still stands is held up by what still fires.
      AND (i.status = 'firing' OR i.resolved_at > h.since)
      AND (h.until IS NULL OR i.opened_at < h.until)
)
ORDER BY i.status, i.opened_at DESC
LIMIT %(limit)s

-- name: gauges
-- purpose: Open instances for the metrics.
SELECT workflow, verdict, count FROM instance_count
WHERE verdict IN ('on_track', 'due_soon', 'stuck', 'blind', 'failed', 'inconsistent', 'paused', 'waived')

-- name: past_events
-- purpose: The events of instances in the order of the log, as far as they had been received, with those that were rejected only since; without a source where the log no longer has one.
SELECT l.instance_id, l.event_key, l.seq, l.milestone, l.received_at, l.trace_id, e.source, e.id, e.type, e.occurred_at,
       e.body
FROM (
    SELECT instance_id, event_key, seq, milestone, received_at, trace_id
    FROM instance_event
    WHERE instance_id = ANY(%(ids)s)
      AND (%(known_at)s::timestamptz IS NULL OR received_at <= %(known_at)s::timestamptz)
    UNION ALL
    SELECT instance_id, event_key, event_seq, NULL, event_received_at, NULL
    FROM rejected_join
    WHERE instance_id = ANY(%(ids)s) AND accepted_at IS NULL
      AND at > %(known_at)s AND event_received_at <= %(known_at)s
) l LEFT JOIN event e ON e.seq = l.seq AND e.received_at = l.received_at
ORDER BY l.seq
LIMIT %(limit)s

-- name: as_they_were
-- purpose: Of these instances those that have finished and of which the log no longer has every event, where all of them had occurred and been received by then: they are as they were.
SELECT i.*
FROM instance i
WHERE i.id = ANY(%(ids)s) AND i.verdict IN ('cancelled', 'completed', 'completed_late')
  AND (%(as_of)s::timestamptz IS NULL OR i.updated_at <= %(as_of)s)
  AND EXISTS (
      SELECT FROM instance_event l LEFT JOIN event e ON e.seq = l.seq AND e.received_at = l.received_at
      WHERE l.instance_id = i.id AND e.seq IS NULL
  )
  AND NOT EXISTS (SELECT FROM instance_event l WHERE l.instance_id = i.id AND l.received_at > %(known_at)s::timestamptz)

-- name: unjoined
-- purpose: What does not join instances although the definitions say so, as far as that was known: keys that join none, and events that count in none.
SELECT workflow, namespace || '=' || value AS key, NULL::uuid AS event_key
FROM hub_key
WHERE %(known_at)s::timestamptz IS NULL OR at <= %(known_at)s
UNION ALL
SELECT workflow, NULL, event_key
FROM rejected_join
WHERE at <= coalesce(%(known_at)s::timestamptz, 'infinity') AND (accepted_at IS NULL OR accepted_at > %(known_at)s)

-- name: once_one
-- purpose: With each of these instances those that it may have been one with at an instant, because they were taken apart since.
WITH RECURSIVE one AS (
    SELECT asked, asked AS id FROM unnest(%(ids)s::uuid[]) AS a (asked)
    UNION
    SELECT one.asked, near.id
    FROM one
    CROSS JOIN LATERAL (
        SELECT s.part_id FROM instance_split s WHERE s.instance_id = one.id AND s.at > %(known_at)s
        UNION ALL
        SELECT s.instance_id FROM instance_split s WHERE s.part_id = one.id AND s.at > %(known_at)s
        UNION ALL
        SELECT m.instance_id FROM instance_merge m WHERE m.merged_id = one.id
        UNION ALL
        SELECT m.merged_id FROM instance_merge m WHERE m.instance_id = one.id
    ) near (id)
)
SELECT asked, id FROM one

-- name: spans
-- purpose: The spans of these traces that had begun and had been received by then, or all; a span that came twice, once.
SELECT DISTINCT ON (s.start_ns, s.trace_id, s.span_id)
       s.trace_id, s.span_id, s.parent_span_id, s.service, s.name, s.kind, s.status, s.start_ns, s.end_ns, s.body
FROM span s
WHERE s.trace_id = ANY(%(traces)s)
  AND (%(as_of)s::bigint IS NULL OR s.start_ns <= %(as_of)s::bigint * 1000)
  AND (%(known_at)s::timestamptz IS NULL OR s.received_at <= %(known_at)s::timestamptz)
ORDER BY s.start_ns, s.trace_id, s.span_id, s.received_at
LIMIT %(limit)s

-- name: settled
-- purpose: Whether everything received by an instant has been applied, and whether what time changed by then has been judged.
SELECT coalesce(p.swept_to >= %(at)s, false) AS judged,
       coalesce(p.swept_to >= %(at)s, false)
       OR NOT EXISTS (SELECT FROM event e WHERE e.seq > p.seq AND e.received_at <= %(at)s) AS applied
FROM projection p
WHERE p.name = 'instances'

-- name: place_in_log
-- purpose: The number from which on the log has everything, and the first that was received after an instant, by bisection: numbers are in the order of arrival, and only they have an index.
WITH RECURSIVE ends AS (
    SELECT (
               SELECT e.seq FROM event e
               WHERE e.received_at
                     >= coalesce((SELECT kept_since FROM retention WHERE class = 'events'), '-infinity'::timestamptz)
               ORDER BY e.seq LIMIT 1
           ) AS first,
           (SELECT max(seq) FROM event) AS last
), bisection AS (
    SELECT first AS low, last + 1 AS high FROM ends WHERE first IS NOT NULL
    UNION ALL
    SELECT CASE WHEN met.received_at <= %(at)s THEN met.seq + 1 ELSE b.low END,
           CASE WHEN met.received_at <= %(at)s THEN b.high ELSE (b.low + b.high) / 2 END
    FROM bisection b
    CROSS JOIN LATERAL (
        SELECT e.seq, e.received_at FROM event e WHERE e.seq >= (b.low + b.high) / 2 ORDER BY e.seq LIMIT 1
    ) met
    WHERE b.low < b.high
)
SELECT ends.first, b.low AS place FROM ends, bisection b WHERE b.low >= b.high

-- name: last_heard
-- purpose: The last arrival from a source, or of one type from it, among these numbers.
SELECT received_at, occurred_at
FROM event
WHERE seq >= %(start)s AND seq < %(end)s AND received_at <= %(until)s AND source = %(source)s
  AND (%(type)s::text IS NULL OR type = %(type)s)
ORDER BY seq DESC
LIMIT 1

-- name: newest_occurrence
-- purpose: The newest event time, at most its arrival, that a source had sent among these numbers.
SELECT max(least(occurred_at, received_at)) AS occurred_at
FROM event
WHERE seq >= %(start)s AND seq < %(end)s AND received_at <= %(until)s AND source = %(source)s

-- name: said_counts
-- purpose: How many instances there were by the verdict that was last recorded by an instant, without those that were joined. Ids begin with the time of the first arrival. Where several changes share an instant the last is the one that no other begins with, or where they end as they began, that.
SELECT c.verdict, count(*) AS count
FROM instance i
CROSS JOIN LATERAL (
    SELECT v.at FROM verdict_change v
    WHERE v.instance_id = i.id AND v.at <= %(known_at)s ORDER BY v.at DESC LIMIT 1
) latest
CROSS JOIN LATERAL (
    SELECT v.verdict FROM verdict_change v
    WHERE v.instance_id = i.id AND v.at = latest.at
    ORDER BY CASE
        WHEN NOT EXISTS (
            SELECT FROM verdict_change o WHERE o.instance_id = i.id AND o.at = v.at AND o.verdict_from = v.verdict
        ) THEN 0
        WHEN v.verdict = (
            SELECT b.verdict FROM verdict_change b
            WHERE b.instance_id = i.id AND b.at < v.at ORDER BY b.at DESC LIMIT 1
        ) THEN 1
        ELSE 2
    END
    LIMIT 1
) c
WHERE i.id < %(before)s
  AND (%(workflow)s::text IS NULL OR i.workflow = %(workflow)s)
  AND (%(domain)s::text IS NULL OR i.domain = %(domain)s)
  AND NOT EXISTS (SELECT FROM instance_merge m WHERE m.instance_id = i.id)
  AND NOT EXISTS (SELECT FROM instance_split s WHERE i.id IN (s.instance_id, s.part_id))
GROUP BY c.verdict

-- name: said_page
-- purpose: A page of the same instances, the one that was first heard of last first.
SELECT i.id, i.workflow, i.workflow_version, c.at, c.verdict, c.reason, c.waiting_for
FROM instance i
CROSS JOIN LATERAL (
    SELECT v.at FROM verdict_change v
    WHERE v.instance_id = i.id AND v.at <= %(known_at)s ORDER BY v.at DESC LIMIT 1
) latest
CROSS JOIN LATERAL (
    SELECT v.at, v.verdict, v.reason, v.waiting_for FROM verdict_change v
    WHERE v.instance_id = i.id AND v.at = latest.at
    ORDER BY CASE
        WHEN NOT EXISTS (
            SELECT FROM verdict_change o WHERE o.instance_id = i.id AND o.at = v.at AND o.verdict_from = v.verdict
        ) THEN 0
        WHEN v.verdict = (
            SELECT b.verdict FROM verdict_change b
            WHERE b.instance_id = i.id AND b.at < v.at ORDER BY b.at DESC LIMIT 1
        ) THEN 1
        ELSE 2
    END
    LIMIT 1
) c
WHERE i.id < %(before)s
  AND (%(workflow)s::text IS NULL OR i.workflow = %(workflow)s)
  AND (%(domain)s::text IS NULL OR i.domain = %(domain)s)
  AND (%(verdicts)s::text[] IS NULL OR c.verdict = ANY(%(verdicts)s))
  AND NOT EXISTS (SELECT FROM instance_merge m WHERE m.instance_id = i.id)
  AND NOT EXISTS (SELECT FROM instance_split s WHERE i.id IN (s.instance_id, s.part_id))
ORDER BY i.id DESC
LIMIT %(limit)s

-- name: joined_instances
-- purpose: Instances that were joined out of several or taken apart; the record of their verdicts does not say which of them it was said of.
SELECT i.id, i.workflow, i.workflow_version
FROM instance i
WHERE i.id IN (
    SELECT instance_id FROM instance_merge UNION SELECT instance_id FROM instance_split
    UNION SELECT part_id FROM instance_split
)
  AND (%(workflow)s::text IS NULL OR i.workflow = %(workflow)s)
  AND (%(domain)s::text IS NULL OR i.domain = %(domain)s)
ORDER BY i.id
LIMIT %(limit)s

-- name: bodies_of_objectives
-- purpose: Every version of these objectives as it was said, in order.
SELECT objective, since, body
FROM objective_version
WHERE objective = ANY(%(names)s)
ORDER BY objective, since

-- name: bodies_of_workflows
-- purpose: Every version of these workflows as it was loaded, in order.
SELECT workflow, version, fingerprint, body, since_seq, until_seq, loaded_at
FROM definition
WHERE workflow = ANY(%(names)s)
ORDER BY workflow, version

-- name: handling
-- purpose: Who handles these instances by whose word, the latest one where several were merged; whether what was acknowledged still stands so.
SELECT i.id,
       (array_agg(h.assigned_to ORDER BY h.assigned_at DESC) FILTER (WHERE h.assigned_at IS NOT NULL))[1] AS assigned_to,
       (array_agg(h.assigned_by ORDER BY h.assigned_at DESC) FILTER (WHERE h.assigned_at IS NOT NULL))[1] AS assigned_by,
       (array_agg(h.acknowledged_by ORDER BY h.acknowledged_at DESC) FILTER (WHERE h.acknowledged_verdict = i.verdict
           AND h.acknowledged_waiting_for IS NOT DISTINCT FROM i.waiting_for))[1] AS acknowledged_by,
       max(h.acknowledged_at) FILTER (WHERE h.acknowledged_verdict = i.verdict
           AND h.acknowledged_waiting_for IS NOT DISTINCT FROM i.waiting_for) AS acknowledged_at
FROM instance i
JOIN LATERAL (
    SELECT i.id UNION ALL SELECT m.merged_id FROM instance_merge m WHERE m.instance_id = i.id
) known ON true
JOIN instance_handling h ON h.instance_id = known.id
WHERE i.id = ANY (%(ids)s::uuid[])
GROUP BY i.id

-- name: notes
-- purpose: What people noted of one instance and of those merged into it, the latest first.
SELECT n.at, n.act, n.by, n.assigned_to, n.text
FROM instance_note n
WHERE n.instance_id = ANY (
    ARRAY[%(id)s::uuid] || ARRAY(SELECT m.merged_id FROM instance_merge m WHERE m.instance_id = %(id)s)
)
ORDER BY n.id DESC
LIMIT %(limit)s

-- name: assignees
-- purpose: Those who handle something.
SELECT DISTINCT assigned_to FROM instance_handling WHERE assigned_to IS NOT NULL ORDER BY assigned_to LIMIT 200

-- name: last_note
-- purpose: The number of what somebody noted last, of whichever instance: another one says that a list may be handled otherwise now.
SELECT n.id FROM instance_note n ORDER BY n.id DESC LIMIT 1

-- name: saved_views
-- purpose: The views that people share.
SELECT name, query, by, at FROM saved_view ORDER BY lower(name), name
