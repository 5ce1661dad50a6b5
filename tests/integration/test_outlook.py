"""What is likely to come of what is due soon: the list, the number above it, and one instance."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

import httpx
import pytest

from collector.catalogue import Catalogue
from collector.projector import Projector
from collector.query import Query
from collector.query import outlook as module
from collector.query.instances import BadQuery
from collector.query.reader import Reader
from collector.store.database import Connection
from slo_rules.durations import HOUR, MINUTE
from slo_rules.event import Event
from slo_rules.instants import rfc3339, to_datetime
from tests.integration.fix_doors import answering
from tests.projecting import enroll, receive
from tests.strategies import START, definitions, make_event

pytestmark = pytest.mark.slow

NOW = 32 * HOUR
WORKFLOW = "orders"


class At(Reader):
    """Reads as if it were NOW."""

    async def now(self) -> datetime:
        return to_datetime(START + NOW)


def history(*open_: tuple[str, int]) -> list[Event]:
    """Of 159 orders every fourth takes 5 hours to be accepted, which is too late, and the others an hour.

    None of them is shipped. Three others were delivered, and nobody has ever paid. Then 30 opened half an hour ago, and those named so long (micros) ago, all of them still to be accepted.
    """
    found: list[tuple[str, int, str, dict[str, Any]]] = []
    for number in range(159):
        won = number * 10 * MINUTE
        said = {"order": f"SO-{number}", "region": "EMEA" if number % 2 else "north"}
        found.append(("won", won, "crm", said))
        found.append(("accepted", won + (5 if number % 4 == 3 else 1) * HOUR, "sap", said | {"tax_code": "V1"}))
    for number in range(3):
        said = {"order": f"PAY-{number}", "region": "north", "tax_code": "V1", "parcel": f"P-{number}", "amount": 9}
        steps = (("won", "crm"), ("accepted", "sap"), ("shipped", "wms"), ("delivered", "wms"), ("signed", "wms"))
        found += [(type_, NOW - (20 - hour) * HOUR, source, said) for hour, (type_, source) in enumerate(steps)]
    new = ((f"NEW-{number}", HOUR // 2) for number in range(30))
    found += [("won", NOW - ago, "crm", {"order": name, "region": "EMEA"}) for name, ago in (*open_, *new)]
    # Both sources are heard until now.
    found += [("noise", NOW - MINUTE, source, {"order": "NOISE"}) for source in ("crm", "sap")]
    found.sort(key=lambda one: one[1])
    return [make_event(type_, at, number, source, said) for number, (type_, at, source, said) in enumerate(found)]


LATE = ("LATE", 2 * HOUR)


def prepared(conn: Connection, events: list[Event]) -> Catalogue:
    catalogue = enroll(conn, definitions())
    receive(conn, events)
    projector = Projector(catalogue)
    assert projector.acquire(conn)
    projector.apply_batch(conn)
    projector.sweep(conn, START + NOW)
    return catalogue


@pytest.fixture
async def query(database_url: str, conn: Connection) -> AsyncIterator[Query]:
    catalogue = prepared(conn, history(LATE))
    reader = At(database_url, most_connections=3)
    await reader.open()
    yield Query(reader, catalogue)
    await reader.close()


async def test_the_likeliest_to_be_late_comes_first_and_says_how_likely(query: Query) -> None:
    found = await query.instances(workflow=WORKFLOW, due_within_seconds=4 * 3600, sort="-chance")
    assert found["total"] == 31 and found["next_cursor"] is None
    first, *others = found["items"]
    # Who waited longer than an hour was never in time; of 163 who did half an hour 123 were through after one.
    assert (first["title"], first["forecast"]["chance"], first["forecast"]["milestone"]) == ("LATE", 1.0, "accepted")
    assert {one["forecast"]["chance"] for one in others} == {round(40 / 163, 4)}
    assert others[0]["forecast"] | {"low": 0, "high": 0} == {
        "milestone": "accepted", "title": "Accepted", "calendar": None, "deadline_at": rfc3339(START + NOW + 210 * MINUTE),
        "waited_seconds": 1800.0, "left_seconds": 210 * 60.0, "group": None, "chance": round(40 / 163, 4), "low": 0, "high": 0,
        "known": 162, "unknown": None, "pooled": False,
    }  # fmt: skip


async def test_the_number_of_the_outlook_is_that_of_the_list_it_opens(query: Query) -> None:
    outlook = await query.outlook(WORKFLOW)
    assert outlook is not None
    (orders,) = outlook["items"]
    assert [one["within"] for one in orders["expected"]] == ["1h", "8h", "1d"]
    hours = orders["expected"][1]
    assert (hours["due"], hours["unknown"], hours["why_unknown"]) == (31, 0, {})
    assert hours["breaches"] == round(1 + 30 * 40 / 163, 2)
    listed = await query.instances(workflow=WORKFLOW, due_within_seconds=8 * 3600, sort="-chance")
    assert listed["total"] == hours["due"] + hours["unknown"]
    assert round(sum(one["forecast"]["chance"] for one in listed["items"]), 2) == hours["breaches"]
    assert orders["learned"] == {"at": rfc3339(START + NOW), "instances": 193, "all_instances": True}
    # Its parts are kept by themselves, of which there is no looking back.
    assert orders["looked_back"] is None
    everything = await query.outlook()
    assert everything is not None
    assert [(one["workflow"], len(one["expected"]), one["expected"][0]["due"]) for one in everything["items"]] == [
        ("orders", 1, 0)
    ]


async def test_only_what_is_before_a_deadline_within_the_time_is_found(query: Query) -> None:
    assert (await query.instances(due_within_seconds=3600))["total"] == 0
    within = await query.instances(due_within_seconds=2 * 3600)
    assert [one["title"] for one in within["items"]] == ["LATE"]
    assert (await query.instances(due_within_seconds=2 * 3600, verdict=["stuck"]))["total"] == 0
    assert "forecast" not in (await query.instances(limit=1))["items"][0]


@pytest.mark.parametrize("sort", ["chance", "-chance"])
async def test_pages_by_chance_hold_each_instance_once(query: Query, sort: str) -> None:
    asked: dict[str, Any] = {"workflow": WORKFLOW, "due_within_seconds": 2 * 86_400, "sort": sort}
    seen: list[dict[str, Any]] = []
    cursor = None
    while True:
        page = await query.instances(**asked, limit=7, cursor=cursor)
        seen += page["items"]
        cursor = page["next_cursor"]
        assert page["total"] == 34
        if cursor is None:
            break
    whole = await query.instances(**asked, limit=500)
    assert [one["id"] for one in seen] == [one["id"] for one in whole["items"]]
    assert len({one["id"] for one in seen}) == whole["total"]
    known = [c for one in seen if (c := one["forecast"]["chance"]) is not None]
    assert known == sorted(known, reverse=sort == "-chance")
    # What nothing is known of comes last either way.
    assert all(one["forecast"]["chance"] is None for one in seen[len(known) :])
    by_offset = await query.instances(**asked, limit=5, offset=3)
    assert [one["id"] for one in by_offset["items"]] == [one["id"] for one in seen[3:8]]


async def test_of_too_little_no_number_is_told(query: Query) -> None:
    found = await query.instances(workflow=WORKFLOW, q="PAY-1", due_within_seconds=86_400 * 2)
    told = found["items"][0]["forecast"]
    # Two days is longer than anybody was seen to wait.
    assert (told["milestone"], told["chance"], told["unknown"]) == ("paid", None, "beyond_observed")


async def test_what_may_have_come_unseen_has_no_chance(database_url: str, conn: Connection) -> None:
    silent = [one for one in history(LATE) if one.source != "sap" or one.occurred_at < START + NOW - 3 * HOUR]
    catalogue = prepared(conn, silent)
    reader = At(database_url, most_connections=3)
    await reader.open()
    query = Query(reader, catalogue)
    found = await query.instances(workflow=WORKFLOW, due_within_seconds=4 * 3600, sort="-chance")
    outlook = await query.outlook(WORKFLOW)
    await reader.close()
    assert {(one["forecast"]["chance"], one["forecast"]["unknown"]) for one in found["items"]} == {
        (None, "source_silent")
    }
    assert outlook is not None
    hours = outlook["items"][0]["expected"][1]
    assert (hours["due"], hours["breaches"], hours["why_unknown"]) == (0, 0.0, {"source_silent": 31})


async def test_one_instance_tells_each_deadline_before_it(query: Query) -> None:
    listed = (await query.instances(q="LATE"))["items"][0]
    told = await query.instance_forecast(listed["id"])
    assert told is not None
    accepted, paid = told["deadlines"]
    assert (accepted["milestone"], accepted["chance"], accepted["group"]) == ("accepted", 1.0, None)
    # What EMEA was promised differs, so it is told from those of EMEA.
    assert (paid["milestone"], paid["calendar"], paid["group"]) == ("paid", "office", {"region": "EMEA"})
    assert (told["verdict"], told["workflow"]) == ("on_track", WORKFLOW)
    assert told["learned"]["instances"] == 193
    (stuck,) = (await query.instances(key="order=SO-2", verdict=["stuck"]))["items"]
    told = await query.instance_forecast(stuck["id"])
    # What is overdue has no chance left to tell; what comes after it has.
    assert told is not None and [one["milestone"] for one in told["deadlines"]] == ["paid"]
    assert await query.instance_forecast("00000000-0000-0000-0000-000000000000") is None
    assert await query.instance_forecast("LATE'; --") is None


async def test_more_than_can_be_told_of_are_not_told_at_all(query: Query, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_RANKED", 30)
    with pytest.raises(BadQuery, match="narrow the list"):
        await query.instances(due_within_seconds=4 * 3600, sort="-chance")
    listed = await query.instances(due_within_seconds=4 * 3600)
    assert listed["total"] == 31 and all(one["forecast"] is None for one in listed["items"])
    outlook = await query.outlook(WORKFLOW)
    assert outlook is not None
    assert (outlook["items"][0]["too_many"], outlook["items"][0]["expected"]) == (True, [])


async def test_many_questions_read_the_history_once(query: Query, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    learn = module.learn

    async def counted(*said: Any) -> Any:
        read.append(said[2])
        return await learn(*said)

    monkeypatch.setattr(module, "learn", counted)
    asked = [query.outlook() for _ in range(5)] + [query.outlook(WORKFLOW) for _ in range(5)]
    assert all(await asyncio.gather(*asked))
    assert read == [WORKFLOW]


async def test_the_outlook_of_an_objective_is_that_of_its_workflow(query: Query) -> None:
    told = await query.outlook(objective="accepted-in-time")
    assert told is not None and [one["workflow"] for one in told["items"]] == [WORKFLOW]
    assert await query.outlook(objective="no such") is None


def over_http(database_url: str, catalogue: Catalogue, path: str, asked: dict[str, str]) -> httpx.Response:
    async def answer() -> httpx.Response:
        async with answering(database_url, catalogue) as client:
            return await client.get(path, params=asked)

    return asyncio.run(answer())


@pytest.mark.parametrize(
    ("path", "asked", "status", "fields"),
    [
        ("outlook", {}, 200, []),
        ("outlook", {"workflow": "orders"}, 200, []),
        ("outlook", {"workflow": "nothing"}, 404, []),
        ("outlook", {"workflow": ""}, 404, []),
        ("outlook", {"workflow": "orders\x00"}, 404, []),
        ("instances/00000000-0000-0000-0000-000000000000/forecast", {}, 404, []),
        ("instances/' OR 1=1/forecast", {}, 404, []),
        ("instances", {"due_within_seconds": "3600"}, 200, []),
        ("instances", {"due_within_seconds": "0"}, 400, ["due_within_seconds"]),
        ("instances", {"due_within_seconds": "-1"}, 400, ["due_within_seconds"]),
        ("instances", {"due_within_seconds": "nan"}, 400, ["due_within_seconds"]),
        ("instances", {"due_within_seconds": "inf"}, 400, ["due_within_seconds"]),
        ("instances", {"due_within_seconds": "1e300"}, 400, ["due_within_seconds"]),
        ("instances", {"due_within_seconds": "soon"}, 400, ["due_within_seconds"]),
        ("instances", {"sort": "-chance"}, 400, ["sort"]),
        ("instances", {"sort": "--chance", "due_within_seconds": "60"}, 400, ["sort"]),
        ("instances", {"sort": "chance", "due_within_seconds": "60", "cursor": "gAAA"}, 400, ["cursor"]),
        ("instances", {"sort": "chance", "due_within_seconds": "60", "cursor": "W10="}, 400, ["cursor"]),
        ("instances", {"sort": "chance", "due_within_seconds": "60", "limit": "501"}, 400, ["limit"]),
        ("instances", {"sort": "chance", "due_within_seconds": "60", "offset": "-1"}, 400, ["offset"]),
        ("instances", {"sort": "chance", "due_within_seconds": "60", "q": "\x00"}, 400, ["q"]),
        ("instances", {"sort": "chance", "due_within_seconds": "60", "verdict": "late"}, 400, ["verdict"]),
        (
            "instances",
            {"due_within_seconds": "60", "as_of": "2026-01-01T00:00:00Z"},
            400,
            ["due_within_seconds"],
        ),
        ("differences", {"due_within_seconds": "60", "workflow": "orders"}, 200, []),
    ],
)
def test_over_http(
    database_url: str, conn: Connection, path: str, asked: dict[str, str], status: int, fields: list[str]
) -> None:
    catalogue = prepared(conn, history()[:20])
    found = over_http(database_url, catalogue, f"/api/v1/{path}", asked)
    assert found.status_code == status, found.text
    assert [fault["field"] for fault in found.json().get("faults", [])] == fields


def test_a_cursor_is_bound_to_its_sort(database_url: str, conn: Connection) -> None:
    catalogue = prepared(conn, history()[:20])
    other = "WyItY2hhbmNlIiwwLjUsIjAxYTFmZjY3LWNhMTQtN2I0MC04YzFhLTM4NjkzN2Q3MzVlYyJd"
    asked = {"sort": "chance", "due_within_seconds": "60", "cursor": other}
    found = over_http(database_url, catalogue, "/api/v1/instances", asked)
    assert "made for another sort" in found.text
    # What stood there is gone: the page begins behind its chance.
    asked["sort"] = "-chance"
    assert over_http(database_url, catalogue, "/api/v1/instances", asked).status_code == 200
