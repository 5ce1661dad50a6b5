"""Why an objective misses, and what it came to in another time than its window, over HTTP."""

from __future__ import annotations

from typing import Any

from tests.integration.fix_doors import Collector, running
from tests.integration.test_objectives_told import IN_TIME, ago, objective, order, told_as

REGIONS = ("EMEA", "APAC", "AMER")


async def fill(collector: Collector) -> None:
    """Of 60 orders those of APAC were late, but for one; of the others one was."""
    for number in range(60):
        region = REGIONS[number % 3]
        late = (region == "APAC") != (number in (4, 6))
        await order(collector, number, 20, 10 if late else 19, region=region, tier=str(number))
    collector.project()


async def differences(collector: Collector, **asked: Any) -> Any:
    return await collector.get(f"/api/v1/objectives/{IN_TIME}/differences", **asked)


async def test_what_the_bad_ones_have_in_common_opens_to_just_those(database_url: str) -> None:
    async with running(database_url, told_as("group_by: [region, tier]")) as collector:
        await fill(collector)
        found = await differences(collector)
        assert (found["bad"]["count"], found["rest"]["count"]) == (20, 40)
        (first, *others) = found["items"]
        assert (first["kind"], first["attribute"], first["value"]) == ("attribute", "region", "APAC")
        assert (first["significant"], first["bad"], first["bad_of"], first["rest"]) == (True, 19, 20, 1)
        assert first["explanation"].startswith("19 of 20 have region APAC, against 2% of the others: ")
        assert not any(one["significant"] for one in others)
        path = f"/api/v1/objectives/{IN_TIME}/contributors"
        said = {"since": found["since"], "until": found["until"]}
        listed = await collector.get(path, **said, where="region=APAC")
        assert (listed["total"], listed["where"]) == (19, [{"name": "region", "value": "APAC"}])
        assert {one["group"]["region"] for one in listed["items"]} == {"APAC"}
        assert (await collector.get(path, **said))["total"] == 20
        answer = await collector.http.get(path, params={"where": ["region", "=x"]})
        assert (answer.status_code, len(answer.json()["faults"])) == (400, 2)


async def test_only_the_time_and_the_group_that_are_asked_about_are_compared(database_url: str) -> None:
    async with running(database_url, told_as("group_by: [region]")) as collector:
        await fill(collector)
        of_group = await differences(collector, group="APAC")
        assert (of_group["bad"]["count"], of_group["rest"]["count"]) == (19, 1)
        before = await differences(collector, since=ago(300), until=ago(100))
        assert (before["bad"]["count"], before["rest"]["count"], before["items"]) == (0, 0, [])
        for wrong in ({"since": ago(1), "until": ago(2)}, {"limit": 0}, {"group": ["a", "b"]}, {"since": "then"}):
            answer = await collector.http.get(f"/api/v1/objectives/{IN_TIME}/differences", params=wrong)
            assert answer.status_code == 400, wrong
        assert (await collector.http.get("/api/v1/objectives/none/differences")).status_code == 404


async def test_an_order_that_is_still_awaited_is_among_the_bad(database_url: str) -> None:
    async with running(database_url) as collector:
        await order(collector, 1, 20, None)
        await order(collector, 2, 20, 19)
        collector.project()
        found = await differences(collector)
        assert (found["bad"]["count"], found["rest"]["count"]) == (1, 1)


async def test_the_history_of_another_time_says_what_that_came_to(database_url: str) -> None:
    async with running(database_url) as collector:
        await order(collector, 1, 80, 79)
        await order(collector, 2, 20, 10)
        await order(collector, 3, 20, 19)
        window = await objective(collector)
        assert (window["asked"], window["step"], window["zone"]) == (None, "day", "UTC")
        assert sum(day["bad"] for day in window["series"]) == window["bad"] == 1
        asked = await objective(collector, since=ago(30))
        assert (asked["step"], asked["asked"]["good"], asked["asked"]["bad"]) == ("hour", 1, 1)
        assert sum(hour["good"] + hour["bad"] for hour in asked["series"]) == 2
        assert all(hour["t"].endswith(":00:00Z") for hour in asked["series"])
        assert asked["budget_series"][-1]["left_ratio"] == asked["asked"]["budget_left_ratio"]
        # What it is now, it is in any case.
        assert (asked["good"], asked["bad"]) == (window["good"], window["bad"])
        early = await objective(collector, since=ago(100), until=ago(60))
        assert (early["asked"]["good"], early["asked"]["bad"]) == (1, 0)
        for wrong in ({"since": ago(1), "until": ago(2)}, {"since": ago(24 * 500)}, {"until": "2999-01-01T00:00:00Z"}):
            answer = await collector.http.get(f"/api/v1/objectives/{IN_TIME}", params=wrong)
            assert answer.status_code == 400, wrong


async def test_days_are_those_of_the_zone_of_the_window(database_url: str) -> None:
    zone = "{period: month, zone: Asia/Tokyo}"
    async with running(database_url, told_as("by_value: true", window=zone)) as collector:
        await order(collector, 1, 20, 19)
        found = await objective(collector, since=ago(24 * 10))
        assert (found["step"], found["zone"]) == ("day", "Asia/Tokyo")
        # Midnight there.
        assert [day["t"][11:] for day in found["series"]] == ["15:00:00Z"] * len(found["series"])
        zones = (await collector.get("/api/v1/zones"))["items"]
        assert "Asia/Tokyo" in [one["zone"] for one in zones]
