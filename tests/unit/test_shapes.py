"""Flows that are no plain sequence: branches that join, alternatives, choices, what is optional, repeats, restarts."""

from __future__ import annotations

from functools import reduce
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slo_rules.contribution import contributions, promise_name
from slo_rules.definitions import load
from slo_rules.durations import DAY, HOUR
from slo_rules.event import Event
from slo_rules.explain import StepState, explain, journey
from slo_rules.joining import join
from slo_rules.judgement import VerdictKind
from slo_rules.judging import judge, waits
from slo_rules.matching import Matcher
from slo_rules.observation import fold
from slo_rules.progress import Progress
from slo_rules.standing import standing
from slo_rules.workflow import Workflow
from tests.strategies import START, make_event

K = VerdictKind
HEAD = """
apiVersion: milepost/v1
kind: Workflow
metadata: {name: orders, domain: orders, owner: operations}
spec:
  entity: order
  keys: {order: data.order}
  attributes: {parcels: data.parcels, region: data.region}
"""


def workflow(milestones: str) -> Workflow:
    return load({"a.yaml": HEAD + milestones}).workflows["orders"]


BRANCHES = workflow("""
  milestones:
    - {name: won, on: {exact: {type: won}}}
    - {name: checked, on: {exact: {type: checked}}, within: 1h}
    - {name: reserved, after: won, on: {exact: {type: reserved}}, within: 2h}
    - {name: noted, optional: true, on: {exact: {type: noted}}}
    - {name: released, after: [checked, reserved], on: {exact: {type: released}}, within: 3h}
""")
CHOICE = workflow("""
  milestones:
    - {name: won, on: {exact: {type: won}}}
    - {name: picked_up, choice: delivery, on: {exact: {type: picked_up}}, within: 5h}
    - {name: posted, after: won, choice: delivery, on: {exact: {type: posted}}, within: 1h}
    - {name: delivered, on: {exact: {type: delivered}}, within: 1h}
    - {name: thanked, after: {any: [picked_up, delivered]}, on: {exact: {type: thanked}}, within: 1h}
""")
PARCELS = workflow("""
  milestones:
    - {name: won, on: {exact: {type: won}}}
    - {name: shipped, count: parcels, on: {exact: {type: shipped}}, within: 4h,
       require: [{path: data.weight, exists: true}]}
    - {name: tried, count: 2, after: won, optional: true, on: {exact: {type: tried}}}
    - {name: paid, after: shipped, on: {exact: {type: paid}}, within: 1h}
""")
CASE = workflow("""
  milestones:
    - {name: opened, on: {exact: {type: opened}}}
    - {name: answered, on: {exact: {type: answered}}, within: 1h}
    - {name: solved, on: {exact: {type: solved}}, within: 4h}
  fails_on: [{exact: {type: failed}}]
  cancels_on: [{exact: {type: withdrawn}}]
  pauses_on: [{exact: {type: pending}}]
  restarts_on: [{exact: {type: reopened}}]
""")
BOTH = workflow("""
  completion: all
  milestones:
    - {name: won, on: {exact: {type: won}}}
    - {name: billed, completes: true, on: {exact: {type: billed}}, within: 1h}
    - {name: served, after: won, completes: true, on: {exact: {type: served}}, within: 2h}
""")
ALL = (BRANCHES, CHOICE, PARCELS, CASE, BOTH)

Step = tuple[str, float] | tuple[str, float, dict[str, Any]]


def progress_of(flow: Workflow, *steps: Step) -> Progress:
    """Of events by type, hours after START, and data."""
    matcher = Matcher([flow])
    parts = []
    for number, (type_, hours, *more) in enumerate(steps):
        event = make_event(type_, int(hours * HOUR), number, "crm", {"order": "1"} | (more[0] if more else {}))
        ((_found, match),) = matcher.matches(event)
        parts.append(fold(None, match))
    return reduce(join, parts)


def awaited(flow: Workflow, *steps: Step) -> dict[str, float | None]:
    """The deadlines of what is awaited, in hours after START."""
    return {
        wait.milestone.name: None if wait.deadline_at is None else (wait.deadline_at - START) / HOUR
        for wait in waits(standing(progress_of(flow, *steps), flow), flow)
    }


def kind(flow: Workflow, now: float, *steps: Step) -> tuple[str, str | None, float]:
    """Kind, what is awaited, since when in hours."""
    verdict = judge(progress_of(flow, *steps), flow, {}, START + int(now * HOUR))
    return verdict.kind, verdict.waiting_for, (verdict.since - START) / HOUR


WON: Step = ("won", 0)


