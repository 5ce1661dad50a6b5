# ruff: noqa: F811
"""The list behind an incident: what it holds up, and once it is over what it has held up, by its attributes too."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from alerting import incidents
from slo_rules.instants import rfc3339, to_micros
from tests.integration.fix_doors import Collector, cloud_event, collector  # noqa: F401
from tests.integration.routed import routes


def ago(hours: float) -> str:
    return rfc3339(datetime.now(UTC) - timedelta(hours=hours))


def look(collector: Collector, later: float = 0.0) -> None:
    """The duty at that many seconds from now."""
    collector.project()
    now = datetime.now(UTC) + timedelta(seconds=later)
    incidents.run_once(collector.conn, to_micros(now), routes())


async def keys(collector: Collector, **asked: Any) -> list[str]:
    found = await collector.get("/api/v1/instances", **asked)
    names = sorted(key["value"] for item in found["items"] for key in item["keys"] if key["namespace"] == "order")
    assert found["total"] == len(names)
    return names


def won(name: str, hours: float = 10, **data: Any) -> dict[str, Any]:
    return cloud_event(f"won-{name}", time=ago(hours), data={"order_id": name, **data})


def accepted(name: str) -> dict[str, Any]:
    return cloud_event(
        f"accepted-{name}", source="sap", type="sales_order.created", time=ago(0), data={"order_id": name}
    )


def alive() -> dict[str, Any]:
    return cloud_event("alive", source="sap", type="heartbeat", time=ago(0))


async def test_once_it_is_over_it_lists_what_it_held_up_and_not_what_came_later_for_the_same_cause(
    collector: Collector,
) -> None:
    await collector.events(won("A-1"), won("A-2"), won("A-3", hours=0), alive())
    look(collector, -60)
    (first,) = (await collector.get("/api/v1/incidents"))["items"]
    assert await keys(collector, incident=first["id"]) == ["A-1", "A-2"]
    await collector.events(accepted("A-1"))
    look(collector)
    assert await keys(collector, incident=first["id"]) == ["A-2"], "while it fires: what it holds up now"
    await collector.events(accepted("A-2"))
    look(collector)
    await collector.events(won("B-1"))
    look(collector)
    second, over = (await collector.get("/api/v1/incidents"))["items"]
    assert [over["id"], over["status"], second["status"]] == [first["id"], "resolved", "firing"]
    assert await keys(collector, incident=over["id"]) == ["A-1", "A-2"]
    assert await keys(collector, incident=second["id"]) == ["B-1"]
    # It goes with other filters, and the file has the same.
    assert await keys(collector, incident=over["id"], key="order=A-2") == ["A-2"]
    assert await keys(collector, incident=over["id"], verdict="stuck") == []
    # What an instance says of its incidents is the same the other way round.
    for name, held in (("A-1", [over["id"]]), ("B-1", [second["id"]]), ("A-3", [])):
        (item,) = (await collector.get("/api/v1/instances", key=f"order={name}"))["items"]
        told = (await collector.get(f"/api/v1/instances/{item['id']}"))["incidents"]
        assert [one["id"] for one in told] == held


async def test_what_somebody_called_resolved_lists_what_it_still_holds_up(collector: Collector) -> None:
    await collector.events(won("A-1"), won("A-2"), alive())
    look(collector, -60)
    (one,) = (await collector.get("/api/v1/incidents"))["items"]
    settled = await collector.http.post(f"/api/v1/incidents/{one['id']}/resolve", json={"by": "jo", "reason": "known"})
    assert settled.status_code == 200, settled.text
    look(collector)
    await collector.events(accepted("A-1"), won("A-9"))
    look(collector)
    (over,) = (await collector.get("/api/v1/incidents", status="resolved"))["items"]
    assert over["id"] == one["id"]
    assert await keys(collector, incident=one["id"]) == ["A-1", "A-2"]


@pytest.mark.parametrize("id_", ["nothing", "01890a5d-ac96-774b-bcce-b302099a8057", "\u0000"])
async def test_an_incident_that_is_not_there_is_refused_and_not_everything_listed(
    collector: Collector, id_: str
) -> None:
    for path in ("/api/v1/instances", "/api/v1/differences", "/api/v1/instances/export"):
        answer = await collector.http.get(path, params={"incident": id_})
        assert answer.status_code == 400, (path, answer.text)
        assert "there is no such incident" in answer.text


async def test_the_groups_of_what_is_held_up_are_lists_of_their_own_to_the_last_instance(collector: Collector) -> None:
    """Twelve wait for one reason and three for another: the attribute parts them, while it fires and afterwards."""
    broken = [won(f"A-{n}", region="2.3") for n in range(12)]
    others = [won("B-1", region="12.3"), won("B-2", region="2.33"), won("B-3")]
    # What has the words of a value elsewhere has not the value.
    odd = won("B-4", region="2.3 and more", tier="region")
    await collector.events(*broken, *others, odd, alive())
    look(collector, -60)
    (one,) = (await collector.get("/api/v1/incidents"))["items"]
    asked = {"incident": one["id"], "limit": 100}
    group, rest = sorted(f"A-{n}" for n in range(12)), ["B-1", "B-2", "B-3", "B-4"]
    assert await keys(collector, **asked, attribute="region=2.3") == group
    assert await keys(collector, **asked, attribute="region!=2.3") == rest
    assert await keys(collector, **asked, attribute=["region!=2.3", "tier=region"]) == ["B-4"]
    assert await keys(collector, **asked, attribute="tier=2.3") == []
    await collector.events(*[accepted(name) for name in (*group, *rest)])
    look(collector)
    assert (await collector.get(f"/api/v1/incidents/{one['id']}"))["status"] == "resolved"
    assert await keys(collector, **asked, attribute="region=2.3") == group
    assert await keys(collector, **asked, attribute="region!=2.3") == rest


async def test_numbers_and_truths_are_found_as_they_are_written(collector: Collector) -> None:
    said = {"T-1": 2, "T-2": 2.5, "T-3": True, "T-4": "2", "T-5": "true", "T-6": -7, "T-7": 2.0, "T-8": "a=b!=c"}
    await collector.events(*[won(name, region=value) for name, value in said.items()])
    collector.project()
    for condition, found in {
        "region=2": ["T-1", "T-4", "T-7"],
        "region=2.5": ["T-2"],
        "region=true": ["T-3", "T-5"],
        "region=-7": ["T-6"],
        "region=a=b!=c": ["T-8"],
        "region=False": [],
    }.items():
        assert await keys(collector, attribute=condition) == found, condition
        other = condition.replace("=", "!=", 1)
        assert await keys(collector, attribute=other) == sorted(said.keys() - set(found)), other


@pytest.mark.parametrize("condition", ["region", "=2", "", "region=\u0000", "r" * 600 + "=1", "!=3"])
async def test_a_condition_on_an_attribute_that_says_nothing_is_refused(collector: Collector, condition: str) -> None:
    answer = await collector.http.get("/api/v1/instances", params={"attribute": condition})
    assert answer.status_code == 400, answer.text
    assert "attribute: write NAME=VALUE" in answer.text, answer.text
