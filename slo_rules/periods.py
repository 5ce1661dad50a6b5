"""What a calendar is divided into: days, weeks, months, quarters and years, as dates."""

from __future__ import annotations

from datetime import MAXYEAR, date, timedelta
from enum import StrEnum


class Period(StrEnum):
    """What deadlines are at the end of, and windows are counted in."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    QUARTER = "quarter"
    YEAR = "year"


def period_of(period: Period, day: date, week_starts: int = 0) -> tuple[date, date]:
    """The first and the last date of the period that a date lies in. `week_starts` is 0 for Monday (ISO 8601).

    OverflowError at the ends of the years 1 to 9999.
    """
    match period:
        case Period.DAY:
            return day, day
        case Period.WEEK:
            first = day - timedelta(days=(day.weekday() - week_starts) % 7)
            return first, first + timedelta(days=6)
        case Period.MONTH:
            return _months(day.year, day.month, 1)
        case Period.QUARTER:
            return _months(day.year, (day.month - 1) // 3 * 3 + 1, 3)
        case Period.YEAR:
            return _months(day.year, 1, 12)


def _months(year: int, month: int, count: int) -> tuple[date, date]:
    years, beyond = divmod(month - 1 + count, 12)
    if year + years > MAXYEAR:
        raise OverflowError("date value out of range")
    return date(year, month, 1), date(year + years, beyond + 1, 1) - timedelta(days=1)
