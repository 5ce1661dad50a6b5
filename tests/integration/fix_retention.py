"""A history of which some is older than what is kept, on either kind of server."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from collector.catalogue import Catalogue
from collector.retention.duty import Report, run_once
from collector.retention.policy import Retention
from collector.store.database import Connection
from slo_rules.durations import DAY
from slo_rules.event import Event
from slo_rules.instants import to_micros
from tests.projecting import enroll, project, receive
from tests.strategies import START, definitions, make_act, make_event

NOW = datetime.now(UTC)
KEPT = Retention(compress_after=None)


def ago(days: float) -> int:
    """So many days before now, in micros after START."""
    return to_micros(NOW - timedelta(days=days)) - START


def event(type_: str, days: float, number: int, source: str = "crm", *, late: float = 0, **said: Any) -> Event:
    """An event that arrived so many days ago, and had occurred `late` days before that."""
    return make_event(type_, ago(days + late), number, source, {"tax_code": "V1"} | said, ago(days))


HISTORY = [
    event("won", 200, 1, order="SO-1", account="A"),
    event("won", 199.9, 2, order="SO-2", account="A"),
    event("won", 199.8, 3, order="SO-3"),
    event("noise", 199.7, 4),
    event("accepted", 199.6, 5, "sap", order="SO-1"),
    event("shipped", 199.5, 6, order="SO-1"),
    event("accepted", 199, 7, "sap", order="SO-2"),
    make_act(ago(198), 8, "order=SO-1", None),
    event("paid", 197, 9, order="SO-1"),
    event("accepted", 30, 10, "sap", order="SO-3"),
    event("paid", 29, 11, order="SO-3"),
    event("won", 1, 12, order="SO-4"),
]
"""SO-1 finished long ago, SO-2 has been open for as long, SO-3 began then and finished within what is kept.

Event 4 concerns none, and event 8 is what somebody said.
"""
LEFT = ["e2", "e3", "e7", "e8", "e10", "e11", "e12"]


def fill(conn: Connection) -> Catalogue:
    """That history, applied."""
    catalogue = enroll(conn, definitions())
    receive(conn, HISTORY)
    project(conn, catalogue)
    return catalogue


def logged(conn: Connection) -> list[str]:
    """The ids of all events in the log, in its order."""
    return [row[0] for row in rows(conn, "SELECT id FROM event ORDER BY seq")]


def rows(conn: Connection, statement: str) -> list[tuple[Any, ...]]:
    """The rows of a statement, in a transaction of its own."""
    with conn.transaction():
        return conn.execute(statement).fetchall()


def run(conn: Connection, retention: Retention = KEPT, *, later: timedelta = timedelta(0)) -> Report:
    """One run of the duty, so much later than now, when everything is applied."""
    now = datetime.now(UTC) + later
    with conn.transaction():
        conn.execute("UPDATE projection SET swept_to = %s", (now,))
    report = run_once(conn, now, retention)
    assert report.ran
    return report


def days(number: float) -> int:
    """So many days in micros."""
    return int(number * DAY)
