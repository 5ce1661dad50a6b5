-- name: try_lock
-- purpose: let one process at a time look after incidents; false where another does
SELECT pg_try_advisory_xact_lock(%(key)s) AS locked;

-- name: populations
-- purpose: the instances that are held up, grouped by cause; a part of the cause that does not count is ''
WITH held AS MATERIALIZED (
    SELECT
        id, verdict, owner, domain, entity, workflow AS instance_workflow, value_amount, value_currency,
        COALESCE(stuck_since, since) AS since,
        CASE WHEN verdict = 'blind' THEN '' ELSE workflow END AS workflow,
        CASE WHEN verdict IN ('stuck', 'inconsistent') OR reason = 'type_silent' THEN COALESCE(waiting_for, '') ELSE '' END
            AS waiting_for,
        CASE WHEN verdict IN ('stuck', 'blind') THEN COALESCE(source_awaited, '') ELSE '' END AS source,
        CASE WHEN verdict IN ('failed', 'inconsistent') OR reason IN ('type_silent', 'source_catching_up')
            THEN COALESCE(reason, '') ELSE '' END AS reason
    FROM instance
    WHERE verdict IN ('stuck', 'blind', 'failed', 'inconsistent')
),
sums AS (
    SELECT verdict, workflow, waiting_for, source, reason, value_currency, SUM(value_amount) AS amount
    FROM held
    WHERE value_amount IS NOT NULL AND value_currency IS NOT NULL
    GROUP BY verdict, workflow, waiting_for, source, reason, value_currency
),
worth AS (
    SELECT
        verdict, workflow, waiting_for, source, reason,
        jsonb_agg(jsonb_build_object('currency', value_currency, 'amount', trim_scale(amount)::text) ORDER BY value_currency) AS value
    FROM sums
    GROUP BY verdict, workflow, waiting_for, source, reason
),
grouped AS (
    SELECT
        verdict, workflow, waiting_for, source, reason,
        COUNT(*) AS count,
        MIN(since) AS oldest_since,
        mode() WITHIN GROUP (ORDER BY owner) AS owner,
        mode() WITHIN GROUP (ORDER BY domain) AS domain,
        mode() WITHIN GROUP (ORDER BY entity) AS entity,
        array_agg(DISTINCT owner) FILTER (WHERE owner IS NOT NULL) AS owners,
        array_agg(DISTINCT domain) FILTER (WHERE domain IS NOT NULL) AS domains,
        array_agg(DISTINCT instance_workflow) AS workflows,
        (array_agg(id ORDER BY since, id))[1:%(samples)s] AS samples
    FROM held
    GROUP BY verdict, workflow, waiting_for, source, reason
)
SELECT grouped.*, COALESCE(worth.value, '[]'::jsonb) AS value
FROM grouped
LEFT JOIN worth USING (verdict, workflow, waiting_for, source, reason)
ORDER BY verdict, workflow, waiting_for, source, reason;

-- name: open_incidents
-- purpose: every incident that still fires
SELECT
    id, verdict, workflow, waiting_for, source, reason, severity, count, peak_count, noted_count, value, peak_value,
    oldest_since, owner, domain, entity, owners, domains, workflows, samples, opened_at, openings, clear_since, points,
    apart, attributes, compared_at, runbook, acknowledged_by, acknowledged_at, acknowledged_until, postponed_by,
    postponed_until, assignee, settled_by, whom
FROM incident
WHERE status = 'firing'
ORDER BY opened_at, id;

-- name: left
-- purpose: which of these instances have left their incident without being well: they cannot be judged now, or were waived
SELECT id, verdict FROM instance WHERE id = ANY(%(samples)s) AND verdict IN ('blind', 'waived');

-- name: former
-- purpose: what held these instances up before what does now, of those that waited for the same: each as its cause
SELECT
    i.id, c.verdict,
    CASE WHEN c.verdict = 'blind' THEN '' ELSE i.workflow END AS workflow,
    CASE WHEN c.verdict IN ('stuck', 'inconsistent') OR c.reason = 'type_silent' THEN COALESCE(c.waiting_for, '') ELSE '' END
        AS waiting_for,
    CASE WHEN c.verdict IN ('stuck', 'blind') THEN COALESCE(i.source_awaited, '') ELSE '' END AS source,
    CASE WHEN c.verdict IN ('failed', 'inconsistent') OR c.reason IN ('type_silent', 'source_catching_up')
        THEN COALESCE(c.reason, '') ELSE '' END AS reason
FROM instance AS i
CROSS JOIN LATERAL (
    SELECT v.verdict, v.reason, v.waiting_for
    FROM verdict_change AS v
    WHERE v.instance_id = i.id
    ORDER BY v.at DESC
    OFFSET 1
    LIMIT 1
) AS c
WHERE i.id = ANY(%(samples)s)
  AND c.verdict IN ('stuck', 'blind', 'failed', 'inconsistent')
  AND c.waiting_for IS NOT DISTINCT FROM i.waiting_for;

