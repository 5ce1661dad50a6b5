# ruff: noqa: F811
"""An instance tells of the incidents that held it up, also when they are over."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from alerting import incidents
from slo_rules.instants import rfc3339, to_micros
from tests.integration.fix_doors import Collector, cloud_event, collector  # noqa: F401
from tests.integration.routed import routes


def ahead(hours: float) -> str:
    return rfc3339(datetime.now(UTC) + timedelta(hours=hours))


def look(collector: Collector, later: float = 0.0) -> None:
    now = datetime.now(UTC) + timedelta(seconds=later)
    incidents.run_once(collector.conn, to_micros(now), routes())


async def instance(collector: Collector, key: str) -> Any:
    (found,) = (await collector.get("/api/v1/instances", key=f"order={key}"))["items"]
    return await collector.get(f"/api/v1/instances/{found['id']}")


def told(one: Any) -> list[tuple[str, str]]:
    return [(message["target"], message["transition"]) for message in one["told"]]


async def test_an_instance_shows_what_held_it_up_and_whom_that_was_told(collector: Collector) -> None:
    orders = [cloud_event(f"order-{n}", time=ahead(-10), data={"order_id": f"O-{n}"}) for n in (1, 2)]
    well = cloud_event("order-3", time=ahead(0), data={"order_id": "O-3"})
    await collector.events(*orders, well, cloud_event("alive", source="sap", type="heartbeat", time=ahead(0)))
    collector.project()
    look(collector)
    look(collector, later=5)
    first = await instance(collector, "O-1")
    assert [(one["status"], one["verdict"]) for one in first["incidents"]] == [("firing", "stuck")]
    assert told(first) == [("r/webhook", "firing")]
    accepted = cloud_event("a", source="sap", type="sales_order.created", time=ahead(0), data={"order_id": "O-1"})
    await collector.events(accepted)
    collector.project()
    look(collector, later=6)
    # The other one still waits: what held up both fires on.
    assert [one["status"] for one in (await instance(collector, "O-1"))["incidents"]] == ["firing"]
    await collector.events(accepted | {"id": "b", "data": {"order_id": "O-2"}})
    collector.project()
    look(collector, later=7)
    for key in ("O-1", "O-2"):
        over = await instance(collector, key)
        assert [(one["status"], one["verdict"]) for one in over["incidents"]] == [("resolved", "stuck")]
        assert told(over) == [("r/webhook", "firing"), ("r/webhook", "resolved")]
    untouched = await instance(collector, "O-3")
    assert (untouched["incidents"], untouched["told"]) == ([], [])


async def test_what_fired_before_or_after_is_not_of_it(collector: Collector) -> None:
    alive = cloud_event("alive", source="sap", type="heartbeat", time=ahead(0))
    for key in ("O-1", "O-2"):
        await collector.events(cloud_event(key, time=ahead(-10), data={"order_id": key}), alive)
        collector.project()
        look(collector)
        done = cloud_event(f"a{key}", source="sap", type="sales_order.created", time=ahead(0), data={"order_id": key})
        await collector.events(done)
        collector.project()
        look(collector)
    every = [one["id"] for one in (await collector.get("/api/v1/incidents"))["items"]]
    assert len(every) == 2
    first, second = [(await instance(collector, key))["incidents"] for key in ("O-1", "O-2")]
    assert len(first) == len(second) == 1
    assert {first[0]["id"], second[0]["id"]} == set(every)
