"""Business calendars: when an organisation is open, and arithmetic that counts only that time.

How it works: the hours of each local date become intervals of instants, so that days of 23 or 25 hours come out
right by themselves. The intervals of a calendar year (UTC) are prepared together, merged, with running sums; a
question is then a bisection in one or two years.

What is open, in order: a date of the calendar's own (special hours, or closed) overrides everything; a public
holiday closes its date; else the hours of the weekday. A shift belongs to the date it begins on: one that began the
evening before a closed date runs to its end; one that would begin on a closed date, or on a date that the clocks skip
altogether, does not take place.

A calendar reaches from 1900 to the end of 2199 (UTC); outside, nothing is open.
"""

from __future__ import annotations

import threading
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from zoneinfo import ZoneInfo

import msgspec

from slo_rules.deadline_rules import DeadlineRule
from slo_rules.durations import DAY
from slo_rules.instants import to_micros
from slo_rules.periods import Period, period_of
from slo_rules.public_holidays import HolidayRules, in_year
from slo_rules.wall_time import MINUTES_A_DAY, closing, local_date, opening

FIRST_YEAR = 1900
LAST_YEAR = 2199
MOST_STEPS = 40

_MOST_MOMENTS = 10_000
"""Moments of rules that are remembered, by the date they were asked for."""
_EDGES = tuple(to_micros(datetime(year, 1, 1, tzinfo=UTC)) for year in range(FIRST_YEAR, LAST_YEAR + 2))
_YEARS = LAST_YEAR - FIRST_YEAR + 1
_KEPT_YEARS = 32
_ONE_DAY = timedelta(days=1)

Interval = tuple[int, int]


class Hours(msgspec.Struct, frozen=True):
    """Open from one time of day to another, in minutes after local midnight; beyond 1440 on the next date."""

    opens: int
    closes: int


class ClosedDate(msgspec.Struct, frozen=True):
    """A date on which nothing begins."""

    date: date
    name: str = ""


class SpecialDate(msgspec.Struct, frozen=True):
    """A date with hours of its own, such as a half day."""

    date: date
    hours: tuple[Hours, ...]
    name: str = ""


class CalendarRules(msgspec.Struct, frozen=True):
    """One version of a calendar definition. `week` holds the hours of the seven weekdays, Monday first."""

    name: str
    zone: str
    week: tuple[tuple[Hours, ...], ...]
    title: str = ""
    owner: str = ""
    holidays: HolidayRules | None = None
    closed: tuple[ClosedDate, ...] = ()
    special: tuple[SpecialDate, ...] = ()
    version: int = 1


class Why(StrEnum):
    """Why a stretch of time counts or does not."""

    OPEN = "open"
    OUTSIDE_HOURS = "outside_hours"
    CLOSED_WEEKDAY = "closed_weekday"
    HOLIDAY = "holiday"
    OWN_DATE = "own_date"
    BEYOND_CALENDAR = "beyond_calendar"
    MORE = "more"


class Stretch(msgspec.Struct, frozen=True):
    """A step of the arithmetic: [start, end), and how much of it counts, in business micros.

    `name` is that of the holiday or of the calendar's own date. A stretch of MORE stands for all that follows;
    `days` says how many days of 24 hours it takes, the last one perhaps not whole.
    """

    start: int
    end: int
    why: Why
    counted: int = 0
    name: str = ""
    days: int = 0


class _Year:
    """What is known of one year: its open intervals (UTC) with running sums, and its business days (local).

    `sums[i]` is how much is open before interval i; the last one is the total.
    """

    __slots__ = ("closes", "days", "opens", "sums", "total")

    def __init__(self, intervals: list[Interval], days: list[date]) -> None:
        self.days = days
        self.opens = [opens for opens, _ in intervals]
        self.closes = [closes for _, closes in intervals]
        self.sums = [0]
        for opens, closes in intervals:
            self.sums.append(self.sums[-1] + closes - opens)
        self.total = self.sums[-1]

    def counted(self, at: int) -> int:
        """Business micros from the start of the year until `at`."""
        place = bisect_right(self.opens, at) - 1
        if place < 0:
            return 0
        return self.sums[place] + min(at, self.closes[place]) - self.opens[place]


_NEVER = _Year([], [])


