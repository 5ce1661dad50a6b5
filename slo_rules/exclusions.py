"""Times that count in no objective: one-off and recurring (RFC 5545 RRULE) exclusions, and spans without them. Pure.

Spans are half-open intervals of micros; several are in order and apart.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

import msgspec
from dateutil.rrule import rrulestr

from slo_rules.durations import format_duration
from slo_rules.instants import to_datetime
from slo_rules.wall_time import opening

Span = tuple[int, int]

_SECOND_OR_SO = ("BYSECOND", "BYMINUTE", "DTSTART", "EXDATE", "EXRULE", "RDATE", "TZID")
_FREQUENCIES = ("YEARLY", "MONTHLY", "WEEKLY", "DAILY")
_LONGEST_INTERVAL = 1000
_ANY_DAY = datetime(2026, 1, 1)  # noqa: DTZ001 - wall time, of no zone
_PARTS = re.compile(r"[A-Z]+=[A-Z0-9,+-]+(;[A-Z]+=[A-Z0-9,+-]+)*")
_NUMBER = re.compile(r"[0-9]{1,9}")


class Exclusion(msgspec.Struct, frozen=True):
    """A time in which nothing counts, and why: from `since` (micros) for `length` micros.

    With a `repeat` it recurs by that rule at the same time on the wall of `zone`, each time for the same length.
    """

    reason: str
    since: int
    length: int
    repeat: str = ""
    zone: str = "UTC"

    @property
    def words(self) -> str:
        """`Freeze, from 2026-12-24 18:00 Asia/Tokyo for 2d12h`, and how it recurs."""
        first = to_datetime(self.since).astimezone(ZoneInfo(self.zone))
        recurs = f", {self.repeat}" if self.repeat else ""
        return f"{self.reason}, from {first:%Y-%m-%d %H:%M} {self.zone} for {format_duration(self.length)}{recurs}"

    def within(self, since: int, until: int) -> list[Span]:
        """The times that overlap a span, whole."""
        if not self.repeat:
            found = [self.since]
        else:
            starts = _starts(self, to_datetime(max(until, self.since)).year)
            found = list(starts[bisect_left(starts, since - self.length + 1) : bisect_left(starts, until)])
        return [(at, at + self.length) for at in found if at < until and at + self.length > since]


def check_rule(rule: str) -> str:
    """What is wrong with an RRULE, as far as Milepost takes them; empty when it is right."""
    if not _PARTS.fullmatch(rule):
        return "must be an RRULE such as FREQ=WEEKLY;BYDAY=SU"
    parts = dict(part.split("=", 1) for part in rule.split(";"))
    if parts.get("FREQ") not in _FREQUENCIES:
        return f"FREQ must be one of {', '.join(_FREQUENCIES)}"
    wrong = [name for name in parts if name in _SECOND_OR_SO]
    if wrong:
        return f"{wrong[0]} is not taken: the time of day is that of 'from'"
    interval = parts.get("INTERVAL", "1")
    if not _NUMBER.fullmatch(interval) or not 1 <= int(interval) <= _LONGEST_INTERVAL:
        # Nothing comes every 0 days, and that is found out by waiting for ever.
        return f"INTERVAL must be from 1 to {_LONGEST_INTERVAL}"
    try:
        first = rrulestr(rule, dtstart=_ANY_DAY).after(_ANY_DAY, inc=True)
    except (ValueError, TypeError, OverflowError) as error:
        return f"cannot be read: {error}"
    if first is None:
        return "never comes"
    return ""


@lru_cache(maxsize=256)
def _starts(exclusion: Exclusion, year: int) -> tuple[int, ...]:
    """When it begins, to the end of a year."""
    zone = ZoneInfo(exclusion.zone)
    first = to_datetime(exclusion.since).astimezone(zone).replace(tzinfo=None)
    rule = rrulestr(exclusion.repeat, dtstart=first)
    found = []
    last = datetime(min(year + 1, 9999), 1, 2)  # noqa: DTZ001 - wall time of the zone
    for at in rule:
        if at >= last:
            break
        found.append(opening(zone, at.date(), at.hour * 60 + at.minute))
    return tuple(sorted(found))


def united(spans: Iterable[Span]) -> list[Span]:
    """The same times, in order and apart."""
    found: list[Span] = []
    for since, until in sorted(spans):
        if found and since <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], until))
        elif since < until:
            found.append((since, until))
    return found


def without(span: Span, gone: Iterable[Span]) -> list[Span]:
    """What is left of a span; `gone` are in order and apart."""
    left: list[Span] = []
    at, until = span
    for since, end in gone:
        if end <= at:
            continue
        if since >= until:
            break
        if since > at:
            left.append((at, since))
        at = max(at, end)
    if at < until:
        left.append((at, until))
    return left


def with_reasons(exclusions: Iterable[Exclusion], since: int, until: int) -> list[tuple[Span, str]]:
    """The times of these exclusions that overlap a span, whole and in order, each with its reason."""
    return sorted((span, one.reason) for one in exclusions for span in one.within(since, until))


def excluded(exclusions: Iterable[Exclusion], since: int, until: int) -> list[Span]:
    """The times of all these exclusions that overlap a span, cut to it."""
    found = [span for one in exclusions for span in one.within(since, until)]
    return united((max(a, since), min(b, until)) for a, b in found)
