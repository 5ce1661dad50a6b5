"""Figures for people: durations rounded up to what somebody would promise, or spelled as one would say them."""

from __future__ import annotations

from bisect import bisect_left

from slo_rules.durations import DAY, HOUR, MINUTE, SECOND, format_duration
from slo_rules.instants import to_datetime

_PROMISES = (
    *(count * MINUTE for count in (1, 2, 3, 5, 10, 15, 20, 30, 45)),
    *(count * HOUR for count in (1, 2, 3, 4, 6, 8, 12, 18)),
    *(count * DAY for count in (1, 2, 3, 4, 5, 7, 10, 14, 21, 28, 42, 60, 90, 120, 150, 180, 270, 365)),
    *(count * 365 * DAY for count in range(2, 11)),
)


def round_up(micros: int) -> int | None:
    """The shortest promise that is at least this long, of a minute or more; None beyond ten years."""
    place = bisect_left(_PROMISES, micros)
    return _PROMISES[place] if place < len(_PROMISES) else None


def roughly(micros: int) -> str:
    """The two largest units: `2d3h`, `4m10s`, `0.2s`."""
    if abs(micros) < 10 * SECOND:
        return f"{micros / SECOND:.3g}s"
    for unit, finer in ((DAY, HOUR), (HOUR, MINUTE)):
        if abs(micros) >= unit:
            return format_duration(int(micros / finer) * finer)
    return format_duration(micros)


def spell_share(share: float) -> str:
    """A share in whole percent; what is neither nothing nor all never looks so."""
    if 0 < share < 0.01:
        return "<1%"
    return ">99%" if 0.99 < share < 1 else f"{share:.0%}"


def clock(micros: int) -> str:
    """`2026-11-21 09:14 UTC`; years beyond the calendar are named as such."""
    try:
        return f"{to_datetime(micros):%Y-%m-%d %H:%M:%S} UTC".replace(":00 UTC", " UTC")
    except OverflowError:
        return "a time beyond the year 9999"


def rounded(micros: int) -> int:
    """To the minute above a quarter of an hour, else to the second."""
    step = MINUTE if micros >= 15 * MINUTE else SECOND
    return micros // step * step