class Calendar:
    """A calendar ready for use. Instants and durations are micros; intervals are half-open. Threads may share it.

    Raises ZoneInfoNotFoundError for a zone, and on first use NotImplementedError or ValueError for holidays, that do
    not exist; a definition that was read without faults has neither.
    """

    def __init__(self, rules: CalendarRules) -> None:
        self.rules = rules
        self.zone = ZoneInfo(rules.zone)
        self._own = {entry.date: (entry.hours, entry.name) for entry in rules.special}
        self._own |= {entry.date: ((), entry.name) for entry in rules.closed}
        self._week_starts = _week_starts(rules)
        self._holidays: dict[int, dict[date, str]] = {}
        self._years: dict[int, _Year] = {}
        self._moments: dict[tuple[DeadlineRule, date], tuple[int | None, date]] = {}
        self._totals: dict[int, int] = {}
        self._lock = threading.Lock()

    # Arithmetic

    def between(self, a: int, b: int) -> int:
        """Business micros in [a, b); negative if b < a."""
        first, last = bisect_right(_EDGES, a) - 1, bisect_right(_EDGES, b) - 1
        counted = self._year(last).counted(b) - self._year(first).counted(a)
        if first < last:
            for index in range(first, last):
                counted += self._total(index)
        else:
            for index in range(last, first):
                counted -= self._total(index)
        return counted

    def add(self, at: int, micros: int) -> int | None:
        """The earliest instant t >= at with between(at, t) >= micros: `at` itself when there is nothing to add.

        None when the calendar is not open that long until the end of 2199.
        """
        if micros <= 0:
            return at
        index = bisect_right(_EDGES, at) - 1
        missing = self._year(index).counted(at) + micros
        while missing > (total := self._total(index)):
            missing -= total
            index += 1
            if index >= _YEARS:
                return None
        year = self._year(index)
        place = bisect_left(year.sums, missing) - 1
        return year.opens[place] + missing - year.sums[place]

    def back(self, at: int, micros: int) -> int:
        """The latest instant t <= at with between(t, at) >= micros: `at` itself when there is nothing to take away.

        Where the calendar begins, if it was not open that long.
        """
        if micros <= 0:
            return at
        index = bisect_right(_EDGES, at) - 1
        left = self._year(index).counted(at) - micros
        while left < 0:
            index -= 1
            if index < 0:
                return min(at, _EDGES[0])
            left += self._total(index)
        year = self._year(index)
        place = bisect_right(year.sums, left) - 1
        return year.opens[place] + left - year.sums[place]

    def is_open(self, at: int) -> bool:
        """Whether the instant lies in an open interval."""
        year = self._year(bisect_right(_EDGES, at) - 1)
        place = bisect_right(year.opens, at) - 1
        return place >= 0 and at < year.closes[place]

    def next_open(self, at: int) -> int | None:
        """The earliest open instant t >= at: `at` itself when it is open; None when there is none until 2199."""
        return next((opens for opens, _ in self._intervals(at, _EDGES[-1])), None)

    def opens_and_closes(self, a: int, b: int) -> list[Interval]:
        """The open intervals in order, clipped to [a, b); no two of them touch. Some 500 a year for an office."""
        return list(self._intervals(a, b))

    # Business days

    def is_business_day(self, day: date) -> bool:
        """Whether an open interval begins on this local date."""
        days = self._year(day.year - FIRST_YEAR).days
        place = bisect_left(days, day)
        return place < len(days) and days[place] == day

    def business_day(self, at: int, n: int) -> date | None:
        """The n-th business day after the local date of `at`, before it for a negative n.

        For 0 the local date itself, or the next business day if it is none. None beyond the calendar.
        """
        if not _EDGES[0] <= at < _EDGES[-1]:
            return None
        today = local_date(self.zone, at)
        return self._shifted(today, n) if n else self._shifted(today - _ONE_DAY, 1)

    def by(self, rule: DeadlineRule, at: int) -> int | None:
        """The instant of a named deadline for what starts at `at`. None beyond the calendar.

        - `2 business days 16:00`: counted from the local date of `at`, which is none of them, whatever its hour.
        - `same_day 18:00`: on the local date of `at`; on the next business day if that date is no business day or
          the moment lies before `at`.
        - `end of month …`: of the month (week, quarter, year of the civil calendar) that `at` lies in; of the next
          one if that moment lies before `at`, or there is no business day in it. A week begins on the weekday after
          its weekend, the longest run of weekdays without hours: a week of Sunday to Thursday ends on Thursday.

        A time of day is that of the local date of the business day, also if its shift runs into the next date; one
        that the clocks skip or repeat is treated as a closing.
        """
        if not _EDGES[0] <= at < _EDGES[-1]:
            return None
        today = local_date(self.zone, at)
        if rule.period is Period.DAY and rule.business_days:
            due = self._shifted(today, rule.business_days)
            return None if due is None else self._moment(due, rule.time)
        return self._first_moment(rule, today, at)

    def next_by(self, rule: DeadlineRule, at: int) -> int | None:
        """The first moment after `at` of a rule that recurs: of every business day, of every period. None beyond it.

        Of a rule that counts business days after the end of a period, that of a period long over may be the next.
        """
        if not _EDGES[0] <= at < _EDGES[-1]:
            return None
        today = local_date(self.zone, at)
        # A day more: a shift, and with it its close of business, runs into the next date.
        start = self._shifted(today, -1 - max(0, rule.business_days))
        return self._first_moment(rule, start or today, at + 1)

    def _first_moment(self, rule: DeadlineRule, start: date, at: int) -> int | None:
        """The first moment of the periods from that of `start` on that does not lie before `at`."""
        day: date | None = start
        while day is not None:
            moment, last = self._in_period(rule, day)
            if moment is not None and moment >= at:
                return moment
            day = self._shifted(last, 1)
        return None

    def _in_period(self, rule: DeadlineRule, day: date) -> tuple[int | None, date]:
        """The moment of a rule in the period that a date lies in, if it has one, and the last date of that."""
        found = self._moments.get((rule, day))
        if found is not None:
            return found
        first, last = period_of(rule.period, day, self._week_starts)
        due = self._last_business_day(first, last)
        if due is not None and rule.business_days:
            due = self._shifted(due, rule.business_days)
        if len(self._moments) >= _MOST_MOMENTS:
            self._moments.clear()
        found = self._moments[rule, day] = (None if due is None else self._moment(due, rule.time), last)
        return found

    def _shifted(self, day: date, days: int) -> date | None:
        """The business day so many after a date, or before it."""
        index = day.year - FIRST_YEAR
        found = self._year(index).days
        place = bisect_right(found, day) + days - 1 if days > 0 else bisect_left(found, day) + days
        while place >= len(found):
            place -= len(found)
            index += 1
            if index >= _YEARS:
                return None
            found = self._year(index).days
        while place < 0:
            index -= 1
            if index < 0:
                return None
            found = self._year(index).days
            place += len(found)
        return found[place]

    def _last_business_day(self, first: date, last: date) -> date | None:
        for year in (last.year, first.year):
            days = self._year(year - FIRST_YEAR).days
            place = bisect_right(days, last) - 1
            if place >= 0:
                return days[place] if days[place] >= first else None
        return None

    def _moment(self, day: date, minutes: int | None) -> int:
        if minutes is None:
            return max(closes for _, closes in self._opened(day))
        return closing(self.zone, day, minutes)

    # Steps

    def explain(self, at: int, until: int, most: int = MOST_STEPS) -> list[Stretch]:
        """[at, until) as open and closed stretches without gaps, whose `counted` add up to between(at, until).

        Closed stretches are cut at local midnight and joined where the reason is the same. After `most` stretches
        one of MORE stands for the rest. Empty unless at < until.
        """
        steps: list[Stretch] = []
        for step in self._stretches(at, until):
            last = steps[-1] if steps else None
            if last is not None and (last.why, last.name) == (step.why, step.name):
                counted = last.counted + step.counted
                steps[-1] = msgspec.structs.replace(last, end=step.end, counted=counted)
            elif len(steps) == most:
                days = -(-(until - step.start) // DAY)
                steps.append(Stretch(step.start, until, Why.MORE, self.between(step.start, until), days=days))
                break
            else:
                steps.append(step)
        return steps

    def _stretches(self, at: int, until: int) -> Iterator[Stretch]:
        for opens, closes in self._intervals(at, until):
            yield from self._closed(at, opens)
            yield Stretch(opens, closes, Why.OPEN, closes - opens)
            at = closes
        yield from self._closed(at, until)

    def _closed(self, start: int, end: int) -> Iterator[Stretch]:
        if start < min(end, _EDGES[0]):
            yield Stretch(start, min(end, _EDGES[0]), Why.BEYOND_CALENDAR)
            start = _EDGES[0]
        inside = min(end, _EDGES[-1])
        if start < inside:
            day = local_date(self.zone, start)
        while start < inside:
            # Where clocks are set back over midnight, the date before comes again after this one began.
            while (stop := opening(self.zone, day + _ONE_DAY, 0)) <= start:
                day += _ONE_DAY
            why, name = self._why_closed(day)
            yield Stretch(start, min(stop, inside), why, name=name)
            start = min(stop, inside)
        if start < end:
            yield Stretch(start, end, Why.BEYOND_CALENDAR)

    def _why_closed(self, day: date) -> tuple[Why, str]:
        if day in self._own:
            return Why.OWN_DATE, self._own[day][1]
        if not self.rules.week[day.weekday()]:
            return Why.CLOSED_WEEKDAY, ""
        holiday = self._holiday(day)
        return (Why.OUTSIDE_HOURS, "") if holiday is None else (Why.HOLIDAY, holiday)

    # Preparation

    def _year(self, index: int) -> _Year:
        found = self._years.get(index)
        return self._prepared(index) if found is None else found

    def _total(self, index: int) -> int:
        found = self._totals.get(index)
        return self._prepared(index).total if found is None else found

    def _prepared(self, index: int) -> _Year:
        if not 0 <= index < _YEARS:
            return _NEVER
        year = self._built(index)
        with self._lock:
            # Three hundred sums are small, three hundred years of intervals are not.
            if len(self._years) >= _KEPT_YEARS:
                del self._years[next(iter(self._years))]
            self._years[index] = year
            self._totals[index] = year.total
        return year

    def _built(self, index: int) -> _Year:
        start, end = _EDGES[index], _EDGES[index + 1]
        first = date(FIRST_YEAR + index, 1, 1).toordinal()
        # Neither a zone nor a shift carries the hours of a date further than three days over the turn of the year.
        days = [date.fromordinal(ordinal) for ordinal in range(first - 3, first + 369)]
        opened = [(day, interval) for day in days for interval in self._opened(day)]
        merged: list[Interval] = []
        for opens, closes in sorted(interval for _, interval in opened):
            opens, closes = max(opens, start), min(closes, end)
            if opens >= closes:
                continue
            if merged and opens <= merged[-1][1]:
                merged[-1] = merged[-1][0], max(closes, merged[-1][1])
            else:
                merged.append((opens, closes))
        business = dict.fromkeys(day for day, _ in opened if day.year == FIRST_YEAR + index)
        return _Year(merged, list(business))

    def _intervals(self, a: int, b: int) -> Iterator[Interval]:
        """The open intervals clipped to [a, b), joined over the turn of years."""
        pending: Interval | None = None
        a, b = max(a, _EDGES[0]), min(b, _EDGES[-1])
        if a >= b:
            return
        for index in range(bisect_right(_EDGES, a) - 1, bisect_left(_EDGES, b)):
            year = self._year(index)
            for place in range(bisect_right(year.closes, a), bisect_left(year.opens, b)):
                opens, closes = max(a, year.opens[place]), min(b, year.closes[place])
                if pending is not None and pending[1] == opens:
                    pending = pending[0], closes
                    continue
                if pending is not None:
                    yield pending
                pending = opens, closes
        if pending is not None:
            yield pending

    def _opened(self, day: date) -> Iterator[Interval]:
        """The intervals that begin on a local date, as instants; the clocks may skip one, or the whole date."""
        for hours in self._hours(day):
            opens, closes = opening(self.zone, day, hours.opens), closing(self.zone, day, hours.closes)
            # Only what runs into the next date can have a part that is not skipped with its date.
            if opens < closes and not (hours.closes > MINUTES_A_DAY and self._is_skipped(day)):
                yield opens, closes

    def _is_skipped(self, day: date) -> bool:
        return opening(self.zone, day, 0) == opening(self.zone, day + _ONE_DAY, 0)

    def _hours(self, day: date) -> tuple[Hours, ...]:
        own = self._own.get(day)
        if own is not None:
            return own[0]
        hours = self.rules.week[day.weekday()]
        return hours if hours and self._holiday(day) is None else ()

    def _holiday(self, day: date) -> str | None:
        if self.rules.holidays is None:
            return None
        if day.year not in self._holidays:
            self._holidays[day.year] = in_year(self.rules.holidays, day.year)
        return self._holidays[day.year].get(day)


@lru_cache(maxsize=256)
def prepared(rules: CalendarRules) -> Calendar:
    """The calendar of these rules; equal rules share one."""
    return Calendar(rules)


def _week_starts(rules: CalendarRules) -> int:
    """The weekday after the longest run of weekdays without hours; Monday where there is none."""
    longest, starts = 0, 0
    for weekday in range(7):
        run = 0
        while run < 7 and not rules.week[(weekday - 1 - run) % 7]:
            run += 1
        if rules.week[weekday] and run > longest:
            longest, starts = run, weekday
    return starts
