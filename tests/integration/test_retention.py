"""What is kept no longer goes, and what is needed stays: on plain PostgreSQL and with TimescaleDB."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from collector.catalogue import Catalogue
from collector.retention.duty import Report, run_once
from collector.retention.policy import Kept, Retention
from collector.store.database import Connection
from slo_rules.durations import DAY, HOUR, MINUTE
from slo_rules.event import Event
from slo_rules.instants import to_datetime, to_micros
from tests.projecting import enroll, project, projecting, receive
from tests.strategies import definitions, make_event

NOW = datetime.now(UTC).replace(microsecond=0)
KEPT = Retention(events=90 * DAY, spans=14 * DAY, instances=400 * DAY, buckets=800 * DAY)


def at(type_: str, age: timedelta, number: int, source: str = "crm", **said: Any) -> Event:
    """An event that occurred and arrived so long before now."""
    micros = to_micros(NOW - age)
    event = make_event(type_, 0, number, source, {"tax_code": "V1"} | said, 0)
    document = event.document | {"time": None}
    import msgspec

    return msgspec.structs.replace(event, occurred_at=micros, received_at=micros, document=document)


def days(number: float) -> timedelta:
    return timedelta(days=number)


@pytest.fixture
def both(either_url: str) -> Iterator[Connection]:
    """A connection on either kind of server."""
    with projecting(either_url) as conn:
        yield conn


def history() -> list[Event]:
    """In the order of their arrival.

    SO-1 finished long ago; SO-2 is open for as long; SO-3 began then and finished within what is kept; noise is of none.
    """
    found = [
        at("won", days(200), 1, order="SO-1"),
        at("won", days(199.9), 2, order="SO-2"),
        at("won", days(199.8), 3, order="SO-3"),
        at("noise", days(199.7), 4),
    ]
    for number, milestone in enumerate(("accepted", "shipped", "invoiced", "paid")):
        found.append(at(milestone, days(199.6 - number / 10), 10 + number, "sap", order="SO-1"))
    found.append(at("accepted", days(199), 20, "sap", order="SO-2"))
    for number, milestone in enumerate(("accepted", "shipped", "invoiced", "paid")):
        found.append(at(milestone, days(30 - number), 30 + number, "sap", order="SO-3"))
    found.append(at("won", days(1), 40, order="SO-4"))
    return found


def fill(conn: Connection) -> Catalogue:
    catalogue = enroll(conn, definitions())
    receive(conn, history())
    project(conn, catalogue)
    return catalogue


def ids(conn: Connection) -> list[str]:
    with conn.transaction():
        return [row[0] for row in conn.execute("SELECT id FROM event ORDER BY seq").fetchall()]


def run(conn: Connection, retention: Retention = KEPT, now: datetime = NOW) -> Report:
    report = run_once(conn, now, retention)
    assert report.ran
    return report


def test_x(both: Connection) -> None:
    fill(both)
    print(both.execute("SELECT title, verdict FROM instance").fetchall())
    both.commit()
    before = ids(both)
    report = run(both)
    print(report, before, ids(both))
    print(both.execute("SELECT * FROM retention").fetchall())
    assert 0
