"""What instances add to the buckets of objectives, computed by hand."""

from __future__ import annotations

from functools import reduce

import pytest

from slo_rules.buckets import BUCKET
from slo_rules.budget import Staleness
from slo_rules.contribution import Contributions, add, contributions, promise_name
from slo_rules.definitions import load
from slo_rules.durations import DAY, HOUR, MINUTE
from slo_rules.event import Event, event_key
from slo_rules.joining import join
from slo_rules.matching import Matcher
from slo_rules.observation import fold
from tests.counting import plain, something

TEXT = """
apiVersion: milepost/v1
kind: Workflow
metadata: {name: orders, domain: orders, owner: operations}
spec:
  entity: order
  keys: {order: data.order}
  milestones:
    - {name: won, on: {exact: {type: won}}}
    - {name: accepted, on: {exact: {type: accepted}}, within: 4h}
    - {name: shipped, on: {exact: {type: shipped}}}
    - {name: paid, on: {exact: {type: paid}}, within: 2d, completes: true}
  observes: [{exact: {type: linked}}]
  cancels_on: [{exact: {type: cancelled}}]
---
apiVersion: milepost/v1
kind: Objective
metadata: {name: latency}
spec: {workflow: orders, latency: {from: won, to: accepted, within: 1h}, target: 0.9, missing_data: bad}
---
apiVersion: milepost/v1
kind: Objective
metadata: {name: freshness}
spec: {workflow: orders, freshness: {from: won, to: accepted, within: 30m}, target: 0.9, missing_data: bad}
"""
DEFINITIONS = load({"orders.yaml": TEXT})
ORDERS = DEFINITIONS.workflows["orders"]
PROMISE = "workflow:orders"
GOOD, BAD, RISE, FALL = (1, 0, 0), (0, 1, 0), (0, 1, 1), (0, 0, -1)
Added = dict[tuple[str, int], tuple[int, int, int]]
MIDNIGHT = 1_789_948_800_000_000  # 2026-09-21 00:00 UTC


def added(*steps: tuple[str, int], origin: int = MIDNIGHT) -> Added:
    """What the events (type, micros after the origin) add, with buckets relative to the origin."""
    total = plain(all_of(*steps, origin=origin))
    assert all(bucket % BUCKET == 0 for _, bucket in total)
    return {(name, bucket - origin): counts for (name, bucket), counts in total.items()}


def all_of(*steps: tuple[str, int], origin: int = MIDNIGHT) -> Contributions:
    """The same, whole."""
    matcher = Matcher([ORDERS])
    parts = []
    for number, (type_, at) in enumerate(steps):
        event = Event("crm", type_, origin + at, origin + at, event_key("crm", str(number)), {"data": {"order": "1"}})
        ((_found, match),) = matcher.matches(event)
        parts.append(fold(None, match))
    return contributions(reduce(join, parts), ORDERS, DEFINITIONS.objectives.values())


def of(objective: str, found: Added) -> dict[int, tuple[int, int, int]]:
    return {bucket: counts for (name, bucket), counts in found.items() if name == objective}


def test_an_item_is_bad_at_its_deadline_from_the_moment_its_clock_starts() -> None:
    found = added(("won", MINUTE))
    assert found == {
        (PROMISE, 4 * HOUR): BAD,
        ("latency", HOUR): BAD,
        ("freshness", 30 * MINUTE): RISE,
    }


@pytest.mark.parametrize(
    ("arrival", "promise", "latency"),
    [
        (HOUR, GOOD, GOOD),
        (HOUR + 1, GOOD, BAD),
        (4 * HOUR, GOOD, BAD),
        (4 * HOUR + 1, BAD, BAD),
        (-DAY, GOOD, GOOD),
    ],
)
def test_reached_at_the_deadline_is_in_time(arrival: int, promise: object, latency: object) -> None:
    found = added(("won", 0), ("accepted", arrival))
    assert of(PROMISE, found) == {4 * HOUR: promise}
    assert of("latency", found) == {HOUR: latency}


@pytest.mark.parametrize(
    ("arrival", "steps"),
    [
        (29 * MINUTE, {30 * MINUTE: GOOD}),
        (30 * MINUTE, {30 * MINUTE: GOOD}),
        # stale from 30m until just after: one slice, 30–35
        (30 * MINUTE + 1, {30 * MINUTE: RISE, 35 * MINUTE: FALL}),
        (35 * MINUTE, {30 * MINUTE: RISE, 35 * MINUTE: FALL}),
        (35 * MINUTE + 1, {30 * MINUTE: RISE, 40 * MINUTE: FALL}),
        (59 * MINUTE, {30 * MINUTE: RISE, 60 * MINUTE: FALL}),
        (DAY, {30 * MINUTE: RISE, DAY: FALL}),
    ],
)
def test_freshness_marks_where_a_change_is_stale(arrival: int, steps: object) -> None:
    assert of("freshness", added(("won", 0), ("accepted", arrival))) == steps


