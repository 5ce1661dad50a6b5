"""The arithmetic of calendars against an oracle that looks at every single minute, and the laws it obeys."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import cache
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slo_rules.calendars import Calendar, CalendarRules, ClosedDate, Hours, SpecialDate, Why
from slo_rules.deadline_rules import DeadlineRule
from slo_rules.durations import DAY, HOUR, MINUTE
from slo_rules.periods import Period
from slo_rules.public_holidays import HolidayRules
from tests.examples import examples

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
Open = list[tuple[int, int]]

# (zone, the day in the middle of the window): clocks forward, back, over midnight, by half an hour, by a whole day …
WINDOWS = [
    ("Europe/Berlin", date(2026, 3, 29)),
    ("Europe/Berlin", date(2026, 10, 25)),
    ("Europe/Berlin", date(2026, 12, 30)),
    ("America/New_York", date(2026, 3, 8)),
    ("America/New_York", date(2026, 11, 1)),
    ("Europe/Dublin", date(2026, 3, 29)),
    ("Europe/Dublin", date(2026, 10, 25)),
    ("America/Sao_Paulo", date(2018, 11, 4)),
    ("America/Sao_Paulo", date(2018, 2, 17)),
    ("America/Havana", date(2026, 11, 1)),
    ("America/Goose_Bay", date(2010, 11, 7)),
    ("Australia/Lord_Howe", date(2026, 4, 5)),
    ("Pacific/Apia", date(2011, 12, 30)),
    ("Asia/Kathmandu", date(1986, 1, 1)),
    ("Africa/Casablanca", date(2026, 2, 15)),
    ("UTC", date(2028, 2, 29)),
]
REACH = 6  # days before and after, of which the outermost two are not compared
HOLIDAYS_OF_BAVARIA = {
    *(date(2026, 4, 3), date(2026, 4, 6), date(2026, 11, 1)),
    *(date(2026, 12, 25), date(2026, 12, 26), date(2027, 1, 1), date(2027, 1, 6)),
}


class Window:
    """Every minute of some days, with what the wall clock shows in it. Holds no arithmetic on offsets."""

    def __init__(self, zone: str, middle: date) -> None:
        self.first = datetime(middle.year, middle.month, middle.day, tzinfo=UTC) - timedelta(days=REACH)
        self.minutes = [self.first + timedelta(minutes=n) for n in range(2 * REACH * 1440)]
        self.walls = [minute.astimezone(ZoneInfo(zone)).replace(tzinfo=None) for minute in self.minutes]
        self.shown: dict[datetime, list[int]] = {}
        for number, wall in enumerate(self.walls):
            self.shown.setdefault(wall.replace(fold=0), []).append(number)
        self.start, self.end = 2 * 1440, (2 * REACH - 2) * 1440
        self.days = sorted({wall.date() for wall in self.walls})

    def number(self, wall: datetime, which: int) -> int:
        """The first or last minute that shows this; where none does, the first that shows more."""
        if wall in self.shown:
            return self.shown[wall][which]
        return next((n for n, shown in enumerate(self.walls) if shown > wall), len(self.walls))

    def open_minutes(self, rules: CalendarRules) -> set[int]:
        found: set[int] = set()
        closed = {entry.date for entry in rules.closed} | (HOLIDAYS_OF_BAVARIA if rules.holidays else set())
        special = {entry.date: entry.hours for entry in rules.special}
        for day in self.days:
            hours = special.get(day, () if day in closed else rules.week[day.weekday()])
            midnight = datetime(day.year, day.month, day.day)  # noqa: DTZ001 - a wall shows no zone
            for interval in hours:
                opens = self.number(midnight + timedelta(minutes=interval.opens), 0)
                closes = self.number(midnight + timedelta(minutes=interval.closes), -1)
                found.update(range(opens, closes))
        return {n for n in found if self.start <= n < self.end}

    def instant(self, number: int) -> int:
        return (self.minutes[number] - EPOCH) // timedelta(microseconds=1)


@cache
def window(index: int) -> Window:
    return Window(*WINDOWS[index])


TIMES = st.integers(0, 1439) | st.sampled_from([0, 60, 90, 120, 150, 180, 1380, 1410])
HOURS = st.builds(
    lambda opens, length: Hours(opens, opens + length), TIMES, st.integers(1, 1439) | st.sampled_from([60, 480, 1440])
)
DAY_HOURS = st.lists(HOURS, max_size=3).map(tuple) | st.just((Hours(0, 1440),))


@st.composite
def windows(draw: st.DrawFn) -> tuple[Window, CalendarRules]:
    index = draw(st.integers(0, len(WINDOWS) - 1))
    zone, middle = WINDOWS[index]
    days = st.integers(1 - REACH, REACH - 1).map(lambda shift: middle + timedelta(days=shift))
    special = draw(st.dictionaries(days, DAY_HOURS.filter(bool), max_size=2))
    closed = draw(st.sets(days, max_size=2)) - set(special)
    return window(index), CalendarRules(
        name="any",
        zone=zone,
        week=tuple(draw(DAY_HOURS) for _ in range(7)),
        holidays=HolidayRules("DE", "BY") if zone == "Europe/Berlin" and draw(st.booleans()) else None,
        closed=tuple(ClosedDate(day) for day in closed),
        special=tuple(SpecialDate(day, hours) for day, hours in special.items()),
    )


def runs(numbers: set[int]) -> Iterator[tuple[int, int]]:
    for first in sorted(n for n in numbers if n - 1 not in numbers):
        last = first
        while last in numbers:
            last += 1
        yield first, last


@settings(max_examples=examples(50))
@given(windows(), st.data())
def test_every_minute_is_open_or_closed_as_the_wall_clock_says(
    found: tuple[Window, CalendarRules], data: st.DataObject
) -> None:
    seen, rules = found
    calendar, expected = Calendar(rules), seen.open_minutes(rules)
    start, end = seen.instant(seen.start), seen.instant(seen.end)
    assert calendar.opens_and_closes(start, end) == [(seen.instant(a), seen.instant(b)) for a, b in runs(expected)]

    one, other = sorted(data.draw(st.tuples(*[st.integers(seen.start, seen.end - 1)] * 2)))
    a, b = seen.instant(one), seen.instant(other)
    counted = sorted(n for n in expected if one <= n < other)
    assert calendar.between(a, b) == len(counted) * MINUTE == -calendar.between(b, a)
    assert calendar.is_open(a) == (one in expected)
    if counted:
        assert calendar.next_open(a) == seen.instant(counted[0])
        part = data.draw(st.integers(1, len(counted)))
        assert calendar.add(a, part * MINUTE) == seen.instant(counted[part - 1]) + MINUTE


OFFICE = (Hours(480, 720), Hours(780, 1050))
NIGHT = (Hours(1320, 1800),)
ALWAYS = (Hours(0, 1440),)
CALENDARS = [
    Calendar(CalendarRules("office", "Europe/Berlin", (*(OFFICE,) * 5, (), ()), holidays=HolidayRules("DE", "BY"))),
    Calendar(CalendarRules("night", "America/New_York", (*(NIGHT,) * 5, (), ()), holidays=HolidayRules("US"))),
    Calendar(CalendarRules("always", "UTC", (ALWAYS,) * 7)),
    Calendar(CalendarRules("apia", "Pacific/Apia", (ALWAYS,) * 7)),
    Calendar(CalendarRules("gulf", "Asia/Riyadh", (OFFICE, OFFICE, OFFICE, OFFICE, (), (), OFFICE))),
    Calendar(CalendarRules("once", "UTC", ((),) * 7, special=(SpecialDate(date(2012, 1, 1), OFFICE),))),
]
MIDDLE = 1_320_000_000_000_000  # October 2011
CALENDAR = st.sampled_from(CALENDARS)
INSTANTS = st.integers(MIDDLE, MIDDLE + 500 * DAY) | st.integers(0, 500 * 24).map(lambda n: MIDDLE + n * HOUR)
DURATIONS = st.integers(0, 60 * DAY) | st.integers(0, 100).map(lambda n: n * HOUR)


@settings(max_examples=examples(100))
@given(CALENDAR, INSTANTS, INSTANTS, INSTANTS)
def test_between_is_additive_and_turns_its_sign(calendar: Calendar, a: int, b: int, c: int) -> None:
    assert calendar.between(a, b) + calendar.between(b, c) == calendar.between(a, c)
    assert calendar.between(a, b) == -calendar.between(b, a)
    assert 0 <= calendar.between(min(a, b), max(a, b)) <= abs(a - b)


@settings(max_examples=examples(100))
@given(CALENDAR, INSTANTS, DURATIONS, DURATIONS)
def test_add_finds_the_earliest_instant_and_adds_up(calendar: Calendar, at: int, one: int, other: int) -> None:
    found = calendar.add(at, one)
    if found is None:
        assert calendar.between(at, at + 100_000 * DAY) < one
        return
    assert found >= at
    assert calendar.between(at, found) == one
    if one:
        assert calendar.between(at, found - 1) == one - 1
    assert calendar.add(found, other) == calendar.add(at, one + other)


@settings(max_examples=examples(100))
@given(CALENDAR, INSTANTS, DURATIONS, DURATIONS)
def test_back_finds_the_latest_instant_and_adds_up(calendar: Calendar, at: int, one: int, other: int) -> None:
    found = calendar.back(at, one)
    assert found <= at
    if calendar.between(found, at) < one:
        assert calendar.between(at - 100_000 * DAY, at) < one
        return
    assert calendar.between(found, at) == one
    if one:
        assert calendar.between(found + 1, at) == one - 1
    again = calendar.back(found, other)
    if calendar.between(again, found) == other:
        assert again == calendar.back(at, one + other)


@settings(max_examples=examples(100))
@given(CALENDAR, INSTANTS, INSTANTS, DURATIONS)
def test_add_is_monotone_and_undoes_between(calendar: Calendar, a: int, b: int, micros: int) -> None:
    a, b = min(a, b), max(a, b)
    early, late = calendar.add(a, micros), calendar.add(b, micros)
    assert late is None or (early is not None and early <= late)
    back = calendar.add(a, calendar.between(a, b))
    assert back is not None and back <= b and calendar.between(back, b) == 0


@settings(max_examples=examples(100))
@given(CALENDAR, INSTANTS, INSTANTS, st.integers(1, 60))
def test_the_steps_of_an_explanation_lie_side_by_side_and_add_up(calendar: Calendar, a: int, b: int, most: int) -> None:
    steps = calendar.explain(a, b, most)
    if a >= b:
        assert steps == []
        return
    assert (steps[0].start, steps[-1].end) == (a, b)
    assert all(one.end == other.start and one.start < one.end for one, other in pairwise(steps))
    assert sum(step.counted for step in steps) == calendar.between(a, b)
    assert len(steps) <= most + 1
    assert all((one.why, one.name) != (other.why, other.name) for one, other in pairwise(steps))
    for step in steps:
        if step.why is Why.OPEN:
            assert step.counted == step.end - step.start == calendar.between(step.start, step.end)
        elif step.why is not Why.MORE:
            assert step.counted == 0 == calendar.between(step.start, step.end)


@settings(max_examples=examples(100))
@given(
    CALENDAR,
    INSTANTS,
    st.integers(0, 40 * DAY),
    st.builds(DeadlineRule, st.sampled_from(Period), st.integers(-5, 5), st.none() | st.integers(0, 1440)),
)
def test_a_named_deadline_never_lies_before_its_start_and_never_moves_back(
    calendar: Calendar, at: int, later: int, rule: DeadlineRule
) -> None:
    if rule.period is Period.DAY:
        rule = DeadlineRule(Period.DAY, abs(rule.business_days), rule.time)
    one, other = calendar.by(rule, at), calendar.by(rule, at + later)
    assert one is None or one >= at
    assert other is None or (one is not None and one <= other)


@pytest.mark.parametrize("calendar", CALENDARS, ids=lambda calendar: calendar.rules.name)
def test_business_days_are_counted_one_by_one(calendar: Calendar) -> None:
    days = [day for n in range(-30, 31) if calendar.is_business_day(day := date(2012, 1, 10) + timedelta(days=n))]
    zone = ZoneInfo(calendar.rules.zone)
    at = (datetime(2012, 1, 10, 12, tzinfo=zone) - EPOCH) // timedelta(microseconds=1)
    after = [day for day in days if day > date(2012, 1, 10)]
    before = [day for day in days if day < date(2012, 1, 10)]
    assert [calendar.business_day(at, n) for n in range(1, len(after) + 1)] == after
    assert [calendar.business_day(at, -n) for n in range(1, len(before) + 1)] == before[::-1]
