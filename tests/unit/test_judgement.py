"""Verdicts, case by case: kind, reason, since when, what is awaited, until when the verdict holds."""

from __future__ import annotations

from functools import reduce

import pytest

from slo_rules.definitions import load
from slo_rules.durations import DAY, HOUR, MINUTE
from slo_rules.expectation import Expectation
from slo_rules.joining import join
from slo_rules.judgement import (
    CATCHING_UP_LAG,
    CATCHING_UP_PATIENCE,
    FINAL,
    Marks,
    Reason,
    Verdict,
    VerdictKind,
    Watermark,
)
from slo_rules.judging import judge, waits
from slo_rules.matching import Matcher
from slo_rules.observation import fold
from slo_rules.progress import Progress
from slo_rules.workflow import Workflow
from tests.strategies import START, make_event

K, R = VerdictKind, Reason

ORDERS = """
apiVersion: milepost/v1
kind: Workflow
metadata: {name: orders, domain: orders, owner: operations}
spec:
  entity: order
  keys: {order: data.order}
  milestones:
    - {name: won, on: {exact: {source: crm, type: won}}}
    - {name: accepted, on: {exact: {source: sap, type: accepted}}, within: {warn: 3h, breach: 4h}, owner: erp,
       require: [{path: data.tax_code, exists: true}]}
    - {name: shipped, on: {exact: {source: wms, type: shipped}}, within: 1h, owner: logistics}
    - {name: billed, after: accepted, on: {exact: {source: stripe, type: billed}}, within: {warn: 20m, breach: 30m}}
    - {name: paid, after: billed, on: {exact: {source: stripe, type: paid}}, within: 2d, completes: true}
    - {name: thanked, on: {exact: {source: crm, type: thanked}}}
  observes: [{exact: {type: linked}}]
  fails_on: [{exact: {type: failed}}]
  cancels_on: [{exact: {type: cancelled}}]
"""
ORDER = load({"orders.yaml": ORDERS}).workflows["orders"]
SOURCES = {"accepted": "sap", "shipped": "wms", "billed": "stripe", "paid": "stripe"}

Step = tuple[str, int] | tuple[str, int, dict[str, object]]


def story(*steps: Step, workflow: Workflow = ORDER) -> Progress:
    """The progress of an instance to which these events happened: (type, micros after START, data)."""
    matcher = Matcher([workflow])
    parts = []
    for number, (type_, at, *more) in enumerate(steps):
        data: dict[str, object] = {"order": "1", "tax_code": "V1"} | (more[0] if more else {})
        event = make_event(type_, at, number, SOURCES.get(type_, "crm"), data)
        ((_found, match),) = matcher.matches(event)
        parts.append(fold(None, match))
    return reduce(join, parts)


def asked(now: int, *steps: Step, marks: Marks | None = None, workflow: Workflow = ORDER) -> Verdict:
    verdict = judge(story(*steps, workflow=workflow), workflow, marks or {}, START + now)
    assert verdict.next_check_at is None or verdict.next_check_at > START + now
    return verdict


def told(verdict: Verdict) -> tuple[str, str, int, int | None]:
    """Kind, reason, since and next check, in micros after START."""
    check = None if verdict.next_check_at is None else verdict.next_check_at - START
    return verdict.kind, verdict.reason, verdict.since - START, check


WON, ACCEPTED = ("won", 0), ("accepted", HOUR)
HEALTHY = [WON, ACCEPTED, ("shipped", 80 * MINUTE), ("billed", 85 * MINUTE)]
PAID = ("paid", 2 * HOUR)
NO_TAX: dict[str, object] = {"tax_code": ""}

