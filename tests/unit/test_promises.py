"""When milestones are due: calendars, tiers, named rules, other starts, pauses; and requirements across milestones."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import reduce
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slo_rules.arithmetic import arithmetic
from slo_rules.buckets import BUCKET
from slo_rules.contribution import contributions, promise_name
from slo_rules.deadline_rules import parse_deadline_rule
from slo_rules.deadlines import Pause, ran, reach
from slo_rules.definitions import fingerprint, load
from slo_rules.durations import HOUR, MINUTE
from slo_rules.event import Event, event_key
from slo_rules.explain import StepState, explain, journey
from slo_rules.instants import to_datetime, to_micros
from slo_rules.joining import join
from slo_rules.judgement import Reason, Verdict, VerdictKind
from slo_rules.judging import judge
from slo_rules.matching import Matcher
from slo_rules.observation import fold
from slo_rules.progress import Progress
from slo_rules.promises import pauses
from slo_rules.workflow import Workflow
from tests.counting import plain

CALENDARS = """
apiVersion: milepost/v1
kind: Calendar
metadata: {name: office, title: the office}
spec:
  zone: Europe/Berlin
  hours: {mon-fri: ["08:00-12:00", "13:00-17:00"]}
  holidays: {country: DE}
---
apiVersion: milepost/v1
kind: Calendar
metadata: {name: new-york}
spec: {zone: America/New_York, hours: {mon-fri: ["09:00-17:00"]}}
---
"""
ORDERS = """
apiVersion: milepost/v1
kind: Workflow
metadata: {name: orders, domain: orders, owner: operations}
spec:
  entity: order
  keys: {order: data.order}
  attributes: {tier: data.tier, region: data.region, express: data.express}
  calendar: office
  milestones:
    - {name: won, on: {exact: {type: won}}}
    - name: accepted
      on: {exact: {source: sap, type: accepted}}
      within:
        warn: 2h
        breach: 4h
        by:
          tier: {gold: 1h, silver: {warn: 1h, breach: 3h}}
          region: {US: {calendar: new-york}, APAC: {calendar: none}}
          express: {true: {warn: 10m, breach: 30m, calendar: none}}
    - {name: shipped, on: {exact: {type: shipped}}, within: {breach: next_business_day 16:00, from: won}}
    - name: billed
      on: {exact: {type: billed}}
      within: {breach: 30m, calendar: none}
      require:
        - {path: data.amount, equals: {of: accepted, tolerance: 0.01}}
        - {path: data.total, equals: {of: won, path: data.amount, tolerance: 10%}}
        - {path: data.status, equals: ok}
  pauses_on: [{exact: {type: pending}}]
  resumes_on: [{exact: {type: resumed}}]
