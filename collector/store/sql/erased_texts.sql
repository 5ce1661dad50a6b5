-- name: instance_note
-- purpose: What people noted of these instances, and wherever a note says the value; whole says that all of it goes.
SELECT id, text, instance_id = ANY (%(ids)s::uuid[]) AS whole FROM instance_note
WHERE text IS NOT NULL
  AND (instance_id = ANY (%(ids)s::uuid[])
       OR EXISTS (SELECT FROM unnest(%(words)s::text[]) w WHERE position(lower(w) IN lower(text)) > 0))

-- name: change_instance_note
-- purpose: A note with another text.
UPDATE instance_note SET text = %(text)s WHERE id = %(id)s

-- name: incident
-- purpose: Incidents that say the value anywhere.
SELECT id, title, attributes::text, apart::text, changes::text, whom::text FROM incident i
WHERE EXISTS (SELECT FROM unnest(%(words)s::text[]) w
              WHERE position(lower(w) IN lower(concat_ws(' ', title, attributes, apart, changes, whom))) > 0)

-- name: change_incident
-- purpose: An incident that says it no more.
UPDATE incident
SET title = %(title)s, attributes = %(attributes)s::jsonb, apart = %(apart)s::jsonb, changes = %(changes)s::jsonb,
    whom = %(whom)s::jsonb
WHERE id = %(id)s

-- name: incident_event
-- purpose: What happened to incidents, where it says the value.
SELECT id, detail FROM incident_event
WHERE EXISTS (SELECT FROM unnest(%(words)s::text[]) w WHERE position(lower(w) IN lower(detail)) > 0)

-- name: change_incident_event
-- purpose: The same without it.
UPDATE incident_event SET detail = %(detail)s WHERE id = %(id)s

-- name: outbox
-- purpose: Messages that say the value.
SELECT id, notice::text, outcome, last_error FROM outbox
WHERE EXISTS (SELECT FROM unnest(%(words)s::text[]) w
              WHERE position(lower(w) IN lower(concat_ws(' ', notice, outcome, last_error))) > 0)

-- name: change_outbox
-- purpose: The same without it; what has not gone out yet goes out so.
UPDATE outbox SET notice = %(notice)s::jsonb, outcome = %(outcome)s, last_error = %(last_error)s WHERE id = %(id)s

-- name: delivery
-- purpose: What went out and came back, where it says the value.
SELECT id, sent, answer, error, remark FROM delivery
WHERE EXISTS (SELECT FROM unnest(%(words)s::text[]) w
              WHERE position(lower(w) IN lower(concat_ws(' ', sent, answer, error, remark))) > 0)

-- name: change_delivery
-- purpose: The same without it.
UPDATE delivery SET sent = %(sent)s, answer = %(answer)s, error = %(error)s, remark = %(remark)s WHERE id = %(id)s

-- name: silence
-- purpose: Silences that say the value.
SELECT id, match::text, reason FROM silence
WHERE EXISTS (SELECT FROM unnest(%(words)s::text[]) w WHERE position(lower(w) IN lower(concat_ws(' ', match, reason))) > 0)

-- name: change_silence
-- purpose: The same without it.
UPDATE silence SET match = %(match)s::jsonb, reason = %(reason)s WHERE id = %(id)s

-- name: saved_view
-- purpose: Views that say the value.
SELECT name AS id, name, query FROM saved_view
WHERE EXISTS (SELECT FROM unnest(%(words)s::text[]) w WHERE position(lower(w) IN lower(concat_ws(' ', name, query))) > 0)

-- name: change_saved_view
-- purpose: The same without it.
UPDATE saved_view SET name = %(name)s, query = %(query)s WHERE name = %(id)s
