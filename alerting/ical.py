"""On-call calendars out of iCalendar files (RFC 5545), as PagerDuty, Opsgenie, Google and Outlook export them. Pure.

Of each VEVENT its times and its name are read: who is on call stands in SUMMARY, or in the first ATTENDEE's CN or
address. A rule recurs on the wall of the zone of DTSTART. What does not concern shifts is passed over.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from alerting.on_call import Shift
from slo_rules.exclusions import Exclusion, check_rule
from slo_rules.instants import to_micros
from slo_rules.wall_time import opening, zones

MOST_BYTES = 2 * 2**20
MOST_EVENTS = 5_000
_NAME = re.compile(r'([A-Za-z0-9-]+)((?:;[A-Za-z0-9-]+=(?:"[^"]*"|[^";:,]*(?:,[^";:,]*)*))*):(.*)', re.DOTALL)
_PARAMETER = re.compile(r';([A-Za-z0-9-]+)=(?:"([^"]*)"|([^;]*))')
_DURATION = re.compile(r"P(?:(\d{1,4})W)?(?:(\d{1,4})D)?(?:T(?:(\d{1,5})H)?(?:(\d{1,6})M)?(?:(\d{1,7})S)?)?")
_UNTIL = re.compile(r"UNTIL=(\d{8}T\d{6})Z")
_MICROSECOND = timedelta(microseconds=1)
_BASIC = "%Y%m%dT%H%M%S"
_ESCAPED = re.compile(r"\\([\\;,nN])")


class NotACalendar(ValueError):
    """What is no iCalendar text, or an event of it that cannot be used; it says which line."""


@dataclass(frozen=True, slots=True)
class _Line:
    number: int
    name: str
    parameters: Mapping[str, str]
    value: str


@dataclass(slots=True)
class _Event:
    line: int
    lines: dict[str, list[_Line]] = field(default_factory=dict)

    def one(self, name: str) -> _Line | None:
        found = self.lines.get(name)
        return found[0] if found else None


def read_shifts(text: str, members: Mapping[str, str], zone: str = "UTC") -> tuple[list[Shift], list[str]]:
    """The shifts of a calendar, and the names in it that are no member's. Raises NotACalendar.

    `members` maps what the calendar may call a member (compared without case) to the member's name. `zone` is that of
    times which name none.
    """
    if len(text) > MOST_BYTES:
        raise NotACalendar(f"is larger than {MOST_BYTES} bytes")
    called = {alias.casefold(): member for alias, member in members.items()}
    shifts: list[Shift] = []
    unknown: dict[str, None] = {}
    moved: dict[str, set[int]] = {}
    events = _events(text)
    for event in events:
        uid, again = event.one("UID"), event.one("RECURRENCE-ID")
        if uid and again:
            moved.setdefault(uid.value, set()).add(_instant(again, zone)[0])
    for event in events:
        status = event.one("STATUS")
        if status is not None and status.value.upper() == "CANCELLED":
            continue
        names = list(_names(event))
        member = next((called[name.casefold()] for name in names if name.casefold() in called), None)
        if member is None:
            unknown[names[0] if names else f"the event of line {event.line}"] = None
            continue
        uid = event.one("UID")
        apart = moved.get(uid.value, set()) if uid and event.one("RECURRENCE-ID") is None else set()
        if (shift := _shift(event, member, zone, apart)) is not None:
            shifts.append(shift)
    return shifts, list(unknown)


def _shift(event: _Event, member: str, zone: str, apart: set[int]) -> Shift | None:
    start = event.one("DTSTART")
    if start is None:
        raise NotACalendar(f"line {event.line}: the event has no DTSTART")
    since, of_zone, whole_day = _instant(start, zone)
    end, lasts = event.one("DTEND"), event.one("DURATION")
    if end is not None:
        until = _instant(end, zone)[0]
    elif lasts is not None:
        until = since + _duration(lasts)
    else:
        until = since + (timedelta(days=1) // _MICROSECOND if whole_day else 0)
    if until < since:
        raise NotACalendar(f"line {event.line}: the event ends before it begins")
    if until == since:
        return None
    rule = event.one("RRULE")
    repeat = rule.value.upper() if rule else ""
    repeat = _UNTIL.sub(lambda found: f"UNTIL={_on_the_wall(found[1], of_zone)}", repeat)
    if rule and (wrong := check_rule(repeat)):
        raise NotACalendar(f"line {rule.number}: RRULE {wrong}")
    gone = {
        _instant(_Line(line.number, line.name, line.parameters, value), zone)[0]
        for line in event.lines.get("EXDATE", [])
        for value in line.value.split(",")
    }
    return Shift(member, Exclusion(member, since, until - since, repeat, of_zone), frozenset(gone | apart))


def _on_the_wall(utc: str, zone: str) -> str:
    """The end of a rule stands in UTC; the rule itself is counted on the wall of its zone."""
    with suppress(ValueError, OverflowError):
        moment = datetime.strptime(utc, _BASIC).replace(tzinfo=UTC)
        return moment.astimezone(ZoneInfo(zone)).strftime(_BASIC)
    return utc


def _names(event: _Event) -> Iterator[str]:
    summary = event.one("SUMMARY")
    if summary is not None:
        said = _ESCAPED.sub(lambda found: "\n" if found[1] in "nN" else found[1], summary.value).strip()
        if said:
            yield said
            # `On Call - Jo Doe - Platform`, as PagerDuty and Opsgenie write it.
            yield from (part.strip() for part in re.split(r"\s+[-–—:|]\s+|, ", said) if part.strip())
    for one in event.lines.get("ATTENDEE", []):
        if one.parameters.get("CN"):
            yield one.parameters["CN"]
        yield re.sub(r"(?i)^mailto:", "", one.value)


def _events(text: str) -> list[_Event]:
    found: list[_Event] = []
    within: list[str] = []
    event: _Event | None = None
    seen = False
    for line in _lines(text):
        if line.name == "BEGIN":
            within.append(line.value.upper())
            seen = seen or within == ["VCALENDAR"]
            if within[-1] == "VEVENT" and event is None:
                event = _Event(line.number)
        elif line.name == "END":
            if not within or within.pop() != line.value.upper():
                raise NotACalendar(f"line {line.number}: END:{line.value[:40]} without its BEGIN")
            if event is not None and "VEVENT" not in within:
                found.append(event)
                event = None
                if len(found) > MOST_EVENTS:
                    raise NotACalendar(f"has more than {MOST_EVENTS} events")
        elif event is not None and within[-1] == "VEVENT":
            event.lines.setdefault(line.name, []).append(line)
    if not seen or within:
        raise NotACalendar("is no iCalendar text: BEGIN:VCALENDAR or an END is missing")
    return found


def _lines(text: str) -> Iterator[_Line]:
    """Content lines; one that is folded goes on after a blank at the beginning of the next."""
    whole: list[tuple[int, str]] = []
    for number, raw in enumerate(re.split(r"\r\n|\n|\r", text.removeprefix("\ufeff")), 1):
        if raw[:1] in (" ", "\t") and whole:
            whole[-1] = (whole[-1][0], whole[-1][1] + raw[1:])
        elif raw.strip():
            whole.append((number, raw))
    for number, raw in whole:
        found = _NAME.fullmatch(raw)
        if found is None:
            raise NotACalendar(f"line {number}: is no content line such as DTSTART:20261121T090000Z")
        parameters = {one[1].upper(): one[2] or one[3] or "" for one in _PARAMETER.finditer(found[2])}
        yield _Line(number, found[1].upper(), parameters, found[3].strip())


def _instant(line: _Line, zone: str) -> tuple[int, str, bool]:
    """Micros, the zone its recurrence is counted on, and whether it is a date without a time."""
    named = line.parameters.get("TZID", zone).lstrip("/")
    value = line.value.strip().upper()
    try:
        if re.fullmatch(r"\d{8}", value):
            day = date(int(value[:4]), int(value[4:6]), int(value[6:]))
            return opening(ZoneInfo(zone), day, 0), zone, True
        moment = datetime.strptime(value.removesuffix("Z"), _BASIC)  # noqa: DTZ007 - wall time of the zone
        if not 1970 <= moment.year <= 2199:
            raise ValueError("it lies beyond 1970 to 2199")
    except ValueError as error:
        raise NotACalendar(f"line {line.number}: {line.name} {value[:40]!r} is no time") from error
    if value.endswith("Z"):
        return to_micros(moment.replace(tzinfo=UTC)), "UTC", False
    if named not in zones():
        raise NotACalendar(f"line {line.number}: the time zone {named[:60]!r} is not known")
    minutes = opening(ZoneInfo(named), moment.date(), moment.hour * 60 + moment.minute)
    return minutes + moment.second * 1_000_000, named, False


def _duration(line: _Line) -> int:
    found = _DURATION.fullmatch(line.value.upper())
    if found is None or not any(found.groups()):
        raise NotACalendar(f"line {line.number}: DURATION {line.value[:40]!r} is none")
    weeks, days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return timedelta(weeks=weeks, days=days, hours=hours, minutes=minutes, seconds=seconds) // _MICROSECOND
