"""What is told of objectives over HTTP: groups, money, what is neutral or not known, the pace, kept periods, targets."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from collector.catalogue import register
from collector.objective_gauges import measure_objectives
from collector.query.periods import keep_periods
from collector.rebuild import forget, keep_objectives
from slo_rules.definitions import load
from slo_rules.instants import rfc3339, to_micros
from tests.integration.fix_doors import DEFINITIONS, Collector, cloud_event, running

IN_TIME = "orders-accepted-in-time"


def ago(hours: float) -> str:
    return rfc3339(datetime.now(UTC) - timedelta(hours=hours))


def edge_of_two_hours(hours: float) -> datetime:
    """When two hours begin in whose middle that lies which was so many hours ago."""
    edge = datetime.now(UTC) - timedelta(hours=hours + 1)
    return edge.replace(minute=edge.minute - edge.minute % 5, second=0, microsecond=0)


def told_as(more: str, *, missing_data: str = "bad", window: str = "30d") -> str:
    """The definitions, with more said of the objective."""
    before = "target: 0.99, missing_data: bad, window: 30d}"
    assert before in DEFINITIONS
    return DEFINITIONS.replace(before, f"target: 0.99, missing_data: {missing_data}, window: {window}, {more}}}")


async def order(collector: Collector, number: int, created: float, accepted: float | None = None, **data: Any) -> None:
    """An order that was created, and accepted, so many hours ago."""
    said = {"order_id": f"O-{number}", **data}
    events = [cloud_event(f"c{number}", time=ago(created), data=said)]
    if accepted is not None:
        event = cloud_event(f"a{number}", source="sap", type="sales_order.created", time=ago(accepted), data=said)
        events.append(event)
    await collector.events(*events)


async def objective(collector: Collector, name: str = IN_TIME, **asked: Any) -> Any:
    collector.project()
    return await collector.get(f"/api/v1/objectives/{name}", **asked)


async def test_groups_and_money(database_url: str) -> None:
    more = "group_by: [region, tier], by_value: true, targets: {contract: 0.5, stretch: 0.999}"
    async with running(database_url, told_as(more)) as collector:
        worth = {"amount": "100.25", "currency": "EUR"}
        await order(collector, 1, 20, 19, region="EMEA", tier="gold", **worth)
        await order(collector, 2, 20, None, region="EMEA", tier="gold", **worth)
        await order(collector, 3, 20, 10, region="APAC", amount=7, currency="USD")
        await order(collector, 4, 20, 19, region="=cmd|' /C calc'!A0", tier="<b>")
        found = await objective(collector)
        assert (found["good"], found["bad"], found["group"], found["groups_total"]) == (2, 2, None, 3)
        assert [(one["currency"], one["good"], one["bad"]) for one in found["values"]] == [
            ("EUR", 100.25, 100.25),
            ("USD", 0, 7),
        ]
        groups = [(list(one["group"].values()), one["good"], one["bad"]) for one in found["groups"]]
        assert groups == [
            (["APAC", None], 0, 1),
            (["EMEA", "gold"], 1, 1),
            (["=cmd|' /C calc'!A0", "<b>"], 1, 0),
        ]
        assert [(one["name"], one["target"], one["budget_left_ratio"]) for one in found["targets"]] == [
            ("stretch", 0.999, pytest.approx(-499, rel=1e-3)),
            ("contract", 0.5, pytest.approx(0)),
        ]
        of_group = await objective(collector, group=["EMEA", "gold"])
        assert (of_group["good"], of_group["bad"], of_group["group"]) == (1, 1, {"region": "EMEA", "tier": "gold"})
        assert "groups" not in of_group
        assert sum(day["bad"] for day in of_group["series"]) == 1
        nothing_said = await objective(collector, group=["APAC", ""])
        assert (nothing_said["good"], nothing_said["bad"]) == (0, 1)
        periods = await collector.get(f"/api/v1/objectives/{IN_TIME}/periods", period="year", group=["APAC", ""])
        assert sum(one["bad"] for one in periods["items"]) == 1
        assert (await objective(collector, group=["NONE", "x"]))["total"] == 0
        for wrong in (["EMEA"], ["a", "b", "c"]):
            answer = await collector.http.get(f"/api/v1/objectives/{IN_TIME}", params={"group": wrong})
            assert (answer.status_code, "group: must be said once for each of region, tier" in answer.text) == (
                400,
                True,
            )


async def test_what_cannot_be_told_apart_has_no_groups(database_url: str) -> None:
    async with running(database_url) as collector:
        answer = await collector.http.get(f"/api/v1/objectives/{IN_TIME}", params={"group": "EMEA"})
        assert (answer.status_code, "is not told apart by anything" in answer.text) == (400, True)
        assert (await objective(collector))["groups"] == []


async def test_a_late_event_moves_what_was_counted_to_another_group(database_url: str) -> None:
    async with running(database_url, told_as("group_by: [region], by_value: true")) as collector:
        await order(collector, 1, 20, None, region="EMEA", amount=5, currency="EUR")
        assert [one["group"] for one in (await objective(collector))["groups"]] == [{"region": "EMEA"}]
        late = cloud_event("x", source="sap", type="sales_order.created", time=ago(1),
                           data={"order_id": "O-1", "region": "APAC", "amount": 9})  # fmt: skip
        await collector.events(late)
        found = await objective(collector)
        assert [(one["group"], one["bad"]) for one in found["groups"]] == [({"region": "APAC"}, 1)]
        assert [(one["currency"], one["bad"]) for one in found["values"]] == [("EUR", 9)]


async def test_what_is_excluded_is_neutral_and_shown(database_url: str) -> None:
    edge = edge_of_two_hours(16)
    said = f"{{from: '{rfc3339(edge)}', for: 2h, reason: SAP is maintained}}"
    async with running(database_url, told_as(f"exclude: [{said}]")) as collector:
        # Due 16 and 10 hours ago: in the exclusion, and after it.
        await order(collector, 1, 20)
        await order(collector, 2, 14)
        found = await objective(collector)
        assert (found["bad"], found["excluded"], found["budget_used"]) == (1, 1, 1)
        assert found["exclusions"] == [
            {"since": rfc3339(edge), "until": rfc3339(edge + timedelta(hours=2)), "reason": "SAP is maintained"}
        ]


async def test_a_maintenance_window_that_is_said_afterwards_is_neutral_and_a_rebuild_comes_to_the_same(
    database_url: str,
) -> None:
    edge = edge_of_two_hours(16)
    window = f"""
