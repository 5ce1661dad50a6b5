"""An order and its shipments through the store: found by the shipment alone, over HTTP, at a terminal, by the minute."""

from __future__ import annotations

import subprocess
from collections.abc import AsyncIterator
from functools import reduce
from typing import Any

import httpx
import pytest

from collector.store.database import Connection
from slo_rules.buckets import BUCKET
from slo_rules.contribution import contributions, promise_name
from slo_rules.definitions import load
from slo_rules.durations import DAY, HOUR, MINUTE
from slo_rules.event import Event
from slo_rules.joining import join
from slo_rules.matching import Matcher
from slo_rules.observation import fold
from tests.acceptance.process import COMMAND, environment
from tests.counting import plain, stored_buckets
from tests.integration.fix_doors import answering
from tests.projecting import enroll, project, receive
from tests.strategies import START, make_event

DEFINITIONS = load({"orders.yaml": """
apiVersion: milepost/v1
kind: Workflow
metadata: {name: orders, domain: orders, owner: operations}
spec:
  entity: order
  keys: {order: data.order, shipment: data.shipment}
  observes: [{exact: {type: named}}]
  attributes: {shipments: data.shipments}
  milestones:
    - {name: ordered, on: {exact: {type: ordered}}}
    - {name: shipped, each: shipment, count: shipments, on: {exact: {type: shipped}}, within: 10h}
    - {name: delivered, each: shipment, on: {exact: {source: dhl, type: delivered}}, within: 24h}
    - {name: closed, on: {exact: {type: closed}}, within: 9h}
---
apiVersion: milepost/v1
kind: Objective
metadata: {name: quick}
spec: {workflow: orders, latency: {from: shipped, to: delivered, within: 20h}, target: 0.9, missing_data: bad}
"""})  # fmt: skip


def event(number: int, type_: str, hours: int, source: str = "crm", **said: Any) -> Event:
    """They are received in the order of their numbers, a day later."""
    return make_event(type_, hours * HOUR, number, source, said, DAY + number * MINUTE)


HISTORY = [
    event(1, "ordered", 0, order="SO-1", shipments=2),
    event(2, "shipped", 1, order="SO-1", shipment="8001"),
    # The carrier knows nothing but the shipment, and comes before the warehouse has told whose it is.
    event(3, "delivered", 9, "dhl", shipment="8003"),
    event(4, "shipped", 6, order="SO-1", shipment="8003"),
]


@pytest.fixture
async def http(database_url: str, conn: Connection) -> AsyncIterator[httpx.AsyncClient]:
    catalogue = enroll(conn, DEFINITIONS)
    receive(conn, HISTORY)
    project(conn, catalogue)
    async with answering(database_url, catalogue) as client:
        yield client


async def asked(http: httpx.AsyncClient, key: str) -> dict[str, Any]:
    (row,) = (await http.get("/api/v1/instances", params={"key": key})).json()["items"]
    found: dict[str, Any] = (await http.get(f"/api/v1/instances/{row['id']}")).json()
    return found


async def test_the_journey_has_every_part_with_its_state(http: httpx.AsyncClient) -> None:
    """By the clock of the database, years after: what was due is overdue."""
    found = await asked(http, "shipment=8003")
    assert found["title"] == "SO-1"
    delivered = next(step for step in found["journey"] if step["name"] == "delivered")
    assert (delivered["each"], delivered["occurred"], delivered["needed"], delivered["at"]) == ("shipment", 1, 2, None)
    assert {part["value"]: (part["state"], part["event_id"]) for part in delivered["parts"]} == {
        "8001": (delivered["state"], None),
        "8003": ("reached", "e3"),
    }
    assert (await asked(http, "order=SO-1"))["explanation"].count("Delivered of shipment 8001 (1 of 2 reached)") == 1
    workflows = (await http.get("/api/v1/workflows")).json()["items"]
    assert [one["each"] for one in workflows[0]["milestones"]] == [None, "shipment", "shipment", None]


def test_at_a_terminal_what_is_missing_stands_first(database_url: str, conn: Connection) -> None:
    catalogue = enroll(conn, DEFINITIONS)
    receive(conn, HISTORY)
    project(conn, catalogue)
    done = subprocess.run(
        [*COMMAND, "explain", "order=SO-1", "--database-url", database_url],
        capture_output=True, text=True, check=False, timeout=240, env=environment(),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "(1 of 2 reached)" in done.stdout
    journey = done.stdout.split("The journey:\n")[1].split("\n\n")[0].splitlines()
    place = next(number for number, line in enumerate(journey) if "Delivered" in line)
    assert "1 of 2" in journey[place]
    assert [line.split()[:3] for line in journey[place + 1 : place + 3]] == [
        ["OVERDUE", "shipment", "8001"],
        ["reached", "shipment", "8003"],
    ]


def test_a_shipment_that_is_only_named_changes_what_is_counted(conn: Connection) -> None:
    """The buckets, event by event, are what counting anew gives."""
    catalogue = enroll(conn, DEFINITIONS)
    workflow = DEFINITIONS.workflows["orders"]
    steps = [
        *HISTORY,
        event(5, "delivered", 10, "dhl", shipment="8001"),
        event(6, "named", 11, shipment="8004", order="SO-1"),
    ]
    receive(conn, steps)
    project(conn, catalogue, batch=1)
    matches = [match for one in steps for _, match in Matcher([workflow]).matches(one)]
    progress = reduce(join, [fold(None, match) for match in matches])
    wanted = contributions(progress, workflow, DEFINITIONS.objectives.values())
    assert stored_buckets(conn) == wanted
    assert (promise_name("orders"), START + 10 * HOUR - (START + 10 * HOUR) % BUCKET) in plain(wanted)
