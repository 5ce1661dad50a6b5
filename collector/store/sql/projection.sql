-- name: horizon
-- purpose: With the writers' lock held: the instant up to which everything received is in the log.
SELECT clock_timestamp()

-- name: position
-- purpose: How far the log has been applied, locked against a rebuild and other projectors until the transaction ends.
SELECT seq, received_at, forgotten FROM projection WHERE name = 'instances' FOR UPDATE

-- name: begin
-- purpose: The position before anything was read.
INSERT INTO projection (name, seq) VALUES ('instances', 0) ON CONFLICT (name) DO NOTHING

-- name: counted
-- purpose: Whether whoever moved the position last has counted instances as well: one of a release before that does not.
SELECT coalesce(counted = xmin::text, false) FROM projection WHERE name = 'instances' FOR UPDATE

-- name: forget_counts
-- purpose: Count instances anew …
DELETE FROM instance_count

-- name: count_anew
-- purpose: … all of them.
INSERT INTO instance_count (workflow, verdict, count)
SELECT workflow, verdict, count(*) FROM instance GROUP BY workflow, verdict

-- name: note_counted
-- purpose: They are counted.
UPDATE projection SET counted = pg_current_xact_id()::xid::text WHERE name = 'instances'

-- name: advance
-- purpose: Move the position in the transaction that applies the events.
UPDATE projection SET seq = %(seq)s, received_at = %(received_at)s, counted = pg_current_xact_id()::xid::text
WHERE name = 'instances'

-- name: swept
-- purpose: Deadlines up to this instant have been judged with everything received before it applied.
UPDATE projection SET swept_to = %(at)s, counted = pg_current_xact_id()::xid::text WHERE name = 'instances'

-- name: read
-- purpose: The next events in the order of their commits. Order of arrival is the same but for steps of the clock, which the hour covers; it lets old partitions be skipped.
SELECT seq, received_at, occurred_at, source, id, type, trace_id, body
FROM event
WHERE seq > %(after)s AND received_at >= %(since)s
ORDER BY seq
LIMIT %(limit)s

-- name: read_some
-- purpose: These events, in the order of their commits.
SELECT seq, received_at, occurred_at, source, id, type, trace_id, body
FROM event
WHERE seq = ANY(%(seqs)s) AND received_at BETWEEN %(since)s AND %(until)s
ORDER BY seq

-- name: read_again
-- purpose: One event of the log.
SELECT seq, received_at, occurred_at, source, id, type, trace_id, body
FROM event
WHERE seq = %(seq)s AND received_at = %(received_at)s

-- name: instances_of_keys
-- purpose: Which instances the joining keys of a batch belong to.
SELECT instance_id FROM instance_key
WHERE joins AND value = ANY(%(values)s) AND namespace = %(namespace)s AND workflow = %(workflow)s

-- name: owners_of_keys
-- purpose: Which instance each of these joining keys belongs to, if any.
SELECT value, instance_id FROM instance_key
WHERE joins AND value = ANY(%(values)s) AND namespace = %(namespace)s AND workflow = %(workflow)s

-- name: load
-- purpose: What the projection needs of stored instances.
SELECT id, workflow, workflow_version, progress, verdict, reason, waiting_for, source_awaited, owner,
       due_at, deadline_at, since, next_check_at
FROM instance
WHERE id = ANY(%(ids)s)

-- name: due
-- purpose: The instances whose verdict may have changed by the passing of time, most overdue first, by their index.
SELECT id FROM instance WHERE next_check_at <= %(now)s ORDER BY next_check_at LIMIT %(limit)s

-- name: overdue_on
-- purpose: The overdue instances that wait for a source of which more is known now than when they were judged; what is waived may be overdue beneath.
SELECT id FROM instance
WHERE verdict IN ('blind', 'stuck', 'waived', 'inconsistent') AND (verdict <> 'inconsistent' OR reason = 'orphan')
  AND source_awaited = %(source)s
ORDER BY id

