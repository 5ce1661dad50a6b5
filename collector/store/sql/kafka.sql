-- name: begin
-- purpose: Of partitions of which nothing was appended yet: where they begin. What is known already stays.
INSERT INTO kafka_offset (consumer_group, topic, partition, next_offset)
SELECT %(group)s, topic, partition, next_offset
FROM unnest(%(topics)s::text[], %(partitions)s::int[], %(offsets)s::bigint[]) AS one (topic, partition, next_offset)
ON CONFLICT DO NOTHING

-- name: stored
-- purpose: How far these partitions have been appended.
SELECT topic, partition, next_offset
FROM kafka_offset JOIN unnest(%(topics)s::text[], %(partitions)s::int[]) AS one (topic, partition)
    USING (topic, partition)
WHERE consumer_group = %(group)s

-- name: lock
-- purpose: The same, while nobody else can append to them until this transaction ends; all lock in one order.
SELECT k.topic, k.partition, k.next_offset
FROM kafka_offset k JOIN unnest(%(topics)s::text[], %(partitions)s::int[]) AS one (topic, partition)
    USING (topic, partition)
WHERE k.consumer_group = %(group)s
ORDER BY k.topic, k.partition
FOR UPDATE OF k

-- name: move
-- purpose: How far they are once this transaction is committed.
UPDATE kafka_offset k SET next_offset = one.next_offset, moved_at = clock_timestamp()
FROM unnest(%(topics)s::text[], %(partitions)s::int[], %(offsets)s::bigint[]) AS one (topic, partition, next_offset)
WHERE k.consumer_group = %(group)s AND k.topic = one.topic AND k.partition = one.partition