---
apiVersion: milepost/v1
kind: Maintenance
metadata: {{name: sap-patched, owner: erp-platform}}
spec:
  match: {{source: sap}}
  from: "{rfc3339(edge - timedelta(days=7))}"
  for: 2h
  repeat: FREQ=WEEKLY
  reason: SAP is patched
  exclude_from_objectives: true
"""
    text = told_as("", window="{period: day}").replace(", }", "}")

    async def told() -> tuple[Any, ...]:
        found = await collector.get(f"/api/v1/objectives/{IN_TIME}/periods", limit=3)
        counts = [(one["bad"], one["excluded"]) for one in found["items"]]
        return (sum(bad for bad, _ in counts), sum(excluded for _, excluded in counts))

    async with running(database_url, text) as collector:
        # Due 16 and 10 hours ago: in the window, and after it.
        await order(collector, 1, 20)
        await order(collector, 2, 14)
        collector.project()
        keep_objectives(collector.conn, collector.catalogue)
        assert await told() == (2, 0)
    definitions = load({"a.yaml": text + window})
    async with running(database_url, text + window) as collector:
        assert keep_objectives(collector.conn, register(collector.conn, definitions)) == [], "nothing is counted anew"
        assert await told() == (1, 1)
        shown = (await objective(collector))["exclusions"]
        assert all(one["reason"] == "SAP is patched" for one in shown)
        rows = "SELECT * FROM sli_bucket ORDER BY objective, grp, minutes, bucket, unit"
        before = collector.rows(rows)
        forget(collector.conn, current_definitions=False)
        collector.project()
        keep_objectives(collector.conn, collector.catalogue)
        assert (await told(), collector.rows(rows)) == ((1, 1), before)
    async with running(database_url, text) as collector:
        assert await told() == (2, 0), "and it can be taken back"


@pytest.mark.parametrize(
    ("policy", "good", "bad", "known"),
    [("bad", 0, 2, True), ("good", 1, 1, True), ("exclude", 0, 1, True), ("alert", 0, 1, False)],
)
async def test_while_a_source_is_silent(database_url: str, policy: str, good: int, bad: int, known: bool) -> None:
    source = "\n---\napiVersion: milepost/v1\nkind: Source\nmetadata: {name: sap}\nspec: {silent_after: 15m}\n"
    async with running(database_url, told_as("", missing_data=policy).replace(", }", "}") + source) as collector:
        await collector.events(cloud_event("alive", source="sap", type="heartbeat", time=ago(0)))
        # What fell due before SAP was last heard is known; what fell due since is not.
        await order(collector, 1, 20)
        await order(collector, 2, 5)
        collector.project()
        with collector.conn.transaction():
            for table in ("event", "source_state"):
                column = "received_at" if table == "event" else "last_received_at"
                collector.conn.execute(
                    f"UPDATE {table} SET {column} = {column} - interval '2 hours' WHERE source = 'sap'".encode()
                )
        found = await objective(collector)
        assert (found["good"], found["bad"], found["missing"], found["known"]) == (good, bad, 1, known)
        assert (found["missing_source"], found["missing_data"]) == ("sap", policy)
        measure_objectives(collector.conn, datetime.now(UTC), collector.catalogue)
        metrics = (await collector.http.get("/metrics")).text
        assert (
            f'milepost_objective_bad{{objective="{IN_TIME}",window="30d",workflow="order-to-cash"}} {bad}.0' in metrics
        )


async def test_the_budget_burns(database_url: str) -> None:
    async with running(database_url) as collector:
        for number in range(40):
            # Due from two to eleven minutes ago: some of them in the last five minutes that are over.
            await order(collector, number, 4 + (2 + number % 10) / 60)
        found = await objective(collector)
        assert {("page", 3600), ("ticket", 86_400)} <= {
            (one["severity"], one["long_seconds"]) for one in found["burning"]
        }
        assert all(one["rate"] > one["threshold"] for one in found["burning"])
        assert found["pace"]["gone_at"] is not None


async def test_a_budget_of_less_than_one_item_is_told_item_by_item(database_url: str) -> None:
    async with running(database_url) as collector:
        # Four hours each: the last quarter of it has begun of the third, and not of the fourth.
        await order(collector, 1, 20, 19)
        await order(collector, 2, 20)
        await order(collector, 3, 3.5)
        await order(collector, 4, 1)
        found = await objective(collector)
        assert found["singly"] == {"allowed": pytest.approx(0.6), "overdue": 1, "due_soon": 1, "soon_seconds": 3600}
        assert found["burning"] == []
        for number in range(5, 10):
            await order(collector, number, 20, 19)
        # Seven a day are 210 in the window, of which two may miss.
        assert (await objective(collector))["singly"] is None


async def test_what_a_period_came_to_is_kept_and_what_comes_late_restates_it(database_url: str) -> None:
    async with running(database_url, told_as("group_by: [region]", window="{period: day}")) as collector:
        await order(collector, 1, 54, 53, region="EMEA")
        await order(collector, 2, 54, region="EMEA")
        collector.project()
        now = to_micros(datetime.now(UTC))
        kept = keep_periods(collector.conn, now, collector.catalogue)
        assert kept == 2
        assert keep_periods(collector.conn, now, collector.catalogue) == 0
        path = f"/api/v1/objectives/{IN_TIME}/periods"

        async def closed() -> list[tuple[Any, ...]]:
            items = (await collector.get(path, limit=5))["items"]
            return [
                (one["good"], one["bad"], one["closed"]["good"], one["closed"]["bad"], one["restated"])
                for one in items
                if one["closed"]
            ]

        assert await closed() == [(1, 1, 1, 1, False)]
        late = cloud_event("a2", source="sap", type="sales_order.created", time=ago(53), data={"order_id": "O-2"})
        await collector.events(late)
        collector.project()
        assert await closed() == [(2, 0, 1, 1, True)]
        # It is no derived state: a rebuild leaves it.
        forget(collector.conn, current_definitions=False)
        collector.project()
        keep_objectives(collector.conn, collector.catalogue)
        assert await closed() == [(2, 0, 1, 1, True)]
        of_group = (await collector.get(path, limit=5, group="EMEA"))["items"]
        assert [one["restated"] for one in of_group if one["closed"]] == [True]


async def test_a_changed_target_applies_from_then_on(database_url: str) -> None:
    text = told_as("", window="{period: day}").replace(", }", "}")
    async with running(database_url, text) as collector:
        await order(collector, 1, 54)
        collector.project()
        collector.rows("SELECT 1")
        with collector.conn.transaction():
            collector.conn.execute("UPDATE objective_version SET since = since - interval '9 days'")
        register(collector.conn, load({"a.yaml": text.replace("target: 0.99", "target: 0.5")}))
        assert collector.rows("SELECT count(*) FROM objective_version") == [(2,)]
        # The same files again say nothing new.
        register(collector.conn, load({"a.yaml": text.replace("target: 0.99", "target: 0.5")}))
        assert collector.rows("SELECT count(*) FROM objective_version") == [(2,)]
        found = await collector.get(f"/api/v1/objectives/{IN_TIME}/periods", limit=4)
        assert [one["target"] for one in found["items"]] == [0.5, 0.99, 0.99, 0.99]
        keep_periods(collector.conn, to_micros(datetime.now(UTC)), collector.catalogue)
        kept = (await collector.get(f"/api/v1/objectives/{IN_TIME}/periods", limit=4))["items"]
        assert [one["closed"]["target"] for one in kept if one["closed"]] == [0.99]


async def test_enough_items(database_url: str) -> None:
    volume = """
