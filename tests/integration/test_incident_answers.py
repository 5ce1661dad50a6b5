"""What the query layer answers of incidents, as alerting writes them and people act on them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from alerting import acts
from collector.catalogue import Catalogue
from collector.query import Query
from collector.query.instances import BadQuery
from collector.query.reader import Reader
from slo_rules.durations import HOUR, MINUTE
from slo_rules.instants import rfc3339, to_datetime

pytestmark = pytest.mark.slow

if TYPE_CHECKING:
    from fix_alerting import World

pytest_plugins = ["fix_alerting"]

T = TypeVar("T")


def ask(world: World, question: Callable[[Query], Awaitable[T]]) -> T:
    """What is answered at the present of the world."""

    class AtThatTime(Reader):
        async def clock(self) -> datetime:
            return to_datetime(world.now)

    async def answer() -> T:
        reader = AtThatTime(world.url)
        await reader.open()
        try:
            return await question(Query(reader, Catalogue([], [], [])))
        finally:
            await reader.close()

    return asyncio.run(answer())


def listed(world: World, **asked: Any) -> list[str]:
    found = ask(world, lambda query: query.incidents(**asked))
    assert found["cut"] is False
    return [item["workflow"] for item in found["items"]]


@pytest.fixture
def three(world: World) -> World:
    """Three incidents: many, dear, and old."""
    world.stuck(1, workflow="old", domain="cases", owner="support", value_amount=10)
    world.look()
    world.now += HOUR
    world.stuck(5, workflow="many", value_amount=10)
    world.stuck(2, workflow="dear", value_amount=90_000, value_currency="EUR")
    world.look()
    return world


def test_incidents_come_in_the_order_asked_for(three: World) -> None:
    assert listed(three) == ["many", "dear", "old"]
    assert listed(three, sort="-count") == ["many", "dear", "old"]
    assert listed(three, sort="-value")[0] == "dear"
    assert listed(three, sort="oldest_since")[0] == "old"
    assert listed(three, sort="-opened_at")[-1] == "old"


def test_incidents_are_filtered_by_domain_owner_severity_and_what_was_said(three: World) -> None:
    assert listed(three, domain="cases") == ["old"]
    assert listed(three, owner="support", severity="critical") == ["old"]
    assert listed(three, severity="warning") == []
    (old,) = ask(three, lambda query: query.incidents(domain="cases"))["items"]
    acts.comment(three.conn, old["id"], {"by": "jo", "text": "the queue of SAP is full"}, three.now)
    assert listed(three, q="Queue of sap") == ["old"]


def test_all_that_is_wrong_with_a_question_is_named(world: World) -> None:
    with pytest.raises(BadQuery) as refused:
        listed(world, status="burning", sort="weight", domain="x" * 201)
    assert [fault.partition(":")[0] for fault in refused.value.faults] == ["status", "sort", "domain"]


def test_an_incident_says_how_it_goes_on_until_it_is_over(world: World) -> None:
    ids = world.stuck(40)
    world.look()
    for drained in range(0, 20, 4):
        world.become("completed", ids=ids[drained : drained + 4])
        world.look(5 * MINUTE)
    (row,) = world.rows("incident")
    one = ask(world, lambda query: query.incident(str(row["id"])))
    assert one is not None
    assert [point["count"] for point in one["points"]] == [40, 36, 32, 28, 24, 20]
    assert one["points"][-1]["at"] == rfc3339(world.now)
    assert one["trend"]["per_hour"] < -40
    assert rfc3339(world.now) < one["trend"]["drained_at"] < rfc3339(world.now + HOUR)
    world.become("completed")
    world.look(MINUTE)
    over = ask(world, lambda query: query.incident(str(row["id"])))
    assert over is not None
    assert (over["status"], over["trend"]) == ("resolved", None)


def test_what_people_said_stands_in_lists(three: World) -> None:
    (old,) = ask(three, lambda query: query.incidents(domain="cases"))["items"]
    until = rfc3339(three.now + HOUR)
    acts.acknowledge(three.conn, old["id"], {"by": "jo", "until": until}, three.now)
    acts.postpone(three.conn, old["id"], {"by": "jo", "until": until, "reason": "lunch"}, three.now)
    (old,) = ask(three, lambda query: query.incidents(domain="cases"))["items"]
    assert (old["acknowledged_by"], old["acknowledged_until"], old["postponed_until"]) == ("jo", until, until)
