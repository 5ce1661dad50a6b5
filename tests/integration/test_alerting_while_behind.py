"""Incidents while Milepost or a source is behind, on what is stored."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from alerting import incidents
from alerting.burning import burning_on, cause_of
from collector import duties
from collector.duties import Behind
from collector.query.staleness import Memory
from slo_rules.durations import MINUTE, SECOND
from slo_rules.instants import to_datetime, to_micros
from tests.integration.fix_doors import DEFINITIONS, cloud_event, running

if TYPE_CHECKING:
    from fix_alerting import World

pytest_plugins = ["fix_alerting"]


def look(world: World, passed: int, behind: Behind | None) -> None:
    world.now += passed
    incidents.run_once(world.conn, world.now, world.routes, behind=behind)


def states(world: World) -> list[tuple[str, str | None, str, int]]:
    return [(row["verdict"], row["reason"], row["status"], row["count"]) for row in world.rows("incident")]


def test_while_milepost_is_behind_nothing_resolves_and_that_is_told_when_it_lasts(world: World) -> None:
    world.route(world.webhook())
    world.fire(3)
    world.become("completed")
    world.stuck(7, workflow="refunds")
    behind = Behind(1200, to_datetime(world.now))
    look(world, MINUTE, behind)
    assert states(world) == [("stuck", None, "firing", 3), ("blind", "projection_behind", "firing", 1200)]
    look(world, 15 * MINUTE, Behind(2400, behind.judged_to))
    world.send()
    assert [(one.transition, one.body["data"]["incident"]["count"]) for one in world.receiver.received] == [
        ("firing", 3),
        ("firing", 2400),
    ]
    look(world, SECOND, None)
    look(world, 2 * SECOND, None)
    world.send()
    assert states(world) == [
        ("stuck", None, "resolved", 3),
        ("blind", "projection_behind", "resolved", 2400),
        ("stuck", None, "firing", 7),
    ]
    assert [one.transition for one in world.receiver.received[2:]] == ["resolved", "resolved", "firing"]


def test_what_waits_for_a_source_that_sends_its_past_is_told_when_that_lasts(world: World) -> None:
    world.route(world.webhook())
    world.stuck(4, verdict="blind", reason="source_catching_up")
    world.stuck(2, verdict="blind", reason="source_silent", source_awaited="crm")
    world.look()
    assert {one[1:] for one in states(world)} == {(None, "firing", 2), ("source_catching_up", "firing", 4)}
    world.look(2 * SECOND)
    world.look(14 * MINUTE)
    assert len(world.outbox()) == 1
    world.look(58 * SECOND)
    assert len(world.outbox()) == 2
    world.send()
    (behind,) = (row["id"] for row in world.rows("incident") if row["reason"] == "source_catching_up")
    assert world.receiver.received[1].body["data"]["incident"]["id"] == str(behind)


async def test_an_objective_is_not_judged_while_its_source_sends_its_past(database_url: str) -> None:
    now = datetime.now(UTC)
    async with running(database_url, DEFINITIONS) as collector:
        for number in range(40):
            at = now - timedelta(hours=4, minutes=2 + number % 10)
            await collector.events(cloud_event(f"c{number}", time=at.isoformat(), data={"order_id": f"O-{number}"}))
        collector.project()
        at = to_micros(datetime.now(UTC))
        burning = burning_on(collector.conn, at, collector.catalogue, Memory())
        (told,) = (await collector.get("/api/v1/objectives"))["items"]
        ((source, held),) = burning.withheld.items()
        assert burning.found == {}
        assert (source.source, source.reason) == (told["replaying_source"], "source_catching_up")
        assert [one.count > 0 for one in held] == [True]
        await collector.events(cloud_event("live", time=now.isoformat(), data={"order_id": "O-99"}))
        collector.project()
        burning = burning_on(collector.conn, to_micros(datetime.now(UTC)), collector.catalogue, Memory())
        ((objective,),) = collector.catalogue.objectives.values()
        assert {cause: one.count > 0 for cause, one in burning.found.items()} == {cause_of(objective): True}
        assert (burning.unknown, burning.withheld) == (frozenset(), {})


async def test_milepost_says_by_how_much_it_is_behind(database_url: str) -> None:
    async with running(database_url, DEFINITIONS) as collector:
        assert duties.behind(collector.conn, datetime.now(UTC)) == Behind(0, None)
        collector.project()
        assert duties.behind(collector.conn, datetime.now(UTC)) is None
        await collector.events(cloud_event("1", data={"order_id": "O-1"}))
        late = duties.behind(collector.conn, datetime.now(UTC) + timedelta(minutes=2))
        assert late is not None
        assert (late.events, late.judged_to is not None) == (1, True)
