-- name: lock_keys
-- purpose: Whoever makes keys does so alone: two of one name would be made otherwise.
LOCK TABLE api_key IN SHARE ROW EXCLUSIVE MODE

-- name: keys
-- purpose: Every key, those in force first, without what it is judged by.
SELECT id, name, scopes, sees, rate, created_at, created_by, expires_at, revoked_at, last_used_at,
       CASE WHEN revoked_at IS NOT NULL THEN 'revoked' WHEN expires_at <= clock_timestamp() THEN 'expired'
            ELSE 'in force' END AS state
FROM api_key
ORDER BY (revoked_at IS NULL AND (expires_at IS NULL OR expires_at > clock_timestamp())) DESC, name, created_at DESC

-- name: keys_in_force
-- purpose: What every process knows of the keys that open something.
SELECT id, name, scopes, sees, digest, (extract(epoch FROM expires_at) * 1000000)::bigint, rate
FROM api_key
WHERE revoked_at IS NULL AND (expires_at IS NULL OR expires_at > clock_timestamp())

-- name: keys_of_name
-- purpose: The keys in force of a name, the newest first, and for how long each was made, in micros.
SELECT id, scopes, sees, rate, (extract(epoch FROM expires_at - created_at) * 1000000)::bigint AS lasts
FROM api_key
WHERE name = %(name)s AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > %(at)s)
ORDER BY created_at DESC, id

-- name: add_key
-- purpose: A key, by what it is judged by.
INSERT INTO api_key (id, name, scopes, sees, rate, digest, created_at, created_by, expires_at)
VALUES (%(id)s, %(name)s, %(scopes)s, %(sees)s, %(rate)s, %(digest)s, %(at)s, %(by)s, %(expires)s)

-- name: limit
-- purpose: Let keys bring so much; NULL is what the settings say.
UPDATE api_key SET rate = %(rate)s WHERE id = ANY(%(ids)s)

-- name: limited
-- purpose: Who was answered that he sends too much, how often, since and until when; an hour later it begins anew.
INSERT INTO rate_limited AS r (by, name, requests, since, until)
VALUES (%(by)s, %(name)s, %(count)s, %(at)s, %(at)s)
ON CONFLICT (by, name) DO UPDATE
SET requests = CASE WHEN r.until < excluded.until - interval '1 hour' THEN 0 ELSE r.requests END + excluded.requests,
    since = CASE WHEN r.until < excluded.until - interval '1 hour' THEN excluded.since ELSE r.since END,
    until = greatest(r.until, excluded.until)

-- name: forget_limited
-- purpose: Who sent too much a week ago is of no interest.
DELETE FROM rate_limited WHERE until < %(at)s - interval '7 days'

-- name: shorten
-- purpose: Let keys hold until then at most.
UPDATE api_key SET expires_at = least(coalesce(expires_at, %(until)s), %(until)s) WHERE id = ANY(%(ids)s)

-- name: revoke
-- purpose: Revoke a key by its id, or those in force of a name.
UPDATE api_key SET revoked_at = %(at)s
WHERE revoked_at IS NULL AND (expires_at IS NULL OR expires_at > %(at)s) AND (id = %(id)s OR name = %(name)s)
RETURNING id, name

-- name: used
-- purpose: When a key was last used; several processes may say so.
UPDATE api_key SET last_used_at = greatest(last_used_at, %(at)s) WHERE id = %(id)s

-- name: people
-- purpose: Every local user, without his password.
SELECT name, role, sees, raw, provisional, created_at, changed_at, disabled_at FROM person ORDER BY name

-- name: person
-- purpose: A local user with what his password is judged by.
SELECT name, role, password, sees, raw FROM person WHERE name = %(name)s AND disabled_at IS NULL

-- name: provisional
-- purpose: Whether somebody else chose the password of a user.
SELECT provisional FROM person WHERE name = %(name)s

-- name: add_person
-- purpose: A local user; nothing where there is one of the name.
INSERT INTO person (name, role, password, sees, raw, provisional, created_at, changed_at)
VALUES (%(name)s, %(role)s, %(password)s, %(sees)s, %(raw)s, %(provisional)s, %(at)s, %(at)s)
ON CONFLICT (name) DO NOTHING RETURNING name

-- name: change_person
-- purpose: What is given of a user is changed; the row as it was.
WITH former AS (SELECT name, role, disabled_at, sees, raw FROM person WHERE name = %(name)s FOR UPDATE)
UPDATE person p
SET role = coalesce(%(role)s, p.role), password = coalesce(%(password)s, p.password), changed_at = %(at)s,
    sees = CASE WHEN %(sees_changes)s THEN %(sees)s::text[] ELSE p.sees END, raw = coalesce(%(raw)s, p.raw),
    provisional = coalesce(%(provisional)s, p.provisional),
    disabled_at = CASE WHEN %(disabled)s::boolean IS NULL THEN p.disabled_at WHEN %(disabled)s THEN %(at)s END
FROM former WHERE p.name = former.name
RETURNING former.role, former.disabled_at IS NOT NULL, former.sees, former.raw

-- name: end_sessions
-- purpose: End the sessions of a person, wherever he is logged in; `how` says of which kind, NULL of any.
DELETE FROM session WHERE name = %(name)s AND (%(how)s::text IS NULL OR how = %(how)s) RETURNING how

-- name: sessions
-- purpose: The sessions that are not over, with what the person may do and see now.
SELECT s.digest, s.name, coalesce(p.role, s.role), s.how, (extract(epoch FROM s.started_at) * 1000000)::bigint,
       (extract(epoch FROM s.seen_at) * 1000000)::bigint, (extract(epoch FROM s.expires_at) * 1000000)::bigint,
       CASE WHEN s.how = 'password' THEN p.sees ELSE s.sees END, coalesce(p.raw, s.raw)
FROM session s LEFT JOIN person p ON s.how = 'password' AND p.name = s.name
WHERE s.expires_at > clock_timestamp() AND (s.how <> 'password' OR (p.name IS NOT NULL AND p.disabled_at IS NULL))

-- name: begin_session
-- purpose: Somebody has logged in.
INSERT INTO session (digest, name, role, sees, raw, how, started_at, seen_at, expires_at)
VALUES (%(digest)s, %(name)s, %(role)s, %(sees)s, %(raw)s, %(how)s, %(at)s, %(at)s, %(expires)s)

-- name: end_session
-- purpose: Somebody has logged out.
DELETE FROM session WHERE digest = %(digest)s

-- name: seen
-- purpose: When a session was last used; several processes may say so.
UPDATE session SET seen_at = greatest(seen_at, %(at)s) WHERE digest = %(digest)s

-- name: forget_sessions
-- purpose: Sessions that are over need no row.
DELETE FROM session WHERE expires_at <= clock_timestamp() OR seen_at <= clock_timestamp() - %(idle)s

-- name: anybody
-- purpose: Whether there is a key in force, and a local user.
SELECT EXISTS (SELECT FROM api_key WHERE revoked_at IS NULL AND (expires_at IS NULL OR expires_at > clock_timestamp())),
       EXISTS (SELECT FROM person WHERE disabled_at IS NULL)
