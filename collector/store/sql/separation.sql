-- name: history
-- purpose: The events of an instance in the order of the log; without a source where the log no longer has one.
SELECT l.seq, l.received_at, e.occurred_at, e.source, e.id, e.type, l.trace_id, e.body
FROM instance_event l LEFT JOIN event e ON e.seq = l.seq AND e.received_at = l.received_at
WHERE l.instance_id = %(id)s
ORDER BY l.seq

-- name: forget_joining_keys
-- purpose: The keys that identify an instance …
DELETE FROM instance_key k
USING unnest(%(namespaces)s::text[], %(values)s::text[]) AS m (namespace, value)
WHERE k.joins AND k.value = m.value AND k.namespace = m.namespace AND k.workflow = %(workflow)s
  AND k.instance_id = %(id)s

-- name: forget_search_keys
-- purpose: … and those that only find it.
DELETE FROM instance_key k
USING unnest(%(namespaces)s::text[], %(values)s::text[]) AS m (namespace, value)
WHERE NOT k.joins AND k.value = m.value AND k.namespace = m.namespace AND k.instance_id = %(id)s

-- name: forget_links
-- purpose: Its links to events.
DELETE FROM instance_event WHERE instance_id = %(id)s

-- name: forget_instance
-- purpose: The instance itself; what was said of it stays on record.
DELETE FROM instance WHERE id = %(id)s

-- name: come_back
-- purpose: Instances that had been joined into it and are themselves again.
DELETE FROM instance_merge WHERE instance_id = %(id)s AND merged_id = ANY(%(parts)s)

-- name: follow
-- purpose: What had been joined into it is now in the part that it belongs to.
UPDATE instance_merge i
SET instance_id = m.part
FROM unnest(%(merged)s::uuid[], %(of_parts)s::uuid[]) AS m (merged, part)
WHERE i.instance_id = %(id)s AND i.merged_id = m.merged

-- name: lead_on
-- purpose: An instance that no part continues leads to the first of them.
INSERT INTO instance_merge (merged_id, instance_id, event_key, seq, at)
VALUES (%(id)s, %(part)s, %(event_key)s, %(seq)s, %(at)s)
ON CONFLICT (merged_id) DO UPDATE SET instance_id = excluded.instance_id

-- name: record_split
-- purpose: Which instances were one until then.
INSERT INTO instance_split (instance_id, part_id, seq, at)
SELECT %(id)s, part, %(seq)s, %(at)s FROM unnest(%(parts)s::uuid[]) AS p (part)
ON CONFLICT DO NOTHING

-- name: record_hub
-- purpose: A key that joins none from now on, with how many instances it had joined.
INSERT INTO hub_key (workflow, namespace, value, seq, at, instances)
VALUES (%(workflow)s, %(namespace)s, %(value)s, %(seq)s, %(at)s, %(instances)s)
ON CONFLICT DO NOTHING

-- name: record_rejection
-- purpose: An event that counts in no instance of a workflow from now on, and who says so.
INSERT INTO rejected_join (workflow, event_key, instance_id, event_seq, event_received_at, seq, at, by, reason)
VALUES (%(workflow)s, %(event_key)s, %(instance_id)s, %(event_seq)s, %(event_received_at)s, %(seq)s, %(at)s, %(by)s,
        %(reason)s)
ON CONFLICT DO NOTHING

-- name: end_rejection
-- purpose: An event that counts again; that it was rejected stays on record.
UPDATE rejected_join SET accepted_at = %(at)s
WHERE workflow = %(workflow)s AND event_key = %(event_key)s AND accepted_at IS NULL
RETURNING event_seq, event_received_at

-- name: forget_letter
-- purpose: Nobody need be told of it any more.
DELETE FROM dead_letter WHERE seq = %(seq)s AND workflow = %(workflow)s AND reason = %(reason)s
