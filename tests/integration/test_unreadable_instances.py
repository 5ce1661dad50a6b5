"""Instances of which what is stored cannot be read: made anew from their events, or in nobody's way."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from collector.catalogue import Catalogue
from collector.cycle_report import CycleReport
from collector.projector import Projector
from collector.rebuild import forget
from collector.store.database import Connection
from collector.unreadable import REASON
from slo_rules.durations import HOUR, MINUTE
from tests.projecting import enroll, log_events, project, stored
from tests.strategies import definitions, make_event

DAMAGE = [b"", b"\xc1", b"\x00\xff rubbish", b"\x80", b"\x93\x01\x02\x03"]
ORDERS = ("SO-1", "SO-2", "SO-3")


def say(conn: Connection, type_: str, numbers: Sequence[int], source: str = "crm", after: int = 0) -> None:
    """Log that this happened to some of the orders."""
    log_events(
        conn,
        [
            make_event(type_, after, number, source, {"order": ORDERS[number % 10 - 1], "tax_code": "V1"})
            for number in numbers
        ],
    )


def damage(conn: Connection, order: str, progress: bytes) -> bytes:
    """Write something else where the progress of an order stands; what stood there."""
    with conn.transaction():
        row = conn.execute("SELECT progress FROM instance WHERE title = %s", (order,)).fetchone()
        assert row is not None
        conn.execute("UPDATE instance SET progress = %s WHERE title = %s", (progress, order))
    return bytes(row[0])


@pytest.fixture
def catalogue(conn: Connection) -> Catalogue:
    """Of a database in which three orders were won, and one was moved on."""
    found = enroll(conn, definitions())
    say(conn, "won", [1, 2, 3])
    say(conn, "linked", [12], after=MINUTE)
    project(conn, found)
    return found


def as_made_of_the_log(conn: Connection, catalogue: Catalogue) -> bool:
    """Whether the instances are what reading the log again makes."""
    before = [(row["id"], row["progress"], row["verdict"], row["waiting_for"]) for row in stored(conn)]
    forget(conn, current_definitions=False)
    project(conn, catalogue)
    return [(row["id"], row["progress"], row["verdict"], row["waiting_for"]) for row in stored(conn)] == before


@pytest.mark.parametrize("progress", DAMAGE)
def test_one_that_is_heard_of_again_is_made_anew_from_its_events(
    conn: Connection, catalogue: Catalogue, progress: bytes
) -> None:
    damage(conn, "SO-2", progress)
    say(conn, "accepted", [21, 22, 23], "sap", after=2 * MINUTE)
    project(conn, catalogue)
    assert [row["title"] for row in sorted(stored(conn), key=lambda row: row["title"])] == list(ORDERS)
    assert conn.execute("SELECT count(*) FROM dead_letter").fetchone() == (0,)
    assert as_made_of_the_log(conn, catalogue)


def test_one_that_falls_due_is_made_anew_and_judged(conn: Connection, catalogue: Catalogue) -> None:
    damage(conn, "SO-2", b"\xc1")
    damage(conn, "SO-3", b"\xc1")
    with conn.transaction():
        conn.execute("UPDATE instance SET next_check_at = now() - interval '1 minute'")
    project(conn, catalogue)
    assert len(stored(conn)) == 3
    assert conn.execute("SELECT count(*) FROM instance WHERE next_check_at < now()").fetchone() == (0,)


def test_one_that_two_halves_were_joined_into_is_made_anew_whole(conn: Connection) -> None:
    catalogue = enroll(conn, definitions())
    joined = [
        make_event("won", 0, 1, "crm", {"opportunity": "O-1"}),
        make_event("accepted", MINUTE, 2, "sap", {"sales_order": "47", "tax_code": "V1"}),
        make_event("linked", 2 * MINUTE, 3, "crm", {"opportunity": "O-1", "sales_order": "47"}),
    ]
    for event in joined:
        log_events(conn, [event])
        project(conn, catalogue)
    (before,) = stored(conn)
    with conn.transaction():
        conn.execute("UPDATE instance SET progress = %s", (b"\xc1",))
    log_events(conn, [make_event("linked", 2 * MINUTE, 3, "crm", {"opportunity": "O-1", "sales_order": "47"})])
    project(conn, catalogue)
    (after,) = stored(conn)
    assert (after["id"], after["progress"]) == (before["id"], before["progress"])


def lose_the_events_of(conn: Connection, order: str) -> None:
    with conn.transaction():
        conn.execute(
            "DELETE FROM event e USING instance_event l JOIN instance i ON i.id = l.instance_id "
            "WHERE i.title = %s AND e.seq = l.seq",
            (order,),
        )


def test_one_whose_events_are_gone_stays_and_what_comes_for_it_waits_as_a_dead_letter(
    conn: Connection, catalogue: Catalogue
) -> None:
    was = damage(conn, "SO-2", b"\xc1")
    lose_the_events_of(conn, "SO-2")
    say(conn, "accepted", [21, 22, 23], "sap", after=2 * MINUTE)
    with conn.transaction():
        conn.execute("UPDATE instance SET next_check_at = now() - interval '1 minute' WHERE title = 'SO-2'")
    projector = project(conn, catalogue)
    letters = conn.execute("SELECT reason, detail, event_id FROM dead_letter").fetchall()
    assert letters == [("cannot_be_applied", REASON, "e22")]
    row = conn.execute("SELECT progress FROM instance WHERE title = 'SO-2'").fetchone()
    assert row is not None
    assert bytes(row[0]) == b"\xc1"
    heard = conn.execute(
        "SELECT i.title FROM instance i JOIN instance_event l ON l.instance_id = i.id JOIN event e ON e.seq = l.seq "
        "WHERE e.type = 'accepted' ORDER BY 1"
    )
    assert heard.fetchall() == [("SO-1",), ("SO-3",)]
    conn.commit()
    # Mended by hand it is heard again, as soon as somebody projects anew; others have gone on all the time.
    damage(conn, "SO-2", was)
    projector._forget()
    say(conn, "invoiced", [31, 32], "stripe", after=HOUR)
    cycled(projector, conn)
    assert conn.execute("SELECT count(*) FROM dead_letter").fetchone() == (1,)
    assert len(stored(conn)) == 3


def cycled(projector: Projector, conn: Connection) -> CycleReport:
    while not (report := projector.cycle(conn)).caught_up:
        pass
    return report
