"""Times of day on local dates, and the instants they are. Exact on days that are shorter or longer than 24 hours.

A time of day is in minutes after local midnight; 1440 is the next midnight, and more lies on the next date.
"""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from slo_rules.durations import DAY, MINUTE, SECOND
from slo_rules.instants import EPOCH, to_datetime

MINUTES_A_DAY = 1440

_TIME = re.compile(r"([0-9]{1,2}):([0-9]{2})")
_EPOCH_ORDINAL = EPOCH.toordinal()
# What a machine may list besides the zones that mean the same everywhere.
_LOCAL_ZONES = frozenset({"localtime", "Factory"})
_MICROSECOND = timedelta(microseconds=1)


def parse_time_of_day(text: str) -> int:
    """Minutes of `08:00`, `8:00` or `24:00`. ValueError when it is not a time of day."""
    found = _TIME.fullmatch(text)
    minutes = int(found[1]) * 60 + int(found[2]) if found else -1
    if found is None or int(found[2]) > 59 or minutes > MINUTES_A_DAY:
        raise ValueError(f"{text[:80]!r} is not a time of day; write it like 08:00, 17:30 or 24:00")
    return minutes


def spell_time_of_day(minutes: int) -> str:
    """1050 → `17:30`, 1440 → `24:00`."""
    return f"{minutes // 60:02}:{minutes % 60:02}"


@cache
def zones() -> frozenset[str]:
    """The time zones that can be named: those of the IANA database, without what is another one on each machine."""
    return frozenset(available_timezones() - _LOCAL_ZONES)


def opening(zone: ZoneInfo, day: date, minutes: int) -> int:
    """The instant something opens: the first of a wall time that comes twice; the end of the gap that swallows it."""
    return _instant(zone, day, minutes, fold=0)


def closing(zone: ZoneInfo, day: date, minutes: int) -> int:
    """The instant something closes: the second of a wall time that comes twice; the end of the gap that swallows it."""
    return _instant(zone, day, minutes, fold=1)


def local_date(zone: ZoneInfo, at: int) -> date:
    """The date on the wall at an instant. OverflowError at the ends of the years 1 to 9999."""
    return to_datetime(at).astimezone(zone).date()


def _instant(zone: ZoneInfo, day: date, minutes: int, *, fold: int) -> int:
    nights, minutes = divmod(minutes, MINUTES_A_DAY)
    if nights:
        day += timedelta(days=nights)
    hour, minute = divmod(minutes, 60)
    before = datetime.combine(day, time(hour, minute), zone).utcoffset()
    after = datetime.combine(day, time(hour, minute, fold=1), zone).utcoffset()
    assert before is not None
    assert after is not None
    local = (day.toordinal() - _EPOCH_ORDINAL) * DAY + minutes * MINUTE
    if before < after:
        return _gap_end(zone, local - after // _MICROSECOND, local - before // _MICROSECOND)
    return local - (after if fold else before) // _MICROSECOND


def _gap_end(zone: ZoneInfo, early: int, late: int) -> int:
    """The instant between these two at which the offset changes; it is a whole second."""
    before = to_datetime(early).astimezone(zone).utcoffset()
    while late - early > SECOND:
        middle = early + (late - early) // (2 * SECOND) * SECOND
        if to_datetime(middle).astimezone(zone).utcoffset() == before:
            early = middle
        else:
            late = middle
    return late
