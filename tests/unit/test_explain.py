"""The words for each reason, the arithmetic and the journey: exact texts."""

from __future__ import annotations

from functools import reduce

import pytest

from slo_rules.arithmetic import arithmetic
from slo_rules.calendars import CalendarRules, Hours
from slo_rules.deadline_rules import parse_recurring_rule
from slo_rules.definitions import load
from slo_rules.durations import DAY, HOUR, MINUTE, SECOND
from slo_rules.expectation import Expectation
from slo_rules.explain import StepState, explain, journey
from slo_rules.instants import EPOCH, to_micros
from slo_rules.joining import join
from slo_rules.judgement import Marks, Reason, Watermark
from slo_rules.judging import judge
from slo_rules.matching import Matcher
from slo_rules.observation import fold
from slo_rules.progress import Progress
from slo_rules.rounding import clock
from slo_rules.workflow import Workflow
from tests.strategies import make_event

ORDERS = """
apiVersion: milepost/v1
kind: Workflow
metadata: {name: orders, domain: orders, owner: operations}
spec:
  entity: order
  keys: {order: data.order}
  milestones:
    - {name: won, title: Opportunity won, on: {exact: {source: crm, type: won}}}
    - {name: accepted, title: Accepted by ERP, on: {exact: {source: sap, type: accepted}},
       within: {warn: 3h, breach: 4h}, require: [{path: data.tax_code, exists: true}, {path: data.net, equals: 7}]}
    - {name: packed, on: {exact: {type: packed}}, require: [{path: data.hazard, exists: false}]}
    - {name: paid, after: accepted, on: {exact: {source: stripe, type: paid}}, within: 2d, completes: true}
    - {name: thanked, on: {exact: {source: crm, type: thanked}}}
  observes: [{exact: {type: linked}}]
  fails_on: [{exact: {type: failed}}]
  cancels_on: [{exact: {type: cancelled}}]
"""
WORKFLOW = load({"orders.yaml": ORDERS}).workflows["orders"]
BEGIN = 1_790_000_000_000_000  # 2026-09-21 14:13:20 UTC
GOOD: dict[str, object] = {"order": "1", "tax_code": "V1", "net": 7}

Step = tuple[str, int] | tuple[str, int, dict[str, object]]


def story(*steps: Step, workflow: Workflow = WORKFLOW) -> Progress:
    matcher = Matcher([workflow])
    parts = []
    for number, (type_, at, *more) in enumerate(steps):
        source = {"accepted": "sap", "paid": "stripe"}.get(type_, "crm")
        data: dict[str, object] = more[0] if more else GOOD
        event = make_event(type_, at, number, source, data)
        ((_found, match),) = matcher.matches(event)
        parts.append(fold(None, match))
    return reduce(join, parts)


def words(now: int, *steps: Step, marks: Marks | None = None, workflow: Workflow = WORKFLOW) -> tuple[Reason, str]:
    progress = story(*steps, workflow=workflow)
    verdict = judge(progress, workflow, marks or {}, BEGIN + now)
    return verdict.reason, explain(progress, workflow, verdict, marks or {}, BEGIN + now)


OFFICE = CalendarRules("office", "Europe/Berlin", ((Hours(540, 1020),),) * 5 + ((), ()), title="Office")
NIGHTLY = Expectation(parse_recurring_rule("every business day 06:00"), OFFICE)


def silent(received: int, occurred: int) -> Marks:
    return {"sap": Watermark(BEGIN + received, BEGIN + occurred, Expectation(HOUR))}


WON, ACCEPTED = ("won", 0), ("accepted", HOUR)

