"""Escalations, hours, repetitions and rotas over both changes of clocks, in Berlin and in New York."""

from __future__ import annotations

from datetime import date, datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

import pytest

from alerting.address import Address
from alerting.hours import Hours
from alerting.ical import read_shifts
from alerting.incident import Cause, Population
from alerting.on_call import Rotation, Schedule, Shift
from alerting.rehearsed import Rehearsed
from alerting.route import Receivers, Route, Step
from alerting.setup import Setup
from alerting.targets import Target
from alerting.teams import Member, Team
from slo_rules.calendars import CalendarRules
from slo_rules.calendars import Hours as OpenHours
from slo_rules.durations import HOUR, MINUTE
from slo_rules.instants import to_micros

CAUSE = Cause("orders", "stuck", "accepted", "sap")
FIRST, SECOND, JO, SAM = (
    Target(name, "webhook", Address(f"http://127.0.0.1/{name}")) for name in ("a", "b", "jo", "sam")
)


class Change(NamedTuple):
    """The night of a change of clocks, and how many hours its day is long."""

    zone: str
    day: str
    before: str
    hours: int

    def at(self, time: str, day: str = "") -> int:
        return to_micros(datetime.fromisoformat(f"{day or self.day}T{time}").replace(tzinfo=ZoneInfo(self.zone)))


CHANGES = [
    Change("Europe/Berlin", "2026-03-29", "01:55", 23),
    Change("Europe/Berlin", "2026-10-25", "02:55", 25),
    Change("America/New_York", "2026-03-08", "01:55", 23),
    Change("America/New_York", "2026-11-01", "01:55", 25),
]
of_each = pytest.mark.parametrize("change", CHANGES, ids=lambda one: f"{one.zone} {one.day}")