class TestBranches:
    def test_both_run_at_once_and_the_join_starts_with_the_last(self) -> None:
        assert awaited(BRANCHES, WON) == {"checked": 1, "reserved": 2}
        assert awaited(BRANCHES, WON, ("checked", 0.5)) == {"reserved": 2}
        assert awaited(BRANCHES, WON, ("checked", 0.5), ("reserved", 1.5)) == {"released": 4.5}
        assert awaited(BRANCHES, WON, ("reserved", 0.25), ("checked", 0.5)) == {"released": 3.5}

    def test_one_branch_may_be_stuck_alone(self) -> None:
        assert kind(BRANCHES, 3, WON, ("checked", 0.5)) == (K.STUCK, "reserved", 2)
        assert kind(BRANCHES, 3, WON, ("reserved", 0.5)) == (K.STUCK, "checked", 1)

    def test_what_joins_shows_that_all_branches_were_passed(self) -> None:
        done = [WON, ("checked", 0.5), ("released", 0.75)]
        assert awaited(BRANCHES, *done) == {}
        assert kind(BRANCHES, 99, *done) == (K.COMPLETED, None, 0.75)
        assert [step.state for step in journey(progress_of(BRANCHES, *done), BRANCHES, START)] == [
            StepState.REACHED, StepState.REACHED, StepState.SKIPPED, StepState.NOT_NEEDED, StepState.REACHED,
        ]  # fmt: skip

    def test_what_is_optional_is_neither_awaited_nor_in_the_way(self) -> None:
        assert BRANCHES.by_name["noted"].after == ("reserved",)
        assert "noted" not in awaited(BRANCHES, WON, ("checked", 0.5), ("reserved", 1.5), ("noted", 1.6))


class TestChoice:
    def test_until_one_is_taken_both_are_awaited(self) -> None:
        assert awaited(CHOICE, WON) == {"picked_up": 5, "posted": 1}

    def test_the_other_is_given_up_with_all_that_follows_it(self) -> None:
        assert awaited(CHOICE, WON, ("picked_up", 4)) == {"thanked": 5}
        assert awaited(CHOICE, WON, ("posted", 0.5)) == {"delivered": 1.5}
        assert awaited(CHOICE, WON, ("posted", 0.5), ("delivered", 1)) == {"thanked": 2}

    def test_a_choice_that_was_not_taken_counts_for_nothing(self) -> None:
        done = progress_of(CHOICE, WON, ("picked_up", 4), ("thanked", 4.5))
        assert [step.state for step in journey(done, CHOICE, START)][2:4] == [StepState.NOT_NEEDED] * 2
        assert judge(done, CHOICE, {}, START + DAY).kind is K.COMPLETED
        found = contributions(done, CHOICE, ())
        assert sum(counts[0] for counts in found.values()) == 2
        assert sum(counts[1] for counts in found.values()) == 0


class TestRepeats:
    def test_a_milestone_is_reached_with_its_last_occurrence(self) -> None:
        three = ("won", 0, {"parcels": 3})
        sent: list[Step] = [("shipped", hours, {"weight": 1}) for hours in (1, 2, 3)]
        assert awaited(PARCELS, three, *sent[:2]) == {"shipped": 4}
        assert awaited(PARCELS, three, *sent) == {"paid": 4}
        assert kind(PARCELS, 5, three, *sent[:2]) == (K.STUCK, "shipped", 4)
        step = journey(progress_of(PARCELS, three, *sent[:2]), PARCELS, START)[1]
        assert (step.state, step.occurred, step.needed) == (StepState.DUE, 2, 3)

    def test_the_same_event_twice_is_one_occurrence(self) -> None:
        once = progress_of(PARCELS, ("won", 0, {"parcels": 2}), ("shipped", 1, {"weight": 1}))
        assert "shipped" not in standing(join(once, once), PARCELS).milestones

    @pytest.mark.parametrize(("parcels", "needed"), [(None, 1), ("2", 2), (0, 1), ("many", 1), (5000, 1000)])
    def test_the_number_may_be_an_attribute(self, parcels: Any, needed: int) -> None:
        progress = progress_of(PARCELS, ("won", 0, {"parcels": parcels}))
        assert journey(progress, PARCELS, START)[1].needed == needed

    def test_faults_are_those_of_the_last_occurrence(self) -> None:
        bad: list[Step] = [("won", 0, {"parcels": 2}), ("shipped", 1, {"weight": 1}), ("shipped", 2)]
        assert kind(PARCELS, 3, *bad)[0] == K.INCONSISTENT
        assert kind(PARCELS, 3, *bad, ("shipped", 2.5, {"weight": 2}))[0] != K.INCONSISTENT


