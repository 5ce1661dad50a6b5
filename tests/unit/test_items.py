"""What of one instance each objective counts, and as what: by hand, in groups, by value, with pauses and waivers."""

from __future__ import annotations

import re
from decimal import Decimal
from functools import reduce
from pathlib import Path
from typing import Any

import msgspec
import pytest

from slo_rules.acts import ACT_SOURCE
from slo_rules.buckets import BUCKET
from slo_rules.contribution import ITEMS, NO_CURRENCY, Contributions, contributions
from slo_rules.definitions import load
from slo_rules.durations import DAY, HOUR, MINUTE
from slo_rules.event import Event, event_key
from slo_rules.instants import rfc3339
from slo_rules.item import Outcome
from slo_rules.items import items
from slo_rules.joining import join
from slo_rules.matching import Matcher
from slo_rules.objective import ALL, Objective, values_of
from slo_rules.observation import fold
from slo_rules.progress import Progress

MONDAY = 1_789_948_800_000_000  # 2026-09-21 00:00 UTC
DEFINITIONS = load(
    {
        "orders.yaml": """
apiVersion: milepost/v1
kind: Workflow
metadata: {name: orders, domain: orders, owner: operations}
spec:
  entity: order
  keys: {order: data.order}
  attributes: {region: data.region, tier: data.tier}
  value: {amount: data.amount, currency: data.currency}
  milestones:
    - {name: won, on: {exact: {type: won}}}
    - {name: accepted, on: {exact: {type: accepted}}}
    - {name: paid, on: {exact: {type: paid}}, completes: true}
  cancels_on: [{exact: {type: cancelled}}]
  fails_on: [{exact: {type: failed}}]
  pauses_on: [{exact: {type: waiting}}]
  resumes_on: [{exact: {type: resumed}}]
---
apiVersion: milepost/v1
kind: Calendar
metadata: {name: office}
spec: {zone: UTC, hours: {mon-fri: "08:00-16:00"}}
---
apiVersion: milepost/v1
kind: Objective
metadata: {name: accepted}
spec:
  workflow: orders
  latency: {from: won, to: accepted, within: 2h}
  target: 0.9
  missing_data: bad
  group_by: [region, tier]
  by_value: true
---
apiVersion: milepost/v1
kind: Objective
metadata: {name: office}
spec: {workflow: orders, latency: {from: won, to: accepted, within: 2h, calendar: office}, target: 0.9, missing_data: bad}
---
apiVersion: milepost/v1
kind: Objective
metadata: {name: fresh}
spec: {workflow: orders, freshness: {from: won, to: accepted, within: 2h}, target: 0.9, missing_data: bad}
---
apiVersion: milepost/v1
kind: Objective
metadata: {name: well}
spec: {workflow: orders, success: {}, target: 0.9, missing_data: bad}
---
apiVersion: milepost/v1
kind: Objective
metadata: {name: enough}
spec: {workflow: orders, volume: {milestone: accepted, per: 1h, at_least: 1}, target: 0.9, missing_data: bad}
"""
    }
)
ORDERS = DEFINITIONS.workflows["orders"]
Told = tuple[str, float] | tuple[str, float, dict[str, Any]]


def objective(name: str) -> Objective:
    return DEFINITIONS.objectives[name]


def told(*story: Told) -> Progress:
    """The events (type, hours after Monday, more data)."""
    matcher, parts = Matcher([ORDERS]), []
    for number, (type_, hours, *more) in enumerate(story):
        at = MONDAY + round(hours * HOUR)
        acts = type_.startswith("milepost.")
        source = ACT_SOURCE if acts else "crm"
        said: dict[str, Any] = {"workflow": "orders", "key": "order=1", "by": "jo", "reason": "x"}
        said = (said if acts else {"order": "1"}) | (more[0] if more else {})
        event = Event(source, type_, at, at, event_key(source, str(number)), {"data": said})
        parts += [fold(None, match) for _, match in matcher.matches(event)]
    return reduce(join, parts)


def waived(at: float, until: float) -> Told:
    return ("milepost.waived", at, {"until": rfc3339(MONDAY + round(until * HOUR))})


def counted(name: str, *story: Told) -> list[tuple[float, float | None, str]]:
    """When in hours it was due, when it came, and as what it counts."""
    found = items(told(*story), ORDERS, [objective(name)])
    hours = [None if one.arrival is None else (one.arrival - MONDAY) / HOUR for one in found]
    return [
        ((one.at - MONDAY) / HOUR, came, one.outcome) for one, came in zip(found, hours, strict=True) if one.objective
    ]


