"""What instances have in common, through the doors and over HTTP: counts against plain Python over the list."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import msgspec
import psycopg
import pytest

from collector.query import differences, finished_reach
from slo_rules.progress import Progress, Reached, Said, Stamped
from tests.fix_postgres import Server
from tests.integration.fix_doors import Collector, cloud_event, running

pytestmark = pytest.mark.slow

DEFINITIONS = """
apiVersion: milepost/v1
kind: Workflow
metadata: {name: order-to-cash, domain: orders, owner: order-operations}
spec:
  entity: order
  keys: {order: {path: data.order_id}}
  attributes:
    region: data.region
    priority: data.priority
    account: data.account
    connector_version: resource.service.version
    reference: data.reference
    owner: data.salesman
  value: {amount: data.amount, currency: data.currency}
  milestones:
    - {name: received, on: {exact: {source: crm, type: order.created}}, starts: true}
    - {name: handed_over, on: {span: {exact: {service: mule, name: hand over}}}, within: 1d}
    - {name: accepted, title: Order accepted, on: {exact: {source: sap, type: accepted}}, within: 4h, owner: erp-platform, completes: true}
---
apiVersion: milepost/v1
kind: Workflow
metadata: {name: ticket, domain: support, owner: support}
spec:
  entity: ticket
  keys: {ticket: {path: data.ticket_id}}
  attributes: {region: data.region}
  milestones:
    - {name: opened, on: {exact: {source: desk, type: opened}}, starts: true}
    - {name: solved, on: {exact: {source: desk, type: solved}}, within: 1d, completes: true}
