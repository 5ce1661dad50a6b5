"""What definitions wait for in vain, and what arrives and means nothing to them."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slo_rules import coverage as module
from slo_rules.cadence import Judgement, Pauses
from slo_rules.coverage import Coverage, CoverageReport, DeadlineHistory
from slo_rules.definitions import load
from slo_rules.durations import HOUR, MINUTE
from slo_rules.event import Event
from slo_rules.explain import journey
from slo_rules.filters import holds
from slo_rules.near_misses import NearMiss, nearest, shortfall
from slo_rules.observation import fold
from slo_rules.progress import Progress
from slo_rules.workflow import Workflow
from tests.strategies import START, definitions, events, make_act, make_event

ORDERS = definitions().workflows["orders"]


def report_of(seen: list[Event], heard: tuple[str, ...] = ()) -> CoverageReport:
    found = definitions()
    coverage = Coverage(found.workflows.values(), found.sources.values())
    for event in seen:
        coverage.observe(event)
    return coverage.report(heard)


def event(type_: str, number: int = 1, source: str = "crm", at: int = 0, **data: Any) -> Event:
    return make_event(type_, at, number, source, data)


def progress_of(seen: list[Event]) -> Progress:
    progress: Progress | None = None
    for matcher, match in (pair for one in seen for pair in _matches(one)):
        assert matcher.workflow.name == "orders"
        progress = fold(progress, match)
    assert progress is not None
    return progress


def _matches(one: Event) -> Any:
    from slo_rules.matching import Matcher

    return Matcher([ORDERS]).matches(one)


@given(events(30))
def test_the_counts_add_up(seen: list[Event]) -> None:
    report = report_of(seen)
    assert report.events == len(seen) == sum(kind.events for kind in report.kinds) + report.other_events
    assert report.unmatched == sum(kind.unmatched for kind in report.kinds)
    assert report.keyless == sum(kind.keyless for kind in report.kinds)
    (workflow,) = report.workflows
    assert workflow.events + report.unmatched == report.events
    assert workflow.keyless == report.keyless
    assert all(kind.unmatched + kind.keyless <= kind.events for kind in report.kinds)
    assert all((kind.example is not None) == (kind.unmatched > 0) for kind in report.kinds)
    assert all(count <= workflow.events for count in (workflow.keys | workflow.attributes).values())


@given(events(30), st.randoms(use_true_random=False))
def test_the_order_of_events_changes_nothing(seen: list[Event], chance: random.Random) -> None:
    shuffled = list(seen)
    chance.shuffle(shuffled)
    assert report_of(seen) == report_of(shuffled)


@given(events(30))
def test_more_kinds_than_are_told_apart_are_counted_together(seen: list[Event]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "MAX_KINDS", 2)
        report = report_of(seen)
    assert len(report.kinds) <= 2
    assert sum(kind.events for kind in report.kinds) + report.other_events == len(seen)
    assert report.unmatched == report_of(seen).unmatched


def test_what_was_never_reached_seen_or_heard_is_named() -> None:
    report = report_of([event("won", order="1", region="EMEA")], heard=("crm",))
    (workflow,) = report.workflows
    assert workflow.never_reached == ["accepted", "shipped", "delivered", "signed", "paid"]
    assert workflow.never_seen == (["opportunity", "sales_order", "parcel", "account"], ["value"])
    assert [(one.source, one.awaited_by) for one in report.silent_sources] == [("sap", ("orders/accepted",))]


def test_how_a_source_speaks_is_learned_from_arrivals_and_held_against_what_is_declared() -> None:
    seen = [make_event("won", -HOUR, n, "crm", {"order": "1"}, received_at=n * HOUR) for n in range(60)]
    noise = [event("noise", 100 + n, "other") for n in range(3)]
    acts = [make_act(n * HOUR, 200 + n, "order:1", None) for n in range(60)]
    other, crm = sorted(report_of([*seen, *noise, *acts]).sources, key=lambda one: one.arrivals)
    assert (other.source, other.arrivals, other.pauses, other.judgement) == ("other", 1, None, Judgement.NOT_AWAITED)
    assert crm.pauses == Pauses(HOUR, HOUR, HOUR, START)
    assert (crm.source, crm.awaited_by, crm.judgement) == ("crm", ("orders/won",), Judgement.FITS)
    assert crm.declared == "at least every 3h"


def test_where_nothing_came_no_key_is_blamed() -> None:
    (workflow,) = report_of([]).workflows
    assert workflow.never_seen == ([], [])
    assert workflow.never_reached == ["won", "accepted", "shipped", "delivered", "signed", "paid"]


def test_an_event_without_a_usable_key_is_counted_though_it_matches() -> None:
    report = report_of([event("won", 1, order="N/A", account="A"), event("won", 2, order="7")])
    (kind,) = report.kinds
    assert (kind.events, kind.unmatched, kind.keyless, report.workflows[0].keyless) == (2, 0, 1, 1)


def test_the_latest_that_matched_nothing_is_the_example() -> None:
    kind = report_of([event("noise", 1, at=HOUR), event("noise", 2, at=2 * HOUR), event("noise", 3)]).kinds[0]
    assert (kind.type, kind.example) == ("noise", "e2")


def test_a_near_miss_says_what_would_have_to_differ() -> None:
    kind = report_of([event("accepted", source="SAP", order="1")]).kinds[0]
    assert kind.nearest == NearMiss("orders", "milestone accepted", ("source is 'SAP', not 'sap'",))
    kind = report_of([event("acceptd", source="sap", order="1")]).kinds[0]
    assert kind.nearest == NearMiss("orders", "milestone accepted", ("type is 'acceptd', not 'accepted'",))
    assert report_of([event("heartbeat", source="sap")]).kinds[0].nearest is None


def filters_of(on: str) -> Workflow:
    text = (
        "apiVersion: milepost/v1\nkind: Workflow\nmetadata: {name: a, domain: b, owner: c}\n"
        f"spec:\n  entity: d\n  keys: {{e: data.e}}\n  milestones:\n    - name: f\n      on: {on}\n"
    )
    return load({"a.yaml": text}).workflows["a"]


@pytest.mark.parametrize(
    ("on", "differences"),
    [
        ("{exact: {type: won, data.reason: manual}}", ("data.reason is missing, instead of 'manual'",)),
        ("{all: [{exact: {type: won}}, {prefix: {subject: order/}}]}", ("subject is 'invoice/1', which does not begin with 'order/'",)),
        ("{all: [{exact: {type: won}}, {suffix: {subject: '2'}}]}", ("subject is 'invoice/1', which does not end with '2'",)),
        ("{all: [{exact: {type: won}}, {not: {exact: {data.test: true}}}]}", ("data.test is 'true', which is excluded",)),
        ("{all: [{exact: {type: won}}, {exact: {data.lines: x}}]}", ("data.lines is a structure, not 'x'",)),
        ("{any: [{exact: {type: paid}}, {exact: {type: wonn}}]}", ("type is 'won', not 'wonn'",)),
        ("{span: {exact: {name: won}}}", None),
    ],
)  # fmt: skip
def test_every_kind_of_filter_explains_itself(on: str, differences: tuple[str, ...] | None) -> None:
    document = {"source": "crm", "type": "won", "subject": "invoice/1", "data": {"test": True, "lines": [1]}}
    found = nearest([filters_of(on)], document)
    assert (found and found.differences) == differences


@given(events(1))
def test_a_filter_falls_short_just_where_it_does_not_hold(seen: list[Event]) -> None:
    for one in seen:
        conditions = [*(milestone.condition for milestone in ORDERS.milestones), *ORDERS.observes, *ORDERS.fails_on]
        for condition in conditions:
            assert (shortfall(condition, one.document).differences == ()) == holds(condition, one.document)


def history(*journeys: list[Event], now: int) -> dict[str, tuple[int, int, int, DeadlineHistory]]:
    coverage = Coverage([ORDERS], [])
    for seen in journeys:
        coverage.observe_instance("orders", journey(progress_of(seen), ORDERS, START + now))
    (workflow,) = coverage.report(()).workflows
    assert workflow.instances == len(journeys)
    return {one.name: (one.reached, one.met, one.missed, one.deadline) for one in workflow.milestones}


def order(*steps: tuple[str, int]) -> list[Event]:
    return [event(type_, place, "sap", at, order="1", tax_code="V1") for place, (type_, at) in enumerate(steps)]


def test_deadlines_are_told_apart_by_how_they_fared() -> None:
    in_time = order(("won", 0), ("accepted", HOUR), ("shipped", 3 * HOUR))
    late = order(("won", 0), ("accepted", 9 * HOUR))
    found = history(in_time, late, now=9 * HOUR + MINUTE)
    assert found == {
        "won": (2, 0, 0, DeadlineHistory.NONE),
        "accepted": (2, 1, 1, DeadlineHistory.SOMETIMES_MISSED),
        "shipped": (1, 0, 1, DeadlineHistory.ALWAYS_MISSED),
        "delivered": (0, 0, 1, DeadlineHistory.ALWAYS_MISSED),
        "signed": (0, 0, 0, DeadlineHistory.UNDECIDED),
        "paid": (0, 0, 0, DeadlineHistory.UNDECIDED),
    }
    assert history(in_time, now=0)["accepted"] == (1, 1, 0, DeadlineHistory.NEVER_MISSED)


def test_what_is_overdue_counts_as_missed_before_it_comes() -> None:
    assert history(order(("won", 0)), now=5 * HOUR)["accepted"] == (0, 0, 1, DeadlineHistory.ALWAYS_MISSED)


def test_instances_of_other_workflows_are_passed_over() -> None:
    coverage = Coverage([ORDERS], [])
    coverage.observe_instance("others", journey(progress_of(order(("won", 0))), ORDERS, START))
    assert coverage.report(()).instances == 0
