"""What is told of the future of the instances in the store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from collector.query import learning as module
from collector.query.forecast import forecast
from collector.query.reader import Reader
from collector.store.database import Connection
from slo_rules.durations import HOUR, MINUTE
from slo_rules.event import Event
from slo_rules.instants import rfc3339, to_datetime
from tests.integration.fix_doors import answering
from tests.projecting import enroll, project, receive
from tests.strategies import START, definitions, make_event

pytestmark = pytest.mark.slow

NOW = 32 * HOUR


def history() -> list[Event]:
    """Of 160 orders every fourth takes 5 hours to be accepted, which is too late, and the others an hour.

    Three were won 20 hours ago and never accepted. Two are open, won 2 hours and half an hour ago.
    """
    found: list[tuple[str, int, str, dict[str, Any]]] = []
    for number in range(160):
        won = number * 10 * MINUTE
        said = {"order": f"SO-{number}", "region": "north" if number % 2 else "south"}
        found.append(("won", won, "crm", said))
        found.append(("accepted", won + (5 if number % 4 == 3 else 1) * HOUR, "sap", said | {"tax_code": "V1"}))
    found += [("won", NOW - 20 * HOUR, "crm", {"order": f"LOST-{number}", "region": "south"}) for number in range(3)]
    found.append(("won", NOW - 2 * HOUR, "crm", {"order": "LATE", "region": "east"}))
    found.append(("won", NOW - HOUR // 2, "crm", {"order": "NEW", "region": "north"}))
    found.sort(key=lambda one: one[1])
    return [make_event(type_, at, number, source, said) for number, (type_, at, source, said) in enumerate(found)]


@pytest.fixture
async def told(database_url: str, conn: Connection) -> AsyncIterator[Any]:
    """Asks, at NOW, for what is told of the stage `accepted`."""
    catalogue = enroll(conn, definitions())
    receive(conn, history())
    project(conn, catalogue)
    reader = Reader(database_url, most_connections=2)
    await reader.open()

    async def asked(**parameters: str) -> dict[str, Any]:
        said = {"by": None, "since": None} | parameters
        answer = await forecast(reader, catalogue, "orders", now=to_datetime(START + NOW), **said)
        assert answer is not None and answer["instances"] == 165
        return next(one for one in answer["stages"] if one["milestone"] == "accepted") | {"all": answer}

    yield asked
    await reader.close()


async def test_those_most_likely_to_be_late_come_first_and_are_added_up(told: Any) -> None:
    accepted = await told()
    assert (accepted["observed"], accepted["open"], accepted["calendar"]) == (165, 2, None)
    assert accepted["median_seconds"] == pytest.approx(3600, rel=1 / 512)
    late, new = accepted["most_likely"]
    # Who waits longer than an hour was never in time. Of 164 who waited half an hour 120 were through after one.
    assert (late["title"], late["chance"], late["deadline_at"]) == ("LATE", 1.0, rfc3339(START + NOW + 2 * HOUR))
    assert (new["title"], new["chance"]) == ("NEW", round(44 / 164, 4))
    assert late["low"] < 1 and new["low"] < 44 / 164 < new["high"]
    assert [(one["within"], one["due"], one["breaches"]) for one in accepted["expected"]] == [
        ("1h", 0, 0.0), ("8h", 2, 1.27), ("1d", 2, 1.27)
    ]  # fmt: skip
    assert (accepted["all"]["as_of"], accepted["all"]["all_instances"]) == (rfc3339(START + NOW), True)


async def test_what_is_overdue_is_clear_at_the_pace_since_it_can_be_seen(told: Any) -> None:
    overdue = (await told())["overdue"]
    # In the last hour one came late. In eight it was 12, while 10 more missed their deadline.
    assert (overdue["state"], overdue["net_per_hour"], overdue["waiting"]) == ("clearing", 0.25, 3)
    assert overdue["pace_since"] == rfc3339(START + NOW - 8 * HOUR)
    assert overdue["clear_at"] == rfc3339(START + NOW + 12 * HOUR)
    assert overdue["latest"] is None
    since = (await told(since=rfc3339(START + NOW - 30 * MINUTE)))["overdue"]
    assert (since["state"], since["clear_at"]) == ("too_little_seen", None)


def test_soon_after_a_recovery_the_pace_is_that_of_the_last_quarter_hour() -> None:
    seen, now = module.Seen(), 9 * HOUR
    # For an hour everything missed its deadline; for ten minutes ten a minute have come late at last.
    seen.missed = [now - minute * MINUTE for minute in range(10, 70) for _ in range(5)]
    seen.ended = [now - minute * MINUTE for minute in range(1, 11) for _ in range(10)]
    found = module.drained(seen, None, now)
    assert (found["state"], found["pace_since"]) == ("clearing", rfc3339(now - 15 * MINUTE))
    assert found["clear_at"] < rfc3339(now + HOUR)
    # Where so young a pace may as well not clear it, more is looked at.
    seen.ended = [now - minute * MINUTE for minute in range(1, 70) for _ in range(2 if minute < 15 else 3)]
    assert module.drained(seen, None, now)["pace_since"] != rfc3339(now - 15 * MINUTE)


async def test_a_group_that_is_new_is_answered_for_by_all(told: Any) -> None:
    late, new = (await told(by="region"))["most_likely"]
    assert (late["group"], late["pooled"], late["chance"]) == ("east", True, 1.0)
    # Half of the northern ones were late, and none of the southern.
    assert (new["group"], new["pooled"], new["chance"]) == ("north", False, 0.5)


async def test_only_those_that_began_last_are_read(told: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_INSTANCES", 165)
    assert (await told())["all"]["all_instances"]
    monkeypatch.setattr(module, "MOST_INSTANCES", 164)
    with pytest.raises(AssertionError):
        await told()


@pytest.mark.parametrize(
    ("asked", "status", "fields"),
    [
        ({"workflow": "orders"}, 200, []),
        ({}, 400, ["workflow"]),
        ({"workflow": "nothing"}, 404, []),
        ({"workflow": "orders\x00"}, 404, []),
        ({"workflow": "orders", "by": "colour", "since": "noon"}, 400, ["by", "since"]),
        ({"workflow": "orders", "by": "amount\x00"}, 400, ["by"]),
        ({"workflow": "orders", "since": "2026-01-01T00:00:00"}, 400, ["since"]),
        ({"workflow": "orders", "since": "9999-01-01T00:00:00Z"}, 400, ["since"]),
        ({"workflow": "orders", "since": "0001-01-01T00:00:00Z"}, 200, []),
    ],
)
def test_over_http(database_url: str, conn: Connection, asked: dict[str, str], status: int, fields: list[str]) -> None:
    catalogue = enroll(conn, definitions())
    receive(conn, history()[:20])
    project(conn, catalogue)

    async def answer() -> httpx.Response:
        async with answering(database_url, catalogue) as client:
            return await client.get("/api/v1/forecast", params=asked)

    found = asyncio.run(answer())
    assert found.status_code == status, found.text
    body = found.json()
    assert [fault["field"] for fault in body.get("faults", [])] == fields
    if status == 200:
        assert "accepted" in [one["milestone"] for one in body["stages"]]
