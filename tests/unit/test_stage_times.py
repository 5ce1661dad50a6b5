"""How long instances took and have waited, for each milestone with a deadline."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from slo_rules.durations import HOUR, MINUTE
from slo_rules.event import Event
from slo_rules.judgement import FINAL, VerdictKind
from slo_rules.judging import judge, waits
from slo_rules.matching import Matcher
from slo_rules.observation import fold
from slo_rules.passing import completed_at
from slo_rules.progress import Progress
from slo_rules.stage_times import StageTime, stage_times
from slo_rules.standing import standing
from slo_rules.workflow import Workflow
from tests.strategies import START, definitions, events, make_event

ORDERS = definitions().workflows["orders"]


def told(seen: list[Event], workflow: Workflow = ORDERS) -> Progress:
    matcher = Matcher([workflow])
    progress: Progress | None = None
    for event in seen:
        for _, match in matcher.matches(event):
            progress = fold(progress, match)
    assert progress is not None
    return progress


def order(type_: str, at: int, source: str = "crm", **said: str) -> Event:
    return make_event(type_, at, at // MINUTE, source, {"order": "A", "tax_code": "V1"} | said)


def times(seen: list[Event], after: int, workflow: Workflow = ORDERS) -> dict[str, StageTime]:
    return {one.stage[0]: one for one in stage_times(told(seen, workflow), workflow, START + after)}


def test_what_was_reached_took_its_time_and_what_was_not_has_waited() -> None:
    found = times([order("won", 0), order("accepted", HOUR, "sap")], 90 * MINUTE)
    assert found["accepted"] == StageTime(("accepted", None), HOUR, START + HOUR, START + HOUR, START + 4 * HOUR, None)
    assert found["shipped"] == StageTime(("shipped", None), 30 * MINUTE, None, None, START + 2 * HOUR, 30 * MINUTE)


def test_an_overdue_one_still_waits_and_has_no_deadline_ahead() -> None:
    found = times([order("won", 0)], 4 * HOUR)["accepted"]
    assert (found.counted, found.reached_at, found.left) == (4 * HOUR, None, None)


def test_pauses_are_not_counted() -> None:
    paused = [order("won", 0), order("paused", HOUR)]
    found = times(paused, 3 * HOUR)["accepted"]
    assert (found.counted, found.breach_at, found.left) == (HOUR, None, None)
    found = times([*paused, order("resumed", 3 * HOUR)], 4 * HOUR)["accepted"]
    assert (found.counted, found.breach_at, found.left) == (2 * HOUR, START + 6 * HOUR, 2 * HOUR)
    found = times([*paused, order("accepted", 5 * HOUR, "sap")], 9 * HOUR)["accepted"]
    assert (found.counted, found.reached_at) == (HOUR, START + 5 * HOUR)


def test_what_was_called_off_waited_until_then() -> None:
    found = times([order("won", 0), order("cancelled", HOUR)], 9 * HOUR)["accepted"]
    assert (found.counted, found.reached_at, found.over_at, found.left) == (HOUR, None, START + HOUR, None)


def test_a_milestone_that_was_passed_unseen_was_reached_then() -> None:
    found = times([order("won", 0), order("shipped", 2 * HOUR)], 9 * HOUR)["accepted"]
    assert (found.counted, found.reached_at) == (2 * HOUR, START + 2 * HOUR)


def test_what_came_before_its_clock_started_tells_nothing() -> None:
    assert "accepted" not in times([order("accepted", HOUR, "sap"), order("won", 2 * HOUR)], 3 * HOUR)


def test_time_on_a_calendar_is_another_stage() -> None:
    plain, office = (times([order("won", 0, region=region)], 72 * HOUR)["paid"] for region in ("other", "EMEA"))
    assert (plain.stage, office.stage) == (("paid", None), ("paid", "office"))
    calendar = ORDERS.prepared_calendars["office"]
    assert plain.counted == 72 * HOUR
    assert office.counted == calendar.between(START, START + 72 * HOUR) < 72 * HOUR


@given(events(20), st.integers(0, 80).map(lambda hours: hours * HOUR // 2))
def test_those_with_a_deadline_ahead_are_the_waits_of_the_verdict(seen: list[Event], after: int) -> None:
    matcher = Matcher([ORDERS])
    progress: Progress | None = None
    for event in seen:
        for _, match in matcher.matches(event):
            progress = fold(progress, match)
    if progress is None:
        return
    now = START + after
    found = list(stage_times(progress, ORDERS, now))
    assert all(one.counted >= 0 and (one.left is None or one.left >= 0) for one in found)
    verdict = judge(progress, ORDERS, {}, now).kind
    ahead = {(one.stage[0], one.breach_at) for one in found if one.left is not None}
    # One that is complete and whose start may still come is on track, and waits for nothing else.
    if verdict in FINAL or completed_at(standing(progress, ORDERS), ORDERS) is not None:
        assert not ahead
    elif verdict in (VerdictKind.ON_TRACK, VerdictKind.DUE_SOON):
        running = waits(standing(progress, ORDERS), ORDERS)
        awaited = {
            (one.milestone.name, one.deadline_at)
            for one in running
            if one.deadline_at is not None and one.started_at <= now < one.deadline_at
        }
        assert awaited <= ahead
