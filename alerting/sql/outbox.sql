-- name: drop_superseded
-- purpose: an update that was not sent before the next message of its line is not worth sending
UPDATE outbox AS o
SET state = 'dropped', outcome = 'superseded', settled_at = %(now)s, lease_until = NULL
WHERE o.state = 'pending'
  AND o.transition = 'updated'
  AND (o.lease_until IS NULL OR o.lease_until <= %(now)s)
  AND EXISTS (
      SELECT FROM outbox AS later
      WHERE later.incident_id = o.incident_id AND later.target = o.target
        AND later.state = 'pending' AND later.id > o.id
  );

-- name: drop_unsent
-- purpose: a firing that surely reached nobody before its incident resolved is dropped together with all that follows it
-- The rest of the line follows from what the first update really changed: deciding on both from one snapshot would drop
-- the resolve of a firing that another process leases at this moment.
WITH unsent AS (
    UPDATE outbox AS o
    SET state = 'dropped', outcome = 'resolved_before_sent', settled_at = %(now)s
    WHERE o.state = 'pending'
      AND o.transition = 'firing'
      AND NOT o.uncertain
      AND o.lease_until IS NULL
      AND EXISTS (
          SELECT FROM outbox AS later
          WHERE later.incident_id = o.incident_id AND later.target = o.target
            AND later.state = 'pending' AND later.transition = 'resolved'
      )
    RETURNING o.incident_id, o.target
),
following AS (
    UPDATE outbox AS o
    SET state = 'dropped', outcome = 'resolved_before_sent', settled_at = %(now)s
    FROM unsent
    WHERE o.incident_id = unsent.incident_id AND o.target = unsent.target
      AND o.state = 'pending' AND o.transition <> 'firing'
    RETURNING o.id
)
SELECT 'firing' FROM unsent
UNION ALL
SELECT 'following' FROM following;

-- name: drop_unheard
-- purpose: what follows a firing that surely was never delivered is told to nobody either
UPDATE outbox AS o
SET state = 'dropped', outcome = 'firing_not_delivered', settled_at = %(now)s, lease_until = NULL
FROM outbox AS firing
WHERE o.state = 'pending'
  AND o.transition <> 'firing'
  AND (o.lease_until IS NULL OR o.lease_until <= %(now)s)
  AND firing.incident_id = o.incident_id AND firing.target = o.target
  AND firing.transition = 'firing'
  AND firing.state IN ('dead', 'dropped')
  AND NOT firing.uncertain;

-- name: lease
-- purpose: take the message due the longest; within one (incident, target) only ever the oldest pending one
-- A lease that ran out was never recorded: its message may have arrived.
WITH due AS (
    SELECT o.id
    FROM outbox AS o
    LEFT JOIN target_state AS s ON s.target = o.target
    WHERE o.state = 'pending'
      AND o.next_attempt_at <= %(now)s
      AND (o.lease_until IS NULL OR o.lease_until <= %(now)s)
      AND (s.paused_until IS NULL OR s.paused_until <= %(now)s)
      AND NOT EXISTS (
          SELECT FROM outbox AS earlier
          WHERE earlier.incident_id = o.incident_id AND earlier.target = o.target
            AND earlier.state = 'pending' AND earlier.id < o.id
      )
    ORDER BY o.next_attempt_at, o.id
    LIMIT 1
    FOR UPDATE OF o SKIP LOCKED
)
UPDATE outbox AS o
SET attempts = o.attempts + 1, last_attempt_at = %(now)s, lease_until = %(lease_until)s,
    uncertain = o.uncertain OR o.lease_until IS NOT NULL
FROM due
JOIN outbox AS message ON message.id = due.id
JOIN incident_target AS told ON told.incident_id = message.incident_id AND told.target = message.target
LEFT JOIN target_state AS s ON s.target = message.target
WHERE o.id = due.id
RETURNING
    o.id, o.message_id, o.incident_id, o.target, o.kind, o.transition, o.notice, o.attempts, o.created_at,
    told.address, CASE WHEN s.disabled_at IS NOT NULL THEN s.address_digest END AS disabled_digest;

-- name: settle
-- purpose: record that a message is done with; nothing changes where another process took the message over meanwhile
UPDATE outbox
SET state = %(state)s, outcome = %(outcome)s, last_status = %(status)s, last_error = %(error)s,
    uncertain = uncertain OR %(uncertain)s, settled_at = %(now)s, lease_until = NULL
WHERE id = %(id)s AND state = 'pending' AND attempts = %(attempts)s;

-- name: retry
-- purpose: record a failed attempt and when the next one is due, under the same fence
UPDATE outbox
SET outcome = NULL, last_status = %(status)s, last_error = %(error)s, uncertain = uncertain OR %(uncertain)s,
    next_attempt_at = %(next_attempt_at)s, lease_until = NULL
WHERE id = %(id)s AND state = 'pending' AND attempts = %(attempts)s;

-- name: pause_target
-- purpose: send nothing to a target for a while
INSERT INTO target_state (target, paused_until)
VALUES (%(target)s, %(paused_until)s)
ON CONFLICT (target) DO UPDATE
SET paused_until = GREATEST(target_state.paused_until, EXCLUDED.paused_until);

-- name: disable_target
-- purpose: send nothing more to this address of a target
INSERT INTO target_state (target, address_digest, disabled_at, disabled_because)
VALUES (%(target)s, %(digest)s, %(now)s, %(because)s)
ON CONFLICT (target) DO UPDATE
SET address_digest = EXCLUDED.address_digest, disabled_at = EXCLUDED.disabled_at,
    disabled_because = EXCLUDED.disabled_because;