-- name: stage
-- purpose: Session tables that take changes by binary COPY before one statement merges them; whoever fills one empties it.
CREATE TEMPORARY TABLE IF NOT EXISTS staged_instance ON COMMIT DELETE ROWS AS SELECT * FROM instance WHERE false;
CREATE TEMPORARY TABLE IF NOT EXISTS staged_event (
    instance_id uuid, event_key uuid, seq bigint, received_at timestamptz, milestone text, trace_id bytea
) ON COMMIT DELETE ROWS;
CREATE TEMPORARY TABLE IF NOT EXISTS staged_change ON COMMIT DELETE ROWS AS SELECT * FROM verdict_change WHERE false

-- name: update_instances
-- purpose: Merge the staged instances into those that are stored.
UPDATE instance i
SET workflow_version = s.workflow_version, title = s.title, words = s.words, verdict = s.verdict, reason = s.reason,
    waiting_for = s.waiting_for, source_awaited = s.source_awaited, owner = s.owner, due_at = s.due_at,
    deadline_at = s.deadline_at, since = s.since, stuck_since = s.stuck_since, started_at = s.started_at,
    updated_at = s.updated_at, next_check_at = s.next_check_at, value_amount = s.value_amount,
    value_currency = s.value_currency, progress = s.progress
FROM staged_instance s
WHERE i.id = s.id

-- name: insert_events
-- purpose: Link events to instances; one that is linked already is a duplicate.
INSERT INTO instance_event (instance_id, event_key, seq, received_at, milestone, trace_id)
SELECT instance_id, event_key, seq, received_at, milestone, trace_id FROM staged_event ORDER BY seq
ON CONFLICT (instance_id, event_key) DO NOTHING

-- name: duplicates
-- purpose: The staged events that were linked before under another number, with their sources.
SELECT DISTINCT s.seq, e.source
FROM staged_event s
JOIN instance_event i USING (instance_id, event_key)
JOIN event e ON e.seq = s.seq AND e.received_at = s.received_at
WHERE i.seq <> s.seq

-- name: insert_changes
-- purpose: The record of verdicts; the same change is recorded once however often it is found. Of two that instances had at one instant before they were joined, the same one stays in whatever order they are written.
INSERT INTO verdict_change AS v (instance_id, at, verdict, verdict_from, reason, waiting_for)
SELECT DISTINCT ON (instance_id, at, verdict) instance_id, at, verdict, verdict_from, reason, waiting_for
FROM staged_change
ORDER BY instance_id, at, verdict, coalesce(verdict_from, ''), reason, coalesce(waiting_for, '')
ON CONFLICT (instance_id, at, verdict) DO UPDATE
SET verdict_from = excluded.verdict_from, reason = excluded.reason, waiting_for = excluded.waiting_for
WHERE (coalesce(excluded.verdict_from, ''), excluded.reason, coalesce(excluded.waiting_for, ''))
    < (coalesce(v.verdict_from, ''), v.reason, coalesce(v.waiting_for, ''))

-- name: buckets_kept_since
-- purpose: The first buckets that are kept, where any were dropped.
SELECT kept_since FROM retention WHERE class = 'buckets' AND kept_since IS NOT NULL

-- name: add_to_buckets
-- purpose: Add differences to SLI buckets that exist.
UPDATE sli_bucket b
SET good = b.good + d.good, bad = b.bad + d.bad, waived = b.waived + d.waived, cancelled = b.cancelled + d.cancelled,
    stale_step = b.stale_step + d.stale_step
FROM unnest(%(objectives)s::text[], %(groups)s::text[], %(minutes)s::smallint[], %(buckets)s::timestamptz[],
            %(units)s::text[], %(good)s::numeric[], %(bad)s::numeric[], %(waived)s::numeric[], %(cancelled)s::numeric[],
            %(steps)s::bigint[])
     AS d (objective, grp, minutes, bucket, unit, good, bad, waived, cancelled, stale_step)
WHERE b.objective = d.objective AND b.grp = d.grp AND b.minutes = d.minutes AND b.bucket = d.bucket
  AND b.unit = d.unit

