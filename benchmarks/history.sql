-- name: take_models
-- purpose: The real instances with all they have, numbered, out of the way of those that are made of them.
CREATE TEMPORARY TABLE model AS
SELECT row_number() OVER (PARTITION BY finished ORDER BY id) - 1 AS model, m.*
FROM (SELECT i.*, i.verdict = 'completed' AS finished FROM instance i) m;
CREATE TEMPORARY TABLE model_key AS
SELECT m.model, m.finished, k.* FROM model m JOIN instance_key k ON k.instance_id = m.id;
CREATE TEMPORARY TABLE model_event AS
SELECT m.model, m.finished, row_number() OVER (PARTITION BY m.id ORDER BY l.seq) - 1 AS step, l.milestone,
       e.received_at - m.started_at AS arrived, e.occurred_at, e.source, e.id, e.type, e.body
FROM model m JOIN instance_event l ON l.instance_id = m.id JOIN event e ON e.seq = l.seq;
CREATE TEMPORARY TABLE model_change AS
SELECT m.model, m.finished, c.* FROM model m JOIN verdict_change c ON c.instance_id = m.id;
CREATE TEMPORARY TABLE slot (
    number bigint, id uuid, model bigint, finished boolean, began timestamptz, later interval, logged boolean
) ON COMMIT DELETE ROWS;
ANALYZE model;
ANALYZE model_key;
ANALYZE model_event;
ANALYZE model_change;
TRUNCATE instance, instance_key, instance_event, verdict_change, event, instance_count

-- name: indexes
-- purpose: The indexes that are no constraints, with how to make them.
SELECT indexname, indexdef FROM pg_indexes
WHERE schemaname = current_schema() AND tablename IN ('instance', 'instance_key') AND indexname NOT LIKE 'pk%'

-- name: slice
-- purpose: Which instances begin in a slice of the year. What is finished lies as far back as it began; what is open has its place in the table by when it began, and the times of the real one but for some minutes.
INSERT INTO slot
SELECT s.number,
       (lpad(to_hex((extract(epoch FROM s.began) * 1000)::bigint), 12, '0') || '7' || substr(s.digest, 1, 3)
           || '8' || substr(s.digest, 4, 15))::uuid,
       m.model, m.finished, s.began,
       CASE WHEN m.finished THEN s.began - m.started_at ELSE (s.number %% 3000) * interval '1 second' END,
       NOT m.finished OR s.began > %(now)s::timestamptz - %(recent)s::interval
FROM (
    SELECT n AS number, md5(n::text) AS digest,
           %(now)s::timestamptz - interval '1 day' - %(year)s::interval * (1 - n::float8 / %(instances)s) AS began,
           CASE WHEN n < %(recent_from)s THEN %(other_share)s::float8 ELSE %(recent_share)s::float8 END AS share
    FROM generate_series(%(first)s::bigint, %(last)s::bigint) n
) s
JOIN model m ON m.finished = (floor(s.number * s.share) = floor((s.number + 1) * s.share))
            AND m.model = ('x' || substr(s.digest, 20, 7))::bit(28)::bigint %% %(models)s

-- name: fill_instance
-- purpose: The instances of the slice.
INSERT INTO instance (id, workflow, workflow_version, entity, domain, title, words, verdict, reason, waiting_for,
    source_awaited, owner, due_at, deadline_at, since, stuck_since, started_at, updated_at, next_check_at, value_amount,
    value_currency, progress)
SELECT s.id, m.workflow, m.workflow_version, m.entity, m.domain, 'SO-' || s.number, 'so-' || s.number || ' emea gold',
       m.verdict, m.reason, m.waiting_for, m.source_awaited, m.owner, m.due_at + s.later, m.deadline_at + s.later,
       m.since + s.later, m.stuck_since + s.later, m.started_at + s.later, m.updated_at + s.later,
       m.next_check_at + s.later, m.value_amount + s.number %% 100, m.value_currency, m.progress
FROM slot s JOIN model m ON m.model = s.model AND m.finished = s.finished
ORDER BY s.number

-- name: fill_instance_key
-- purpose: Their keys; twenty orders are of one account.
INSERT INTO instance_key (workflow, namespace, value, joins, instance_id)
SELECT k.workflow, k.namespace,
       CASE k.namespace WHEN 'account' THEN 'A' || s.number %% %(accounts)s ELSE left(k.value, 3) || s.number END,
       k.joins, s.id
FROM slot s JOIN model_key k ON k.model = s.model AND k.finished = s.finished
ORDER BY s.number

-- name: fill_instance_event
-- purpose: Their links to events.
INSERT INTO instance_event (instance_id, event_key, seq, received_at, milestone)
SELECT s.id, md5(s.number || '/' || e.step)::uuid, s.number * 3 + e.step + 1, s.began + e.arrived, e.milestone
FROM slot s JOIN model_event e ON e.model = s.model AND e.finished = s.finished
ORDER BY s.number

-- name: fill_verdict_change
-- purpose: What was said of them.
INSERT INTO verdict_change (instance_id, at, verdict, verdict_from, reason, waiting_for)
SELECT s.id, c.at + s.later, c.verdict, c.verdict_from, c.reason, c.waiting_for
FROM slot s JOIN model_change c ON c.model = s.model AND c.finished = s.finished
ORDER BY s.number

-- name: fill_event
-- purpose: Their events, as far as retention has left them: of what is open, and of what began lately.
INSERT INTO event (seq, received_at, occurred_at, source, id, type, body)
SELECT s.number * 3 + e.step + 1, s.began + e.arrived, e.occurred_at + s.later, e.source, s.number || '-' || e.step,
       e.type, e.body
FROM slot s JOIN model_event e ON e.model = s.model AND e.finished = s.finished
WHERE s.logged
ORDER BY s.number

-- name: last_number
-- purpose: The last number given in the log.
SELECT setval('event_seq', %(last)s)

-- name: position
-- purpose: All of it has been applied.
UPDATE projection SET seq = %(last)s, received_at = now(), swept_to = now() WHERE name = 'instances'

-- name: count_instances
-- purpose: How many there are of each verdict.
INSERT INTO instance_count (workflow, verdict, count)
SELECT workflow, verdict, count(*) FROM instance GROUP BY workflow, verdict

-- name: count
-- purpose: How many there are, and how many are open.
SELECT count(*), count(*) FILTER (WHERE verdict <> 'completed') FROM instance

-- name: some_open
-- purpose: Open ones, some of each kind.
SELECT id FROM instance WHERE verdict IN ('stuck', 'on_track') ORDER BY md5(id::text) LIMIT %(most)s

-- name: some_finished
-- purpose: The finished ones among these orders.
SELECT i.id FROM instance_key k JOIN instance i ON i.id = k.instance_id
WHERE k.joins AND k.value = ANY (%(orders)s) AND i.verdict = 'completed'
