"""The windows that objectives are counted in: rolling ones, and days, weeks, months and so on of a zone. Pure.

A period begins at midnight on the wall and is as long as it is: a month of 30 days in which the clocks are put back has
an hour more.
"""

from __future__ import annotations

from datetime import MAXYEAR, date, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

import msgspec

from slo_rules.durations import DAY, format_duration
from slo_rules.wall_time import local_date, opening

DEFAULT_WINDOW = 30 * DAY


class Period(StrEnum):
    """What a calendar is divided into; weeks begin on Monday (ISO 8601)."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    QUARTER = "quarter"
    YEAR = "year"


_MONTHS = {Period.MONTH: 1, Period.QUARTER: 3, Period.YEAR: 12}


class CalendarWindow(msgspec.Struct, frozen=True):
    """The present period of a zone (IANA): what was due since it began."""

    period: Period
    zone: str = "UTC"

    def around(self, at: int) -> tuple[int, int]:
        """From when to when (micros) the period lasts that an instant is in: half-open.

        OverflowError at the ends of the years 1 to 9999.
        """
        zone = ZoneInfo(self.zone)
        first = self._first(local_date(zone, at))
        begins = opening(zone, first, 0)
        if at < begins:
            # Midnight came twice, and the first one is still the day before.
            first = self._first(first - timedelta(days=1))
            begins = opening(zone, first, 0)
        return begins, opening(zone, self._next(first), 0)

    def _first(self, day: date) -> date:
        if self.period is Period.DAY:
            return day
        if self.period is Period.WEEK:
            return day - timedelta(days=day.weekday())
        months = _MONTHS[self.period]
        return day.replace(month=(day.month - 1) // months * months + 1, day=1)

    def _next(self, first: date) -> date:
        if self.period in (Period.DAY, Period.WEEK):
            return first + timedelta(days=7 if self.period is Period.WEEK else 1)
        year, month = divmod(first.year * 12 + first.month - 1 + _MONTHS[self.period], 12)
        if year > MAXYEAR:
            raise OverflowError("date value out of range")
        return first.replace(year=year, month=month + 1)


Window = int | CalendarWindow
"""So many micros back from now, or the present period."""


def began(window: Window, at: int) -> int:
    """Since when (micros) a window counts at an instant."""
    return at - window if isinstance(window, int) else window.around(at)[0]


def ends(window: Window, at: int) -> int | None:
    """When the period ends (micros) that an instant is in; None: a rolling window moves on."""
    return None if isinstance(window, int) else window.around(at)[1]


def last_periods(window: CalendarWindow, at: int, most: int) -> list[tuple[int, int]]:
    """The period that an instant is in and those before it, the latest first, as many as asked for."""
    found: list[tuple[int, int]] = []
    while len(found) < most:
        try:
            found.append(window.around(at))
        except OverflowError:
            break
        at = found[-1][0] - 1
    return found


def spell_window(window: Window) -> str:
    """`30d`, rolling, or `month of Europe/Berlin`."""
    return format_duration(window) if isinstance(window, int) else f"{window.period} of {window.zone}"
