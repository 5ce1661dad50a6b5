"""How often a source speaks, learned from when its events arrived, and held against what is expected of it. Pure.

What comes within a second, such as a batch, is one arrival. What is suggested would have called none of the pauses
seen a silence.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from enum import StrEnum
from itertools import pairwise

import msgspec

from slo_rules.calendars import Calendar, CalendarRules, prepared
from slo_rules.deadline_rules import DeadlineRule
from slo_rules.discovery import percentile
from slo_rules.durations import DAY, SECOND, format_duration
from slo_rules.expectation import Expectation
from slo_rules.rounding import round_up
from slo_rules.workflow import Source

LEAST_ARRIVALS = 50
LEAST_SPAN = DAY
"""Fewer arrivals, or less time (micros) from the first to the last, say too little to learn from."""
TOGETHER = SECOND
"""What comes less than so long (micros) after the first of an arrival belongs to it."""
MUCH_LONGER = 10
"""What is declared and so many times as long as the longest pause notices a silence late."""
_LONG = 4
_LEAST_LONG = 2

_Span = tuple[int, int]
"""From when to when: of an arrival the first and the last event, of a pause the last before it and the first after."""


class Judgement(StrEnum):
    """What is declared of a source, held against how it speaks."""

    TOO_LITTLE = "too_little"
    NOT_AWAITED = "not_awaited"
    UNDECLARED = "undeclared"
    CALLED_SILENT = "called_silent"
    NOTICED_LATE = "noticed_late"
    FITS = "fits"


class Pauses(msgspec.Struct, frozen=True):
    """The pauses between arrivals in micros around the clock; the first of the longest began at `longest_at`.

    A pause is from the last event of one arrival to the first of the next.
    """

    median: int
    p99: int
    longest: int
    longest_at: int


class Suggestion(msgspec.Struct, frozen=True):
    """A cadence to expect: `every` so many micros, of the open time of a calendar where one is named."""

    every: int
    calendar: CalendarRules | None = None

    def line(self, *, beside_types: bool) -> str:
        """What to write in the `spec` of the source; beside what is expected of single types, an entry of `expect`."""
        every = format_duration(self.every)
        if self.calendar is None and not beside_types:
            return f"silent_after: {every}"
        on = "" if self.calendar is None else f", calendar: {self.calendar.name}"
        return f"{'-' if beside_types else 'expect:'} {{every: {every}{on}}}"


class SourceCadence(msgspec.Struct, frozen=True):
    """How a source speaks: `arrivals` from `first_at` to `last_at`; `pauses` is None where there was only one.

    `declared` is in words, empty where nothing is expected. `awaited_by` names milestones as `workflow/milestone`. By
    what is declared the source would have been called silent `silences` times. `line` is what to write instead.
    """

    source: str
    arrivals: int
    first_at: int
    last_at: int
    pauses: Pauses | None
    declared: str
    awaited_by: tuple[str, ...]
    judgement: Judgement
    silences: int = 0
    suggestion: Suggestion | None = None
    line: str = ""


def cadence_of(
    source: Source, received: Iterable[int], awaited_by: tuple[str, ...], calendars: Collection[CalendarRules]
) -> SourceCadence:
    """How a source speaks. `received` is when its events came, of one at least (micros), in any order.

    `calendars` are those that a cadence may be counted on.
    """
    arrivals = _arrivals(received)
    pauses = _pauses(arrivals)
    judgement, silences, suggestion = _judged(source, arrivals, pauses, bool(awaited_by), calendars)
    return SourceCadence(
        source.name,
        len(arrivals),
        arrivals[0][0],
        arrivals[-1][1],
        _in_figures(pauses),
        _declared(source),
        awaited_by,
        judgement,
        silences,
        suggestion,
        suggestion.line(beside_types=bool(source.types)) if suggestion else "",
    )


def _arrivals(received: Iterable[int]) -> list[_Span]:
    """In the order of time."""
    arrivals: list[_Span] = []
    for at in sorted(received):
        if arrivals and at - arrivals[-1][0] < TOGETHER:
            arrivals[-1] = arrivals[-1][0], at
        else:
            arrivals.append((at, at))
    return arrivals


def _pauses(arrivals: list[_Span]) -> list[_Span]:
    """The longest first, of equal ones the earliest."""
    between = ((before[1], after[0]) for before, after in pairwise(arrivals))
    return sorted(between, key=lambda pause: pause[0] - pause[1])


def _judged(
    source: Source, arrivals: list[_Span], pauses: list[_Span], awaited: bool, calendars: Collection[CalendarRules]
) -> tuple[Judgement, int, Suggestion | None]:
    expects = source.expects
    if expects is None and not awaited:
        return Judgement.NOT_AWAITED, 0, None
    if len(arrivals) < LEAST_ARRIVALS or arrivals[-1][1] - arrivals[0][0] < LEAST_SPAN:
        return Judgement.TOO_LITTLE, 0, None
    if expects is None:
        return Judgement.UNDECLARED, 0, _suggested(arrivals, pauses, calendars)
    silences = _silences(expects, pauses)
    if isinstance(expects.length, DeadlineRule):
        # Whoever promised a moment meant it: how late it came does not make another promise of it.
        return (Judgement.CALLED_SILENT if silences else Judgement.FITS), silences, None
    if silences:
        return Judgement.CALLED_SILENT, silences, _suggested(arrivals, pauses, calendars)
    counted = _longest(pauses, None if expects.calendar is None else prepared(expects.calendar))
    if expects.length > MUCH_LONGER * counted:
        suggestion = _suggested(arrivals, pauses, calendars)
        # A minute is the shortest promise, and may be longer than what is declared.
        if suggestion is not None and suggestion.every < expects.length:
            return Judgement.NOTICED_LATE, 0, suggestion
    return Judgement.FITS, 0, None


def _suggested(arrivals: list[_Span], pauses: list[_Span], calendars: Collection[CalendarRules]) -> Suggestion | None:
    """The longest pause and half as much again, as a round promise; None beyond ten years.

    It is counted on a calendar where that explains the long pauses, on the one with the shortest cadence; of equal ones
    on that which is open the longest.
    """
    found = []
    for rules in calendars:
        # Nothing can be expected again and again on a calendar that only has dates of its own.
        longest = _explained(arrivals, pauses, prepared(rules)) if any(rules.week) else None
        every = None if longest is None else _with_margin(longest)
        if every is not None:
            opened = prepared(rules).between(arrivals[0][0], arrivals[-1][1])
            found.append((every, -opened, rules.name, Suggestion(every, rules)))
    if found:
        return min(found, key=lambda one: one[:3])[-1]
    every = _with_margin(_longest(pauses, None))
    return None if every is None else Suggestion(every)


def _with_margin(longest: int) -> int | None:
    return round_up(longest * 3 // 2)


def _explained(arrivals: list[_Span], pauses: list[_Span], calendar: Calendar) -> int | None:
    """The longest pause counted on a calendar that says why the source pauses; None on any other.

    The long pauses are those that last four times as long as any lasts while it is open, so that three quarters of
    each are closed time. They make up most of the closed time there was: one outage at night is no closing time. The
    instant at which a pause begins says little, for that of a night begins before the office closes; and a percentile
    of all pauses says little of how often a source speaks that pauses overnight more often than once in a hundred.
    """
    longest = _longest(pauses, calendar)
    rests = [(start, end) for start, end in pauses if end - start > _LONG * longest]
    if len(rests) < _LEAST_LONG or not _speaks_while_open(arrivals, calendar):
        return None
    first, last = arrivals[0][0], arrivals[-1][1]
    closed = last - first - calendar.between(first, last)
    rested = sum(end - start - calendar.between(start, end) for start, end in rests)
    return longest if 2 * rested > closed else None


def _speaks_while_open(arrivals: list[_Span], calendar: Calendar) -> bool:
    heard = 0
    for at, _ in arrivals:
        heard += calendar.is_open(at)
        if heard >= LEAST_ARRIVALS:
            return True
    return False


def _longest(pauses: list[_Span], calendar: Calendar | None) -> int:
    """The longest pause, of a calendar's open time where there is one."""
    longest = 0
    for start, end in pauses:
        if end - start <= longest:
            break
        longest = max(longest, end - start if calendar is None else calendar.between(start, end))
    return longest


def _silences(expects: Expectation, pauses: list[_Span]) -> int:
    """In how many of the pauses there would have been silence."""
    patient = [(start, end) for start, end in pauses if end - start >= expects.patience]
    return sum((due := expects.due(start)) is not None and due <= end for start, end in patient)


def _in_figures(pauses: list[_Span]) -> Pauses | None:
    if not pauses:
        return None
    lengths = [end - start for start, end in reversed(pauses)]
    return Pauses(percentile(lengths, 50), percentile(lengths, 99), lengths[-1], pauses[0][0])


def _declared(source: Source) -> str:
    of_types = [f"{type_} {expectation.words}" for type_, expectation in sorted(source.types.items())]
    return "; ".join(([] if source.expects is None else [source.expects.words]) + of_types)
