"""The workflow of docs/sources/mulesoft.md joins the spans of both kinds of Mule exporters with the events of others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.integration.fix_doors import Collector, cloud_event, running
from tests.unit.test_docs import TOP, blocks

SAMPLES = Path(__file__).parents[1] / "data"
(WORKFLOW,) = blocks(TOP / "docs" / "sources" / "mulesoft.md", "yaml").values()


def sample(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((SAMPLES / f"mulesoft-{name}-otlp-traces.json").read_text())
    return found


async def send(collector: Collector, document: dict[str, Any]) -> None:
    answer = await collector.http.post("/v1/traces", json=document)
    assert answer.status_code == 200, answer.text


async def instances(collector: Collector) -> list[dict[str, Any]]:
    collector.project()
    found: list[dict[str, Any]] = (await collector.get("/api/v1/instances"))["items"]
    return found


@pytest.mark.parametrize("last", ["spans", "event"])
async def test_a_flow_joins_by_the_correlation_id_that_the_order_carries(database_url: str, last: str) -> None:
    async with running(database_url, WORKFLOW) as collector:
        order = cloud_event(
            source="crm", time="2026-03-02T09:54:00Z", data={"order_id": "so-20417", "correlation_id": "wf-o2c-20417"}
        )
        if last == "spans":
            await collector.events(order)
        await send(collector, sample("native"))
        if last == "event":
            await collector.events(order)
        (one,) = await instances(collector)
        assert one["verdict"] == "completed"
        found = await collector.get(f"/api/v1/instances/{one['id']}")
        keys = {(key["namespace"], key["value"]) for key in found["keys"]}
        assert keys == {("correlation", "wf-o2c-20417"), ("order", "SO-20417")}
        assert {event["type"] for event in found["events"]} == {"order.created", "otel.span"}


async def test_a_flow_of_the_module_joins_by_its_own_name_of_the_correlation_id(database_url: str) -> None:
    async with running(database_url, WORKFLOW) as collector:
        correlation = "dd4e8f20-4b30-11ed-87e6-c889f3a9023b"
        await send(collector, sample("avio"))
        data = {"order_id": "SO-1", "correlation_id": correlation}
        await collector.events(cloud_event(source="crm", time="2026-03-02T09:54:00Z", data=data))
        (one,) = await instances(collector)
        assert one["verdict"] == "completed"


async def test_a_flow_that_ended_in_an_error_fails(database_url: str) -> None:
    async with running(database_url, WORKFLOW) as collector:
        document = sample("native")
        document["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["status"] = {"code": 2, "message": "HTTP:TIMEOUT"}
        await send(collector, document)
        (one,) = await instances(collector)
        assert one["verdict"] == "failed"