-- name: new_buckets
-- purpose: Differences for buckets that do not exist yet.
INSERT INTO sli_bucket (objective, grp, minutes, bucket, unit, good, bad, waived, cancelled, stale_step)
SELECT d.*
FROM unnest(%(objectives)s::text[], %(groups)s::text[], %(minutes)s::smallint[], %(buckets)s::timestamptz[],
            %(units)s::text[], %(good)s::numeric[], %(bad)s::numeric[], %(waived)s::numeric[], %(cancelled)s::numeric[],
            %(steps)s::bigint[])
     AS d (objective, grp, minutes, bucket, unit, good, bad, waived, cancelled, stale_step)
WHERE NOT EXISTS (
    SELECT FROM sli_bucket b
    WHERE b.objective = d.objective AND b.grp = d.grp AND b.minutes = d.minutes AND b.bucket = d.bucket
      AND b.unit = d.unit
)

-- name: forget_empty_buckets
-- purpose: What a correction has emptied is as if it had never been, so that a replay gives the same rows; but for the first that are kept, which say that there were others before.
DELETE FROM sli_bucket b
USING unnest(%(objectives)s::text[], %(groups)s::text[], %(minutes)s::smallint[], %(buckets)s::timestamptz[],
             %(units)s::text[]) AS d (objective, grp, minutes, bucket, unit)
WHERE b.objective = d.objective AND b.grp = d.grp AND b.minutes = d.minutes AND b.bucket = d.bucket
  AND b.unit = d.unit
  AND b.good = 0 AND b.bad = 0 AND b.waived = 0 AND b.cancelled = 0 AND b.stale_step = 0
  AND b.bucket IS DISTINCT FROM (SELECT kept_since FROM retention WHERE class = 'buckets')

-- name: count_instances
-- purpose: So many more instances of a workflow have this verdict; the difference may be negative.
INSERT INTO instance_count AS c (workflow, verdict, count) VALUES (%(workflow)s, %(verdict)s, %(more)s)
ON CONFLICT (workflow, verdict) DO UPDATE SET count = c.count + excluded.count

-- name: forget_counts_of_none
-- purpose: A verdict that no instance has any more is as if none ever had it, so that a replay gives the same rows.
DELETE FROM instance_count WHERE count = 0

-- name: sources
-- purpose: The state of all sources.
SELECT source, (extract(epoch FROM last_received_at) * 1000000)::bigint,
       (extract(epoch FROM last_occurred_at) * 1000000)::bigint
FROM source_state

-- name: log_began
-- purpose: Since when the log has everything that was received: the first event in it, or later where retention has dropped some; of a log that was emptied, what is known besides.
SELECT (extract(epoch FROM coalesce(
    greatest(
        (SELECT received_at FROM event ORDER BY seq LIMIT 1),
        (SELECT kept_since FROM retention WHERE class = 'events')
    ),
    (SELECT min(last_received_at) FROM source_state)
)) * 1000000)::bigint

-- name: log_kept_since
-- purpose: Since when the log has everything that was received, where retention has dropped some.
SELECT kept_since FROM retention WHERE class = 'events' AND kept_since IS NOT NULL

-- name: instances_not_in_log
-- purpose: How many instances there are of which the log no longer has every event.
SELECT count(DISTINCT l.instance_id)
FROM instance_event l
WHERE l.received_at < (SELECT kept_since FROM retention WHERE class = 'events')
  AND NOT EXISTS (SELECT FROM event e WHERE e.seq = l.seq AND e.received_at = l.received_at)

-- name: source_types
-- purpose: The watermarks of the types that are expected by themselves.
SELECT source, type, (extract(epoch FROM last_received_at) * 1000000)::bigint,
       (extract(epoch FROM last_occurred_at) * 1000000)::bigint
FROM source_type_state

-- name: forget_types
-- purpose: What is no longer expected is no longer kept up to date.
DELETE FROM source_type_state s
WHERE NOT EXISTS (
    SELECT FROM unnest(%(sources)s::text[], %(types)s::text[]) AS d (source, type)
    WHERE d.source = s.source AND d.type = s.type
)

-- name: look_for_types
-- purpose: What had arrived already of types that are expected from now on, among the events after one number up to another.
SELECT source, type, (extract(epoch FROM max(received_at)) * 1000000)::bigint,
       (extract(epoch FROM max(least(occurred_at, received_at))) * 1000000)::bigint
