"""When somebody may be told: the open hours of a calendar, except of what is grave. Pure; instants are micros, UTC."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from slo_rules.calendars import CalendarRules, prepared
from slo_rules.conditions import SEVERITIES
from slo_rules.reading import Reader, suggestion


@dataclass(frozen=True, slots=True)
class Hours:
    """The open hours of a calendar; an incident with one of the severities in `always` is told at any time."""

    calendar: CalendarRules
    always: tuple[str, ...] = ()

    def is_open(self, now: int, severity: str = "") -> bool:
        """Whether somebody may be told of an incident of a severity now."""
        return severity in self.always or prepared(self.calendar).is_open(now)

    def opens_at(self, now: int, severity: str = "") -> int | None:
        """The earliest instant from now on at which that is so; None where there is none until 2199."""
        return now if severity in self.always else prepared(self.calendar).next_open(now)


def read_hours(entry: Reader | None, calendars: Mapping[str, CalendarRules | None]) -> Hours | None:
    """`hours: emea-office`, or `hours: {calendar: emea-office, always: [critical]}`."""
    if entry is None:
        return None
    if not isinstance(entry.value, dict):
        rules = read_calendar_name(entry, calendars)
        return Hours(rules) if rules else None
    if not entry.mapping(("calendar", "always"), ("calendar",)):
        return None
    named, always = entry.optional("calendar"), entry.optional("always")
    rules = read_calendar_name(named, calendars) if named else None
    grave = tuple(always.each(read_severity)) if always else ()
    return Hours(rules, grave) if rules else None


def read_severity(entry: Reader) -> str:
    """One of SEVERITIES; the empty text after a fault."""
    word = entry.text()
    if word and word not in SEVERITIES:
        entry.fault(f"must be one of {', '.join(SEVERITIES)}{suggestion(word, SEVERITIES)}")
        return ""
    return word


def read_calendar_name(entry: Reader, calendars: Mapping[str, CalendarRules | None]) -> CalendarRules | None:
    """The calendar of this name; one that is not there is a fault."""
    name = entry.text()
    if name and name not in calendars:
        entry.fault(f"there is no calendar {name!r}{suggestion(name, calendars)}")
    return calendars.get(name)