SENTENCES: list[tuple[Reason, int, list[Step], Marks, str]] = [
    (Reason.WAITING, 0, [WON], {}, "Waiting for Accepted by ERP from sap, due by 2026-09-21 18:13:20 UTC."),
    (
        Reason.WARNING_TIME_PASSED,
        3 * HOUR,
        [WON],
        {},
        "Accepted by ERP from sap is due at 2026-09-21 18:13:20 UTC, in 1h.",
    ),
    (
        Reason.WARNING_TIME_PASSED,
        3 * HOUR + 50 * MINUTE + 5 * SECOND,
        [WON],
        {},
        "Accepted by ERP from sap is due at 2026-09-21 18:13:20 UTC, in 9m55s.",
    ),
    (
        Reason.OVERDUE,
        4 * HOUR,
        [WON],
        {},
        "Accepted by ERP from sap was due at 2026-09-21 18:13:20 UTC and has not come: 0s late.",
    ),
    (
        Reason.OVERDUE,
        4 * HOUR + 14 * MINUTE + 59 * SECOND + 999_999,
        [WON],
        {},
        "Accepted by ERP from sap was due at 2026-09-21 18:13:20 UTC and has not come: 14m59s late.",
    ),
    (
        Reason.OVERDUE,
        2 * DAY + 5 * HOUR + 59 * SECOND,
        [WON],
        {},
        "Accepted by ERP from sap was due at 2026-09-21 18:13:20 UTC and has not come: 2d1h late.",
    ),
    (
        Reason.SOURCE_SILENT,
        9 * HOUR,
        [WON],
        silent(40 * SECOND, 0),
        (
            "Accepted by ERP is overdue, but nothing at all has arrived from sap since 2026-09-21 14:14 UTC: "
            "the source is silent, so nobody can tell whether this one is stuck."
        ),
    ),
    (
        Reason.SOURCE_SILENT,
        9 * HOUR,
        [WON],
        {"sap": Watermark(BEGIN, BEGIN, Expectation(HOUR), heard=False)},
        (
            "Accepted by ERP is overdue, but nothing at all has arrived from sap since the log began at "
            "2026-09-21 14:13:20 UTC: the source is silent, so nobody can tell whether this one is stuck."
        ),
    ),
    (
        Reason.SOURCE_SILENT,
        3 * DAY,
        [WON],
        {"sap": Watermark(BEGIN, BEGIN, Expectation(HOUR, OFFICE))},
        (
            "Accepted by ERP is overdue, but nothing at all has arrived from sap since 2026-09-21 14:13:20 UTC, and it "
            "was expected by 2026-09-22 07:13:20 UTC (at least every 1h of the time of Office): "
            "the source is silent, so nobody can tell whether this one is stuck."
        ),
    ),
    (
        Reason.TYPE_SILENT,
        3 * DAY,
        [WON],
        {
            "sap": Watermark(
                BEGIN + 3 * DAY, BEGIN + 3 * DAY, None, types={"accepted": Watermark(BEGIN, BEGIN, NIGHTLY)}
            )
        },
        (
            "Accepted by ERP is overdue, but nothing of the type accepted has arrived from sap since 2026-09-21 14:13:20 UTC, "
            "and it was expected by 2026-09-22 04:00 UTC (every business day by 06:00 (Office)): "
            "nobody can tell whether this one is stuck."
        ),
    ),
    (
        Reason.SOURCE_CATCHING_UP,
        9 * HOUR,
        [WON],
        silent(9 * HOUR, HOUR),
        "Accepted by ERP is overdue, but sap is still sending its past and has not got that far.",
    ),
    (Reason.NOT_STARTED, 0, [("linked", 0)], {}, "Known, but not started: waiting for Opportunity won from crm."),
    (
        Reason.FAILURE_EVENT,
        DAY,
        [WON, ("failed", HOUR)],
        {},
        "Failed at 2026-09-21 15:13:20 UTC with failed; nothing has succeeded since.",
    ),
    (
        Reason.REQUIREMENT_UNMET,
        DAY,
        [WON, ("accepted", HOUR, {"order": "1"})],
        {},
        (
            "Reached, but not a success: Accepted by ERP: data.tax_code is missing; "
            "Accepted by ERP: data.net should be '7', found nothing."
        ),
    ),
    (
        Reason.REQUIREMENT_UNMET,
        DAY,
        [WON, ("accepted", HOUR, {"tax_code": "V1", "net": "8"}), ("packed", HOUR, {"hazard": 1})],
        {},
        (
            "Reached, but not a success: Accepted by ERP: data.net should be '7', found '8'; "
            "Packed: data.hazard is there but should not be."
        ),
    ),
    (
        Reason.REQUIREMENT_UNMET,
        DAY,
        [WON, ("accepted", HOUR, {"tax_code": "V1", "net": {"a": 7}})],
        {},
        "Reached, but not a success: Accepted by ERP: data.net should be '7', found 'a structure'.",
    ),
    (
        Reason.ALL_IN_TIME,
        DAY,
        [WON, ACCEPTED, ("paid", 2 * HOUR)],
        {},
        "Completed at 2026-09-21 16:13:20 UTC, every deadline met.",
    ),
    (
        Reason.FINISHED_AFTER_DEADLINE,
        9 * DAY,
        [WON, ("accepted", 5 * HOUR), ("paid", 3 * DAY)],
        {},
        (
            "Completed at 2026-09-24 14:13:20 UTC, but late: Accepted by ERP came 1h after its deadline; "
            "Paid came 19h after its deadline."
        ),
    ),
    (Reason.CANCELLED, DAY, [WON, ("cancelled", HOUR)], {}, "Cancelled at 2026-09-21 15:13:20 UTC."),
    (
        Reason.IMPOSSIBLE_ORDER,
        9 * DAY,
        [("won", 4 * HOUR), ("accepted", HOUR)],
        {},
        (
            "Not consistent: Accepted by ERP at 2026-09-21 15:13:20 UTC came 3h before Opportunity won at "
            "2026-09-21 18:13:20 UTC; the clocks of crm and sap may differ by 10m."
        ),
    ),
    (
        Reason.AWAITING_START,
        HOUR,
        [ACCEPTED],
        {},
        (
            "Accepted by ERP came at 2026-09-21 15:13:20 UTC, but Opportunity won from crm has not yet: "
            "events come out of order, so it has until 2026-09-21 16:13:20 UTC."
        ),
    ),
    (
        Reason.ORPHAN,
        DAY,
        [ACCEPTED],
        {},
        (
            "An orphan: Accepted by ERP came at 2026-09-21 15:13:20 UTC, but Opportunity won from crm has not by "
            "2026-09-21 16:13:20 UTC. When it comes, this one goes on as any other."
        ),
    ),
    (
        Reason.SOURCE_SILENT,
        DAY,
        [ACCEPTED],
        {"crm": Watermark(BEGIN, BEGIN, Expectation(HOUR))},
        (
            "Accepted by ERP came at 2026-09-21 15:13:20 UTC, but Opportunity won from crm has not, and nothing at all "
            "has arrived from crm since 2026-09-21 14:13:20 UTC: the source is silent, so nobody can tell whether it "
            "ever started."
        ),
    ),
    (
        Reason.SOURCE_CATCHING_UP,
        DAY,
        [ACCEPTED],
        {"crm": Watermark(BEGIN + DAY, BEGIN, Expectation(HOUR))},
        (
            "Accepted by ERP came at 2026-09-21 15:13:20 UTC, but Opportunity won from crm has not: crm is still "
            "sending its past and has not got that far."
        ),
    ),
]