class TestRestarts:
    def test_a_reopened_case_runs_again_from_then_on(self) -> None:
        first: list[Step] = [("opened", 0), ("answered", 0.5), ("solved", 1)]
        assert kind(CASE, 9, *first) == (K.COMPLETED, None, 1)
        assert awaited(CASE, *first, ("reopened", 20)) == {"answered": 21}
        assert kind(CASE, 30, *first, ("reopened", 20)) == (K.STUCK, "answered", 21)
        assert kind(CASE, 30, *first, ("reopened", 20), ("solved", 20.5)) == (K.COMPLETED, None, 20.5)

    def test_only_the_last_run_counts(self) -> None:
        late: list[Step] = [("opened", 0), ("answered", 3), ("solved", 3.5)]
        again: list[Step] = [("reopened", 20), ("answered", 20.5), ("solved", 21)]
        assert kind(CASE, 30, *late)[0] == K.COMPLETED_LATE
        assert kind(CASE, 30, *late, *again)[0] == K.COMPLETED
        found = contributions(progress_of(CASE, *late, *again), CASE, ())
        assert {name for name, *_ in found} == {promise_name("orders")}
        assert sum(counts[1] for counts in found.values()) == 0

    def test_what_ended_or_stopped_the_run_before_is_over(self) -> None:
        assert kind(CASE, 30, ("opened", 0), ("withdrawn", 1), ("reopened", 20))[0] == K.STUCK
        assert kind(CASE, 30, ("opened", 0), ("failed", 1), ("reopened", 20))[0] == K.STUCK
        assert kind(CASE, 20.5, ("opened", 0), ("pending", 0.5), ("reopened", 20))[0] == K.ON_TRACK


def test_completion_may_need_all() -> None:
    assert kind(BOTH, 1.5, WON, ("billed", 0.5)) == (K.ON_TRACK, "served", 0)
    assert kind(BOTH, 9, WON, ("billed", 0.5), ("served", 1)) == (K.COMPLETED, None, 1)
    assert kind(BOTH, 9, WON, ("served", 1)) == (K.STUCK, "billed", 1)


TYPES = sorted({"won", "checked", "reserved", "noted", "released", "picked_up", "posted", "delivered", "thanked",
                "shipped", "tried", "paid", "opened", "answered", "solved", "failed", "withdrawn", "pending",
                "reopened", "billed", "served"})  # fmt: skip


def histories() -> st.SearchStrategy[list[Event]]:
    said = st.fixed_dictionaries(
        {"order": st.just("1")}, optional={"parcels": st.integers(0, 3), "weight": st.just(1), "amount": st.just(2)}
    )
    one = st.builds(
        make_event, st.sampled_from(TYPES), st.integers(0, 24).map(lambda n: n * HOUR // 2), st.integers(0, 9),
        st.just("crm"), said,
    )  # fmt: skip
    return st.lists(one, max_size=14)


def joined(flow: Workflow, history: list[Event]) -> Progress | None:
    found = [fold(None, match) for event in history for _, match in Matcher([flow]).matches(event)]
    return reduce(join, found) if found else None


@given(st.sampled_from(ALL), histories(), st.data(), st.integers(0, 40))
def test_whatever_the_shape_neither_order_nor_repetition_nor_parts_matter(
    flow: Workflow, history: list[Event], draw: st.DataObject, hours: int
) -> None:
    whole = joined(flow, history)
    again = draw.draw(st.permutations(history + history[: len(history) // 2]))
    cut = draw.draw(st.integers(0, len(again)))
    parts = [part for part in (joined(flow, again[:cut]), joined(flow, again[cut:])) if part is not None]
    other = reduce(join, parts) if parts else None
    assert other == whole
    if whole is None:
        return
    now = START + hours * HOUR
    verdict = judge(whole, flow, {}, now)
    assert explain(whole, flow, verdict, {}, now)
    assert [step.milestone for step in journey(whole, flow, now)] == list(flow.milestones)
    assert verdict.next_check_at is None or verdict.next_check_at > now
    good_or_bad = [counts[:2] for counts in contributions(whole, flow, ()).values()]
    assert all(good >= 0 and bad >= 0 for good, bad in good_or_bad)


@given(st.sampled_from(ALL), histories())
def test_folding_is_joining_whatever_the_shape(flow: Workflow, history: list[Event]) -> None:
    progress: Progress | None = None
    for event in history:
        for _, match in Matcher([flow]).matches(event):
            wanted = fold(None, match) if progress is None else join(progress, fold(None, match))
            progress = fold(progress, match)
            assert progress == wanted
