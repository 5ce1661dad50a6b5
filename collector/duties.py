"""Background duties of the collector: each a `run_once(conn, now)`, safe to run in two processes at once."""

from __future__ import annotations

from collections.abc import Collection
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


def is_current(conn: Connection, now: datetime) -> bool:
    """Whether everything received has been applied and judged within the last minute.

    While a rebuild or a backlog is under way, what looks resolved or stuck is only not known yet.
    """
    with conn.transaction():
        row = conn.execute("SELECT swept_to FROM projection WHERE name = 'instances'").fetchone()
    return row is not None and row[0] is not None and now - row[0] < timedelta(minutes=1)