@pytest.mark.parametrize(
    ("reason", "now", "steps", "marks", "sentence"), SENTENCES, ids=[f"{s[0]}-{n}" for n, s in enumerate(SENTENCES)]
)
def test_a_reason_in_words(reason: Reason, now: int, steps: list[Step], marks: Marks, sentence: str) -> None:
    assert words(now, *steps, marks=marks) == (reason, sentence)


def test_without_a_deadline_in_words() -> None:
    expected = "Waiting for Packed; no deadline was promised for it."
    assert words(DAY, WON, ACCEPTED, ("linked", 2), workflow=NO_PAYMENT) == (Reason.NO_DEADLINE, expected)


NO_PAYMENT = load({"orders.yaml": ORDERS.replace("within: 2d, ", "")}).workflows["orders"]


def test_every_reason_has_words() -> None:
    assert {sentence[0] for sentence in SENTENCES} | {
        Reason.NO_DEADLINE,
        Reason.CLOCK_PAUSED,
        Reason.KEY_NOT_UNIQUE,
        Reason.WAIVED,
    } == set(Reason)


def told(now: int, *steps: Step, workflow: Workflow = WORKFLOW) -> list[str]:
    progress = story(*steps, workflow=workflow)
    return arithmetic(progress, workflow, judge(progress, workflow, {}, BEGIN + now), BEGIN + now)


def test_the_arithmetic_of_an_orphan() -> None:
    assert told(DAY, ACCEPTED) == [
        "The first event occurred at 2026-09-21 15:13:20 UTC: from there on Opportunity won is waited for.",
        "An orphan after 1h, around the clock: 2026-09-21 16:13:20 UTC.",
        "Now it is 2026-09-22 14:13:20 UTC: 22h past it.",
    ]


def test_the_start_of_an_orphan_is_due_and_then_overdue() -> None:
    for now, state in ((HOUR, StepState.DUE), (2 * HOUR, StepState.OVERDUE)):
        first = journey(story(ACCEPTED), WORKFLOW, BEGIN + now)[0]
        assert (first.state, first.started_at, first.deadline_at) == (state, BEGIN + HOUR, BEGIN + 2 * HOUR)
    cancelled = journey(story(ACCEPTED, ("cancelled", 2 * HOUR)), WORKFLOW, BEGIN + DAY)
    assert cancelled[0].state is StepState.SKIPPED


def test_the_arithmetic_of_a_deadline() -> None:
    begun = "Opportunity won was reached at 2026-09-21 14:13:20 UTC: the clock of Accepted by ERP starts."
    assert told(5 * HOUR, WON) == [
        begun,
        "Warning after 3h: 2026-09-21 17:13:20 UTC.",
        "Breach after 4h, around the clock: 2026-09-21 18:13:20 UTC.",
        "Now it is 2026-09-21 19:13:20 UTC: 1h past it.",
    ]
    assert told(HOUR, WON)[3] == "Now it is 2026-09-21 15:13:20 UTC: 3h before it."
    assert told(4 * HOUR, WON)[3] == "Now it is 2026-09-21 18:13:20 UTC: 0s past it."
    assert told(4 * HOUR - SECOND, WON)[3] == "Now it is 2026-09-21 18:13:19 UTC: 1s before it."


