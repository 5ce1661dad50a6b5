"""Windows as OpenSLO v1 writes them: a rolling duration, or periods that are counted from a wall-clock time on."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from slo_rules.calendar_definitions import read_zone
from slo_rules.durations import DAY, HOUR, MINUTE, parse_duration
from slo_rules.instants import to_micros
from slo_rules.openslo_forms import read_shorthand
from slo_rules.periods import Period
from slo_rules.reading import Reader
from slo_rules.wall_time import zones
from slo_rules.windows import BusinessWindow, CalendarWindow, Window

_PERIODS = {"1d": Period.DAY, "1w": Period.WEEK, "1M": Period.MONTH, "1Q": Period.QUARTER, "1Y": Period.YEAR}
_CLOCK = "%Y-%m-%d %H:%M:%S"
_MOST = 999_999
_MONDAY, _NEW_YEAR = "2024-01-01 00:00:00", "2026-01-01 00:00:00"


def read_window(spec: Reader) -> str | dict[str, str] | None:
    """The window of an SLO in the words of an Objective; None where nothing is said, and after a fault."""
    windows = spec.optional("timeWindow")
    entries = windows.each(lambda entry: entry) if windows else []
    if windows is not None and isinstance(windows.value, list) and len(windows.value) != 1:
        windows.fault("must have exactly one entry")
    if len(entries) != 1 or not entries[0].mapping(("duration", "isRolling", "calendar"), ("duration",)):
        return None
    (window,) = entries
    calendar, rolling, duration = (window.optional(field) for field in ("calendar", "isRolling", "duration"))
    rolls = rolling.flag() if rolling else calendar is None
    if rolls == (calendar is not None):
        window.fault("say either isRolling: true, or isRolling: false and a calendar")
    text = read_shorthand(duration) if duration else ""
    if calendar is not None:
        return _period(calendar, duration if text else None)
    return _rolling(duration, text) if duration and rolls else None


def _rolling(duration: Reader, text: str) -> str | None:
    if text[-1:] in ("M", "Q", "Y"):
        duration.fault("months, quarters and years differ in length: write a rolling window in days, such as 30d")
        return None
    try:
        parse_duration(text)
    except ValueError as error:
        if text:
            duration.fault(str(error))
        return None
    return text


def _period(calendar: Reader, duration: Reader | None) -> dict[str, str] | None:
    required = ("startTime", "timeZone")
    period = _PERIODS.get(duration.value) if duration else None
    if duration and period is None:
        duration.fault(f"must be one of {', '.join(_PERIODS)} beside a calendar: Milepost knows no other periods")
    if not calendar.mapping(required, required):
        return None
    zone = read_zone(calendar.optional("timeZone"))
    start = calendar.optional("startTime")
    if start is None or not _begins(start, period) or period is None or zone not in zones():
        return None
    return {"period": period.value, "zone": zone}


def _begins(start: Reader, period: Period | None) -> bool:
    """Whether a period of Milepost begins at this time on the wall."""
    try:
        at = to_micros(datetime.strptime(str(start.value), _CLOCK).replace(tzinfo=UTC))
    except ValueError:
        start.fault("must be a date and a time of day without a zone, such as 2026-01-01 00:00:00")
        return False
    try:
        begins = period is None or CalendarWindow(period).around(at)[0] == at
    except OverflowError:
        begins = False
    if not begins and period is not None:
        start.fault(
            f"no {period} of Milepost begins then: at midnight, weeks on Monday, and the others on their first day"
        )
    return begins


def spell(window: Window) -> dict[str, Any] | None:
    """The entry of `timeWindow` that reads as this window; None where OpenSLO has no words for it."""
    if isinstance(window, CalendarWindow):
        duration = next(text for text, period in _PERIODS.items() if period is window.period)
        start = _MONDAY if window.period is Period.WEEK else _NEW_YEAR
        return {"duration": duration, "isRolling": False, "calendar": {"startTime": start, "timeZone": window.zone}}
    if isinstance(window, BusinessWindow):
        return None
    for unit, size in (("d", DAY), ("h", HOUR), ("m", MINUTE)):
        count, rest = divmod(window, size)
        if count and not rest and count <= _MOST:
            return {"duration": f"{count}{unit}", "isRolling": True}
    return None