def told(engine: Rehearsed, since: int, until: int, step: int = MINUTE) -> list[tuple[str, str, int]]:
    """Whom the cause is told to, why, and how many minutes after it appeared, looked at so often."""
    for now in range(since, until + 1, step):
        engine.look({CAUSE: Population(5, since)}, now)
    return [(one.tell.target, one.tell.reason.value, (one.at - since) // MINUTE) for one in engine.messages]


@of_each
def test_the_day_is_as_long_as_it_says(change: Change) -> None:
    tomorrow = datetime.fromisoformat(change.day).date().toordinal() + 1
    length = change.at("00:00", date.fromordinal(tomorrow).isoformat()) - change.at("00:00")
    assert length == change.hours * HOUR


@of_each
def test_the_steps_of_an_escalation_and_repetitions_count_real_time(change: Change) -> None:
    step = Step(30 * MINUTE, Receivers((SECOND,)))
    engine = Rehearsed(Setup((Route("r", {}, (FIRST,), escalate=(step,), repeat_every=2 * HOUR),)))
    found = told(engine, change.at(change.before), change.at(change.before) + 3 * HOUR)
    assert found == [("a", "first", 1), ("b", "escalated", 31), ("a", "repeat", 121), ("b", "repeat", 151)]


@of_each
def test_what_comes_in_the_night_of_the_change_is_told_when_the_hours_open_on_the_wall(change: Change) -> None:
    office = CalendarRules("office", change.zone, ((OpenHours(540, 1020),),) * 7)
    engine = Rehearsed(Setup((Route("r", {}, (FIRST,), hours=Hours(office)),)))
    assert told(engine, change.at("00:30"), change.at("12:00")) == [
        ("a", "first", (change.at("09:00") - change.at("00:30")) // MINUTE)
    ]
    engine = Rehearsed(Setup((Route("r", {}, (FIRST,), hours=Hours(office)),)))
    engine.look({CAUSE: Population(5, 0)}, change.at("00:30"))
    engine.look({CAUSE: Population(5, 0)}, change.at("00:40"))
    ((decided,),) = engine.whom.values()
    assert (decided.reason.value, decided.until) == ("outside_hours", change.at("09:00"))


@of_each
def test_an_escalation_over_the_night_reaches_whoever_is_on_call_by_the_wall(change: Change) -> None:
    first = date.fromordinal(date.fromisoformat(change.day).toordinal() - 1)
    daily = Rotation("daily", ("jo", "sam"), first, 1, 3 * 60 + 30, change.zone)
    members = {one.name: Member(one.name, (one,)) for one in (JO, SAM)}
    team = Team("erp", (FIRST,), members=members, schedule=Schedule((daily,)))
    turn = change.at("03:30")

    def called(minutes_before_turn: int) -> list[tuple[str, int]]:
        step = Step(30 * MINUTE, Receivers((), (), (team,)))
        engine = Rehearsed(Setup((Route("r", {}, (FIRST,), escalate=(step,)),)))
        began = turn - minutes_before_turn * MINUTE
        return [(target, after) for target, why, after in told(engine, began, began + HOUR) if why == "escalated"]

    # Whoever takes over while it burns hears of it too.
    assert called(32) == [("jo", 31), ("sam", 32)]
    assert called(31) == [("sam", 31)]
    assert called(20) == [("sam", 31)]


# Calendars

VTIMEZONE = """\
BEGIN:VTIMEZONE
TZID:{zone}
BEGIN:STANDARD
DTSTART:19701101T020000
RRULE:FREQ=YEARLY;BYMONTH=11;BYDAY=1SU
TZOFFSETFROM:-0400
TZOFFSETTO:-0500
END:STANDARD
END:VTIMEZONE
"""
CALENDAR = "BEGIN:VCALENDAR\n" + VTIMEZONE + "BEGIN:VEVENT\nUID:1\nSUMMARY:jo\n{lines}\nEND:VEVENT\nEND:VCALENDAR\n"


def shift(change: Change, *lines: str) -> Shift:
    text = CALENDAR.format(zone=change.zone, lines="\n".join(lines))
    (found,), unknown = read_shifts(text, {"jo": "jo"}, "UTC")
    assert unknown == []
    return found


def compact(text: str) -> str:
    return text.replace("-", "").replace(":", "")


@of_each
def test_an_imported_rota_hands_over_at_its_time_on_the_wall_before_and_after_the_change(change: Change) -> None:
    start = date.fromordinal(date.fromisoformat(change.day).toordinal() - 21)
    weekly = shift(
        change,
        f"DTSTART;TZID={change.zone}:{compact(start.isoformat())}T090000",
        f"DTEND;TZID={change.zone}:{compact(start.isoformat())}T170000",
        "RRULE:FREQ=WEEKLY;COUNT=6",
    )
    for weeks in range(6):
        day = date.fromordinal(start.toordinal() + 7 * weeks).isoformat()
        wall = [change.at(time, day) for time in ("08:59", "09:00", "16:59", "17:00")]
        assert [weekly.covers(now) for now in wall] == [False, True, True, False], day
    assert not weekly.covers(change.at("12:00", date.fromordinal(start.toordinal() + 42).isoformat()))


@of_each
def test_a_shift_over_the_night_of_the_change_leaves_no_gap_before_the_next(change: Change) -> None:
    start = date.fromordinal(date.fromisoformat(change.day).toordinal() - 2).isoformat()
    nights = shift(
        change,
        f"DTSTART;TZID={change.zone}:{compact(start)}T180000",
        f"DTEND;TZID={change.zone}:{compact(start)}T235900",
        "RRULE:FREQ=DAILY;COUNT=5",
    )
    day = date.fromordinal(date.fromisoformat(change.day).toordinal()).isoformat()
    assert [nights.covers(change.at(time, day)) for time in ("17:59", "18:00", "23:58", "23:59")] == [
        False, True, True, False,
    ]  # fmt: skip


@of_each
def test_a_rule_that_ends_in_utc_ends_after_the_shift_it_names(change: Change) -> None:
    last = change.at("09:00")
    until = datetime.fromtimestamp(last / 1e6, ZoneInfo("UTC")).strftime("%Y%m%dT%H%M%SZ")
    start = date.fromordinal(date.fromisoformat(change.day).toordinal() - 3).isoformat()
    daily = shift(
        change,
        f"DTSTART;TZID={change.zone}:{compact(start)}T090000",
        "DURATION:PT8H",
        f"RRULE:FREQ=DAILY;UNTIL={until}",
        f"EXDATE;TZID={change.zone}:{compact(date.fromordinal(date.fromisoformat(start).toordinal() + 1).isoformat())}T090000",
    )
    days = [date.fromordinal(date.fromisoformat(start).toordinal() + number).isoformat() for number in range(5)]
    assert [daily.covers(change.at("12:00", day)) for day in days] == [True, False, True, True, False]


def test_a_time_that_there_is_not_begins_when_the_clock_has_gone_past_it() -> None:
    change = CHANGES[0]
    one = shift(change, "DTSTART;TZID=Europe/Berlin:20260329T023000", "DTEND;TZID=Europe/Berlin:20260329T040000")
    assert [one.covers(change.at(time)) for time in ("01:59", "03:00", "03:59", "04:00")] == [False, True, True, False]
