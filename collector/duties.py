"""Background duties of the collector: each a `run_once(conn, now)`, safe to run in two processes at once."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from collector import metrics
from collector.store.database import Connection, ensure_partitions
from collector.store.sql import load

Q = load("query")
OF_SOURCES = load("sources")


def make_partitions(conn: Connection, now: datetime) -> list[str]:
    """Keep the time partitions of the coming weeks made."""
    return ensure_partitions(conn, now)


def measure(conn: Connection, now: datetime) -> int:
    """Refresh the gauges; the number of events that wait to be applied."""
    with conn.transaction():
        rows = conn.execute(Q["gauges"]).fetchall()
        log = conn.execute(Q["progress_of_log"]).fetchone()
    metrics.INSTANCES.clear()
    for workflow, verdict, count in rows:
        metrics.INSTANCES.labels(workflow, verdict).set(count)
    waiting = max(0, log[3] - log[0]) if log else 0
    metrics.LAG_EVENTS.set(waiting)
    behind = now.astimezone(UTC) - log[1] if log and waiting and log[1] is not None else timedelta()
    metrics.LAG.set(max(0.0, behind.total_seconds()))
    return waiting


def measure_sources(conn: Connection, _now: datetime, known: Collection[str]) -> int:
    """Refresh the gauges of what waits and what is dead, by source; how many dead letters nobody has settled.

    Sources that are not `known` are counted together: whoever sends can name as many as he likes.
    """
    total = 0
    for gauge, statement in ((metrics.SOURCE_WAITING, "count_waiting"), (metrics.OPEN_LETTERS, "count_open_letters")):
        with conn.transaction():
            rows = conn.execute(OF_SOURCES[statement]).fetchall()
        found = dict.fromkeys(known, 0)
        for source, count in rows:
            name = source if source in known else "other"
            found[name] = found.get(name, 0) + count
        gauge.clear()
        for name, count in found.items():
            gauge.labels(name).set(count)
        total = sum(found.values())
    return total


@dataclass(frozen=True, slots=True)
class Behind:
    """How far the projection is behind: so many events wait, and all was judged as it stood at `judged_to`.

    That is None while everything is judged anew.
    """

    events: int
    judged_to: datetime | None


def behind(conn: Connection, now: datetime) -> Behind | None:
    """How far behind what is known is; None where everything received was applied and judged within the last minute.

    While a rebuild or a backlog is under way, what looks resolved or stuck is only not known yet.
    """
    with conn.transaction():
        row = conn.execute(Q["progress_of_log"]).fetchone()
    if row is None:
        return Behind(0, None)
    applied, _, swept_to, head, _ = row
    if swept_to is not None and now - swept_to < timedelta(minutes=1):
        return None
    return Behind(max(0, head - applied), swept_to)


def is_current(conn: Connection, now: datetime) -> bool:
    """Whether nothing is behind."""
    return behind(conn, now) is None
