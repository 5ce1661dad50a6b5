"""What an installation tells an overview of several: figures, and not a word that came with an event."""

from __future__ import annotations

import json
from typing import Any

from tests.integration.fix_access import guarded
from tests.integration.fix_doors import DEFINITIONS, Collector, cloud_event

PLANTED = "PLANTED"
SOURCE = """
---
apiVersion: milepost/v1
kind: Source
metadata: {name: crm, title: Salesforce, owner: sales}
spec: {silent_after: 15m}
"""


async def fill(collector: Collector) -> None:
    """Three stuck orders from a source that is defined, one in no currency, and an event from one that is not."""
    data: dict[str, Any] = {"account_id": f"{PLANTED}-A", "region": PLANTED, "amount": 10, "currency": "EUR"}
    events = [
        cloud_event(f"{PLANTED}-1", data=data | {"order_id": f"{PLANTED}-O1"}, time="2026-01-01T00:00:00Z"),
        cloud_event(f"{PLANTED}-2", data=data | {"order_id": f"{PLANTED}-O2"}, time="2026-01-01T00:00:00Z"),
        cloud_event(
            f"{PLANTED}-4",
            data=data | {"order_id": f"{PLANTED}-O4", "currency": "PLANTED"},
            time="2026-01-01T00:00:00Z",
        ),
        cloud_event(f"{PLANTED}-3", source=f"shop/{PLANTED}", type=PLANTED),
    ]
    assert (await collector.events(*events)).status_code == 200
    collector.project()
    with collector.conn.transaction():
        collector.conn.execute(
            "INSERT INTO incident (id, dedup_key, verdict, workflow, status, severity, title, count, peak_count,"
            " noted_count, value, peak_value, oldest_since, samples, opened_at, updated_at, attributes, owner)"
            " SELECT gen_random_uuid(), title, verdict, 'order-to-cash', 'firing', 'critical', title, 2, 2, 2,"
            ' \'[{"currency": "EUR", "amount": "20"}]\', \'[]\', now(), ARRAY(SELECT id FROM instance), now(), now(),'
            " %s, %s FROM (VALUES ('stuck', 'Orders waiting for Order accepted from sap'), ('group', %s)) t (verdict, title)",
            (json.dumps({"region": [PLANTED]}), PLANTED, f"Several causes at once: region {PLANTED}"),
        )


async def test_figures_are_told_and_nothing_that_came_with_an_event(database_url: str) -> None:
    async with guarded(database_url, definitions=DEFINITIONS + SOURCE) as behind:
        await fill(behind.collector)
        client = behind.client(behind.key("overview"))
        answer = await client.get("/api/v1/region")
        assert answer.status_code == 200
        whole = await behind.client(behind.key("query", name="whole")).get("/api/v1/overview")
        assert PLANTED in whole.text, "else nothing is shown by its absence below"
        assert PLANTED not in answer.text
        said = answer.json()
        orders = next(one for one in said["domains"] if one["domain"] == "orders")
        assert (orders["open"], orders["stuck"]) == (3, 3)
        assert orders["value_at_risk"] == [{"currency": "EUR", "amount": 20.0}]
        assert {one["title"] for one in said["incidents"]} == {
            "Orders waiting for Order accepted from sap",
            "Several causes at once",
        }
        assert said["incidents_count"] == 2
        assert [one["name"] for one in said["objectives"]] == ["orders-accepted-in-time"]
        assert [one["source"] for one in said["sources"]] == ["crm"]
        assert said["sources_count"] == 2


async def test_what_is_told_is_what_a_region_may_say(database_url: str) -> None:
    from milepost.regions.told import read

    async with guarded(database_url, definitions=DEFINITIONS + SOURCE) as behind:
        await fill(behind.collector)
        said = (await behind.client(behind.key("overview")).get("/api/v1/region")).json()
        found = read(json.dumps(said).encode())
        assert {name: found[name] for name in ("domains", "incidents_count", "sources_live")} == {
            name: said[name] for name in ("domains", "incidents_count", "sources_live")
        }
        assert set(found) == set(said)


async def test_a_key_for_the_overview_opens_the_figures_and_nothing_else(database_url: str) -> None:
    async with guarded(database_url, definitions=DEFINITIONS) as behind:
        client = behind.client(behind.key("overview"))
        assert (await client.get("/api/v1/region")).status_code == 200
        assert (await client.get("/api/v1/regions")).json() == {"items": []}
        paths = behind.collector.api.openapi()["paths"]
        # Health is for everybody, and sources are judged at their door.
        closed = [
            path
            for path, methods in paths.items()
            if methods.get("get", {}).get("security") and not path.startswith("/api/v1/region")
        ]
        assert len(closed) > 20
        for path in closed:
            assert (await client.get(path)).status_code == 403, path
        assert (await client.post("/events", json=cloud_event())).status_code == 403
        assert (await behind.client().get("/api/v1/region")).status_code == 401


async def test_a_key_that_sees_one_domain_is_told_of_that_alone(database_url: str) -> None:
    async with guarded(database_url, definitions=DEFINITIONS + SOURCE) as behind:
        await fill(behind.collector)
        client = behind.client(behind.key("overview", sees=["domain:support"]))
        said = (await client.get("/api/v1/region")).json()
        assert [one["domain"] for one in said["domains"]] == ["support"]
        assert said["objectives"] == said["incidents"] == said["sources"] == []