"""
ORDERS, TICKETS = 120, 12
Rows = list[dict[str, Any]]


def _handed_over(number: int, version: str, at: datetime) -> dict[str, Any]:
    def said(**attributes: str) -> list[dict[str, Any]]:
        return [{"key": name.replace("__", "."), "value": {"stringValue": value}} for name, value in attributes.items()]

    nanos = str(int(at.timestamp()) * 10**9)
    span = {
        "traceId": f"{number + 1:032x}", "spanId": f"{number + 1:016x}", "name": "hand over", "kind": 2,
        "startTimeUnixNano": nanos, "endTimeUnixNano": nanos, "attributes": said(order_id=f"O-{number:03}"),
    }  # fmt: skip
    return {"resource": {"attributes": said(service__name="mule", service__version=version)},
            "scopeSpans": [{"spans": [span]}]}  # fmt: skip


async def _fill(collector: Collector) -> None:
    """Of the orders handed over by connector 2.3.0 most are not accepted; of the others hardly any."""
    now = datetime.now(UTC).replace(microsecond=0)
    events, spans, random = [], [], Random(4)
    for number in range(ORDERS):
        at, order = now - timedelta(hours=10 + random.randrange(20)), {"order_id": f"O-{number:03}"}
        said: dict[str, Any] = {"region": random.choice(("EMEA", "APAC")), "reference": f"R-{number}", "account": f"A{random.randrange(9)}"}  # fmt: skip
        said |= {
            "priority": random.randrange(3),
            "salesman": "jo",
            "amount": 1000 * random.randrange(4),
            "currency": "EUR",
        }
        if number % 7 == 0:
            del said["region"]
        events.append(cloud_event(f"c-{number}", source="crm", type="order.created", time=at.isoformat(), data=order | said))  # fmt: skip
        version = "2.3.0" if number % 4 == 0 else "2.2.9"
        spans.append(_handed_over(number, version, at))
        if number % 29 and (version == "2.2.9" or number % 5 == 0):
            later = (at + timedelta(hours=1)).isoformat()
            events.append(cloud_event(f"a-{number}", source="sap", type="accepted", time=later, data=order))
    for number in range(TICKETS):
        at = now - timedelta(days=2 if number % 2 else 0, minutes=5)
        events.append(cloud_event(f"t-{number}", source="desk", type="opened", time=at.isoformat(),
                                  data={"ticket_id": f"T-{number}", "region": "EMEA"}))  # fmt: skip
    heard = ("crm", "sap", "desk")
    events += [cloud_event(f"h-{source}", source=source, type="heartbeat", time=now.isoformat()) for source in heard]
    assert (await collector.events(*events)).status_code == 200
    body = json.dumps({"resourceSpans": spans}).encode()
    answer = await collector.http.post("/v1/traces", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 200, answer.text
    while collector.project():
        pass


@pytest.fixture
async def api(postgres: Server) -> AsyncIterator[Collector]:
    url = postgres.clone()
    async with running(url, DEFINITIONS) as made:
        await _fill(made)
        yield made
    postgres.drop(url)


async def listed(api: Collector, workflow: str) -> Rows:
    rows: Rows = (await api.get("/api/v1/instances", workflow=workflow, limit=500))["items"]
    return rows


def attributed(item: dict[str, Any]) -> tuple[str, str, Any]:
    return item["kind"], item["attribute"], item["value"]


@pytest.mark.parametrize("at_a_time", [7, 5_000])
async def test_the_connector_that_holds_orders_up_comes_first(
    api: Collector, monkeypatch: pytest.MonkeyPatch, at_a_time: int
) -> None:
    monkeypatch.setattr(differences, "_PART", at_a_time)
    said = await api.get("/api/v1/differences", verdict="stuck", workflow="order-to-cash", limit=100)
    rows = await listed(api, "order-to-cash")
    bad = [row for row in rows if row["verdict"] == "stuck"]
    since = min(row["started_at"] for row in bad)
    rest = [row for row in rows if row["verdict"] != "stuck" and row["started_at"] >= since]
    assert 20 < len(bad) < 40
    assert (said["bad"], said["rest"]["count"]) == ({"count": len(bad), "cut": False}, len(rest))
    assert said["rest"]["workflows"] == ["order-to-cash"]
    assert said["rest"]["since"] == since
    first = said["items"][0]
    assert attributed(first) == ("attribute", "connector_version", "2.3.0")
    assert first["significant"] is True
    assert first["filter"] == {"attribute": ["connector_version=2.3.0"]}
    shares = (
        f"{first['bad']} of {len(bad)} have connector_version 2.3.0, against {first['rest_share']:.0%} of the others"
    )
    assert first["explanation"].startswith(shares)
    assert [item["explanation"] for item in said["items"] if item["significant"]] == [first["explanation"]]
    # Every count is what the list shows.
    for item in said["items"]:
        if item["kind"] == "attribute":
            shown = [[row["attributes"].get(item["attribute"]) for row in half] for half in (bad, rest)]
            counts = [Counter(values)[item["value"]] for values in shown]
            assert [item["bad"], item["rest"]] == counts, item
            assert (item["bad_of"], item["rest_of"]) == (len(bad), len(rest))
            assert item["bad_share"] > item["rest_share"]
    assert any(item["value"] is None for item in said["items"]), "what is missing is a difference too"


async def test_what_instances_are_and_wait_for_is_counted_as_the_list_shows_it(api: Collector) -> None:
    said = await api.get("/api/v1/differences", q="EMEA", limit=100)
    rows = await listed(api, "order-to-cash") + await listed(api, "ticket")
    bad = [row for row in rows if row["attributes"].get("region") == "EMEA"]
    rest = [row for row in rows if row["attributes"].get("region") != "EMEA" and row["started_at"] >= said["rest"]["since"]]  # fmt: skip
    assert (said["bad"]["count"], said["rest"]["count"]) == (len(bad), len(rest))
    finished = ("completed", "completed_late", "cancelled")

    def has(row: dict[str, Any], name: str) -> Any:
        if name == "started_hour":
            return int(row["started_at"][11:13])
        if name == "value_band":
            return {0: "0 to 1", 1000: "1,000 to 2,000", 2000: "2,000 to 5,000", 3000: "2,000 to 5,000"}[row["value"]["amount"]] + " EUR"  # fmt: skip
        return row[name] if name != "workflow_version" else f"{row['workflow']} {row[name]}"

    fields = [item for item in said["items"] if item["kind"] == "instance"]
    assert {"workflow", "started_hour", "value_band"} <= {item["attribute"] for item in fields}
    for item in fields:
        for half, what in ((bad, "bad"), (rest, "rest")):
            name = item["attribute"]
            could = [row for row in half if row["verdict"] not in finished] if name in ("owner", "source_awaited", "waiting_for") else half  # fmt: skip
            could = [row for row in could if row["workflow"] != "ticket"] if name == "value_band" else could
            assert item[f"{what}_of"] == len(could), item
            assert item[what] == sum(has(row, name) == item["value"] for row in could), item
    said_of = {attributed(item)[1:]: item["explanation"] for item in fields}
    assert said_of["workflow", "ticket"].startswith("12 of ")
    assert "are of ticket" in said_of["workflow", "ticket"]
    # A ticket cannot have a connector: it is no case of one that is missing.
    versions = [item for item in said["items"] if item["attribute"] == "connector_version"]
    assert all(item["value"] is not None for item in versions)


async def test_what_was_not_looked_at_is_named_with_its_reason(api: Collector) -> None:
    said = await api.get("/api/v1/differences", verdict="stuck", workflow="order-to-cash", source_awaited="sap")
    left_out = {(one["kind"], one["attribute"]): one["reason"] for one in said["left_out"]}
    assert left_out["attribute", "reference"] == "nearly_unique"
    # Also where an attribute is named like a field.
    assert left_out["attribute", "owner"] == "constant"
    assert left_out["instance", "workflow"] == left_out["instance", "source_awaited"] == "asked_for"
    assert all(one["explanation"] for one in said["left_out"])
    looked_at = {(item["kind"], item["attribute"]) for item in said["items"]}
    assert not looked_at & left_out.keys()


async def test_since_narrows_the_others_only(api: Collector) -> None:
    since = (datetime.now(UTC) - timedelta(hours=15)).isoformat()
    whole = await api.get("/api/v1/differences", verdict="stuck", workflow="order-to-cash")
    later = await api.get("/api/v1/differences", verdict="stuck", workflow="order-to-cash", since=since)
    rows = [row for row in await listed(api, "order-to-cash") if row["verdict"] != "stuck"]
    assert later["bad"] == whole["bad"]
    assert later["rest"]["count"] == sum(
        datetime.fromisoformat(row["started_at"]) >= datetime.fromisoformat(since) for row in rows
    )
    assert 0 < later["rest"]["count"] < whole["rest"]["count"]


async def test_no_bad_ones_and_no_others_are_no_error(api: Collector) -> None:
    nothing = await api.get("/api/v1/differences", verdict="paused")
    assert (nothing["bad"]["count"], nothing["rest"]["count"], nothing["items"]) == (0, 0, [])
    every = await api.get("/api/v1/differences", min_value=-1, workflow="order-to-cash")
    assert (every["bad"]["count"], every["rest"]["count"], every["items"]) == (ORDERS, 0, [])


async def test_more_than_may_be_read_are_cut_to_what_moved_last(api: Collector) -> None:
    said = await api.get("/api/v1/differences", verdict="stuck", workflow="order-to-cash", most=30)
    rows = (await api.get("/api/v1/instances", verdict="stuck", sort="-updated_at", limit=15))["items"]
    assert said["rest"]["since"] == min(row["started_at"] for row in rows)
    assert said["bad"] == {"count": 15, "cut": True}
    assert (said["rest"]["count"], said["rest"]["cut"]) == (15, True)


async def test_where_not_everything_is_looked_through_for_words_it_is_said(
    api: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = await api.get("/api/v1/differences", q="O-0", verdict="completed")
    assert said["bad"]["cut"] is False
    monkeypatch.setattr(finished_reach, "MOST_READ", 3)
    fewer = await api.get("/api/v1/differences", q="O-0", verdict="completed")
    assert fewer["bad"]["cut"] is True
    assert fewer["bad"]["count"] <= said["bad"]["count"]


async def test_words_that_say_nothing_do_not_say_which_are_meant(api: Collector) -> None:
    answer = await api.http.get("/api/v1/differences", params={"q": "", "key": ""})
    assert answer.status_code == 400
    assert [one["field"] for one in answer.json()["faults"]] == ["verdict"]


async def test_all_faults_are_named_at_once(api: Collector) -> None:
    answer = await api.http.get(
        "/api/v1/differences",
        params={"verdict": "lost", "owner": "\x00", "min_age_seconds": -1, "limit": 0, "most": 1, "since": "yesterday"},
    )
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")
    assert [one["field"] for one in answer.json()["faults"]] == [
        "verdict",
        "owner",
        "min_age_seconds",
        "limit",
        "most",
        "since",
    ]


@pytest.mark.parametrize(
    ("parameters", "field"),
    [
        ({}, "verdict"),
        ({"workflow": "order-to-cash", "domain": "orders"}, "verdict"),
        ({"verdict": "stuck", "limit": 101}, "limit"),
        ({"verdict": "stuck", "limit": "1" * 30}, "limit"),
        ({"verdict": "stuck", "most": 100_001}, "most"),
        ({"verdict": "stuck", "since": "2999-01-01T00:00:00Z"}, "since"),
        ({"verdict": "stuck", "since": "2026-01-01T00:00:00"}, "since"),
        ({"verdict": "stuck", "since": "0001-01-01T00:00:00+23:00"}, "since"),
        ({"key": "a\x00"}, "key"),
        ({"q": "a" * 501}, "q"),
        ({"min_value": "nan"}, "min_value"),
    ],
)
async def test_what_cannot_be_asked_is_refused_by_name(api: Collector, parameters: dict[str, Any], field: str) -> None:
    answer = await api.http.get("/api/v1/differences", params=parameters)
    assert answer.status_code == 400, answer.text
    assert [one["field"] for one in answer.json()["faults"]] == [field]


async def test_too_many_to_compare_in_time_is_said_so(api: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    async def cancelled(*_: Any) -> None:
        raise psycopg.errors.QueryCanceled("canceling statement due to statement timeout")

    monkeypatch.setattr(differences, "_half", cancelled)
    answer = await api.http.get("/api/v1/differences", params={"verdict": "stuck"})
    assert (answer.status_code, answer.json()["title"]) == (
        422,
        "there are too many instances to compare in time; narrow the question",
    )


def test_the_attributes_of_a_progress_are_read_without_the_rest_of_it() -> None:
    said = (Said(5, b"k", {"region": "EMEA", "$amount": 7}), Said(3, b"j", {"tier": True}))
    progress = Progress(1, 5, {"m": Reached(1, b"k", 1, b"k")}, {"order=1": Stamped(1, b"k", "1")}, said)
    found = differences._decode(msgspec.msgpack.encode(progress))
    assert [one.values for one in found.said] == [one.values for one in said]
    assert differences._decode(msgspec.msgpack.encode(Progress(1, 5))).said == ()
