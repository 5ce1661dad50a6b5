-- name: known_incident
-- purpose: whether there is an incident
SELECT id FROM incident WHERE id = %(id)s;

-- name: lock_incident
-- purpose: an incident as it stands, kept from whoever would change it meanwhile
SELECT id, status, title, acknowledged_by, acknowledged_until, postponed_until, assignee, settled_by
FROM incident
WHERE id = %(id)s
FOR UPDATE;

-- name: acknowledge
-- purpose: somebody takes an incident on, until an instant or its end; null takes it back
UPDATE incident
SET acknowledged_by = %(by)s, acknowledged_at = %(now)s, acknowledged_until = %(until)s, updated_at = %(now)s
WHERE id = %(id)s;

-- name: withdraw_acknowledgement
-- purpose: nobody is at it any more
UPDATE incident
SET acknowledged_by = NULL, acknowledged_at = NULL, acknowledged_until = NULL, updated_at = %(now)s
WHERE id = %(id)s;

-- name: assign
-- purpose: say whose an incident is now; null for nobody's
UPDATE incident SET assignee = %(to)s, updated_at = %(now)s WHERE id = %(id)s;

-- name: postpone
-- purpose: nobody is told of an incident until an instant
UPDATE incident SET postponed_by = %(by)s, postponed_until = %(until)s, updated_at = %(now)s WHERE id = %(id)s;

-- name: link_change
-- purpose: link an incident to a change
UPDATE incident SET changes = changes || %(change)s::jsonb, updated_at = %(now)s WHERE id = %(id)s;

-- name: settle
-- purpose: call an incident resolved; the next round of the incident duty resolves it, and tells whoever was told
UPDATE incident SET settled_by = %(by)s, updated_at = %(now)s WHERE id = %(id)s;

-- name: touch
-- purpose: somebody has said something about an incident
UPDATE incident SET updated_at = %(now)s WHERE id = %(id)s;

-- name: add_act
-- purpose: what somebody did, for good
INSERT INTO incident_event (incident_id, at, what, detail, by, request)
VALUES (%(id)s, %(now)s, %(what)s, %(detail)s, %(by)s, %(request)s)
ON CONFLICT (incident_id, request) WHERE request IS NOT NULL DO NOTHING;

-- name: add_silence
-- purpose: nobody is told of what matches, for a time
INSERT INTO silence (id, match, since, until, owner, by, reason, created_at)
VALUES (%(id)s, %(match)s, %(since)s, %(until)s, %(owner)s, %(by)s, %(reason)s, %(now)s)
ON CONFLICT (id) DO NOTHING;

-- name: end_silence
-- purpose: end a silence now, or before it begins
UPDATE silence
SET until = %(now)s, ended_by = %(by)s, ended_at = %(now)s
WHERE id = %(id)s AND until > %(now)s
RETURNING id;

-- name: silence
-- purpose: one silence
SELECT id, match, since, until, owner, by, reason, created_at, ended_by, ended_at FROM silence WHERE id = %(id)s;

-- name: all_silences
-- purpose: silences that are under way or to come, and what is over, the latest first
SELECT id, match, since, until, owner, by, reason, created_at, ended_by, ended_at
FROM silence
ORDER BY until DESC, id
LIMIT %(most)s;

-- name: add_drill
-- purpose: begin a drill
INSERT INTO drill (id, by, facts, since, until) VALUES (%(id)s, %(by)s, %(facts)s, %(now)s, %(until)s);
