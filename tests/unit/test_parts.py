"""The parts of an instance: the shipments of an order, each with its own way, and the order that waits for all."""

from __future__ import annotations

from typing import Any

import pytest

from slo_rules import parts as module
from slo_rules.arithmetic import arithmetic
from slo_rules.contribution import contributions, promise_name
from slo_rules.definitions import load
from slo_rules.durations import HOUR
from slo_rules.explain import StepState, explain
from slo_rules.faults import DefinitionError
from slo_rules.judgement import Reason, VerdictKind
from slo_rules.judging import judge
from slo_rules.lint import lint
from slo_rules.progress import measured_name
from slo_rules.standing import standing
from tests.counting import plain
from tests.strategies import START
from tests.unit.fix_parts import (
    AGAIN,
    ENDS,
    ORDER,
    ORDERED,
    TWO,
    TWO_SHIPPED,
    Told,
    awaited,
    objectives,
    states,
    step,
    told,
    verdict,
    words,
)

K, S = VerdictKind, StepState


class TestWaiting:
    def test_before_any_part_is_known_one_is_awaited(self) -> None:
        assert awaited(ORDER, ORDERED) == {"shipped ?": 10}
        assert verdict(ORDER, 11, ORDERED) == (K.STUCK, "shipped", 10)

    def test_each_part_has_a_clock_of_its_own_from_its_own_milestone_before(self) -> None:
        assert awaited(ORDER, *TWO_SHIPPED) == {"delivered A": 25, "delivered B": 30, "billed": 11}
        assert verdict(ORDER, 26, *TWO_SHIPPED, ("billed", 7)) == (K.STUCK, "delivered", 25)

    def test_what_the_instance_as_a_whole_reached_before_starts_the_clock_of_all(self) -> None:
        assert awaited(ORDER, ORDERED, ("named", 8, "A"), ("shipped", 9, "B")) == {"shipped A": 10, "delivered B": 33}

    def test_the_whole_waits_for_all_and_is_there_with_the_last(self) -> None:
        one = [*TWO_SHIPPED, ("billed", 7), ("delivered", 8, "A")]
        assert awaited(ORDER, *one) == {"delivered B": 30}
        both = [*one, ("delivered", 9, "B")]
        assert awaited(ORDER, *both) == {"closed": 10}
        assert standing(told(ORDER, *both), ORDER).milestones["delivered"].at == START + 9 * HOUR
        assert verdict(ORDER, 99, *both, ("closed", 9.5)) == (K.COMPLETED, None, 9.5)

    def test_a_part_that_becomes_known_later_makes_it_open_again(self) -> None:
        done: list[Told] = [ORDERED, ("shipped", 1, "A"), ("delivered", 2, "A")]
        assert step(ORDER, "delivered", 3, *done).state is S.REACHED
        again = [*done, ("named", 3, "B")]
        assert step(ORDER, "delivered", 4, *again).state is S.WAITING
        assert awaited(ORDER, *again) == {"shipped B": 10}

    def test_as_many_as_are_expected_are_awaited_of_every_milestone_of_each(self) -> None:
        assert awaited(ORDER, *TWO_SHIPPED, ("delivered", 7, "A"), ("delivered", 8, "B"), parcels=3) == {
            "shipped ?": 10
        }
        found = step(ORDER, "delivered", 9, *TWO_SHIPPED, ("delivered", 7, "A"), parcels=3)
        assert (found.occurred, found.needed) == (1, 3)

    def test_of_a_part_too_a_lost_message_is_passed_by_what_came_later(self) -> None:
        story: list[Told] = [ORDERED, ("shipped", 1, "A"), ("delivered", 5, "B")]
        assert awaited(ORDER, *story) == {"delivered A": 25, "billed": 10}
        assert states(step(ORDER, "shipped", 6, *story)) == {"A": S.REACHED, "B": S.SKIPPED}

    def test_what_only_comes_after_all_shows_that_all_parts_passed(self) -> None:
        assert awaited(ORDER, *TWO_SHIPPED, ("closed", 7)) == {}
        assert verdict(ORDER, 9, *TWO_SHIPPED, ("closed", 7))[0] == K.COMPLETED

    def test_an_event_that_says_no_part_counts_for_none(self) -> None:
        story: list[Told] = [*TWO_SHIPPED, ("billed", 7), ("delivered", 8)]
        assert awaited(ORDER, *story) == {"delivered A": 25, "delivered B": 30}
        assert step(ORDER, "delivered", 9, *story).unnamed == 1
        assert "1 that came without saying which shipment counts for none." in words(ORDER, 9, *story)

    def test_one_part_that_was_late_makes_the_whole_late(self) -> None:
        late: list[Told] = [*TWO_SHIPPED, ("billed", 7), ("delivered", 26, "A"), ("delivered", 29, "B"), ("closed", 29)]
        assert verdict(ORDER, 99, *late) == (K.COMPLETED_LATE, None, 29)
        assert words(ORDER, 99, *late).endswith("but late: Delivered of shipment A came 1h after its deadline.")
        found = step(ORDER, "delivered", 99, *late)
        assert (found.state, states(found)) == (S.REACHED_LATE, {"A": S.REACHED_LATE, "B": S.REACHED})

    def test_a_pause_ends_with_what_any_part_reaches(self) -> None:
        held: list[Told] = [*TWO_SHIPPED, ("billed", 7), ("held", 8)]
        assert awaited(ORDER, *held) == {"delivered A": None, "delivered B": None}
        assert verdict(ORDER, 50, *held)[0] == K.PAUSED
        assert awaited(ORDER, *held, ("delivered", 11, "A")) == {"delivered B": 33}

    def test_a_failure_is_over_when_a_part_goes_on(self) -> None:
        failed: list[Told] = [*TWO_SHIPPED, ("damaged", 8)]
        assert verdict(ORDER, 9, *failed)[0] == K.FAILED
        assert verdict(ORDER, 9, *failed, ("delivered", 8.5, "A"))[0] != K.FAILED

    def test_more_parts_than_are_told_apart_are_said(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "MOST_PARTS", 2)
        monkeypatch.setattr("slo_rules.explain.MOST_PARTS", 2)
        three = [*TWO_SHIPPED, ("billed", 7), ("shipped", 8, "C")]
        assert awaited(ORDER, *three) == {"delivered A": 25, "delivered B": 30}
        assert words(ORDER, 9, *three).endswith("Of 3 values of shipment only the first 2 are told apart.")