-- name: told
-- purpose: what each target was last told about these incidents
SELECT incident_id, target, kind, address, told_status, told_count, told_at, told_severity, first_at, muted
FROM incident_target
WHERE incident_id = ANY(%(incidents)s)
ORDER BY incident_id, target;

-- name: disabled_targets
-- purpose: the addresses that asked never to be sent to again
SELECT target, address_digest
FROM target_state
WHERE disabled_at IS NOT NULL;

-- name: open
-- purpose: begin an incident
INSERT INTO incident (
    id, dedup_key, verdict, workflow, waiting_for, source, reason, status, severity, title,
    count, peak_count, noted_count, value, peak_value, oldest_since, owner, domain, entity,
    owners, domains, workflows, samples, openings, points, runbook, opened_at, updated_at
) VALUES (
    %(id)s, %(dedup_key)s, %(verdict)s, %(workflow)s, %(waiting_for)s, %(source)s, %(reason)s, 'firing', %(severity)s,
    %(title)s, %(count)s, %(peak_count)s, %(noted_count)s, %(value)s, %(peak_value)s, %(oldest_since)s, %(owner)s,
    %(domain)s, %(entity)s, %(owners)s, %(domains)s, %(workflows)s, %(samples)s, %(openings)s, %(points)s, %(runbook)s,
    %(now)s, %(now)s
);

-- name: update
-- purpose: give an incident the population it holds up now
UPDATE incident
SET severity = %(severity)s, count = %(count)s, peak_count = %(peak_count)s, noted_count = %(noted_count)s, value = %(value)s,
    peak_value = %(peak_value)s, oldest_since = %(oldest_since)s, owner = %(owner)s, domain = %(domain)s,
    entity = %(entity)s, owners = %(owners)s, domains = %(domains)s, workflows = %(workflows)s,
    samples = %(samples)s, clear_since = %(clear_since)s, points = %(points)s, runbook = %(runbook)s,
    updated_at = %(now)s
WHERE id = %(id)s AND status = 'firing';

-- name: resolve
-- purpose: end an incident; its last population stays for the record
UPDATE incident
SET status = 'resolved', resolved_at = %(now)s, updated_at = %(now)s
WHERE id = %(id)s AND status = 'firing';

-- name: add_event
-- purpose: one line of the timeline
INSERT INTO incident_event (incident_id, at, what, detail)
VALUES (%(incident_id)s, %(now)s, %(what)s, %(detail)s);

-- name: note_told
-- purpose: remember what a target is told, and where it is reached should it vanish from the files
INSERT INTO incident_target (
    incident_id, target, kind, address, told_status, told_count, told_severity, told_at, first_at
) VALUES (
    %(incident_id)s, %(target)s, %(kind)s, %(address)s, %(told_status)s, %(told_count)s, %(told_severity)s, %(now)s,
    %(now)s
)
ON CONFLICT (incident_id, target) DO UPDATE
SET address = EXCLUDED.address, told_status = EXCLUDED.told_status, told_count = EXCLUDED.told_count,
    told_at = EXCLUDED.told_at, told_severity = EXCLUDED.told_severity, muted = FALSE;

-- name: add_message
-- purpose: put a message into the outbox, in the transaction that decided it
INSERT INTO outbox (
    message_id, incident_id, target, kind, transition, reason, notice, next_attempt_at, created_at
) VALUES (
    %(message_id)s, %(incident_id)s, %(target)s, %(kind)s, %(transition)s, %(reason)s, %(notice)s, %(now)s, %(now)s
);

-- name: note_mute
-- purpose: remember that a target is kept from hearing more, so that it is told again when that ends
UPDATE incident_target SET muted = %(muted)s WHERE incident_id = %(incident_id)s AND target = %(target)s;

-- name: note_whom
-- purpose: keep what was decided of every target
UPDATE incident SET whom = %(whom)s WHERE id = %(id)s;

-- name: note_apart
-- purpose: keep what sets an incident apart
UPDATE incident SET apart = %(apart)s, attributes = %(attributes)s, compared_at = %(now)s WHERE id = %(id)s;

-- name: openings
-- purpose: how often causes have opened since, for those that flap
SELECT verdict, workflow, waiting_for, source, reason, COUNT(*) AS count
FROM incident
WHERE opened_at > %(since)s AND status = 'resolved'
GROUP BY verdict, workflow, waiting_for, source, reason;

-- name: settled
-- purpose: the causes that somebody called resolved since, as they stood then
SELECT DISTINCT ON (verdict, workflow, waiting_for, source, reason)
    verdict, workflow, waiting_for, source, reason, resolved_at, count
FROM incident
WHERE status = 'resolved' AND settled_by IS NOT NULL AND resolved_at > %(since)s
ORDER BY verdict, workflow, waiting_for, source, reason, resolved_at DESC;

-- name: silences
-- purpose: the silences that are under way
SELECT id, match, since, until, owner, reason
FROM silence
WHERE since <= %(now)s AND until > %(now)s
ORDER BY id;

-- name: drills
-- purpose: the drills that are under way
SELECT id, by, facts, since, until
FROM drill
WHERE since <= %(now)s AND until > %(now)s
ORDER BY id;