def test_the_arithmetic_without_a_warning_and_without_a_deadline() -> None:
    assert told(2 * HOUR, WON, ACCEPTED) == [
        "Accepted by ERP was reached at 2026-09-21 15:13:20 UTC: the clock of Paid starts.",
        "Breach after 2d, around the clock: 2026-09-23 15:13:20 UTC.",
        "Now it is 2026-09-21 16:13:20 UTC: 1d23h before it.",
    ]
    assert told(2 * HOUR, WON, ACCEPTED, workflow=NO_PAYMENT) == [
        "Accepted by ERP was reached at 2026-09-21 15:13:20 UTC: the clock of Packed starts.",
        "No deadline was promised for this step.",
    ]


@pytest.mark.parametrize(
    "steps", [[("linked", 0)], [WON, ("cancelled", 1)], [WON, ("paid", 1)], [WON, ("accepted", 1, {})]]
)
def test_there_is_no_arithmetic_where_no_clock_runs(steps: list[Step]) -> None:
    assert told(DAY, *steps) == []


def states(now: int, *steps: Step) -> list[str]:
    return [step.state for step in journey(story(*steps), WORKFLOW, BEGIN + now)]


@pytest.mark.parametrize(
    ("now", "steps", "expected"),
    [
        (0, [("linked", 0)], ["waiting", "waiting", "waiting", "waiting", "waiting"]),
        (0, [WON], ["reached", "due", "waiting", "waiting", "waiting"]),
        (4 * HOUR - 1, [WON], ["reached", "due", "waiting", "waiting", "waiting"]),
        (4 * HOUR, [WON], ["reached", "overdue", "waiting", "waiting", "waiting"]),
        (HOUR, [WON, ACCEPTED], ["reached", "reached", "due", "due", "waiting"]),
        (9 * DAY, [WON, ACCEPTED], ["reached", "reached", "due", "overdue", "waiting"]),
        (HOUR, [WON, ("accepted", 4 * HOUR)], ["reached", "reached", "due", "due", "waiting"]),
        (HOUR, [WON, ("accepted", 4 * HOUR + 1)], ["reached", "reached_late", "due", "due", "waiting"]),
        (HOUR, [WON, ("packed", HOUR)], ["reached", "skipped", "reached", "due", "waiting"]),
        (DAY, [WON, ("paid", HOUR)], ["reached", "skipped", "not_needed", "reached", "not_needed"]),
        (DAY, [WON, ("cancelled", HOUR)], ["reached", "not_needed", "not_needed", "not_needed", "not_needed"]),
        (DAY, [("thanked", 0)], ["overdue", "skipped", "due", "skipped", "reached"]),
        (DAY, [WON, ("failed", HOUR)], ["reached", "overdue", "waiting", "waiting", "waiting"]),
    ],
)
def test_the_states_of_a_journey(now: int, steps: list[Step], expected: list[str]) -> None:
    assert states(now, *steps) == [StepState(word) for word in expected]


def test_a_step_carries_its_times_and_its_event() -> None:
    progress = story(WON, ("accepted", HOUR, {"tax_code": "V1"}))
    won, accepted, packed, paid, thanked = journey(progress, WORKFLOW, BEGIN + 2 * HOUR)
    assert (won.at, won.started_at, won.deadline_at) == (BEGIN, None, None)
    assert (accepted.at, accepted.started_at) == (BEGIN + HOUR, BEGIN)
    assert (accepted.warn_at, accepted.deadline_at) == (BEGIN + 3 * HOUR, BEGIN + 4 * HOUR)
    assert accepted.event_key == progress.milestones["accepted"].key
    assert accepted.faults == ("Accepted by ERP: data.net should be '7', found nothing",)
    assert (packed.at, packed.started_at, packed.deadline_at, packed.event_key) == (None, BEGIN + HOUR, None, None)
    assert (paid.warn_at, paid.deadline_at) == (None, BEGIN + HOUR + 2 * DAY)
    assert (thanked.started_at, thanked.faults) == (None, ())


@pytest.mark.parametrize(
    ("micros", "text"),
    [
        (0, "1970-01-01 00:00 UTC"),
        (59 * SECOND, "1970-01-01 00:00:59 UTC"),
        (60 * SECOND + 999_999, "1970-01-01 00:01 UTC"),
        (-SECOND, "1969-12-31 23:59:59 UTC"),
        (to_micros(EPOCH.replace(year=2026, month=11, day=21, hour=9, minute=14)), "2026-11-21 09:14 UTC"),
        (10**18, "a time beyond the year 9999"),
    ],
)
def test_the_clock(micros: int, text: str) -> None:
    assert clock(micros) == text