class TestShapes:
    def test_alternatives_are_chosen_by_each_part(self) -> None:
        story: list[Told] = [ORDERED, ("delivered", 2, "A"), ("called_off", 4, "B")]
        assert awaited(ENDS, *story) == {"billed": 7}
        assert states(step(ENDS, "delivered", 5, *story)) == {"A": S.REACHED, "B": S.NOT_NEEDED}
        assert awaited(ENDS, *story[:2], ("named", 1, "B")) == {"delivered B": 9, "called_off B": None}
        assert verdict(ENDS, 99, *story, ("billed", 5)) == (K.COMPLETED, None, 5)
        given_up_late: list[Told] = [ORDERED, ("delivered", 2, "A"), ("called_off", 40, "B"), ("billed", 41)]
        assert verdict(ENDS, 99, *given_up_late)[0] == K.COMPLETED
        found = plain(contributions(told(ENDS, *story, ("billed", 5)), ENDS, ()))
        assert sum(good for good, _, _ in found.values()) == 2
        assert sum(bad for _, bad, _ in found.values()) == 0

    def test_after_a_restart_those_heard_of_since_are_the_parts(self) -> None:
        first: list[Told] = [ORDERED, ("shipped", 1, "A"), ("shipped", 2, "B"), ("closed", 3)]
        assert verdict(AGAIN, 9, *first)[0] == K.COMPLETED
        assert awaited(AGAIN, *first, ("returned", 20)) == {"shipped ?": 30}
        assert awaited(AGAIN, *first, ("returned", 20), ("shipped", 21, "A")) == {"closed": 22}
        assert awaited(AGAIN, *first, ("returned", 20), ("named", 21, "C")) == {"shipped C": 30}

    def test_parts_of_two_keys_do_not_wait_for_each_other_one_by_one(self) -> None:
        story: list[Told] = [ORDERED, ("shipped", 1, "A"), ("shipped", 3, "B"), ("billed", 4, None, {"invoice": "I"})]
        assert awaited(TWO, *story[:3]) == {"billed ?": 8}
        assert awaited(TWO, *story) == {"paid I": 104}
        paid: list[Told] = [*story, ("paid", 9, None, {"invoice": "I"})]
        assert awaited(TWO, *paid) == {"archived A": 10, "archived B": 10}
        lost: list[Told] = [*story[:3], ("archived", 9, "A")]
        assert awaited(TWO, *lost) == {"billed ?": 8}
        assert awaited(TWO, *lost, ("archived", 9, "B")) == {}

    def test_what_was_renumbered_is_one_part(self) -> None:
        story: list[Told] = [ORDERED, ("shipped", 1, "A", {"weight": 7}), ("relabelled", 2, "A", {"new": "B"})]
        assert awaited(ORDER, *story) == {"delivered B": 25, "billed": 6}
        done = [*story, ("delivered", 3, "B", {"weight": 7})]
        assert awaited(ORDER, *done) == {"billed": 6}
        assert verdict(ORDER, 4, *story, ("delivered", 3, "B"))[0] == K.INCONSISTENT


