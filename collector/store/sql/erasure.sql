-- name: instances_of_key
-- purpose: The instances that carry a key, however it is spelled.
SELECT instance_id FROM instance_key
WHERE namespace = %(namespace)s AND value = ANY (%(values)s::text[]) AND joins
UNION
SELECT instance_id FROM instance_key
WHERE namespace = %(namespace)s AND value = ANY (%(values)s::text[]) AND NOT joins

-- name: linked_events
-- purpose: The events of these instances.
SELECT DISTINCT e.seq, e.received_at, e.source, e.id, e.type, e.subject, e.trace_id, e.body
FROM instance_event l JOIN event e ON e.seq = l.seq AND e.received_at = l.received_at
WHERE l.instance_id = ANY (%(ids)s::uuid[])

-- name: mentioning_events
-- purpose: The events after a number that say the value anywhere, and those with these ids.
SELECT e.seq, e.received_at, e.source, e.id, e.type, e.subject, e.trace_id, e.body
FROM event e
WHERE e.seq > %(after)s
  AND (e.id = ANY (%(ids)s::text[])
       OR EXISTS (SELECT FROM unnest(%(needles)s::bytea[]) n WHERE position(n IN e.body) > 0)
       OR EXISTS (SELECT FROM unnest(%(words)s::text[]) w WHERE position(w IN e.id) > 0 OR position(w IN e.subject) > 0))

-- name: log_head
-- purpose: The last number in the log.
SELECT coalesce(max(seq), 0) FROM event

-- name: change_event
-- purpose: Let an event say nothing any more of whoever was forgotten.
UPDATE event SET id = %(id)s, subject = %(subject)s, body = %(body)s
WHERE seq = %(seq)s AND received_at = %(received_at)s

-- name: instances_of_events
-- purpose: The instances that these events are of.
SELECT DISTINCT instance_id FROM instance_event WHERE seq = ANY (%(seqs)s::bigint[])

-- name: spans
-- purpose: The spans of these traces, and those that say the value anywhere.
SELECT s.received_at, s.trace_id, s.span_id, s.name, s.body, s.trace_id = ANY (%(traces)s::bytea[]) AS own
FROM span s
WHERE s.trace_id = ANY (%(traces)s::bytea[])
   OR EXISTS (SELECT FROM unnest(%(needles)s::bytea[]) n WHERE position(n IN s.body) > 0)
   OR EXISTS (SELECT FROM unnest(%(words)s::text[]) w WHERE position(w IN s.name) > 0)

-- name: change_span
-- purpose: The same of a span.
UPDATE span SET name = %(name)s, body = %(body)s
WHERE trace_id = %(trace_id)s AND span_id = %(span_id)s AND received_at = %(received_at)s

-- name: requests
-- purpose: The requests of sources that say the value anywhere, or that these events were made of.
SELECT number, mapped_at IS NULL AS waits
FROM source_request r
WHERE EXISTS (SELECT FROM unnest(%(needles)s::bytea[]) n WHERE position(n IN r.body) > 0)
   OR EXISTS (SELECT FROM unnest(%(words)s::text[]) w WHERE position(w IN r.path) > 0 OR position(w IN r.headers::text) > 0)

-- name: empty_requests
-- purpose: They are kept to be mapped again; of whoever was forgotten they are not.
UPDATE source_request SET body = '', headers = '{}', path = '' WHERE number = ANY (%(numbers)s::bigint[])

-- name: letters
-- purpose: The dead letters of these requests and events, and those that say the value anywhere.
SELECT number, detail, event_id, seq, body IS NOT NULL AS whole, settled_at IS NULL AS open,
       settled_because
FROM dead_letter d
WHERE d.request = ANY (%(requests)s::bigint[]) OR d.seq = ANY (%(seqs)s::bigint[])
   OR EXISTS (SELECT FROM unnest(%(needles)s::bytea[]) n WHERE position(n IN d.body) > 0)
   OR EXISTS (SELECT FROM unnest(%(words)s::text[]) w WHERE position(w IN d.detail) > 0 OR position(w IN d.event_id) > 0
              OR position(w IN d.settled_because) > 0)

-- name: change_letter
-- purpose: What was sent is gone; one that could only be used by that is settled.
UPDATE dead_letter
SET detail = %(detail)s, event_id = %(event_id)s, body = %(body)s, settled_because = %(because)s,
    settled_at = CASE WHEN %(settles)s THEN clock_timestamp() ELSE settled_at END,
    settled_as = CASE WHEN %(settles)s THEN 'discarded' ELSE settled_as END,
    settled_by = CASE WHEN %(settles)s THEN %(by)s ELSE settled_by END
WHERE number = %(number)s

-- name: ids_of_instances
-- purpose: All ids that these instances are or were known by.
SELECT id FROM instance WHERE id = ANY (%(ids)s::uuid[])
UNION SELECT merged_id FROM instance_merge WHERE instance_id = ANY (%(ids)s::uuid[])
UNION SELECT part_id FROM instance_split WHERE instance_id = ANY (%(ids)s::uuid[])
UNION SELECT instance_id FROM instance_split WHERE part_id = ANY (%(ids)s::uuid[])

-- name: instances
-- purpose: These instances, kept from whoever would change them meanwhile.
SELECT id, workflow, workflow_version, title, progress FROM instance WHERE id = ANY (%(ids)s::uuid[]) ORDER BY id FOR UPDATE

