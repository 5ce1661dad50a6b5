"""How far each partition has been appended, kept beside the log and moved in the transaction that appends."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence

from collector import metrics
from collector.ingest.kafka.gathering import Partition, Stretch
from collector.ingest.kafka.records import Taken
from collector.log import append, keep_requests
from collector.store.database import Connection
from collector.store.sql import load

Q = load("kafka")


def begin(conn: Connection, group: str, earliest: Mapping[Partition, int]) -> dict[Partition, int]:
    """The next offset of each of these partitions; `earliest` is where those begin that are new."""
    asked = _columns(group, earliest.items())
    with conn.transaction():
        conn.execute(Q["begin"], asked)
        rows = conn.execute(Q["stored"], asked).fetchall()
    return {(topic, partition): next_offset for topic, partition, next_offset in rows}


def append_stretches(conn: Connection, group: str, stretches: Sequence[tuple[Stretch, Taken]]) -> list[Partition]:
    """Append what follows on what is in the log, in one transaction; the partitions of which it does not.

    There another consumer was faster: before it was given the partition, or after it was taken from it.
    """
    ends = {stretch.partition: stretch.until for stretch, _ in stretches}
    with conn.transaction():
        rows = conn.execute(Q["lock"], _columns(group, ends.items())).fetchall()
        stored = {(topic, partition): next_offset for topic, partition, next_offset in rows}
        following = [(one, taken) for one, taken in stretches if stored.get(one.partition) == one.begun_at]
        if following:
            batches = [taken.batch for _, taken in following]
            started = time.perf_counter()
            conn.execute(Q["move"], _columns(group, [(one.partition, one.until) for one, _ in following]))
            keep_requests(conn, [request for batch in batches for request in batch.requests])
            append(
                conn,
                [row for batch in batches for row in batch.events],
                [row for batch in batches for row in batch.spans],
                [letter for batch in batches for letter in batch.dead_letters],
            )
    if following:
        metrics.LOG_COMMITS.observe(time.perf_counter() - started)
    done = {one.partition for one, _ in following}
    return [one.partition for one, _ in stretches if one.partition not in done]


def _columns(group: str, offsets: Iterable[tuple[Partition, int]]) -> dict[str, object]:
    found = list(offsets)
    return {
        "group": group,
        "topics": [topic for (topic, _), _ in found],
        "partitions": [partition for (_, partition), _ in found],
        "offsets": [offset for _, offset in found],
    }