CASES: list[tuple[str, list[Step], int, tuple[str, str, int, int | None]]] = [
    # the clock of one step
    ("just started", [WON], 0, (K.ON_TRACK, R.WAITING, 0, 3 * HOUR)),
    ("a tick before the warning", [WON], 3 * HOUR - 1, (K.ON_TRACK, R.WAITING, 0, 3 * HOUR)),
    ("exactly at the warning", [WON], 3 * HOUR, (K.DUE_SOON, R.WARNING_TIME_PASSED, 3 * HOUR, 4 * HOUR)),
    ("a tick before the deadline", [WON], 4 * HOUR - 1, (K.DUE_SOON, R.WARNING_TIME_PASSED, 3 * HOUR, 4 * HOUR)),
    ("exactly at the deadline", [WON], 4 * HOUR, (K.STUCK, R.OVERDUE, 4 * HOUR, None)),
    ("long after", [WON], 90 * DAY, (K.STUCK, R.OVERDUE, 4 * HOUR, None)),
    ("asked before it began", [WON], -HOUR, (K.ON_TRACK, R.WAITING, 0, 3 * HOUR)),
    ("the first occurrence starts the clock", [WON, ("won", HOUR)], HOUR, (K.ON_TRACK, R.WAITING, 0, 3 * HOUR)),
    # parallel steps after one: the earliest deadline speaks
    ("two wait", [WON, ACCEPTED], HOUR, (K.ON_TRACK, R.WAITING, HOUR, 80 * MINUTE)),
    ("the nearer warns", [WON, ACCEPTED], 80 * MINUTE, (K.DUE_SOON, R.WARNING_TIME_PASSED, 80 * MINUTE, 90 * MINUTE)),
    ("the nearer breaches", [WON, ACCEPTED], 90 * MINUTE, (K.STUCK, R.OVERDUE, 90 * MINUTE, None)),
    (
        "the nearer is done",
        [WON, ACCEPTED, ("billed", 70 * MINUTE)],
        100 * MINUTE,
        (K.ON_TRACK, R.WAITING, HOUR, 2 * HOUR),
    ),
    ("the other breaches", [WON, ACCEPTED, ("billed", 70 * MINUTE)], 2 * HOUR, (K.STUCK, R.OVERDUE, 2 * HOUR, None)),
    # reached at, and after, the deadline
    (
        "reached at the deadline, open",
        [WON, ("accepted", 4 * HOUR)],
        4 * HOUR,
        (K.ON_TRACK, R.WAITING, 4 * HOUR, 260 * MINUTE),
    ),
    (
        "completed at every deadline",
        [
            WON,
            ("accepted", 4 * HOUR),
            ("shipped", 5 * HOUR),
            ("billed", 270 * MINUTE),
            ("paid", 2 * DAY + 270 * MINUTE),
        ],
        9 * DAY,
        (K.COMPLETED, R.ALL_IN_TIME, 2 * DAY + 270 * MINUTE, None),
    ),
    (
        "a tick late",
        [WON, ("accepted", 4 * HOUR + 1), ("billed", 5 * HOUR), ("paid", 6 * HOUR)],
        9 * DAY,
        (K.COMPLETED_LATE, R.FINISHED_AFTER_DEADLINE, 6 * HOUR, None),
    ),
    (
        "in time at last, late before",
        [*HEALTHY[:2], ("shipped", 3 * HOUR), ("billed", 85 * MINUTE), PAID],
        9 * DAY,
        (K.COMPLETED_LATE, R.FINISHED_AFTER_DEADLINE, 2 * HOUR, None),
    ),
    ("completed", [*HEALTHY, PAID], 2 * HOUR, (K.COMPLETED, R.ALL_IN_TIME, 2 * HOUR, None)),
    ("completed twice", [*HEALTHY, PAID, ("paid", 9 * DAY)], 10 * DAY, (K.COMPLETED, R.ALL_IN_TIME, 2 * HOUR, None)),
    # skipped steps
    (
        "a later step shows the one before, and starts the clocks of the others after it",
        [WON, ("billed", HOUR)],
        9 * HOUR,
        (K.STUCK, R.OVERDUE, 2 * HOUR, None),
    ),
    ("skipped, then completed", [WON, PAID], 9 * DAY, (K.COMPLETED, R.ALL_IN_TIME, 2 * HOUR, None)),
    ("out of order", [ACCEPTED, WON], HOUR, (K.ON_TRACK, R.WAITING, HOUR, 80 * MINUTE)),
    # not started
    ("only linked", [("linked", 5 * MINUTE)], 90 * DAY, (K.ON_TRACK, R.NOT_STARTED, 5 * MINUTE, None)),
    # cancelled
    ("cancelled", [WON, ("cancelled", HOUR)], 90 * DAY, (K.CANCELLED, R.CANCELLED, HOUR, None)),
    ("cancelled when stuck", [WON, ("cancelled", 9 * HOUR)], 90 * DAY, (K.CANCELLED, R.CANCELLED, 9 * HOUR, None)),
    (
        "cancelled twice",
        [WON, ("cancelled", 3 * HOUR), ("cancelled", HOUR)],
        DAY,
        (K.CANCELLED, R.CANCELLED, HOUR, None),
    ),
    (
        "cancelled before it was completed",
        [*HEALTHY, ("cancelled", 90 * MINUTE), PAID],
        DAY,
        (K.CANCELLED, R.CANCELLED, 90 * MINUTE, None),
    ),
    (
        "cancelled as it was completed",
        [*HEALTHY, PAID, ("cancelled", 2 * HOUR)],
        DAY,
        (K.COMPLETED, R.ALL_IN_TIME, 2 * HOUR, None),
    ),
    (
        "cancelled after it was completed",
        [*HEALTHY, PAID, ("cancelled", 3 * HOUR)],
        DAY,
        (K.COMPLETED, R.ALL_IN_TIME, 2 * HOUR, None),
    ),
    (
        "cancelled and failed",
        [WON, ("cancelled", HOUR), ("failed", 2 * HOUR)],
        DAY,
        (K.CANCELLED, R.CANCELLED, HOUR, None),
    ),
    # failed
    ("failed", [WON, ("failed", HOUR)], HOUR, (K.FAILED, R.FAILURE_EVENT, HOUR, None)),
    ("failed stays failed", [WON, ("failed", HOUR)], 90 * DAY, (K.FAILED, R.FAILURE_EVENT, HOUR, None)),
    ("failed again", [WON, ("failed", HOUR), ("failed", 2 * HOUR)], DAY, (K.FAILED, R.FAILURE_EVENT, 2 * HOUR, None)),
    ("failed as a step was reached", [WON, ACCEPTED, ("failed", HOUR)], HOUR, (K.FAILED, R.FAILURE_EVENT, HOUR, None)),
    (
        "healed by a later step",
        [WON, ("failed", 59 * MINUTE), ACCEPTED],
        HOUR,
        (K.ON_TRACK, R.WAITING, HOUR, 80 * MINUTE),
    ),
    (
        "healed by a repeated step",
        [WON, ("failed", HOUR), ("won", 2 * HOUR)],
        2 * HOUR,
        (K.ON_TRACK, R.WAITING, 0, 3 * HOUR),
    ),
    (
        "an event that reaches nothing heals nothing",
        [WON, ("failed", HOUR), ("linked", 2 * HOUR)],
        3 * HOUR,
        (K.FAILED, R.FAILURE_EVENT, HOUR, None),
    ),
    (
        "healed and failed again",
        [WON, ("failed", 59 * MINUTE), ACCEPTED, ("failed", 2 * HOUR)],
        DAY,
        (K.FAILED, R.FAILURE_EVENT, 2 * HOUR, None),
    ),
    (
        "failed after completion",
        [*HEALTHY, PAID, ("failed", 3 * HOUR)],
        DAY,
        (K.FAILED, R.FAILURE_EVENT, 3 * HOUR, None),
    ),
    (
        "failed before completion",
        [*HEALTHY, ("failed", 110 * MINUTE), PAID],
        DAY,
        (K.COMPLETED, R.ALL_IN_TIME, 2 * HOUR, None),
    ),
    ("failed at once", [("failed", 0)], DAY, (K.FAILED, R.FAILURE_EVENT, 0, None)),
    # requirements
    ("requirement unmet", [WON, ("accepted", HOUR, NO_TAX)], HOUR, (K.INCONSISTENT, R.REQUIREMENT_UNMET, HOUR, None)),
    (
        "unmet outlasts deadlines",
        [WON, ("accepted", HOUR, NO_TAX)],
        9 * DAY,
        (K.INCONSISTENT, R.REQUIREMENT_UNMET, HOUR, None),
    ),
    (
        "unmet outlasts completion",
        [WON, ("accepted", HOUR, NO_TAX), *HEALTHY[2:], PAID],
        9 * DAY,
        (K.INCONSISTENT, R.REQUIREMENT_UNMET, HOUR, None),
    ),
    (
        "healed by a later event",
        [WON, ("accepted", HOUR, NO_TAX), ("accepted", 65 * MINUTE)],
        65 * MINUTE,
        (K.ON_TRACK, R.WAITING, HOUR, 80 * MINUTE),
    ),
    (
        "not healed by an earlier event",
        [WON, ("accepted", 65 * MINUTE, NO_TAX), ACCEPTED],
        65 * MINUTE,
        (K.INCONSISTENT, R.REQUIREMENT_UNMET, 65 * MINUTE, None),
    ),
    (
        "failure before requirement",
        [WON, ("accepted", HOUR, NO_TAX), ("failed", 2 * HOUR)],
        DAY,
        (K.FAILED, R.FAILURE_EVENT, 2 * HOUR, None),
    ),
]