-- name: histories
-- purpose: The events that these instances are made of, in the order of the log; without a source where it no longer has one.
SELECT l.instance_id, l.seq, l.received_at, e.source, e.id, e.type, e.occurred_at, e.trace_id, e.body
FROM instance_event l LEFT JOIN event e ON e.seq = l.seq AND e.received_at = l.received_at
WHERE l.instance_id = ANY (%(ids)s::uuid[])
ORDER BY l.instance_id, l.seq

-- name: change_instance
-- purpose: An instance as its events make it now.
UPDATE instance SET id = %(new)s, title = %(title)s, words = %(words)s, progress = %(progress)s WHERE id = %(id)s

-- name: keys_of_instances
-- purpose: The keys of these instances, by their old ids.
SELECT workflow, namespace, value, joins, instance_id FROM instance_key
WHERE value = ANY (%(values)s::text[]) AND instance_id = ANY (%(ids)s::uuid[])

-- name: change_key
-- purpose: A key with another value.
UPDATE instance_key SET value = %(new)s
WHERE value = %(value)s AND namespace = %(namespace)s AND workflow = %(workflow)s AND joins = %(joins)s
  AND instance_id = %(instance_id)s

-- name: rename_links
-- purpose: Events with other ids have other keys.
UPDATE instance_event l SET event_key = n.new
FROM unnest(%(old)s::uuid[], %(new)s::uuid[]) AS n (old, new)
WHERE l.event_key = n.old AND l.instance_id = ANY (%(ids)s::uuid[])

-- name: rename_merging_events
-- purpose: The same of those that joined instances.
UPDATE instance_merge m SET event_key = n.new
FROM unnest(%(old)s::uuid[], %(new)s::uuid[]) AS n (old, new) WHERE m.event_key = n.old

-- name: rename_rejected_events
-- purpose: The same of those that people rejected.
UPDATE rejected_join r SET event_key = n.new
FROM unnest(%(old)s::uuid[], %(new)s::uuid[]) AS n (old, new) WHERE r.event_key = n.old

-- name: rename_ids
-- purpose: Instances have other ids, wherever one stands.
WITH n AS MATERIALIZED (SELECT * FROM unnest(%(old)s::uuid[], %(new)s::uuid[]) AS n (old, new)),
links AS (UPDATE instance_event t SET instance_id = n.new FROM n WHERE t.instance_id = n.old),
keys AS (UPDATE instance_key t SET instance_id = n.new FROM n WHERE t.instance_id = n.old AND t.value = ANY (%(values)s::text[])),
changes AS (UPDATE verdict_change t SET instance_id = n.new FROM n WHERE t.instance_id = n.old),
handled AS (UPDATE instance_handling t SET instance_id = n.new FROM n WHERE t.instance_id = n.old),
noted AS (UPDATE instance_note t SET instance_id = n.new FROM n WHERE t.instance_id = n.old),
rejected AS (UPDATE rejected_join t SET instance_id = n.new FROM n WHERE t.instance_id = n.old),
merges AS (
    UPDATE instance_merge t
    SET instance_id = coalesce((SELECT n.new FROM n WHERE n.old = t.instance_id), t.instance_id),
        merged_id = coalesce((SELECT n.new FROM n WHERE n.old = t.merged_id), t.merged_id)
    WHERE t.instance_id = ANY (%(old)s::uuid[]) OR t.merged_id = ANY (%(old)s::uuid[])
),
splits AS (
    UPDATE instance_split t
    SET instance_id = coalesce((SELECT n.new FROM n WHERE n.old = t.instance_id), t.instance_id),
        part_id = coalesce((SELECT n.new FROM n WHERE n.old = t.part_id), t.part_id)
    WHERE t.instance_id = ANY (%(old)s::uuid[]) OR t.part_id = ANY (%(old)s::uuid[])
)
UPDATE incident t
SET samples = ARRAY(SELECT coalesce(n.new, s.id) FROM unnest(t.samples) WITH ORDINALITY AS s (id, place)
                    LEFT JOIN n ON n.old = s.id ORDER BY s.place)
WHERE t.samples && %(old)s::uuid[]

-- name: groups
-- purpose: The groups of objectives that are told apart by the value.
SELECT DISTINCT grp FROM (SELECT grp FROM sli_bucket WHERE grp <> '' UNION SELECT grp FROM objective_period WHERE grp <> '') g
WHERE EXISTS (SELECT FROM unnest(%(words)s::text[]) w WHERE position(w IN grp) > 0)

-- name: rename_group
-- purpose: What was counted stays, under the pseudonym.
WITH periods AS (UPDATE objective_period SET grp = %(new)s WHERE grp = %(old)s)
UPDATE sli_bucket SET grp = %(new)s WHERE grp = %(old)s

-- name: hubs
-- purpose: The keys that join none because too many carry them.
SELECT workflow, namespace, value FROM hub_key
WHERE (namespace = %(namespace)s AND value = ANY (%(values)s::text[]))
   OR EXISTS (SELECT FROM unnest(%(words)s::text[]) w WHERE position(w IN value) > 0)

-- name: rename_hub
-- purpose: Such a key with another value.
UPDATE hub_key SET value = %(new)s WHERE workflow = %(workflow)s AND namespace = %(namespace)s AND value = %(value)s

-- name: rejections
-- purpose: What people said of joins, where it says the value.
SELECT workflow, event_key, seq, by, reason FROM rejected_join
WHERE EXISTS (SELECT FROM unnest(%(words)s::text[]) w WHERE position(lower(w) IN lower(by || ' ' || reason)) > 0)

-- name: change_rejection
-- purpose: The same without it.
UPDATE rejected_join SET by = %(by)s, reason = %(reason)s
WHERE workflow = %(workflow)s AND event_key = %(event_key)s AND seq = %(seq)s