"""
ORDER = load({"orders.yaml": CALENDARS + ORDERS}).workflows["orders"]
MONDAY = "2026-03-02T"
DATA = {"order": "1", "amount": 100, "total": 100, "status": "ok"}

Step = tuple[str, str] | tuple[str, str, dict[str, Any]]


def at(text: str) -> int:
    """Micros of a UTC instant; a time alone is on that Monday."""
    return to_micros(datetime.fromisoformat(text if "T" in text else MONDAY + text).replace(tzinfo=UTC))


def story(*steps: Step, workflow: Workflow = ORDER) -> Progress:
    matcher = Matcher([workflow])
    parts = []
    for number, (type_, when, *more) in enumerate(steps):
        source = "sap" if type_ == "accepted" else "crm"
        data = DATA | (more[0] if more else {})
        moment = at(when)
        document = {"source": source, "type": type_, "data": {k: v for k, v in data.items() if v is not None}}
        event = Event(source, type_, moment, moment, event_key(source, str(number)), document)
        ((_found, match),) = matcher.matches(event)
        parts.append(fold(None, match))
    return reduce(join, parts)


def asked(now: str, *steps: Step) -> Verdict:
    return judge(story(*steps), ORDER, {}, at(now))


def due(*steps: Step) -> tuple[str | None, str | None]:
    """Warning and deadline of what is awaited, as UTC."""
    verdict = judge(story(*steps), ORDER, {}, at("2026-01-01T00:00"))
    return told(verdict.due_at), told(verdict.deadline_at)


def told(micros: int | None) -> str | None:
    return None if micros is None else f"{to_datetime(micros):%a %H:%M}"


WON: Step = ("won", "08:00")


@pytest.mark.parametrize(
    ("won", "said", "expected"),
    [
        ("08:00", {}, ("Mon 10:00", "Mon 13:00")),  # 9 to 12 and 13 to 14 in Berlin
        ("15:00", {}, ("Tue 08:00", "Tue 10:00")),
        ("2026-03-06T15:00", {}, ("Mon 08:00", "Mon 10:00")),
        ("2026-04-02T15:00", {}, ("Tue 08:00", "Tue 10:00")),  # Good Friday, Easter Monday, and summer time in between
        ("08:00", {"tier": "gold"}, (None, "Mon 09:00")),
        ("08:00", {"tier": "silver"}, ("Mon 09:00", "Mon 11:00")),
        ("08:00", {"tier": "bronze"}, ("Mon 10:00", "Mon 13:00")),
        ("08:00", {"region": "US"}, ("Mon 16:00", "Mon 18:00")),
        ("08:00", {"region": "APAC"}, ("Mon 10:00", "Mon 12:00")),
        ("08:00", {"region": "US", "tier": "gold"}, (None, "Mon 15:00")),
        ("08:00", {"region": "US", "tier": "gold", "express": True}, ("Mon 08:10", "Mon 08:30")),
    ],
)
def test_business_time_by_tier_and_region(won: str, said: dict[str, Any], expected: tuple[str, str]) -> None:
    assert due(("won", won, said)) == expected


def test_the_latest_attribute_decides_also_after_the_clock_has_started() -> None:
    assert due(WON, ("resumed", "08:30", {"tier": "gold"})) == (None, "Mon 09:00")


def test_a_named_rule_counts_from_the_milestone_it_names() -> None:
    assert due(WON, ("accepted", "2026-03-03T09:00")) == (None, "Tue 15:00")
    assert due(("won", "2026-03-06T08:00"), ("accepted", "2026-03-06T09:00")) == (None, "Mon 15:00")
    late = story(WON, ("accepted", "09:00"), ("shipped", "2026-03-03T15:01"), ("billed", "2026-03-03T15:02"))
    assert judge(late, ORDER, {}, at("2026-03-04T00:00")).kind is VerdictKind.COMPLETED_LATE


def test_what_was_promised_is_counted_at_its_business_deadline() -> None:
    found = contributions(story(("won", "15:00")), ORDER, ())
    deadline = at("2026-03-03T10:00")
    assert plain(found)[promise_name("orders"), deadline - deadline % BUCKET] == (0, 1, 0)


# Pauses


def test_while_the_clock_stands_the_instance_is_paused() -> None:
    paused = asked("2026-03-20T00:00", WON, ("pending", "09:00"))
    assert (paused.kind, paused.reason, told(paused.since)) == (VerdictKind.PAUSED, Reason.CLOCK_PAUSED, "Mon 09:00")
    assert (paused.waiting_for, paused.source, paused.deadline_at) == ("accepted", "sap", None)
    assert paused.next_check_at is None
    assert len(contributions(story(WON), ORDER, ())) == 2
    assert contributions(story(WON, ("pending", "09:00")), ORDER, ()) == {}


def test_what_was_left_runs_on_after_the_pause() -> None:
    # One hour ran before it; the second resumption changes nothing.
    assert due(WON, ("pending", "09:00"), ("resumed", "2026-03-04T07:00"), ("resumed", "2026-03-04T09:00")) == (
        "Wed 08:00",
        "Wed 10:00",
    )


def test_a_deadline_before_the_pause_was_missed() -> None:
    stuck = asked("2026-03-05T00:00", WON, ("pending", "13:00"))
    assert (stuck.kind, told(stuck.since)) == (VerdictKind.STUCK, "Mon 13:00")
    assert asked("2026-03-05T00:00", WON, ("pending", "12:59")).kind is VerdictKind.PAUSED


def test_a_milestone_ends_the_pause() -> None:
    assert pauses(story(WON, ("pending", "09:00"), ("accepted", "10:00"))) == [(at("09:00"), at("10:00"))]
    assert pauses(story(WON, ("accepted", "10:00"), ("pending", "10:00"))) == [(at("10:00"), None)]
    assert pauses(story(WON, ("resumed", "07:00"))) == []


def test_a_named_deadline_moves_by_the_open_time_that_was_paused() -> None:
    steps: list[Step] = [WON, ("accepted", "09:00"), ("pending", "10:00"), ("resumed", "2026-03-03T09:00")]
    # Tuesday 16:00 in Berlin, and 7 hours from Monday 11:00 to Tuesday 10:00 without the lunch hour.
    assert due(*steps) == (None, "Wed 14:00")


def test_a_paused_step_is_shown_as_such() -> None:
    progress = story(WON, ("pending", "09:00"))
    now = at("12:00")
    verdict = judge(progress, ORDER, {}, now)
    assert explain(progress, ORDER, verdict, {}, now) == (
        "Paused since 2026-03-02 09:00 UTC: Accepted from sap is not expected before it resumes."
    )
    assert journey(progress, ORDER, now)[1].state is StepState.PAUSED
    assert arithmetic(progress, ORDER, verdict, now) == [
        "Won was reached at 2026-03-02 08:00 UTC: the clock of Accepted starts.",
        "The clock has stood since 2026-03-02 09:00 UTC: 3h.",
        "While the clock stands, nothing is due. Promised is 4h of the time of the office.",
    ]


PAUSES = st.lists(st.integers(0, 300), max_size=7, unique=True).map(sorted)
LENGTHS = st.integers(1, 240)


def stretches(marks: list[int]) -> list[Pause]:
    """Pauses between minutes, the last one perhaps open."""
    instants: list[int | None] = [at("08:00") + mark * 7 * MINUTE for mark in marks]
    if len(instants) % 2:
        instants.append(None)
    starts = [one for one in instants[::2] if one is not None]
    return list(zip(starts, instants[1::2], strict=True))


@given(PAUSES, st.integers(-120, 600), LENGTHS, st.booleans())
def test_a_deadline_is_the_first_minute_at_which_enough_has_run(
    marks: list[int], start: int, length: int, on_calendar: bool
) -> None:
    """Against counting minutes that are open and not paused."""
    calendar = ORDER.prepared_calendars["office"] if on_calendar else None
    stood = stretches(marks)
    begin = at("09:00") + start * MINUTE
    found, paused = reach(length * 5 * MINUTE, begin, stood, calendar)
    counted, now = 0, begin
    for _ in range(10 * 24 * 60):
        if counted == length * 5:
            break
        open_ = calendar is None or calendar.is_open(now)
        if open_ and not any(a <= now and (b is None or now < b) for a, b in stood):
            counted += 1
        now += MINUTE
    assert (found, paused) == ((now, False) if counted == length * 5 else (None, True))


@given(PAUSES, st.integers(-120, 600))
def test_a_named_deadline_is_as_much_open_time_away_as_without_pauses(marks: list[int], start: int) -> None:
    calendar = ORDER.prepared_calendars["office"]
    rule = parse_deadline_rule("next_business_day 16:00")
    begin = at("09:00") + start * MINUTE
    plain = calendar.by(rule, begin)
    assert plain is not None
    stood = stretches(marks)
    found, paused = reach(rule, begin, stood, calendar)
    assert paused == (found is None)
    if found is not None:
        lost = sum(
            calendar.between(max(a, begin), min(b, found))
            for a, b in stood
            if b is not None and b > begin and a < found
        )
        assert calendar.between(begin, found) - lost == calendar.between(begin, plain)
        assert (found == plain) == (lost == 0)


@given(PAUSES, st.integers(-120, 600), st.integers(0, 3000), st.booleans())
def test_what_a_clock_has_run_is_what_it_counts_on_from(
    marks: list[int], start: int, later: int, on_calendar: bool
) -> None:
    """Against counting minutes that are open and not paused, and against the deadline that it runs up to."""
    calendar = ORDER.prepared_calendars["office"] if on_calendar else None
    stood = stretches(marks)
    begin = at("09:00") + start * MINUTE
    until = begin + later * MINUTE
    counted = sum(
        (calendar is None or calendar.is_open(now)) and not any(a <= now and (b is None or now < b) for a, b in stood)
        for now in range(begin, until, MINUTE)
    )
    assert ran(begin, until, stood, calendar) == counted * MINUTE
    assert ran(until, begin, stood, calendar) == (0 if later else counted)
    if counted:
        found, _ = reach(counted * MINUTE, begin, stood, calendar)
        assert found is not None and found <= until
        assert ran(begin, found, stood, calendar) == counted * MINUTE


# Requirements across milestones


@pytest.mark.parametrize(
    ("accepted", "billed", "faults"),
    [
        (100, 100, ()),
        (100, "100.00", ()),
        (100.01, 100, ()),
        (100.02, 100, ("Billed: data.amount should be '100.02' as in Accepted (± 0.01), found '100'",)),
        ("EUR", "USD", ("Billed: data.amount should be 'EUR' as in Accepted (± 0.01), found 'USD'",)),
        (100, None, ("Billed: data.amount should be '100' as in Accepted (± 0.01), found nothing",)),
        (None, 100, ("Billed: data.amount should be nothing as in Accepted (± 0.01), found '100'",)),
        (None, None, ()),
        (True, 1, ("Billed: data.amount should be 'true' as in Accepted (± 0.01), found '1'",)),
        ("1e999999", 1, ("Billed: data.amount should be '1e999999' as in Accepted (± 0.01), found '1'",)),
    ],
)
def test_a_value_is_that_of_another_milestone(accepted: Any, billed: Any, faults: tuple[str, ...]) -> None:
    steps: list[Step] = [WON, ("accepted", "09:00", {"amount": accepted}), ("billed", "09:10", {"amount": billed})]
    verdict, other = asked("10:00", *steps), asked("10:00", *reversed(steps))
    assert verdict == other
    assert verdict.faults == faults
    assert (verdict.kind is VerdictKind.INCONSISTENT) == bool(faults)


def test_a_tolerance_may_be_a_share() -> None:
    def faults(total: float) -> tuple[str, ...]:
        return asked("10:00", WON, ("accepted", "09:00"), ("billed", "09:10", {"total": total})).faults

    assert faults(110) == faults(90) == ()
    assert faults(110.5) == ("Billed: data.total should be '100' as in Won (± 10%), found '110.5'",)


def test_nothing_is_compared_before_both_are_reached_and_other_faults_come_first() -> None:
    assert asked("08:10", ("billed", "08:05", {"amount": 7, "total": 7})).faults == ()
    verdict = asked("10:00", WON, ("accepted", "09:30", {"amount": 1}), ("billed", "09:10", {"status": "bad"}))
    assert [fault.split(" should")[0] for fault in verdict.faults] == ["Billed: data.status", "Billed: data.amount"]
    assert told(verdict.since) == "Mon 09:30"


def test_the_last_event_that_reached_a_milestone_is_compared() -> None:
    wrong = ("billed", "09:10", {"amount": 5})
    assert asked("10:00", WON, ("accepted", "09:00"), wrong, ("billed", "09:20")).faults == ()


# In words


def test_the_arithmetic_on_a_calendar() -> None:
    progress = story(("won", "2026-04-02T14:00", {"tier": "silver"}))
    now = at("2026-04-07T12:00")
    verdict = judge(progress, ORDER, {}, now)
    assert arithmetic(progress, ORDER, verdict, now) == [
        "Won was reached at 2026-04-02 14:00 UTC: the clock of Accepted starts.",
        "Its tier is silver: other terms apply.",
        "Thu 2026-04-02 16:00 – 17:00: 1h count.",
        "Thu 2026-04-02 17:00 – Fri 2026-04-03 00:00: outside the hours.",
        "Fri 2026-04-03 00:00 – Sat 2026-04-04 00:00: holiday (Good Friday).",
        "Sat 2026-04-04 00:00 – Mon 2026-04-06 00:00: not a working day.",
        "Mon 2026-04-06 00:00 – Tue 2026-04-07 00:00: holiday (Easter Monday).",
        "Tue 2026-04-07 00:00 – 08:00: outside the hours.",
        "Tue 2026-04-07 08:00 – 10:00: 2h count.",
        "Warning after 1h of the time of the office: 2026-04-02 15:00 UTC (Thu 17:00 Europe/Berlin).",
        "Breach after 3h of the time of the office: 2026-04-07 08:00 UTC (Tue 10:00 Europe/Berlin).",
        "Now it is 2026-04-07 12:00 UTC: 4h past it, 3h of them open.",
    ]


# Definitions


def test_a_calendar_is_part_of_the_version_of_a_workflow() -> None:
    other = load({"orders.yaml": CALENDARS.replace("08:00-12:00", "09:00-12:00") + ORDERS}).workflows["orders"]
    assert fingerprint(other) != fingerprint(ORDER)
    assert sorted(ORDER.calendars) == ["new-york", "office"]


def test_prepared_years_far_away_do_no_harm() -> None:
    far = to_micros(datetime(9000, 1, 1, tzinfo=UTC))
    calendar = ORDER.prepared_calendars["office"]
    assert reach(HOUR, far, [(far - HOUR, far + HOUR)], calendar) == (None, False)
    assert reach(parse_deadline_rule("end of month"), far, [], calendar) == (None, False)
    assert to_datetime(at("08:00")) - timedelta(hours=8) == datetime(2026, 3, 2, tzinfo=UTC)


def test_two_values_of_a_key_that_must_be_one() -> None:
    text = CALENDARS + ORDERS.replace(
        "keys: {order: data.order}", "keys: {order: data.order, deal: {path: data.deal, unique: true}}"
    )
    flow = load({"orders.yaml": text}).workflows["orders"]
    one = story(("won", "08:00", {"deal": "D1"}), ("accepted", "09:00", {"deal": "D1"}), workflow=flow)
    assert judge(one, flow, {}, at("09:00")).kind is VerdictKind.ON_TRACK
    two = join(one, story(("pending", "08:30", {"deal": "D2"}), workflow=flow))
    verdict = judge(two, flow, {}, at("09:00"))
    assert (verdict.kind, verdict.reason, told(verdict.since)) == (
        VerdictKind.INCONSISTENT,
        Reason.KEY_NOT_UNIQUE,
        "Mon 08:30",
    )
    assert verdict.faults == ("deal must be one, but there are 2: D1, D2",)
    stored = msgspec.structs.replace(verdict, faults=())
    assert explain(two, flow, stored, {}, at("09:00")) == "Not consistent: deal must be one, but there are 2: D1, D2."
    assert (verdict.waiting_for, verdict.source) == ("shipped", None)