def added(name: str, *story: Told) -> Contributions:
    found = contributions(told(*story), ORDERS, [objective(name)])
    return {place: counts for place, counts in found.items() if place[0] == name}


class TestPauses:
    def test_the_time_paused_is_not_counted(self) -> None:
        assert counted("accepted", ("won", 0), ("waiting", 1), ("resumed", 5)) == [(6, None, Outcome.BAD)]
        story: list[Told] = [("won", 0), ("waiting", 1), ("resumed", 5), ("accepted", 6)]
        assert counted("accepted", *story) == [(6, 6, Outcome.GOOD)]
        assert counted("fresh", *story) == [(6, 6, Outcome.GOOD)]

    def test_what_is_paused_counts_once_its_clock_runs_again(self) -> None:
        assert counted("accepted", ("won", 0), ("waiting", 1)) == []
        # Before the pause it was due already.
        assert counted("accepted", ("won", 0), ("waiting", 3)) == [(2, None, Outcome.BAD)]


class TestCalendars:
    @pytest.mark.parametrize(
        ("won", "due"), [(8, 10), (15, 24 + 9), (20, 24 + 10), (4 * 24 + 15, 7 * 24 + 9), (5 * 24, 7 * 24 + 10)]
    )
    def test_only_open_hours_count(self, won: float, due: float) -> None:
        assert counted("office", ("won", won)) == [(due, None, Outcome.BAD)]
        assert counted("office", ("won", won), ("accepted", due)) == [(due, due, Outcome.GOOD)]

    def test_pauses_count_as_open_hours(self) -> None:
        # Paused from 9 to 20 on Monday: one hour is left for Tuesday.
        assert counted("office", ("won", 8), ("waiting", 9), ("resumed", 20)) == [(24 + 9, None, Outcome.BAD)]


class TestWaivers:
    @pytest.mark.parametrize(
        ("at", "until", "came", "outcome"),
        [
            # Said while it was late, or before, for a time in which it was.
            (5, 9, None, Outcome.WAIVED),
            (1, 9, None, Outcome.WAIVED),
            (1, 9, 4, Outcome.WAIVED),
            (5, 9, 20, Outcome.WAIVED),
            # Over before it was late; said after it had come; in time anyway.
            (0.5, 2, None, Outcome.BAD),
            (5, 9, 4, Outcome.BAD),
            (1, 9, 1.5, Outcome.GOOD),
        ],
    )
    def test_what_is_late_and_waived_is_neutral(
        self, at: float, until: float, came: float | None, outcome: Outcome
    ) -> None:
        arrived: list[Told] = [] if came is None else [("accepted", came)]
        story: list[Told] = [("won", 0), waived(at, until), *arrived]
        assert counted("accepted", *story) == [(2, came, outcome)]
        steps = [counts[4] for counts in added("fresh", *story).values()]
        assert any(steps) is (outcome is Outcome.BAD)

    def test_a_waiver_that_was_withdrawn_excuses_nothing(self) -> None:
        story: list[Told] = [("won", 0), waived(3, 9), ("milepost.waiver_withdrawn", 4)]
        assert counted("accepted", *story) == [(2, None, Outcome.BAD)]

    def test_a_failure_can_be_waived(self) -> None:
        assert counted("well", ("won", 0), ("failed", 1)) == [(1, None, Outcome.BAD)]
        assert counted("well", ("won", 0), ("failed", 1), waived(3, 9)) == [(1, None, Outcome.WAIVED)]


class TestCancelled:
    @pytest.mark.parametrize("name", ["accepted", "fresh", "well"])
    def test_it_is_neutral_and_shown(self, name: str) -> None:
        story: list[Told] = [("won", 0), ("cancelled", 5)]
        assert {outcome for _, _, outcome in counted(name, *story)} == {Outcome.CANCELLED}
        totals = [sum(counts[place] for counts in added(name, *story).values()) for place in (0, 1, 4)]
        assert totals == [0, 0, 0]

    def test_it_can_be_bad(self) -> None:
        strict = msgspec.structs.replace(objective("well"), cancelled_is_bad=True)
        found = items(told(("won", 0), ("cancelled", 5)), ORDERS, [strict])
        assert [one.outcome for one in found if one.objective] == [Outcome.BAD]

    def test_the_promise_of_the_workflow_shows_it_as_well(self) -> None:
        definitions = load({"a.yaml": text_with_deadline()})
        orders = definitions.workflows["orders"]
        found = items(told(("won", 0), ("cancelled", 1)), orders, ())
        assert [(one.objective, one.outcome) for one in found] == [(None, Outcome.CANCELLED)]


