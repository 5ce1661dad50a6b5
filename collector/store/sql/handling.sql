-- name: meant
-- purpose: The instances that these ids mean, also those of instances merged into others, in the order asked.
SELECT asked.id AS asked, i.id, i.title, i.verdict, i.waiting_for
FROM unnest(%(ids)s::uuid[]) WITH ORDINALITY AS asked (id, place)
LEFT JOIN instance_merge m ON m.merged_id = asked.id
JOIN instance i ON i.id = coalesce(m.instance_id, asked.id)
ORDER BY asked.place

-- name: handled
-- purpose: Who handled these instances, and who had seen how they stood; kept from whoever would change it meanwhile.
SELECT instance_id, assigned_to, acknowledged_by, acknowledged_at, acknowledged_verdict
FROM instance_handling
WHERE instance_id = ANY (%(ids)s::uuid[])
ORDER BY instance_id
FOR UPDATE

-- name: noted
-- purpose: Of which of these instances an act was noted under a request before.
SELECT instance_id FROM instance_note WHERE instance_id = ANY (%(ids)s::uuid[]) AND request = %(request)s::uuid

-- name: note
-- purpose: Note down an act on instances, once for each request; which of them had not been noted yet.
INSERT INTO instance_note (instance_id, at, act, by, assigned_to, text, request)
SELECT DISTINCT id, clock_timestamp(), %(act)s, %(by)s, %(assigned_to)s, %(text)s, %(request)s::uuid
FROM unnest(%(ids)s::uuid[]) AS asked (id)
ON CONFLICT (instance_id, request) DO NOTHING
RETURNING instance_id

-- name: assign
-- purpose: Let somebody handle instances, or with NULL nobody.
INSERT INTO instance_handling (instance_id, assigned_to, assigned_by, assigned_at)
SELECT id, %(assigned_to)s, %(by)s, clock_timestamp() FROM unnest(%(ids)s::uuid[]) AS asked (id)
ON CONFLICT (instance_id) DO UPDATE
SET assigned_to = excluded.assigned_to, assigned_by = excluded.assigned_by, assigned_at = excluded.assigned_at

-- name: acknowledge
-- purpose: Somebody has seen how these instances stand.
INSERT INTO instance_handling
    (instance_id, acknowledged_by, acknowledged_at, acknowledged_verdict, acknowledged_waiting_for)
SELECT i.id, %(by)s, clock_timestamp(), i.verdict, i.waiting_for
FROM instance i
WHERE i.id = ANY (%(ids)s::uuid[])
ON CONFLICT (instance_id) DO UPDATE
SET acknowledged_by = excluded.acknowledged_by, acknowledged_at = excluded.acknowledged_at,
    acknowledged_verdict = excluded.acknowledged_verdict,
    acknowledged_waiting_for = excluded.acknowledged_waiting_for

-- name: unacknowledge
-- purpose: Take that back, also of what was merged into them.
UPDATE instance_handling h
SET acknowledged_by = NULL, acknowledged_at = NULL, acknowledged_verdict = NULL, acknowledged_waiting_for = NULL
WHERE h.instance_id = ANY (
    %(ids)s::uuid[] || ARRAY(SELECT m.merged_id FROM instance_merge m WHERE m.instance_id = ANY (%(ids)s::uuid[]))
)

-- name: save_view
-- purpose: Keep a view under a name, in place of the one that had it; told is whether there was one.
INSERT INTO saved_view (name, query, by, at) VALUES (%(name)s, %(query)s, %(by)s, clock_timestamp())
ON CONFLICT (name) DO UPDATE SET query = excluded.query, by = excluded.by, at = excluded.at
WHERE %(replace)s
RETURNING name, query, by, at

-- name: count_views
-- purpose: How many there are besides this one.
SELECT count(*) AS count FROM saved_view WHERE name <> %(name)s

-- name: view
-- purpose: One of them, kept from whoever would change it meanwhile.
SELECT name, query, by FROM saved_view WHERE name = %(name)s FOR UPDATE

-- name: drop_view
-- purpose: Forget one.
DELETE FROM saved_view WHERE name = %(name)s RETURNING name
