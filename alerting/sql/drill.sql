-- name: progress
-- purpose: what has become of a drill: its incident, and every message about it
SELECT incident.opened_at AS at, '' AS target, incident.status AS transition, '' AS state, '' AS why
FROM incident
WHERE incident.verdict = 'drill' AND incident.reason = %(reason)s
UNION ALL
SELECT COALESCE(outbox.settled_at, outbox.created_at), outbox.target, outbox.transition, outbox.state,
       COALESCE(outbox.outcome, '')
FROM outbox
JOIN incident ON incident.id = outbox.incident_id
WHERE incident.verdict = 'drill' AND incident.reason = %(reason)s
ORDER BY at;
