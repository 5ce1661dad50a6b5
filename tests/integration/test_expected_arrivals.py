"""What is expected of sources, in the store: watermarks of types, what is told of sources, definitions that change."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from collector.catalogue import Catalogue, load_catalogue
from collector.projector import Projector
from collector.query import Query
from collector.query.reader import Reader
from collector.query.sources import list_sources
from collector.rebuild import fingerprints, forget
from collector.store.database import Connection, connect, migrate
from slo_rules.durations import HOUR, MINUTE
from slo_rules.event import Event
from slo_rules.expectation import Expectation
from slo_rules.instants import rfc3339, to_datetime
from tests.projecting import enroll, project, receive, stored
from tests.strategies import START, definitions, make_event

# It begins on a Monday at 16:13:20 in Berlin.
NIGHTLY = "{expect: [{every: 1h, calendar: office}, {type: file, by: every business day 06:00, calendar: office}]}"


def sent(*events: tuple[str, int, str]) -> list[Event]:
    return [make_event(type_, at, number, source, {"order": "1"}) for number, (type_, at, source) in enumerate(events)]


def told(url: str, catalogue: Catalogue, at: int) -> dict[str, dict[str, Any]]:
    async def answer() -> list[dict[str, Any]]:
        reader = Reader(url, most_connections=2)
        await reader.open()
        try:
            return await list_sources(reader, catalogue, to_datetime(START + at))
        finally:
            await reader.close()

    return {row["source"]: row for row in asyncio.run(answer())}


def berlin(day: int, time: str) -> str:
    hour, _, minute = time.partition(":")
    return f"2026-09-{day}T{int(hour) - 2:02}:{minute}:00Z"


def test_each_silence_is_a_fact_of_its_own(database_url: str, conn: Connection) -> None:
    catalogue = enroll(conn, definitions(NIGHTLY, "{silent_after: 2h}"))
    before = told(database_url, catalogue, 0)["sap"]
    assert (before["state"], before["expected_by"], before["expects"]) == (
        "unknown", None, "at least every 1h of the time of office",
    )  # fmt: skip
    receive(conn, sent(("won", 0, "desk"), ("noise", 0, "sap"), ("file", HOUR, "sap")))
    projector = project(conn, catalogue)
    now = told(database_url, catalogue, 90 * MINUTE)
    assert now["sap"]["state"] == "live"
    # The office closes at five: half of the hour is of Tuesday.
    assert now["sap"]["expected_by"] == berlin(22, "10:00")
    (file,) = now["sap"]["types"]
    assert file == {
        "type": "file",
        "state": "live",
        "expects": "every business day by 06:00 (office)",
        "expected_by": berlin(22, "06:00"),
        "last_received_at": rfc3339(START + HOUR),
        "last_occurred_at": rfc3339(START + HOUR),
    }
    assert (now["crm"]["state"], now["crm"]["last_received_at"], now["crm"]["expected_by"]) == (
        "unknown", None, rfc3339(START + 2 * HOUR),
    )  # fmt: skip
    assert (now["desk"]["state"], now["desk"]["expects"], now["desk"]["types"]) == ("live", None, [])
    night = told(database_url, catalogue, 15 * HOUR)
    assert (night["sap"]["state"], night["sap"]["types"][0]["state"], night["crm"]["state"]) == (
        "live", "silent", "silent",
    )  # fmt: skip
    receive(conn, [make_event("noise", 16 * HOUR, 9, "sap", {})])
    projector.apply_batch(conn)
    (file,) = told(database_url, catalogue, 16 * HOUR)["sap"]["types"]
    assert (file["state"], file["last_received_at"]) == ("silent", rfc3339(START + HOUR))


@pytest.mark.parametrize("heard_at", [HOUR, None])
def test_a_type_that_is_expected_only_now_is_known_as_if_it_had_always_been(
    conn: Connection, heard_at: int | None
) -> None:
    before = definitions("{silent_after: 1d}")
    accepted = (
        [] if heard_at is None else [make_event("accepted", heard_at, 7, "sap", {"order": "2", "tax_code": "V1"})]
    )
    history = sent(("won", 0, "crm"), ("noise", 0, "sap"), ("noise", 5 * HOUR, "sap"))
    history[2:2] = accepted
    catalogue = enroll(conn, before)
    receive(conn, history)
    project(conn, catalogue)
    assert {(row["verdict"], row["reason"]) for row in stored(conn) if row["title"] == "1"} == {("stuck", "overdue")}
    catalogue = enroll(conn, definitions("{expect: [{every: 1d}, {type: accepted, every: 8h}]}"))
    projector = Projector(catalogue)
    assert projector.acquire(conn)
    receive(conn, [make_event("won", 6 * HOUR, 8, "crm", {"order": "3"})])
    projector.apply_batch(conn)
    projector.sweep(conn, START + 12 * HOUR)
    (row,) = [row for row in stored(conn) if row["title"] == "3"]
    assert (row["verdict"], row["reason"]) == ("blind", "type_silent")
    kept = fingerprints(conn)["source_type_state"]
    forget(conn, current_definitions=False)
    again = Projector(catalogue)
    assert again.acquire(conn)
    again.apply_batch(conn)
    assert fingerprints(conn)["source_type_state"] == kept
    rows = conn.execute("SELECT source, type, last_received_at FROM source_type_state").fetchall()
    assert rows == ([] if heard_at is None else [("sap", "accepted", to_datetime(START + heard_at))])
    conn.commit()
    other = Projector(enroll(conn, before))
    assert other.acquire(conn)
    other.apply_batch(conn)
    catalogue = enroll(conn, definitions("{expect: {type: shipped, every: 8h}}"))
    other = Projector(catalogue)
    assert other.acquire(conn)
    other.apply_batch(conn)
    assert conn.execute("SELECT * FROM source_type_state").fetchall() == []


def test_what_was_known_of_a_type_is_told_of_the_past(database_url: str, conn: Connection) -> None:
    """It came after one hour and after twenty, and is expected every eight; the order was due after four."""
    catalogue = enroll(conn, definitions("{expect: {type: accepted, every: 8h}}"))
    other = {"order": "2", "tax_code": "V1"}
    history = sent(("won", 0, "crm"), *(("noise", n * HOUR, "sap") for n in range(22)))
    history += [make_event("accepted", n * HOUR, 100 + n, "sap", other) for n in (1, 20)]
    receive(conn, sorted(history, key=lambda event: event.received_at))
    project(conn, catalogue)
    (row,) = [row for row in stored(conn) if row["title"] == "1"]

    async def known(*asked: int) -> list[str]:
        reader = Reader(database_url, most_connections=2)
        await reader.open()
        try:
            query = Query(reader, catalogue)
            answers = [await query.instance(str(row["id"]), None, rfc3339(START + at)) for at in asked]
            return [answer["reason"] for answer in answers if answer is not None]
        finally:
            await reader.close()

    instants = (4 * HOUR, 8 * HOUR + 30 * MINUTE, 9 * HOUR, 20 * HOUR - MINUTE, 20 * HOUR, 40 * HOUR)
    assert asyncio.run(known(*instants)) == [
        "overdue", "overdue", "type_silent", "type_silent", "overdue", "overdue",
    ]  # fmt: skip


def test_what_was_said_of_sources_before_is_brought_into_its_present_form(database_url: str) -> None:
    with connect(database_url, "test") as conn:
        enroll(conn, definitions())
        conn.execute("""
            UPDATE current_definition
            SET body = body - 'expects' || jsonb_build_object('silent_after', body -> 'expects' -> 'length')
            WHERE kind = 'Source'
        """)
        conn.execute("UPDATE alembic_version SET version_num = '0007'")
        conn.commit()
    migrate(database_url)
    with connect(database_url, "test") as conn:
        assert load_catalogue(conn).sources == definitions().sources
    assert definitions().sources["sap"].expects == Expectation(2 * HOUR)