FROM event
WHERE seq > %(after)s AND seq <= %(seq)s
  AND (source, type) IN (SELECT * FROM unnest(%(sources)s::text[], %(types)s::text[]))
GROUP BY source, type

-- name: pauses_of_source
-- purpose: When a source, or a type of it, was last heard before each long pause, and when after it; and the last arrival. An arrival that the clock was set back for is no later than the one before.
WITH heard AS (
    SELECT seq, received_at, coalesce(max(received_at) OVER before, %(began_at)s) AS last_at
    FROM event
    WHERE source = %(source)s AND (%(type)s::text IS NULL OR type = %(type)s) AND seq <= %(seq)s
      AND received_at >= %(began_at)s
    WINDOW before AS (ORDER BY seq ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
)
SELECT (extract(epoch FROM a.last_at) * 1000000)::bigint, (extract(epoch FROM a.received_at) * 1000000)::bigint
FROM (
    SELECT seq, last_at, received_at FROM heard WHERE received_at - last_at >= %(patience)s
    UNION ALL
    SELECT max(seq), max(received_at), max(received_at) FROM heard HAVING count(*) > 0
) a
ORDER BY a.seq, a.last_at

-- name: add_to_type
-- purpose: What a batch says of a type that is expected by itself.
INSERT INTO source_type_state (source, type, last_received_at, last_occurred_at)
VALUES (%(source)s, %(type)s, %(last_received_at)s, %(last_occurred_at)s)
ON CONFLICT (source, type) DO UPDATE
SET last_received_at = greatest(source_type_state.last_received_at, excluded.last_received_at),
    last_occurred_at = greatest(source_type_state.last_occurred_at, excluded.last_occurred_at)

-- name: add_to_source
-- purpose: What a batch says of a source.
INSERT INTO source_state (source, last_received_at, last_occurred_at, received, duplicates, unmatched,
                          ahead, ahead_most, ahead_day, ahead_most_of_day)
VALUES (%(source)s, %(last_received_at)s, %(last_occurred_at)s, %(received)s, %(duplicates)s, %(unmatched)s,
        %(ahead)s, %(ahead_most)s, %(ahead_day)s, %(ahead_most_of_day)s)
ON CONFLICT (source) DO UPDATE
SET last_received_at = greatest(source_state.last_received_at, excluded.last_received_at),
    last_occurred_at = greatest(source_state.last_occurred_at, excluded.last_occurred_at),
    received = source_state.received + excluded.received,
    duplicates = source_state.duplicates + excluded.duplicates,
    unmatched = source_state.unmatched + excluded.unmatched,
    ahead = source_state.ahead + excluded.ahead,
    ahead_most = greatest(source_state.ahead_most, excluded.ahead_most),
    ahead_day = greatest(source_state.ahead_day, excluded.ahead_day),
    ahead_most_of_day = CASE
        WHEN excluded.ahead_day IS NULL OR excluded.ahead_day < source_state.ahead_day
            THEN source_state.ahead_most_of_day
        WHEN excluded.ahead_day = source_state.ahead_day
            THEN greatest(source_state.ahead_most_of_day, excluded.ahead_most_of_day)
        ELSE excluded.ahead_most_of_day
    END

-- name: dead_letter
-- purpose: An event of the log that a workflow asks for and cannot use.
INSERT INTO dead_letter (received_at, source, reason, detail, event_id, type, workflow, seq)
SELECT received_at, source, %(reason)s, %(detail)s, id, type, %(workflow)s, seq
FROM event
WHERE seq = %(seq)s AND received_at = %(received_at)s
ON CONFLICT (seq, workflow) DO NOTHING

-- name: merge_joining_keys
-- purpose: The joining keys of merged instances belong to those that stay …
UPDATE instance_key k
SET instance_id = m.stays
FROM unnest(%(workflows)s::text[], %(namespaces)s::text[], %(values)s::text[], %(merged)s::uuid[], %(stays)s::uuid[])
     AS m (workflow, namespace, value, merged, stays)
WHERE k.joins AND k.value = m.value AND k.namespace = m.namespace AND k.workflow = m.workflow
  AND k.instance_id = m.merged

-- name: merge_search_keys
-- purpose: … and so do the others.
UPDATE instance_key k
SET instance_id = m.stays
FROM unnest(%(workflows)s::text[], %(namespaces)s::text[], %(values)s::text[], %(merged)s::uuid[], %(stays)s::uuid[])
     AS m (workflow, namespace, value, merged, stays)
WHERE NOT k.joins AND k.value = m.value AND k.namespace = m.namespace AND k.workflow = m.workflow
  AND k.instance_id = m.merged

-- name: forget_doubled_keys
-- purpose: A search key that both halves carried is kept once.
DELETE FROM instance_key k
USING (
    SELECT ctid, row_number() OVER (PARTITION BY instance_id, workflow, namespace, value ORDER BY ctid) AS number
    FROM instance_key
    WHERE NOT joins AND (value, namespace, instance_id) IN (
        SELECT m.value, m.namespace, m.stays
        FROM unnest(%(values)s::text[], %(namespaces)s::text[], %(stays)s::uuid[]) AS m (value, namespace, stays)
    )
) doubled
WHERE k.ctid = doubled.ctid AND doubled.number > 1

-- name: merge_events
-- purpose: Their events, of several with one id the first …
INSERT INTO instance_event (instance_id, event_key, seq, received_at, milestone, trace_id)
SELECT DISTINCT ON (m.stays, e.event_key) m.stays, e.event_key, e.seq, e.received_at, e.milestone, e.trace_id
FROM unnest(%(merged)s::uuid[], %(stays)s::uuid[]) AS m (merged, stays)
JOIN instance_event e ON e.instance_id = m.merged
ORDER BY m.stays, e.event_key, e.seq
ON CONFLICT (instance_id, event_key) DO UPDATE
SET seq = excluded.seq, received_at = excluded.received_at, milestone = excluded.milestone, trace_id = excluded.trace_id
WHERE excluded.seq < instance_event.seq

-- name: merge_changes
-- purpose: … and what was said of them.
INSERT INTO verdict_change AS v (instance_id, at, verdict, verdict_from, reason, waiting_for)
SELECT DISTINCT ON (m.stays, c.at, c.verdict) m.stays, c.at, c.verdict, c.verdict_from, c.reason, c.waiting_for
FROM unnest(%(merged)s::uuid[], %(stays)s::uuid[]) AS m (merged, stays)
JOIN verdict_change c ON c.instance_id = m.merged
ORDER BY m.stays, c.at, c.verdict, coalesce(c.verdict_from, ''), c.reason, coalesce(c.waiting_for, '')
ON CONFLICT (instance_id, at, verdict) DO UPDATE
SET verdict_from = excluded.verdict_from, reason = excluded.reason, waiting_for = excluded.waiting_for
WHERE (coalesce(excluded.verdict_from, ''), excluded.reason, coalesce(excluded.waiting_for, ''))
    < (coalesce(v.verdict_from, ''), v.reason, coalesce(v.waiting_for, ''))

-- name: forget_events
-- purpose: The links of merged instances, once copied.
DELETE FROM instance_event WHERE instance_id = ANY(%(merged)s)

-- name: forget_changes
-- purpose: The verdicts of merged instances, once copied.
DELETE FROM verdict_change WHERE instance_id = ANY(%(merged)s)

-- name: forget_instances
-- purpose: The merged instances themselves.
DELETE FROM instance WHERE id = ANY(%(merged)s)

-- name: follow_merges
-- purpose: What was merged into a merged one is now in the one that stays.
UPDATE instance_merge i
SET instance_id = m.stays
FROM unnest(%(merged)s::uuid[], %(stays)s::uuid[]) AS m (merged, stays)
WHERE i.instance_id = m.merged

-- name: record_merges
-- purpose: Which events joined instances.
INSERT INTO instance_merge (merged_id, instance_id, event_key, seq, at)
SELECT * FROM unnest(%(merged)s::uuid[], %(stays)s::uuid[], %(event_keys)s::uuid[], %(seqs)s::bigint[],
                     %(at)s::timestamptz[])
ON CONFLICT (merged_id) DO UPDATE SET instance_id = excluded.instance_id
