-- name: said
-- purpose: whether the digest that this is the first message of has been written
SELECT EXISTS (SELECT FROM outbox WHERE message_id = %(message_id)s) AS said;

-- name: overdue
-- purpose: what is stuck of an owner, by the step it waits for, the heaviest in number first
WITH held AS MATERIALIZED (
    SELECT workflow, waiting_for, entity, COALESCE(stuck_since, since) AS since, value_amount, value_currency
    FROM instance
    WHERE verdict = 'stuck' AND owner = %(owner)s
),
sums AS (
    SELECT workflow, waiting_for, value_currency, SUM(value_amount) AS amount
    FROM held
    WHERE value_amount IS NOT NULL AND value_currency IS NOT NULL
    GROUP BY workflow, waiting_for, value_currency
),
worth AS (
    SELECT
        workflow, waiting_for,
        jsonb_agg(jsonb_build_object('currency', value_currency, 'amount', trim_scale(amount)::text) ORDER BY value_currency) AS value
    FROM sums
    GROUP BY workflow, waiting_for
)
SELECT
    held.workflow, held.waiting_for, mode() WITHIN GROUP (ORDER BY held.entity) AS entity, COUNT(*) AS count,
    MIN(held.since) AS oldest_since, COALESCE(MIN(worth.value::text), '[]')::jsonb AS value
FROM held
LEFT JOIN worth ON worth.workflow = held.workflow AND worth.waiting_for IS NOT DISTINCT FROM held.waiting_for
GROUP BY held.workflow, held.waiting_for
ORDER BY COUNT(*) DESC, held.workflow, held.waiting_for;

-- name: drop_older
-- purpose: a digest of an earlier day that has not been sent is not worth sending any more
UPDATE outbox
SET state = 'dropped', outcome = 'superseded', settled_at = %(now)s, lease_until = NULL
WHERE reason = 'digest' AND incident_id IS NULL AND state = 'pending' AND target = %(target)s
  AND notice ->> 'owner' = %(owner)s AND message_id <> %(message_id)s
  AND (lease_until IS NULL OR lease_until <= %(now)s);

-- name: add_digest
-- purpose: put a message of a digest into the outbox; what was said already is not said again
-- Where nothing is to be said that is kept, too, so that nothing is said of that day later.
INSERT INTO outbox (
    message_id, target, kind, transition, reason, notice, address, next_attempt_at, created_at, state, outcome, settled_at
) VALUES (
    %(message_id)s, %(target)s, %(kind)s, 'note', 'digest', %(notice)s, %(address)s, %(now)s, %(now)s, %(state)s,
    %(outcome)s, %(settled_at)s
)
ON CONFLICT (message_id) DO NOTHING;
