# ruff: noqa: F811
"""What objectives came to in each period, over HTTP, beside sums that are made one by one."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from collector.buckets import bucket_parameters
from collector.changes import Q
from slo_rules.contribution import ITEMS, Contributions
from slo_rules.durations import MINUTE
from slo_rules.instants import rfc3339, to_datetime, to_micros
from slo_rules.objective import ALL
from tests.integration.fix_doors import DEFINITIONS, Collector, collector, running  # noqa: F401

pytestmark = pytest.mark.slow

NAME = "orders-accepted-in-time"
FRESH = """
---
apiVersion: milepost/v1
kind: Objective
metadata: {name: fresh}
spec:
  workflow: order-to-cash
  freshness: {from: order_received, to: order_accepted, within: 30m}
  target: 0.9
  missing_data: bad
  window: {period: week, zone: America/New_York}
"""


def count(collector: Collector, rows: dict[int, tuple[int, int, int]], objective: str = NAME) -> None:
    added: Contributions = {(objective, ALL, ITEMS, at): (*counts[:2], 0, 0, counts[2]) for at, counts in rows.items()}
    with collector.conn.transaction():
        collector.conn.execute(Q["new_buckets"], bucket_parameters(added))


def bucket(at: datetime) -> int:
    micros = to_micros(at)
    return micros - micros % (5 * MINUTE)


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/St_Johns", "UTC"])
@pytest.mark.parametrize("period", ["day", "week", "month", "quarter", "year"])
async def test_each_period_has_what_was_due_in_it(collector: Collector, period: str, zone: str) -> None:
    now, random_ = datetime.now(UTC), random.Random(period + zone)
    rows: dict[int, tuple[int, int, int]] = {}
    for _ in range(300):
        ago = timedelta(minutes=random_.choice([random_.randrange(900_000), random_.randrange(9_000)]))
        rows[bucket(now - ago - timedelta(minutes=5))] = (random_.randrange(9), random_.randrange(3), 0)
    rows[bucket(now + timedelta(minutes=30))] = (0, 100, 0)
    count(collector, rows)
    found = await collector.get(f"/api/v1/objectives/{NAME}/periods", period=period, zone=zone, limit=30)
    assert (found["period"], found["zone"], found["unit"], len(found["items"])) == (period, zone, "items", 30)

    def of_period(at: int) -> tuple[int, ...]:
        local = to_datetime(at).astimezone(ZoneInfo(zone))
        return {
            "day": (local.toordinal(),),
            "week": local.isocalendar()[:2],
            "month": (local.year, local.month),
            "quarter": (local.year, (local.month - 1) // 3),
            "year": (local.year,),
        }[period]

    for item in found["items"]:
        same = of_period(to_micros(datetime.fromisoformat(item["since"])))
        inside = [counts for at, counts in rows.items() if of_period(at) == same and at < bucket(now)]
        assert (item["good"], item["bad"]) == (sum(one[0] for one in inside), sum(one[1] for one in inside))
        assert item["over"] == (item is not found["items"][0])
        total = item["good"] + item["bad"]
        assert item["met"] == (None if total == 0 else item["bad"] <= item["budget_allowed"])
    assert found["items"][0]["since"] <= rfc3339(to_micros(now)) < found["items"][0]["until"]


async def test_slices_are_counted_from_the_first_item_on(database_url: str) -> None:
    async with running(database_url, DEFINITIONS + FRESH) as collector:
        zone, now = ZoneInfo("America/New_York"), datetime.now(UTC)
        monday = now.astimezone(zone).date() - timedelta(days=now.astimezone(zone).weekday())
        this = bucket(datetime(monday.year, monday.month, monday.day, tzinfo=zone))
        first = this - 2 * 24 * 60 * MINUTE
        # Stale for an hour and a half around midnight, of which the last half hour is of the week after.
        steps = {this - 60 * MINUTE: (0, 1, 1), this + 30 * MINUTE: (0, 0, -1)}
        count(collector, {first: (1, 0, 0)} | steps, "fresh")
        if bucket(now) < this + 30 * MINUTE:
            pytest.skip("the week has only just begun")
        found = await collector.get("/api/v1/objectives/fresh/periods", limit=3)
        assert (found["period"], found["zone"], found["unit"]) == ("week", "America/New_York", "slices")
        present, last, before = found["items"]
        assert (present["bad"], last["bad"], last["good"]) == (6, 12, 2 * 24 * 12 - 12)
        assert present["good"] + present["bad"] == (bucket(now) - this) // (5 * MINUTE)
        assert (before["good"], before["bad"], before["met"], before["ratio"]) == (0, 0, None, None)
        (own,) = [one for one in (await collector.get("/api/v1/objectives"))["items"] if one["name"] == "fresh"]
        assert own["window"] == {
            "period": "week", "zone": "America/New_York", "calendar": None, "open_seconds": None,
            "since": present["since"], "until": present["until"],
        }  # fmt: skip
        assert (own["good"], own["bad"]) == (present["good"], present["bad"])
        one = await collector.get("/api/v1/objectives/fresh")
        assert sum(day["bad"] for day in one["series"]) == 6


async def test_without_a_calendar_of_its_own_there_are_months(collector: Collector) -> None:
    found = await collector.get(f"/api/v1/objectives/{NAME}/periods")
    assert (found["period"], found["zone"], len(found["items"])) == ("month", "UTC", 12)
    assert {(one["good"], one["bad"], one["met"]) for one in found["items"]} == {(0, 0, None)}


@pytest.mark.parametrize(
    ("asked", "faults"),
    [
        ({"period": "months"}, ["period: must be one of day, week, month, quarter, year"]),
        ({"period": "", "zone": "Mars/Olympus", "limit": 0}, ["period: must", "zone: must be a time zone", "limit:"]),
        ({"zone": "../../etc/passwd"}, ["zone: must be a time zone such as Europe/Berlin"]),
        ({"zone": "\x00"}, ["zone: must be a time zone"]),
        ({"limit": 121}, ["limit: must be from 1 to 120"]),
    ],
)
async def test_what_cannot_be_asked(collector: Collector, asked: dict[str, Any], faults: list[str]) -> None:
    answer = await collector.http.get(f"/api/v1/objectives/{NAME}/periods", params=asked)
    assert answer.status_code == 400
    assert all(fault in answer.text for fault in faults)
    assert (await collector.http.get("/api/v1/objectives/nothing/periods")).status_code == 404