def text_with_deadline() -> str:
    return """
apiVersion: milepost/v1
kind: Workflow
metadata: {name: orders, domain: orders, owner: operations}
spec:
  entity: order
  keys: {order: data.order}
  milestones:
    - {name: won, on: {exact: {type: won}}}
    - {name: accepted, on: {exact: {type: accepted}}, within: 4h}
  cancels_on: [{exact: {type: cancelled}}]
"""


class TestGroupsAndMoney:
    def test_an_item_is_counted_in_all_and_in_its_group_and_by_what_it_is_worth(self) -> None:
        data = {"region": "EMEA", "tier": 1, "amount": "12.50", "currency": "EUR"}
        bucket = MONDAY + 2 * HOUR
        assert added("accepted", ("won", 0, data)) == {
            ("accepted", ALL, ITEMS, bucket): (0, 1, 0, 0, 0),
            ("accepted", ALL, "EUR", bucket): (0, Decimal("12.5"), 0, 0, 0),
            ("accepted", '["EMEA","1"]', ITEMS, bucket): (0, 1, 0, 0, 0),
            ("accepted", '["EMEA","1"]', "EUR", bucket): (0, Decimal("12.5"), 0, 0, 0),
        }
        assert values_of('["EMEA","1"]') == ["EMEA", "1"]

    def test_it_moves_with_what_is_said_of_it_later(self) -> None:
        story: list[Told] = [("won", 0, {"region": "EMEA"}), ("accepted", 1, {"region": "APAC"})]
        assert {place[1] for place in added("accepted", *story)} == {ALL, '["APAC",null]'}

    @pytest.mark.parametrize("amount", [0, "0", -5, "-0.01", "none", None, True])
    def test_what_is_worth_nothing_is_not_counted_in_money(self, amount: object) -> None:
        assert {place[2] for place in added("accepted", ("won", 0, {"amount": amount, "currency": "EUR"}))} == {ITEMS}

    def test_without_a_currency_it_is_counted_apart(self) -> None:
        found = added("accepted", ("won", 0, {"amount": 7}))
        assert {place[2] for place in found} == {ITEMS, NO_CURRENCY}

    def test_a_long_value_is_cut(self) -> None:
        (group,) = {place[1] for place in added("accepted", ("won", 0, {"region": "x" * 5000}))} - {ALL}
        assert len(group) < 300

    def test_what_is_waived_is_worth_as_much(self) -> None:
        found = added("accepted", ("won", 0, {"amount": 7, "currency": "EUR"}), waived(3, 9))
        assert found["accepted", ALL, "EUR", MONDAY + 2 * HOUR] == (0, 0, 7, 0, 0)


def test_completeness_is_the_share_of_comparisons_that_were_equal() -> None:
    """By the definition in the documents."""
    text = (Path(__file__).parent.parent.parent / "docs" / "definitions.md").read_text("utf-8")
    (example,) = re.findall(r"### Completeness\n.*?```yaml definition\n(.*?)```", text, re.DOTALL)
    definitions = load({"completeness.yaml": example})
    (workflow,), (one,) = definitions.workflows.values(), definitions.objectives.values()
    outcomes = []
    for equal in (True, False):
        data = {"comparison": f"2026-09-21/{equal}", "account_id": "A-17", "equal": equal, "region": "EMEA"}
        event = Event("reconciliation", "record.compared", MONDAY, MONDAY, event_key("r", str(equal)), {"data": data})
        ((_, match),) = Matcher([workflow]).matches(event)
        outcomes += [item.outcome for item in items(fold(None, match), workflow, [one])]
    assert outcomes == [Outcome.GOOD, Outcome.BAD]


class TestVolume:
    def test_it_counts_where_the_milestone_was_reached(self) -> None:
        assert added("enough", ("won", 0)) == {}
        at = MONDAY + 5 * HOUR + 7 * MINUTE
        found = added("enough", ("won", 0), ("accepted", 5 + 7 / 60))
        assert found == {("enough", ALL, ITEMS, at - at % BUCKET): (1, 0, 0, 0, 0)}
        assert set(added("enough", ("accepted", 1), ("cancelled", 2)).values()) == {(0, 0, 0, 1, 0)}

    def test_a_late_event_takes_it_elsewhere(self) -> None:
        assert {place[3] for place in added("enough", ("accepted", 30), ("accepted", 2))} == {MONDAY + 2 * HOUR}
        assert MONDAY % DAY == 0
