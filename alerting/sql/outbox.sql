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
LEFT JOIN incident_target AS told ON told.incident_id = message.incident_id AND told.target = message.target
LEFT JOIN target_state AS s ON s.target = message.target
WHERE o.id = due.id
RETURNING
    o.id, o.message_id, o.incident_id, o.target, o.kind, o.transition, o.notice, o.attempts, o.created_at,
    COALESCE(told.address, message.address) AS address, COALESCE(told.handle, '{}'::jsonb) AS handle,
    CASE WHEN s.disabled_at IS NOT NULL THEN s.address_digest END AS disabled_digest;

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

-- name: enable_target
-- purpose: send to a target again that was disabled
UPDATE target_state
SET disabled_at = NULL, disabled_because = NULL, address_digest = NULL
WHERE target = %(target)s AND disabled_at IS NOT NULL;

-- name: disabled_targets
-- purpose: the addresses that take no more messages
SELECT target, address_digest FROM target_state WHERE disabled_at IS NOT NULL;

-- name: take_slot
-- purpose: count a message against the pace of its target; no row where it has to wait
-- paced_until is when all that went out would be done at an even pace. What it lies ahead is what was sent at once.
INSERT INTO target_state (target, paced_until)
VALUES (%(target)s, %(now)s::timestamptz + %(each)s)
ON CONFLICT (target) DO UPDATE
SET paced_until = GREATEST(target_state.paced_until, %(now)s) + %(each)s
WHERE target_state.paced_until IS NULL OR target_state.paced_until <= %(now)s::timestamptz + %(ahead)s
RETURNING paced_until;

-- name: wait_for_slot
-- purpose: send nothing to a target until its pace has room again
UPDATE target_state
SET paused_until = GREATEST(paused_until, paced_until - %(ahead)s::interval)
WHERE target = %(target)s;

-- name: remember
-- purpose: keep what the next message of the line will need, and when this one is to be said again
UPDATE incident_target
SET handle = %(handle)s, repeat_at = %(repeat_at)s
WHERE incident_id = %(incident_id)s AND target = %(target)s;

-- name: add_delivery
-- purpose: one line of the history of a message
INSERT INTO delivery (outbox_id, attempt, at, fate, reason, status, error, sent, answer, remark)
VALUES (
    %(id)s, %(attempts)s, %(now)s, %(fate)s, %(outcome)s, %(status)s, %(error)s, %(sent)s, %(answer)s, %(remark)s
);

-- name: add_note
-- purpose: put a message that belongs to no incident into the outbox; what was said already is not said again
INSERT INTO outbox (message_id, target, kind, transition, reason, notice, address, next_attempt_at, created_at)
VALUES (
    %(message_id)s, %(target)s, %(kind)s, 'note', %(reason)s, %(notice)s, %(address)s, %(now)s, %(now)s
)
ON CONFLICT (message_id) DO NOTHING;

-- name: take_repeats
-- purpose: what is to be said again now, and the same once more later
WITH due AS (
    SELECT incident_id, target
    FROM incident_target
    WHERE repeat_at <= %(now)s
    ORDER BY repeat_at
    LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED
)
UPDATE incident_target AS t
SET repeat_at = %(next)s
FROM due
WHERE t.incident_id = due.incident_id AND t.target = due.target
RETURNING
    t.incident_id, t.target, t.kind, t.address, t.handle,
    (
        SELECT jsonb_build_object('notice', o.notice, 'settled_at', o.settled_at)
        FROM outbox AS o
        WHERE o.incident_id = t.incident_id AND o.target = t.target AND o.state = 'delivered'
        ORDER BY o.id DESC
        LIMIT 1
    ) AS said;

-- name: stop_repeating
-- purpose: what has resolved was said often enough
UPDATE incident_target SET repeat_at = NULL WHERE incident_id = %(incident_id)s AND target = %(target)s;
