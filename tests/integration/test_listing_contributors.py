"""What an objective counted, over HTTP: each item, the filters, the pages, and what cannot be asked."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.integration.fix_doors import DEFINITIONS, Collector, cloud_event, collector, running  # noqa: F401

pytestmark = pytest.mark.slow

NAME = "orders-accepted-in-time"
NOW = datetime.now(UTC).replace(second=0, microsecond=0)
MAINTENANCE = (NOW - timedelta(hours=31)).replace(minute=0)
MORE = f"""
---
apiVersion: milepost/v1
kind: Calendar
metadata: {{name: always, title: Always}}
spec: {{zone: UTC, hours: {{mon-sun: ["00:00-12:00"]}}}}
---
apiVersion: milepost/v1
kind: Objective
metadata: {{name: by-region}}
spec:
  workflow: order-to-cash
  latency: {{from: order_received, to: order_accepted, within: 4h}}
  target: 0.9
  missing_data: bad
  group_by: [region]
  by_value: true
  exclude: [{{from: "{MAINTENANCE:%Y-%m-%dT%H:%M:%SZ}", for: 2h, reason: Maintenance}}]
---
apiVersion: milepost/v1
kind: Objective
metadata: {{name: fresh}}
spec: {{workflow: order-to-cash, freshness: {{from: order_received, to: order_accepted, within: 30m}}, target: 0.9, missing_data: bad}}
---
apiVersion: milepost/v1
kind: Objective
metadata: {{name: enough}}
spec: {{workflow: order-to-cash, volume: {{milestone: order_received, per: 1h, at_most: 3}}, target: 0.9, missing_data: bad}}
---
apiVersion: milepost/v1
kind: Objective
metadata: {{name: in-office-time}}
spec: {{workflow: order-to-cash, latency: {{from: order_received, to: order_accepted, within: 4h, calendar: always}}, target: 0.9, missing_data: bad}}
"""


def received(name: str, ago: timedelta, region: str = "EMEA", amount: float = 100) -> dict[str, Any]:
    data = {"order_id": name, "account_id": f"A-{name[-1]}", "region": region, "amount": amount, "currency": "EUR"}
    return cloud_event(f"r-{name}", time=(NOW - ago).isoformat(), data=data)


def accepted(name: str, ago: timedelta) -> dict[str, Any]:
    at = (NOW - ago).isoformat()
    return cloud_event(f"a-{name}", source="sap", type="sales_order.created", time=at, data={"order_id": name})


@pytest.fixture
async def api(database_url: str) -> AsyncIterator[Collector]:
    """Two orders in time, two late, two that have not come, and one that is cancelled."""
    hours = [timedelta(hours=number) for number in range(60)]
    async with running(database_url, DEFINITIONS + MORE) as made:
        events = [
            received("O-1", hours[40]), accepted("O-1", hours[38]),
            received("O-2", hours[39]), accepted("O-2", hours[36]),
            received("O-3", hours[38]), accepted("O-3", hours[30]),
            received("O-4", hours[20], "APAC", 7.25), accepted("O-4", hours[15]),
            received("O-5", hours[30]),
            received("O-6", MAINTENANCE_AGO, "APAC"),
            received("O-7", hours[12]),
            cloud_event("c-7", type="order.cancelled", time=(NOW - hours[1]).isoformat(), data={"order_id": "O-7"}),
        ]  # fmt: skip
        assert (await made.events(*events)).status_code == 200
        while made.project():
            pass
        yield made


MAINTENANCE_AGO = NOW - (MAINTENANCE + timedelta(minutes=30) - timedelta(hours=4))


def titles(page: dict[str, Any]) -> list[str]:
    return [one["title"] for one in page["items"]]


async def test_the_missed_ones_come_in_the_order_in_which_they_were_due(api: Collector) -> None:
    found = await api.get(f"/api/v1/objectives/{NAME}/contributors")
    assert titles(found) == ["O-3", "O-6", "O-5", "O-4"]
    assert (found["total"], found["left_out"], found["listed"], found["next_cursor"]) == (4, 0, "items", None)
    late, _, never, _ = found["items"]
    assert (late["late_seconds"], late["late_open_seconds"], late["outcome"], late["counts_as"]) == (
        4 * 3600, None, "bad", "bad",
    )  # fmt: skip
    assert late["arrived_at"] == (NOW - timedelta(hours=30)).isoformat().replace("+00:00", "Z")
    assert late["arithmetic"][0].endswith("the time for Order accepted begins.")
    assert late["arithmetic"][-1].endswith(": 4h past it.")
    assert (never["arrived_at"], never["value"]) == (None, {"amount": 100.0, "currency": "EUR"})
    # NOW is when the tests were collected: it gets later since.
    since = (datetime.now(UTC) - NOW).total_seconds()
    assert 26 * 3600 <= never["late_seconds"] <= 26 * 3600 + since
    of_objective = await api.get(f"/api/v1/objectives/{NAME}")
    assert of_objective["bad"] == found["total"]


async def test_a_calendar_says_how_much_of_the_lateness_counts(api: Collector) -> None:
    found = await api.get("/api/v1/objectives/in-office-time/contributors")
    assert all(0 <= one["late_open_seconds"] <= one["late_seconds"] for one in found["items"])
    assert any("of them open" in line for one in found["items"] for line in one["arithmetic"])


async def test_the_other_outcomes_are_listed_when_asked_for(api: Collector) -> None:
    good = await api.get(f"/api/v1/objectives/{NAME}/contributors", outcome="good")
    assert titles(good) == ["O-1", "O-2"]
    assert [one["late_seconds"] for one in good["items"]] == [None, None]
    cancelled = await api.get(f"/api/v1/objectives/{NAME}/contributors", outcome="cancelled")
    assert titles(cancelled) == ["O-7"]
    id_ = cancelled["items"][0]["id"]
    assert (await api.get(f"/api/v1/instances/{id_}"))["verdict"] == "cancelled"


async def test_who_waived_it_and_why_is_told(api: Collector) -> None:
    missed = await api.get(f"/api/v1/objectives/{NAME}/contributors")
    id_ = next(one["id"] for one in missed["items"] if one["title"] == "O-5")
    until = (NOW + timedelta(days=2)).isoformat()
    said = {"until": until, "by": "ann", "reason": "known"}
    assert (await api.http.post(f"/api/v1/instances/{id_}/waiver", json=said)).status_code == 202
    while api.project():
        pass
    found = await api.get(f"/api/v1/objectives/{NAME}/contributors", outcome="waived")
    (one,) = found["items"]
    assert (one["title"], one["waiver"]["by"], one["waiver"]["reason"]) == ("O-5", "ann", "known")
    assert "O-5" not in titles(await api.get(f"/api/v1/objectives/{NAME}/contributors"))


async def test_what_fell_into_an_exclusion_is_listed_and_does_not_count(api: Collector) -> None:
    found = await api.get("/api/v1/objectives/by-region/contributors")
    excluded = [one for one in found["items"] if one["left_out"]]
    assert [(one["title"], one["counts_as"], one["left_out"], one["exclusions"]) for one in excluded] == [
        ("O-6", None, "excluded", ["Maintenance"])
    ]
    assert (found["total"], found["left_out"], found["values"]) == (3, 1, [{"currency": "EUR", "amount": 207.25}])
    of_objective = await api.get("/api/v1/objectives/by-region")
    assert of_objective["bad"] == 3
    assert [(one["currency"], one["bad"]) for one in of_objective["values"]] == [("EUR", 207.25)]
    of_group = await api.get("/api/v1/objectives/by-region/contributors", group="APAC")
    assert (titles(of_group), of_group["group"], of_group["total"]) == (["O-6", "O-4"], {"region": "APAC"}, 1)


async def test_a_span_of_time_ends_before_it_ends(api: Collector) -> None:
    due = NOW - timedelta(hours=26)
    due -= timedelta(minutes=due.minute % 5)
    asked = {"since": due.isoformat(), "until": (due + timedelta(minutes=5)).isoformat()}
    assert titles(await api.get(f"/api/v1/objectives/{NAME}/contributors", **asked)) == ["O-5"]
    before = {"since": (due - timedelta(hours=1)).isoformat(), "until": due.isoformat()}
    assert "O-5" not in titles(await api.get(f"/api/v1/objectives/{NAME}/contributors", **before))
    early = await api.get(f"/api/v1/objectives/{NAME}/contributors", since="1999-01-01T00:00:00Z", until="1999-02-01T00:00:00Z")  # fmt: skip
    assert (early["items"], early["total"]) == ([], 0)


async def test_pages_follow_one_another_without_gap_or_repetition(api: Collector) -> None:
    met: list[str] = []
    cursor: dict[str, str] = {}
    for _ in range(9):
        page = await api.get(f"/api/v1/objectives/{NAME}/contributors", limit=1, **cursor)
        assert page["total"] == 4
        met += titles(page)
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert met == ["O-3", "O-6", "O-5", "O-4"]


async def test_freshness_lists_the_changes_that_were_stale(api: Collector) -> None:
    found = await api.get("/api/v1/objectives/fresh/contributors")
    assert (found["listed"], set(titles(found))) == ("changes", {"O-1", "O-2", "O-3", "O-4", "O-5", "O-6"})
    span = {"since": (NOW - timedelta(hours=5)).isoformat()}
    assert set(titles(await api.get("/api/v1/objectives/fresh/contributors", **span))) == {"O-5", "O-6"}


async def test_volume_lists_slices(api: Collector) -> None:
    # The slice in which the first item came is not whole.
    crowd = (received(f"X-{number}", timedelta(hours=50)) for number in range(4))
    await api.events(received("X-9", timedelta(hours=52)), *crowd)
    while api.project():
        pass
    found = await api.get("/api/v1/objectives/enough/contributors")
    assert (found["listed"], found["total"]) == ("slices", 1)
    (one,) = found["items"]
    assert (one["items"], one["at_least"], one["at_most"], one["counts_as"]) == (4, None, 3, "bad")
    good = await api.get("/api/v1/objectives/enough/contributors", outcome="good", limit=500)
    of_objective = await api.get("/api/v1/objectives/enough")
    assert (good["total"], found["total"]) == (of_objective["good"], of_objective["bad"])


async def test_all_the_deadlines_of_a_workflow_can_be_listed(api: Collector) -> None:
    found = await api.get("/api/v1/objectives/workflow:order-to-cash/contributors")
    assert {one["milestone"] for one in found["items"]} == {"order_accepted"}
    assert titles(found) == ["O-3", "O-6", "O-5", "O-4"]


@pytest.mark.parametrize(
    ("asked", "faults"),
    [
        (
            {"outcome": "late", "limit": 0, "cursor": "x", "group": ["EMEA", "gold"], "since": "yesterday"},
            ["outcome: must be good or bad or waived or cancelled", "limit: must be", "cursor: not one of ours",
             "group: must be said once", "since: must be an RFC 3339"],
        ),
        ({"since": "2026-01-02T00:00:00Z", "until": "2026-01-01T00:00:00Z"}, ["since: must be before until"]),
        ({"until": "9999-01-01T00:00:00Z"}, ["until: lies in the future"]),
        ({"since": "0001-01-01T00:00:00Z"}, ["since: must be after 1970"]),
        ({"until": "0001-01-01T00:00:00Z"}, ["until: must be after 1970"]),
        ({"cursor": "AAAA" * 2000}, ["cursor: not one of ours"]),
        ({"cursor": "é"}, ["cursor: not one of ours"]),
    ],
)  # fmt: skip
async def test_what_cannot_be_asked(api: Collector, asked: dict[str, Any], faults: list[str]) -> None:
    answer = await api.http.get("/api/v1/objectives/by-region/contributors", params=asked)
    assert answer.status_code == 400
    assert all(fault in answer.text for fault in faults), answer.text


async def test_names_that_there_are_not(api: Collector) -> None:
    for name in ("nothing", "workflow:nothing", "..%2F..%2Fetc", "%00"):
        assert (await api.http.get(f"/api/v1/objectives/{name}/contributors")).status_code == 404
    answer = await api.http.get("/api/v1/objectives/fresh/contributors", params={"outcome": "good"})
    assert (answer.status_code, "outcome: must be bad" in answer.text) == (400, True)
