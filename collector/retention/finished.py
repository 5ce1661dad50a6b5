"""Instances that finished long ago, dropped a few at a time with their keys, links and verdict changes.

What they added to objectives stays: it is in the buckets. What people did with them stays in the log.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from collector.retention.parts import Dropped, lock_projection, record
from collector.retention.policy import Kept
from collector.store.database import Connection
from collector.store.sql import load
from collector.stored_progress import readable
from slo_rules.identity import split_key
from slo_rules.instants import to_micros

Q = load("retention")
AT_ONCE = 1_000
FIRST = UUID(int=0)
_BY_ID = (
    "drop_links",
    "drop_changes",
    "drop_notes",
    "drop_handling",
    "drop_merges",
    "drop_instances",
    "drop_counts_of_none",
    "drop_splits",
)


def begun_before(until: datetime) -> UUID:
    """An id that is greater than those of all instances that were first heard of before an instant."""
    return UUID(bytes=(to_micros(until) // 1000).to_bytes(6, "big") + bytes(10))


def drop_finished(conn: Connection, until: datetime, after: UUID, now: datetime) -> tuple[Dropped, UUID | None]:
    """Drop some of the instances after this id that have finished and were not heard of since `until`.

    One transaction, in which nobody projects. Returns with what is gone the id to go on after, None at the end. Raises
    NotCurrent, and psycopg.errors.LockNotAvailable where somebody holds them too long.
    """
    with conn.transaction():
        lock_projection(conn, now)
        asked = {"after": after, "before": begun_before(until), "until": until, "limit": AT_ONCE}
        rows = conn.execute(Q["finished"], asked).fetchall()
        if not rows:
            return Dropped(0, 0), None
        # One that cannot be read stays: by which keys it was found is not known.
        known = [(id_, workflow, readable(packed, id_)) for id_, workflow, packed in rows]
        gone = [(id_, workflow, progress) for id_, workflow, progress in known if progress is not None]
        keys = [(id_, workflow, *split_key(key)) for id_, workflow, progress in gone for key in progress.keys]
        columns = zip(*keys, strict=True) if keys else [()] * 4
        of_keys = dict(zip(("owners", "workflows", "namespaces", "values"), map(list, columns), strict=True))
        for statement in ("drop_joining_keys", "drop_search_keys"):
            conn.execute(Q[statement], of_keys)
        for statement in _BY_ID:
            conn.execute(Q[statement], {"ids": [row[0] for row in gone]})
        conn.execute(Q["forget_in_memory"])
        dropped = Dropped(len(rows), 0)
        record(conn, Kept.INSTANCES, until, dropped)
    return dropped, rows[-1][0] if len(rows) == AT_ONCE else None
