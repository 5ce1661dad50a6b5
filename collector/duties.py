"""Background duties of the collector: each a `run_once(conn, now)`, safe to run in two processes at once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from collector import metrics
from collector.store.database import Connection, ensure_partitions
from collector.store.sql import load

Q = load("query")


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


def is_current(conn: Connection, now: datetime) -> bool:
    """Whether everything received has been applied and judged within the last minute.

    While a rebuild or a backlog is under way, what looks resolved or stuck is only not known yet.
    """
    with conn.transaction():
        row = conn.execute("SELECT swept_to FROM projection WHERE name = 'instances'").fetchone()
    return row is not None and row[0] is not None and now - row[0] < timedelta(minutes=1)