@pytest.mark.parametrize(
    ("start", "bucket"),
    [(0, 30), (1, 30), (5 * MINUTE - 1, 30), (5 * MINUTE, 35), (-1, 25), (-5 * MINUTE, 25), (-5 * MINUTE - 1, 20)],
)
@pytest.mark.parametrize("origin", [MIDNIGHT, 0, -DAY, -10 * 365 * DAY], ids=["2026", "epoch", "1969", "1960"])
def test_a_bucket_holds_its_first_moment_and_not_its_last(start: int, bucket: int, origin: int) -> None:
    found = added(("won", start), origin=origin)
    assert of("freshness", found) == {bucket * MINUTE: RISE}
    assert of("latency", found) == {(bucket + 30) * MINUTE: BAD}
    assert of(PROMISE, found) == {(bucket + 210) * MINUTE: BAD}


def test_a_passed_step_came_no_later_than_the_first_that_shows_it() -> None:
    found = added(("won", 0), ("paid", 3 * HOUR), ("shipped", 50 * MINUTE))
    assert of("latency", found) == {HOUR: GOOD}
    assert of("freshness", found) == {30 * MINUTE: RISE, 50 * MINUTE: FALL}
    assert of(PROMISE, found) == {4 * HOUR: GOOD, 2 * DAY + 50 * MINUTE: GOOD}


def test_a_step_passed_too_late_is_bad() -> None:
    assert of(PROMISE, added(("won", 0), ("shipped", 5 * HOUR))) == {4 * HOUR: BAD, 2 * DAY + 5 * HOUR: BAD}


def test_the_promise_is_every_deadline_of_the_workflow() -> None:
    assert promise_name("orders") == PROMISE
    found = added(("won", 0), ("accepted", 5 * HOUR), ("shipped", 6 * HOUR), ("paid", DAY))
    assert of(PROMISE, found) == {4 * HOUR: BAD, 2 * DAY + 6 * HOUR: GOOD}


def test_two_items_in_one_bucket_are_counted_together() -> None:
    text = TEXT.replace("within: 2d", "within: 1h")
    definitions = load({"orders.yaml": text})
    workflow = definitions.workflows["orders"]
    matcher = Matcher([workflow])
    parts = []
    for type_, at in (("won", 0), ("shipped", 3 * HOUR), ("paid", 3 * HOUR)):
        event = Event("crm", type_, at, at, event_key("crm", type_), {"data": {"order": "1"}})
        ((_found, match),) = matcher.matches(event)
        parts.append(fold(None, match))
    assert plain(contributions(reduce(join, parts), workflow, ())) == {(PROMISE, 4 * HOUR): (2, 0, 0)}


def test_what_never_started_adds_nothing() -> None:
    assert added(("linked", 0)) == {}
    assert added(("accepted", 0)) == {}
    assert of("latency", added(("accepted", 0), ("shipped", 0))) == {}


def test_a_cancelled_instance_is_neutral_unless_it_was_completed() -> None:
    assert added(("won", 0), ("cancelled", HOUR)) == {}
    assert added(("won", 0), ("accepted", 9 * HOUR), ("cancelled", DAY)) == {}
    done = [("won", 0), ("accepted", HOUR), ("shipped", HOUR), ("paid", 2 * HOUR)]
    assert added(*done, ("cancelled", 3 * HOUR)) == added(*done) != {}


def test_an_objective_on_a_milestone_that_is_gone_adds_nothing() -> None:
    other = load({"orders.yaml": TEXT.split("---", maxsplit=1)[0].replace("accepted", "taken")}).workflows["orders"]
    matcher = Matcher([other])
    event = Event("crm", "won", 0, 0, event_key("crm", "1"), {"data": {"order": "1"}})
    ((_found, match),) = matcher.matches(event)
    total = plain(contributions(fold(None, match), other, DEFINITIONS.objectives.values()))
    assert total == {(PROMISE, 4 * HOUR): BAD}


def test_a_late_correction_subtracts_itself() -> None:
    old, new = (all_of(*steps) for steps in ([("won", 0)], [("won", 0), ("accepted", HOUR)]))
    total: Contributions = {}
    add(total, old, -1)
    add(total, new, 1)
    assert plain(something(total)) == {
        (PROMISE, MIDNIGHT + 4 * HOUR): (1, -1, 0),
        ("latency", MIDNIGHT + HOUR): (1, -1, 0),
        ("freshness", MIDNIGHT + HOUR): FALL,
    }


@pytest.mark.parametrize(
    ("since", "until", "stale"),
    [(5, 20, 3), (6, 20, 2), (5, 19, 2), (6, 9, 0), (6, 14, 0), (6, 15, 1), (10, 10, 0), (20, 5, 0)],
)
def test_only_whole_slices_are_counted(since: int, until: int, stale: int) -> None:
    assert Staleness([(0, 1)]).slices(since * MINUTE, until * MINUTE) == (0, stale)
