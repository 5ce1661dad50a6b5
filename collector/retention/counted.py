"""Buckets of objectives from long ago, dropped by the day and for a few objectives and groups at a time.

A level that rises and falls by steps is the sum of all steps before. Those of the buckets that go are kept in the first
that stays, and a correction of what went is kept there too (collector/buckets.py).
"""

from __future__ import annotations

from datetime import datetime

from collector.retention.parts import Dropped, lock_projection, record
from collector.retention.policy import Kept
from collector.store.database import Connection
from collector.store.sql import load
from slo_rules.durations import DAY
from slo_rules.instants import to_datetime, to_micros

Q = load("retention")
AT_ONCE = 100
"""Objectives and groups; of each that is some three hundred buckets a day."""
Place = tuple[str, str]


def first_kept(until: datetime) -> datetime:
    """The first bucket of every width that is kept: the day in which `until` is."""
    micros = to_micros(until)
    return to_datetime(micros - micros % DAY)


def old_places(conn: Connection, until: datetime) -> list[Place]:
    """The objectives, in all and in groups, that have buckets from before an instant."""
    with conn.transaction():
        return conn.execute(Q["old_places"], {"until": until}).fetchall()


def drop_buckets(conn: Connection, until: datetime, places: list[Place], now: datetime) -> Dropped:
    """Drop what these counted before `until`, as `first_kept` gives it, in one transaction in which nobody projects.

    Raises NotCurrent, and psycopg.errors.LockNotAvailable where somebody holds them too long.
    """
    with conn.transaction():
        lock_projection(conn, now)
        asked = {"until": until, "objectives": [one for one, _ in places], "groups": [group for _, group in places]}
        row = conn.execute(Q["drop_buckets"], asked).fetchone()
        dropped = Dropped(row[0] if row else 0, 0)
        record(conn, Kept.BUCKETS, until, dropped)
    return dropped