class TestRequirements:
    def test_a_part_that_lacks_what_is_required_is_named_at_once(self) -> None:
        bad: list[Told] = [ORDERED, ("shipped", 1, "A"), ("shipped", 2, "B", {"weight": None}), ("named", 3, "C")]
        assert verdict(ORDER, 4, *bad) == (K.INCONSISTENT, "shipped", 2)
        assert words(ORDER, 4, *bad) == "Reached, but not a success: Shipped: data.weight is missing (shipment B)."
        assert step(ORDER, "shipped", 4, *bad).parts[1].faults
        assert verdict(ORDER, 4, *bad, ("shipped", 3, "B"))[0] != K.INCONSISTENT

    def test_what_must_agree_is_compared_part_by_part(self) -> None:
        story: list[Told] = [
            ORDERED,
            ("shipped", 1, "A", {"weight": 5}),
            ("shipped", 2, "B", {"weight": 9}),
            ("delivered", 3, "A", {"weight": 5}),
        ]
        assert verdict(ORDER, 4, *story)[0] == K.ON_TRACK
        wrong = [*story, ("delivered", 4, "B", {"weight": 5})]
        assert "should be '9' as in Shipped, found '5' (shipment B)" in words(ORDER, 5, *wrong)

    def test_of_many_only_some_are_named(self) -> None:
        many = [("shipped", 1, f"P{number}", {"weight": None}) for number in range(9)]
        assert words(ORDER, 2, ORDERED, *many).count("is missing") == 5
        assert words(ORDER, 2, ORDERED, *many).endswith("; and 4 more of shipment.")

    def test_nothing_is_kept_of_an_event_that_says_no_part(self) -> None:
        assert told(ORDER, ("shipped", 1)).measured == {}
        assert set(told(ORDER, ("shipped", 1, "A")).measured) == {measured_name("shipped", "data.weight", "A")}


class TestWords:
    def test_those_due_first_are_named_with_how_many_have_come(self) -> None:
        three: list[Told] = [ORDERED, *(("shipped", 1, part) for part in "ABC"), ("billed", 2), ("delivered", 3, "B")]
        assert words(ORDER, 5, *three) == (
            "Waiting for Delivered of shipment A, C (1 of 3 reached) from dhl, due by 2026-09-22 15:13:20 UTC."
        )
        assert words(ORDER, 27, *three).startswith("Delivered of shipment A, C (1 of 3 reached) from dhl was due at ")

    def test_others_that_are_due_later_are_told_too(self) -> None:
        said = words(ORDER, 5, *TWO_SHIPPED, ("billed", 7))
        assert said.startswith("Waiting for Delivered of shipment A (0 of 2 reached) from dhl, due by ")
        assert said.endswith("It is awaited of shipment B too.")

    def test_what_is_not_known_yet_is_told_as_such(self) -> None:
        assert "Shipped of one shipment that is not known yet (0 of 1 reached)" in words(ORDER, 1, ORDERED)
        found = words(ORDER, 1, ORDERED, ("named", 1, "A"), parcels=3)
        assert "Shipped of shipment A and one that is not known yet (0 of 3 reached)" in found

    def test_many_are_counted(self) -> None:
        many = [("shipped", 1, f"P{number}") for number in range(9)]
        assert "of shipment P0, P1, P2, P3, P4 and 4 more (0 of 9 reached)" in words(
            ORDER, 2, ORDERED, *many, ("billed", 2)
        )

    def test_the_arithmetic_is_that_of_the_part_that_is_due_first(self) -> None:
        progress = told(ORDER, *TWO_SHIPPED, ("billed", 7))
        found = arithmetic(progress, ORDER, judge(progress, ORDER, {}, START + 8 * HOUR), START + 8 * HOUR)
        assert found[0] == (
            "Shipped of shipment A was reached at 2026-09-21 15:13:20 UTC: the clock of Delivered of shipment A starts."
        )

    def test_known_but_not_started(self) -> None:
        progress = told(ORDER, ("named", 1, "A"))
        found = judge(progress, ORDER, {}, START)
        assert found.reason is Reason.NOT_STARTED
        assert explain(progress, ORDER, found, {}, START) == "Known, but not started: waiting for Ordered."


