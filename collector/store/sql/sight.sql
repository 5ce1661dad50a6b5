-- name: definition
-- purpose: The versions of workflows in sight. Each block is a table as somebody sees who may not see all of it; the name is that of the table (collector/query/sight.py).
SELECT * FROM definition WHERE workflow = ANY (%(seen_workflows)s::text[])

-- name: instance
-- purpose: The instances of workflows in sight.
SELECT * FROM instance WHERE workflow = ANY (%(seen_workflows)s::text[])

-- name: instance_count
-- purpose: How many there are of each.
SELECT * FROM instance_count WHERE workflow = ANY (%(seen_workflows)s::text[])

-- name: instance_key
-- purpose: Their keys.
SELECT * FROM instance_key WHERE workflow = ANY (%(seen_workflows)s::text[])

-- name: hub_key
-- purpose: Keys that join none of them.
SELECT * FROM hub_key WHERE workflow = ANY (%(seen_workflows)s::text[])

-- name: rejected_join
-- purpose: What people said of their joins.
SELECT * FROM rejected_join WHERE workflow = ANY (%(seen_workflows)s::text[])

-- name: instance_event
-- purpose: Which events they are made of.
SELECT * FROM instance_event o WHERE EXISTS (SELECT FROM instance i WHERE i.id = o.instance_id)

-- name: instance_merge
-- purpose: What was merged into them.
SELECT * FROM instance_merge o WHERE EXISTS (SELECT FROM instance i WHERE i.id = o.instance_id)

-- name: instance_split
-- purpose: What they were taken apart into.
SELECT * FROM instance_split o WHERE EXISTS (SELECT FROM instance i WHERE i.id IN (o.instance_id, o.part_id))

-- name: verdict_change
-- purpose: What was said of them.
SELECT * FROM verdict_change o WHERE EXISTS (SELECT FROM instance i WHERE i.id = o.instance_id)

-- name: instance_handling
-- purpose: Who handles them, also where that was said of what was merged into them.
SELECT * FROM instance_handling o
WHERE EXISTS (SELECT FROM instance i WHERE i.id = o.instance_id)
   OR EXISTS (SELECT FROM instance_merge m WHERE m.merged_id = o.instance_id)

-- name: instance_note
-- purpose: What people noted of them, likewise.
SELECT * FROM instance_note o
WHERE EXISTS (SELECT FROM instance i WHERE i.id = o.instance_id)
   OR EXISTS (SELECT FROM instance_merge m WHERE m.merged_id = o.instance_id)

-- name: sli_bucket
-- purpose: What is counted of objectives in sight; who changed a row last is asked for too.
SELECT *, xmin FROM sli_bucket WHERE objective = ANY (%(seen_objectives)s::text[])

-- name: objective_version
-- purpose: What was promised.
SELECT * FROM objective_version WHERE objective = ANY (%(seen_objectives)s::text[])

-- name: objective_period
-- purpose: What it came to.
SELECT * FROM objective_period WHERE objective = ANY (%(seen_objectives)s::text[])

-- name: source_state
-- purpose: What arrived from the sources of the workflows in sight.
SELECT * FROM source_state WHERE source = ANY (%(seen_sources)s::text[])

-- name: source_type_state
-- purpose: The same by type.
SELECT * FROM source_type_state WHERE source = ANY (%(seen_sources)s::text[])

-- name: source_sample
-- purpose: The same over the last day.
SELECT * FROM source_sample WHERE source = ANY (%(seen_sources)s::text[])

-- name: source_request
-- purpose: What they sent in forms of their own; of which workflow it is nobody knows before it is mapped.
SELECT * FROM source_request WHERE false

-- name: dead_letter
-- purpose: Letters of a workflow in sight; of those that are of none nobody knows whose they are.
SELECT * FROM dead_letter WHERE workflow = ANY (%(seen_workflows)s::text[])

-- name: incident
-- purpose: Incidents that hold up nothing but workflows in sight; what one counts it counts of all that it holds up.
SELECT * FROM incident
WHERE (workflow IS NOT NULL OR workflows <> '{}')
  AND (workflow IS NULL OR workflow = ANY (%(seen_workflows)s::text[]))
  AND workflows <@ %(seen_workflows)s::text[]

-- name: incident_event
-- purpose: What happened to them.
SELECT * FROM incident_event o WHERE EXISTS (SELECT FROM incident i WHERE i.id = o.incident_id)

-- name: incident_target
-- purpose: Who knows of them.
SELECT * FROM incident_target o WHERE EXISTS (SELECT FROM incident i WHERE i.id = o.incident_id)

-- name: outbox
-- purpose: What was told of them.
SELECT * FROM outbox o WHERE EXISTS (SELECT FROM incident i WHERE i.id = o.incident_id)

-- name: delivery
-- purpose: How that was delivered.
SELECT * FROM delivery o WHERE EXISTS (SELECT FROM outbox b WHERE b.id = o.outbox_id)
