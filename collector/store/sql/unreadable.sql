-- name: damaged
-- purpose: Instances as they are stored, held until the transaction ends.
SELECT id, workflow, workflow_version, progress FROM instance WHERE id = ANY(%(ids)s) ORDER BY id FOR UPDATE

-- name: mend
-- purpose: Put what its events make in the place of what could not be read.
UPDATE instance SET progress = %(progress)s WHERE id = %(id)s

-- name: joining_keys
-- purpose: By which keys events find these instances.
SELECT workflow, namespace, value FROM instance_key WHERE joins AND instance_id = ANY(%(ids)s)
