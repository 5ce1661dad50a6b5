-- name: last
-- purpose: The number and hash of the last row, and the time now, never before that of the last row.
SELECT coalesce(l.number, 0), coalesce(l.hash, decode(repeat('00', 32), 'hex')),
       greatest(clock_timestamp(), l.at)
FROM (SELECT) AS one
LEFT JOIN (SELECT number, hash, at FROM audit ORDER BY number DESC LIMIT 1) AS l ON true

-- name: add
-- purpose: One row, whose number and hash follow from the last.
INSERT INTO audit (number, at, actor, how, address, action, object, before, after, previous, hash)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)

-- name: all
-- purpose: Every row, the oldest first.
SELECT number, at, actor, how, address, action, object, before, after, previous, hash FROM audit ORDER BY number
