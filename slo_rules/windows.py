"""The windows that objectives are counted in: rolling ones, by the clock or on a calendar, and periods of a zone. Pure.

A period begins at midnight on the wall and is as long as it is: a month of 30 days in which the clocks are put back has
an hour more.
"""

from __future__ import annotations

from datetime import timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from slo_rules.calendars import CalendarRules, prepared
from slo_rules.durations import DAY, MINUTE, format_duration
from slo_rules.periods import Period, period_of
from slo_rules.wall_time import local_date, opening

DEFAULT_WINDOW = 30 * DAY


class CalendarWindow(msgspec.Struct, frozen=True):
    """The present period of a zone (IANA): what was due since it began."""

    period: Period
    zone: str = "UTC"

    def around(self, at: int) -> tuple[int, int]:
        """From when to when (micros) the period lasts that an instant is in: half-open.

        OverflowError at the ends of the years 1 to 9999.
        """
        zone = ZoneInfo(self.zone)
        first, last = period_of(self.period, local_date(zone, at))
        begins = opening(zone, first, 0)
        if at < begins:
            # Midnight came twice, and the first one is still the day before.
            first, last = period_of(self.period, first - timedelta(days=1))
            begins = opening(zone, first, 0)
        return begins, opening(zone, last + timedelta(days=1), 0)


class BusinessWindow(NamedTuple):
    """The last so many micros in which a calendar was open, and what was due while it was closed in between.

    No struct, so that in JSON it is an array, by which it is told from a period.
    """

    length: int
    calendar: CalendarRules

    def began(self, at: int) -> int:
        """Since when it counts at an instant."""
        return prepared(self.calendar).back(at, self.length)

    @property
    def usual(self) -> int:
        """How long it lasts by the clock (micros) in weeks without holidays."""
        minutes = sum(hours.closes - hours.opens for day in self.calendar.week for hours in day)
        return self.length * 7 * DAY // (minutes * MINUTE)


Slicing = int | CalendarWindow
"""So many micros from midnight UTC on, again and again, or periods."""
Window = Slicing | BusinessWindow
"""So many micros back from now by the clock, the present period, or so many back on a calendar."""


def began(window: Window, at: int) -> int:
    """Since when (micros) a window counts at an instant."""
    if isinstance(window, int):
        return at - window
    return window.around(at)[0] if isinstance(window, CalendarWindow) else window.began(at)


def ends(window: Window, at: int) -> int | None:
    """When the period ends (micros) that an instant is in; None: a rolling window moves on."""
    return window.around(at)[1] if isinstance(window, CalendarWindow) else None


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
    """`30d`, rolling, `month of Europe/Berlin`, or `40h of emea-office`."""
    if isinstance(window, int):
        return format_duration(window)
    if isinstance(window, CalendarWindow):
        return f"{window.period} of {window.zone}"
    return f"{format_duration(window.length)} of {window.calendar.name}"
