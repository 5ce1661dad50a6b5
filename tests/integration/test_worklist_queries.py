# ruff: noqa: F811
"""Exports, the account of a customer and the flow of a workflow, as the API answers them."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from slo_rules.instants import rfc3339
from tests.integration.fix_doors import Collector, cloud_event, collector  # noqa: F401

pytestmark = pytest.mark.slow


def ago(hours: float) -> str:
    return rfc3339(datetime.now(UTC) - timedelta(hours=hours))


async def orders(collector: Collector) -> None:
    """Of ten orders of two accounts six accepted after one hour each, two stuck, one called off, one on track."""

    def said(n: int) -> dict[str, Any]:
        return {"order_id": f"O-{n}", "account_id": f"ACME-{n % 2}", "amount": 100 + n, "currency": "EUR"}

    events = []
    for n in range(10):
        began = 2 if n == 9 else 10
        events.append(cloud_event(f"order-{n}", time=ago(began), data=said(n)))
        if n < 6:
            events.append(
                cloud_event(
                    f"so-{n}", source="sap", type="sales_order.created", time=ago(9), data={"order_id": f"O-{n}"}
                )
            )
    events.append(cloud_event("off", type="order.cancelled", time=ago(9), data={"order_id": "O-8"}))
    events.append(cloud_event("ticket", source="desk", type="ticket.opened", time=ago(1), data={"ticket_id": "=1+1"}))
    events += [
        cloud_event(f"alive-{one}", source=one, type="heartbeat", time=ago(0)) for one in ("sap", "shop", "desk")
    ]
    await collector.events(*events)
    collector.project()


async def test_an_export_has_every_row_of_the_filter_in_the_order_of_the_list(collector: Collector) -> None:
    await orders(collector)
    answer = await collector.http.get(
        "/api/v1/instances/export", params={"workflow": "order-to-cash", "sort": "-value"}
    )
    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.headers["content-disposition"] == 'attachment; filename="milepost-instances.csv"'
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    shown = (await collector.get("/api/v1/instances", workflow="order-to-cash", sort="-value"))["items"]
    assert [row["id"] for row in rows] == [item["id"] for item in shown]
    assert [row["value"] for row in rows[:2]] == ["109", "108"]
    assert rows[0]["keys"] == "account=ACME-1; order=O-9"
    assert rows[0]["started_at"] == shown[0]["started_at"]


async def test_what_a_spreadsheet_would_work_out_is_written_as_text(collector: Collector) -> None:
    await orders(collector)
    answer = await collector.http.get("/api/v1/instances/export", params={"workflow": "ticket"})
    (row,) = csv.DictReader(io.StringIO(answer.text))
    assert row["title"] == "'=1+1"


async def test_an_export_of_nothing_has_its_columns(collector: Collector) -> None:
    answer = await collector.http.get("/api/v1/instances/export", params={"verdict": "failed"})
    assert answer.text.startswith("id,workflow,entity")
    assert answer.text.count("\r\n") == 1


@pytest.mark.parametrize("asked", [{"format": "xlsx"}, {"sort": "chance"}, {"verdict": "lost"}])
async def test_an_export_that_cannot_be_is_refused_before_anything_is_sent(collector: Collector, asked: Any) -> None:
    answer = await collector.http.get("/api/v1/instances/export", params=asked)
    assert answer.status_code == 400
    assert [fault["field"] for fault in answer.json()["faults"]] == list(asked)


async def test_a_parquet_file_has_the_same_rows(collector: Collector) -> None:
    pytest.importorskip("pyarrow")
    from pyarrow import parquet

    await orders(collector)
    answer = await collector.http.get("/api/v1/instances/export", params={"format": "parquet", "sort": "title"})
    table = parquet.read_table(io.BytesIO(answer.content))
    shown = (await collector.get("/api/v1/instances", sort="title"))["items"]
    assert table.column("id").to_pylist() == [item["id"] for item in shown]
    assert float(table.column("value").to_pylist()[-1]) == 109.0
    assert table.column("started_at").to_pylist()[-1].tzinfo is not None


async def test_an_account_tells_of_everything_that_carries_its_key(collector: Collector) -> None:
    await orders(collector)
    found = await collector.get("/api/v1/accounts/account/ACME-0")
    assert (found["namespace"], found["value"]) == ("account", "ACME-0")
    assert (found["total"], found["open"], found["pressing"]) == (5, 4, 1)
    assert found["value_at_risk"] == [{"currency": "EUR", "amount": 106.0}]
    ((workflow,),) = [domain["workflows"] for domain in found["domains"]]
    assert workflow["counts"] == {"on_track": 3, "stuck": 1, "cancelled": 1}
    assert [item["verdict"] for item in workflow["items"]] == ["stuck", "on_track", "on_track", "on_track", "cancelled"]
    listed = await collector.get("/api/v1/instances", key="account=ACME-0")
    assert listed["total"] == found["total"]


@pytest.mark.parametrize("path", ["account/NOBODY", "order/ACME-0", "account/%00"])
async def test_a_key_that_nothing_carries_is_no_account(collector: Collector, path: str) -> None:
    await orders(collector)
    answer = await collector.http.get(f"/api/v1/accounts/{path}")
    assert answer.status_code == (400 if "%00" in path else 404)


async def test_a_flow_counts_what_waits_and_how_long_steps_take(collector: Collector) -> None:
    await orders(collector)
    found = await collector.get("/api/v1/workflows/order-to-cash/flow")
    received, accepted, active = found["steps"]
    assert received["reached"] == 10
    assert (accepted["reached"], accepted["late"], accepted["dropped"]) == (6, 0, 1)
    # Of ten that began, six took an hour; the three that wait or were called off have waited longer.
    assert 3590 < accepted["median_seconds"] < 3610
    assert accepted["p95_seconds"] is None
    assert accepted["waiting"]["verdicts"] == {"stuck": 2, "on_track": 1}
    assert accepted["waiting"]["value"] == [{"currency": "EUR", "amount": 322.0}]
    assert active["waiting"]["total"] == 6
    for step in found["steps"]:
        listed = await collector.get("/api/v1/instances", workflow="order-to-cash", waiting_for=step["name"])
        assert listed["total"] == step["waiting"]["total"]
    assert (await collector.http.get("/api/v1/workflows/nothing/flow")).status_code == 404


async def test_a_flow_says_what_was_done_again_and_where_the_time_goes(collector: Collector) -> None:
    await orders(collector)
    again = cloud_event("again", source="sap", type="sales_order.created", time=ago(7), data={"order_id": "O-3"})
    await collector.events(again, again)
    collector.project()
    found = await collector.get("/api/v1/workflows/order-to-cash/flow")
    _, accepted, active = found["steps"]
    assert (accepted["again"], active["again"]) == (1, 0)
    assert 7190 < accepted["again_after_seconds"] < 7210
    assert [one["title"] for one in accepted["last"]["again"]] == ["O-3"]
    assert [one["title"] for one in accepted["last"]["dropped"]] == ["O-8"]
    assert accepted["time_share"] == 1.0
    assert active["time_share"] == 0.0
    assert 3590 < accepted["elapsed_median_seconds"] < 3610
    assert found["learned"]["restarted"] == 0


async def test_two_periods_and_two_groups_of_a_workflow_are_compared_step_by_step(collector: Collector) -> None:
    events = []
    for n in range(90):
        slow = n % 3 == 0
        began = 30.0 if n < 45 else 10.0
        said = {"order_id": f"O-{n}", "region": "EMEA" if slow else "APAC"}
        took = 3.0 if slow else 1.0
        events.append(cloud_event(f"order-{n}", time=ago(began), data=said))
        accepted = {"order_id": f"O-{n}"}
        events.append(
            cloud_event(f"so-{n}", source="sap", type="sales_order.created", time=ago(began - took), data=accepted)
        )
    await collector.events(*events)
    collector.project()
    path = "/api/v1/workflows/order-to-cash/flow/comparison"
    asked = {"since": ago(40), "until": ago(0), "where": "region=EMEA", "against_where": "region=APAC"}
    found = await collector.get(path, **asked)
    assert (found["one"]["instances"], found["other"]["instances"]) == (30, 60)
    assert found["one"]["where"] == [{"name": "region", "value": "EMEA"}]
    first = found["differences"][0]
    assert (first["step"], first["measure"], first["sure"]) == ("order_accepted", "median_seconds", True)
    assert 3 * 3580 < first["one"] < 3 * 3620
    assert 3580 < first["other"] < 3620
    assert 0.66 < first["size"] < 0.67
    periods = await collector.get(path, since=ago(20), against_since=ago(40), against_until=ago(20))
    assert (periods["one"]["instances"], periods["other"]["instances"]) == (45, 45)
    assert not [one for one in periods["differences"] if one["sure"]]
    assert periods["steps"][1]["one"]["reached"] == 45
    assert (await collector.http.get("/api/v1/workflows/nothing/flow/comparison?since=x")).status_code == 404


async def test_a_comparison_that_cannot_be_is_refused_with_every_fault(collector: Collector) -> None:
    path = "/api/v1/workflows/order-to-cash/flow/comparison"
    asked = {"since": "yesterday", "where": "region", "against_since": ago(1), "against_until": ago(2)}
    answer = await collector.http.get(path, params=asked)
    assert answer.status_code == 400
    assert [fault["field"] for fault in answer.json()["faults"]] == ["since", "where", "against_until"]
    same = await collector.http.get(path, params={"where": "region=EMEA", "against_where": "region=EMEA"})
    assert same.status_code == 400
    nul = await collector.http.get(path, params={"where": "region=\x00", "against_where": "=\ud7ff"})
    assert [fault["field"] for fault in nul.json()["faults"]] == ["where", "against_where"]


async def test_search_says_which_keys_only_find(collector: Collector) -> None:
    await orders(collector)
    found = (await collector.get("/api/v1/search", q="ACME"))["items"]
    assert {item["key"]["joins"] for item in found} == {False}