---
apiVersion: milepost/v1
kind: Objective
metadata: {name: enough}
spec:
  workflow: order-to-cash
  volume: {milestone: order_received, per: 1h, at_least: 1, at_most: 2}
  target: 0.9
  missing_data: bad
  window: 1d
"""
    async with running(database_url, DEFINITIONS + volume) as collector:
        hour = timedelta(hours=1)
        first = datetime.now(UTC).replace(minute=30, second=0, microsecond=0) - 6 * hour
        for number, hours in enumerate((0, 1, 1, 3, 3, 3)):
            time = rfc3339(first + hours * hour)
            await collector.events(cloud_event(f"v{number}", time=time, data={"order_id": f"V-{number}"}))
        before = datetime.now(UTC)
        found = await objective(collector, "enough")
        # Of the whole hours since the first item the first is not one of them: it had begun before.
        assert (found["unit"], found["good"]) == ("slices", 1)
        bad = [(at.replace(minute=30) - first) // hour - 2 for at in (before, datetime.now(UTC))]
        assert bad[0] <= found["bad"] <= bad[1]
        assert found["description"] == "Order received: at least 1 and at most 2 per 1h"


async def test_groups_are_kept_of_periods_that_begin_within_a_day_of_utc(database_url: str) -> None:
    """Tokyo's days begin at 15:00: what is due in the nine hours after that is counted in the day of UTC before."""
    window = "{period: day, zone: Asia/Tokyo}"
    async with running(database_url, told_as("group_by: [region]", window=window)) as collector:
        due = (datetime.now(UTC) - timedelta(days=3)).replace(hour=16, minute=0, second=0, microsecond=0)
        created = rfc3339(due - timedelta(hours=4))
        await collector.events(cloud_event("c1", time=created, data={"order_id": "O-1", "region": "EMEA"}))
        collector.project()
        keep_periods(collector.conn, to_micros(datetime.now(UTC)), collector.catalogue)
        assert collector.rows("SELECT grp, bad::int FROM objective_period ORDER BY grp") == [("", 1), ('["EMEA"]', 1)]