def counted(*story: Told, **said: Any) -> dict[str, dict[float, tuple[int, int, int]]]:
    found: dict[str, dict[float, tuple[int, int, int]]] = {}
    for (name, bucket), counts in plain(contributions(told(ORDER, *story, **said), ORDER, objectives())).items():
        found.setdefault(name, {})[round((bucket - START) / HOUR)] = counts
    return found


class TestCounting:
    def test_every_deadline_of_a_part_is_an_item_also_of_those_not_known_yet(self) -> None:
        found = counted(*TWO_SHIPPED, ("delivered", 7, "A"), parcels=4)[promise_name("orders")]
        assert found == {10: (2, 2, 0), 25: (1, 0, 0), 30: (0, 1, 0)}

    def test_an_objective_counts_the_instance_once_bad_by_the_part_that_is_late_first(self) -> None:
        assert counted(*TWO_SHIPPED)["quick"] == {21: (0, 1, 0)}
        assert counted(*TWO_SHIPPED, ("delivered", 9, "A"))["quick"] == {26: (0, 1, 0)}
        assert counted(*TWO_SHIPPED, ("delivered", 9, "A"), ("delivered", 25, "B"))["quick"] == {26: (1, 0, 0)}

    def test_what_is_not_there_yet_of_any_part_is_stale(self) -> None:
        story: list[Told] = [*TWO_SHIPPED, ("delivered", 9, "A"), ("delivered", 30, "B")]
        assert counted(*story)["fresh"] == {21: (1, 0, 0), 26: (0, 1, 1), 30: (0, 0, -1)}


FAULTS: list[tuple[str, str, str]] = [
    ("{name: a, on: {exact: {type: a}}}, {name: b, each: shipmnt, on: {exact: {type: b}}}",
     "milestones[1].each", "there is no key 'shipmnt' — did you mean 'shipment'?"),
    ("{name: a, on: {exact: {type: a}}}, {name: b, each: bill, on: {exact: {type: b}}}",
     "milestones[1].each", "the key 'bill' is unique: an instance has one at most"),
    (("{name: a, on: {exact: {type: a}}}, {name: b, each: shipment, count: 2, on: {exact: {type: b}}}, "
     "{name: c, each: shipment, count: 3, on: {exact: {type: c}}}"),
     "milestones[2].count", "of 'shipment' 'b' expects another number; it is one for all milestones of each"),
    (("{name: a, on: {exact: {type: a}}}, {name: b, choice: x, on: {exact: {type: b}}}, "
     "{name: c, after: a, each: shipment, choice: x, on: {exact: {type: c}}}"),
     "milestones[2].choice", "all milestones of the choice 'x' must say the same 'each'"),
    (("{name: a, on: {exact: {type: a}}}, {name: b, each: shipment, on: {exact: {type: b}}}, "
     "{name: c, on: {exact: {type: c}}, require: [{path: data.x, equals: {of: b}}]}"),
     "milestones[2].require[0].equals.of", "'b' is reached for each shipment: which of them is not said"),
    ("{name: a, each: shipment, on: {exact: {type: a}}}",
     "milestones[0].each", "what restarts the workflow stands for this milestone, and is not one of each"),
    ("{name: a, on: {exact: {type: a}}}, {name: b, each: [shipment], on: {exact: {type: b}}}",
     "milestones[1].each", "must be text, not a list"),
]  # fmt: skip
SMALL = """
apiVersion: milepost/v1
kind: Workflow
metadata: {name: orders, domain: orders, owner: operations}
spec:
  entity: order
  keys: {order: data.order, shipment: {path: data.shipment, joins: false}, bill: {path: data.bill, unique: true}}
  milestones: [%s]
"""


@pytest.mark.parametrize(("milestones", "path", "message"), FAULTS)
def test_what_cannot_be_of_each_is_a_fault(milestones: str, path: str, message: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        load({"a.yaml": SMALL % milestones + "  restarts_on: [{exact: {type: again}}]\n"})
    assert (f"spec.{path}", message) in [(one.path, one.message) for one in caught.value.faults]


def test_what_is_likely_not_meant_of_each_is_told() -> None:
    texts = {"a.yaml": SMALL % "{name: a, each: shipment, on: {exact: {type: a}}}, {name: b, on: {exact: {type: b}}}"}
    found = [(one.severity, one.path, one.message.partition(":")[0]) for one in lint(texts, load(texts))]
    assert [one for one in found if one[1].endswith("each")] == [
        ("warning", "spec.milestones[0].each", "nobody waits for a milestone that comes after none"),
    ]


def test_the_number_that_is_expected_is_said_once_for_all() -> None:
    assert [one.count for one in ORDER.milestones] == [1, "parcels", "parcels", 1, 1]
