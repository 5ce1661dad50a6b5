"""One order through every system: what the samples tell of it goes through the real door and ends in one instance.

A system that is added is taken up by itself, with the secret and the samples that it has in `tests/sources.py` and
`tests/data/sources`. If it fails then, its mapping gives an id that other systems have, such as the purchase order, by
another name than theirs, or its samples speak of something else: that is said in APART.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from collector.sources import door
from collector.sources.registry import adapter_of, names
from tests.integration.fix_doors import Collector, cloud_event, running
from tests.sources import ADDRESS, headers_of, name_of, receiver, samples
from tests.unit.test_source_signatures import signed_at

DEFINITIONS = (Path(__file__).parent.parent / "data" / "one-story.yaml").read_text()
SYSTEMS = [name for name in names() if samples(name)]
PURCHASE_ORDER = "PO-GLBX-88213"
IDS = (PURCHASE_ORDER, "b1f0c6f2-6d5e-4c3a-9a55-2f6f1f0e4817", "SO-20417", "wf-o2c-20417", "3016329")
"""What the order is called: by its customer, by two integrations, by the shop and by SAP."""
APART: dict[str, str] = {}
"""Systems of which a sample has one of these ids and is of no part of the order, with the reason."""

# Whoever made the order in the ERP knows how it is called on either side: the middleware says so once.
ORDER_MADE = cloud_event(
    "order-made",
    source="middleware",
    type="order.linked",
    time="2026-03-12T14:21:40Z",
    data={
        "correlation_id": IDS[1],
        "purchase_order": PURCHASE_ORDER,
        "order_id": "SO-20417",
        "sales_order": "3016329",
    },
)


def tells_of_it(system: str) -> bool:
    """Whether a sample of a system has one of the ids of the order."""
    return any(id_.encode() in sample.read_bytes() for sample in samples(system) for id_ in IDS)


async def instance(collector: Collector, key: str) -> tuple[Any, dict[str, list[str]]]:
    """The only instance with a key, and the types of its events by source."""
    (found,) = (await collector.get("/api/v1/instances", key=key))["items"]
    detail = await collector.get(f"/api/v1/instances/{found['id']}")
    heard = defaultdict(list)
    for event in detail["events"]:
        heard[event["source"]].append(event["type"])
    return detail, heard


@pytest.fixture
async def collector(database_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Collector]:
    """A collector with a source of every system, to which it is as late as it was when a sample was signed."""
    async with running(database_url, DEFINITIONS) as made:
        for system in SYSTEMS:
            more = {"url": ADDRESS} if "url" in adapter_of(system).takes else {}
            made.receivers[system] = receiver(system, **more)
        yield made


async def send(collector: Collector, sample: Path, monkeypatch: pytest.MonkeyPatch) -> httpx.Response:
    """A sample as its system posts it, at the time of its signature."""
    try:
        at = signed_at(sample) * 1000
    except KeyError:
        at = time.time_ns()
    monkeypatch.setattr(door, "time", SimpleNamespace(time_ns=lambda: at))
    path = f"/sources/{sample.parent.name}/tk"
    return await collector.http.post(path, content=sample.read_bytes(), headers=headers_of(sample))


async def test_what_all_systems_say_of_an_order_is_one_instance(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = {}
    for system in SYSTEMS:
        for sample in samples(system):
            answer = await send(collector, sample, monkeypatch)
            if answer.status_code >= 300:
                refused[name_of(sample)] = f"{answer.status_code} {answer.text}"
    assert refused == {}
    collector.map()
    collector.project()
    told = {system for system in SYSTEMS if tells_of_it(system)} - APART.keys()
    assert {"hubspot", "salesforce", "sap", "stripe", "zendesk"} <= told

    # By themselves they know of each other what somebody has entered on both sides.
    _, heard = await instance(collector, f"correlation={IDS[1]}")
    assert {"hubspot", "salesforce"} <= heard.keys()
    _, heard = await instance(collector, "order=SO-20417")
    assert {"stripe", "zendesk"} <= heard.keys()
    _, heard = await instance(collector, "sales_order=3016329")
    assert "sap" in heard

    assert (await collector.events(ORDER_MADE)).status_code == 200
    collector.project()

    one, heard = await instance(collector, f"purchase_order={PURCHASE_ORDER}")
    for key in (f"correlation={IDS[1]}", "order=SO-20417", "correlation=wf-o2c-20417", "sales_order=3016329"):
        assert (await instance(collector, key))[0]["id"] == one["id"], f"{key} is another instance"
    assert heard.keys() == told | {"middleware"}
    reached = {milestone["name"] for milestone in one["journey"] if milestone["state"] == "reached"}
    assert {"won", "ordered", "invoiced", "charged", "asked"} <= reached