@pytest.mark.parametrize(("steps", "now", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_a_verdict(steps: list[Step], now: int, expected: tuple[str, str, int, int | None]) -> None:
    assert told(asked(now, *steps)) == expected
    assert told(asked(now, *reversed(steps))) == expected


def test_every_reason_has_a_case() -> None:
    blind = {
        R.SOURCE_SILENT,
        R.TYPE_SILENT,
        R.SOURCE_CATCHING_UP,
        R.NO_DEADLINE,
        R.CLOCK_PAUSED,
        R.KEY_NOT_UNIQUE,
        R.IMPOSSIBLE_ORDER,
        R.AWAITING_START,
        R.ORPHAN,
        R.WAIVED,
    }  # below, in test_promises.py, test_order_and_orphans.py and test_waivers.py
    assert {reason for _, _, _, (_, reason, _, _) in CASES} | blind == set(Reason)


def test_a_verdict_says_what_is_awaited_from_whom_and_whose_it_is() -> None:
    assert asked(0, WON) == Verdict(
        K.ON_TRACK, R.WAITING, START, "accepted", "sap", "erp", START + 3 * HOUR, START + 4 * HOUR, START + 3 * HOUR
    )
    assert asked(5 * HOUR, WON) == Verdict(
        K.STUCK, R.OVERDUE, START + 4 * HOUR, "accepted", "sap", "erp", START + 3 * HOUR, START + 4 * HOUR
    )
    without_warning = asked(100 * MINUTE, WON, ACCEPTED, ("billed", 70 * MINUTE))
    assert without_warning == Verdict(
        K.ON_TRACK, R.WAITING, START + HOUR, "shipped", "wms", "logistics", None, START + 2 * HOUR, START + 2 * HOUR
    )
    assert asked(DAY, ("linked", 5)) == Verdict(K.ON_TRACK, R.NOT_STARTED, START + 5, "won", "crm", "operations")


def test_a_failure_names_the_event_and_what_would_come_next() -> None:
    assert asked(DAY, WON, ("failed", HOUR)) == Verdict(
        K.FAILED,
        R.FAILURE_EVENT,
        START + HOUR,
        "accepted",
        "sap",
        "erp",
        START + 3 * HOUR,
        START + 4 * HOUR,
        None,
        ("failed",),
    )
    assert asked(DAY, ("failed", 0)) == Verdict(
        K.FAILED, R.FAILURE_EVENT, START, owner="operations", faults=("failed",)
    )


def test_an_unmet_requirement_belongs_to_the_owner_of_its_milestone() -> None:
    assert asked(DAY, WON, ("accepted", HOUR, NO_TAX)) == Verdict(
        K.INCONSISTENT,
        R.REQUIREMENT_UNMET,
        START + HOUR,
        "accepted",
        "sap",
        "erp",
        faults=("Accepted: data.tax_code is missing",),
    )


@pytest.mark.parametrize("steps", [[*HEALTHY, PAID], [WON, PAID], [WON, ("cancelled", 1)]])
def test_what_is_over_is_never_looked_at_again(steps: list[Step]) -> None:
    verdict = asked(DAY, *steps)
    assert verdict.kind in FINAL
    assert (verdict.next_check_at, verdict.waiting_for, verdict.deadline_at) == (None, None, None)
    assert verdict.owner == "operations"


def test_without_a_deadline_it_waits_for_ever() -> None:
    text = ORDERS.replace(", within: {warn: 3h, breach: 4h}", "")
    workflow = load({"orders.yaml": text}).workflows["orders"]
    verdict = asked(900 * DAY, WON, workflow=workflow)
    assert told(verdict) == (K.ON_TRACK, R.NO_DEADLINE, 0, None)
    assert (verdict.waiting_for, verdict.due_at, verdict.deadline_at) == ("accepted", None, None)


def test_a_step_with_a_deadline_speaks_before_one_without() -> None:
    text = ORDERS.replace("within: 1h, ", "")
    workflow = load({"orders.yaml": text}).workflows["orders"]
    assert asked(70 * MINUTE, WON, ACCEPTED, workflow=workflow).waiting_for == "billed"
    assert asked(70 * MINUTE, WON, ACCEPTED, ("billed", 69 * MINUTE), workflow=workflow).waiting_for == "paid"


def test_waits_are_those_whose_clock_runs() -> None:
    found = waits(story(WON, ACCEPTED), ORDER)
    assert [(w.milestone.name, w.started_at - START, w.deadline_at) for w in found] == [
        ("shipped", HOUR, START + 2 * HOUR),
        ("billed", HOUR, START + 90 * MINUTE),
    ]
    assert [w.milestone.name for w in waits(story(WON, ("paid", 1)), ORDER)] == ["shipped", "thanked"]
    assert waits(story(("linked", 0)), ORDER) == []


# Blind is not stuck. The deadline of `accepted` is 4h; it is awaited from sap, which may be silent for 2h.

DEADLINE = 4 * HOUR


def heard(received: int, occurred: int | None = None, silent_after: int | None = 2 * HOUR) -> Marks:
    expects = None if silent_after is None else Expectation(silent_after)
    return {"sap": Watermark(START + received, START + (received if occurred is None else occurred), expects)}


SILENCE: list[tuple[str, Marks, int, tuple[str, str, int, int | None]]] = [
    ("nothing known of the source", {}, DEADLINE, (K.STUCK, R.OVERDUE, DEADLINE, None)),
    ("another source is silent", {"crm": heard(0)["sap"]}, DEADLINE, (K.STUCK, R.OVERDUE, DEADLINE, None)),
    ("heard after the deadline", heard(DEADLINE + 1), 90 * DAY, (K.STUCK, R.OVERDUE, DEADLINE, None)),
    ("heard exactly at the deadline", heard(DEADLINE), 90 * DAY, (K.STUCK, R.OVERDUE, DEADLINE, None)),
    ("silent long before", heard(HOUR), DEADLINE, (K.BLIND, R.SOURCE_SILENT, DEADLINE, None)),
    ("silent since exactly its patience", heard(2 * HOUR), DEADLINE, (K.BLIND, R.SOURCE_SILENT, DEADLINE, None)),
    ("not yet silent", heard(2 * HOUR + 1), DEADLINE, (K.STUCK, R.OVERDUE, DEADLINE, DEADLINE + 1)),
    ("silent a little later", heard(3 * HOUR), DEADLINE + 30 * MINUTE, (K.STUCK, R.OVERDUE, DEADLINE, 5 * HOUR)),
    ("silent by now", heard(3 * HOUR), 5 * HOUR, (K.BLIND, R.SOURCE_SILENT, DEADLINE, None)),
    ("never counts as silent", heard(0, silent_after=None), 90 * DAY, (K.STUCK, R.OVERDUE, DEADLINE, None)),
    ("silent, but nothing is overdue", heard(-DAY), HOUR, (K.ON_TRACK, R.WAITING, 0, 3 * HOUR)),
    ("silent, but only due soon", heard(-DAY), 3 * HOUR, (K.DUE_SOON, R.WARNING_TIME_PASSED, 3 * HOUR, DEADLINE)),
    (
        "catching up",
        heard(9 * HOUR, 2 * HOUR),
        9 * HOUR + MINUTE,
        (K.BLIND, R.SOURCE_CATCHING_UP, DEADLINE, 9 * HOUR + CATCHING_UP_PATIENCE),
    ),
    (
        "catching up until the last moment",
        heard(9 * HOUR, 2 * HOUR),
        9 * HOUR + CATCHING_UP_PATIENCE - 1,
        (K.BLIND, R.SOURCE_CATCHING_UP, DEADLINE, 9 * HOUR + CATCHING_UP_PATIENCE),
    ),
    (
        "stopped catching up",
        heard(9 * HOUR, 2 * HOUR),
        9 * HOUR + CATCHING_UP_PATIENCE,
        (K.STUCK, R.OVERDUE, DEADLINE, None),
    ),
    ("caught up beyond the deadline", heard(9 * HOUR, DEADLINE), 9 * HOUR, (K.STUCK, R.OVERDUE, DEADLINE, None)),
    (
        "just short of the deadline",
        heard(9 * HOUR, DEADLINE - 1),
        9 * HOUR,
        (K.BLIND, R.SOURCE_CATCHING_UP, DEADLINE, 9 * HOUR + CATCHING_UP_PATIENCE),
    ),
    (
        "a small lag is no replay",
        heard(DEADLINE + 5 * MINUTE, DEADLINE + 5 * MINUTE - CATCHING_UP_LAG),
        DEADLINE + 6 * MINUTE,
        (K.STUCK, R.OVERDUE, DEADLINE, None),
    ),
    (
        "a tick more is",
        heard(DEADLINE + 5 * MINUTE, DEADLINE + 5 * MINUTE - CATCHING_UP_LAG - 1),
        DEADLINE + 6 * MINUTE,
        (K.BLIND, R.SOURCE_CATCHING_UP, DEADLINE, DEADLINE + 7 * MINUTE),
    ),
    (
        "replaying, and silent again",
        heard(DEADLINE - MINUTE, 0),
        DEADLINE + HOUR,
        (K.STUCK, R.OVERDUE, DEADLINE, 6 * HOUR - MINUTE),
    ),
]


@pytest.mark.parametrize(
    ("marks", "now", "expected"), [case[1:] for case in SILENCE], ids=[case[0] for case in SILENCE]
)
def test_blind_is_not_stuck(marks: Marks, now: int, expected: tuple[str, str, int, int | None]) -> None:
    verdict = asked(now, WON, marks=marks)
    assert told(verdict) == expected
    assert (verdict.waiting_for, verdict.source, verdict.deadline_at) == ("accepted", "sap", START + DEADLINE)


FILE = Expectation(3 * HOUR)


def of_types(received: int, heard_of_type: int | None, *, silent_after: int | None = 2 * HOUR) -> Marks:
    """The source was heard then, and its type `accepted`, or that never since the log began with START."""
    (mark,) = heard(received, silent_after=silent_after).values()
    at = START + (heard_of_type or 0)
    mark.types = {"accepted": Watermark(at, at, FILE, heard=heard_of_type is not None), "other": Watermark(0, 0, FILE)}
    return {"sap": mark}


SILENT_TYPE: list[tuple[str, Marks, int, tuple[str, str, int, int | None]]] = [
    ("it does not come", of_types(DEADLINE, 30 * MINUTE), DEADLINE, (K.BLIND, R.TYPE_SILENT, DEADLINE, None)),
    ("it came since", of_types(DEADLINE, DEADLINE), 90 * DAY, (K.STUCK, R.OVERDUE, DEADLINE, None)),
    ("not yet", of_types(DEADLINE, 3 * HOUR), DEADLINE, (K.STUCK, R.OVERDUE, DEADLINE, 6 * HOUR)),
    ("the source is", of_types(HOUR, 30 * MINUTE), DEADLINE, (K.BLIND, R.SOURCE_SILENT, DEADLINE, None)),
    ("the source soon", of_types(3 * HOUR, HOUR), DEADLINE, (K.BLIND, R.TYPE_SILENT, DEADLINE, 5 * HOUR)),
    ("it never came", of_types(90 * DAY, None), 90 * DAY, (K.BLIND, R.TYPE_SILENT, DEADLINE, None)),
    ("only it is expected", of_types(0, HOUR, silent_after=None), DEADLINE, (K.BLIND, R.TYPE_SILENT, DEADLINE, None)),
]


@pytest.mark.parametrize(
    ("marks", "now", "expected"), [case[1:] for case in SILENT_TYPE], ids=[case[0] for case in SILENT_TYPE]
)
def test_what_only_one_type_can_reach_is_blind_when_that_does_not_come(
    marks: Marks, now: int, expected: tuple[str, str, int, int | None]
) -> None:
    assert told(asked(now, WON, marks=marks)) == expected


def test_what_other_events_can_reach_as_well_does_not_wait_for_a_type() -> None:
    for condition in ("{exact: {source: sap}}", "{all: [{exact: {source: sap}}, {prefix: {type: accept}}]}"):
        text = ORDERS.replace("{exact: {source: sap, type: accepted}}", condition)
        workflow = load({"orders.yaml": text}).workflows["orders"]
        verdict = asked(DEADLINE, WON, marks=of_types(DEADLINE, 0), workflow=workflow)
        assert (verdict.kind, verdict.source) == (K.STUCK, "sap")


def test_a_source_that_was_never_heard_is_silent_from_when_it_was_expected_first() -> None:
    began = {"sap": Watermark(START + 5 * HOUR, START + 5 * HOUR, Expectation(2 * HOUR), heard=False)}
    # The order is older than the log, and overdue before the log begins.
    assert told(asked(6 * HOUR, WON, marks=began)) == (K.STUCK, R.OVERDUE, DEADLINE, 7 * HOUR)
    assert told(asked(7 * HOUR, WON, marks=began)) == (K.BLIND, R.SOURCE_SILENT, DEADLINE, None)


def test_silence_of_a_source_is_no_matter_to_what_is_over_failed_or_unmet() -> None:
    silent = heard(-DAY)
    for steps, kind in (
        ([WON, ("cancelled", HOUR)], K.CANCELLED),
        ([WON, ("failed", HOUR)], K.FAILED),
        ([WON, ("accepted", HOUR, NO_TAX)], K.INCONSISTENT),
        ([WON, PAID], K.COMPLETED),
    ):
        assert asked(90 * DAY, *steps, marks=silent).kind is kind


def test_a_milestone_from_no_named_source_is_never_blind() -> None:
    text = ORDERS.replace("{exact: {source: sap, type: accepted}}", "{exact: {type: accepted}}")
    workflow = load({"orders.yaml": text}).workflows["orders"]
    verdict = asked(90 * DAY, WON, marks=heard(-DAY), workflow=workflow)
    assert (verdict.kind, verdict.source) == (K.STUCK, None)
