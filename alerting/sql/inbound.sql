-- name: note_act
-- purpose: write down what somebody said of an incident that fires, once for each who says it
WITH firing AS (
    SELECT id FROM incident WHERE id = %(incident_id)s AND status = 'firing' FOR UPDATE
),
said AS (
    INSERT INTO incident_event (incident_id, at, what, detail)
    SELECT id, %(now)s, %(what)s, %(detail)s
    FROM firing
    WHERE NOT EXISTS (
        SELECT FROM incident_event AS e WHERE e.incident_id = firing.id AND e.what = %(what)s AND e.detail = %(detail)s
    )
)
SELECT id FROM firing;
