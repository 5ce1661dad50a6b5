"""A document of `kind: Calendar` to the model, with every fault at its own path."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date
from typing import Any

from slo_rules import public_holidays
from slo_rules.calendars import FIRST_YEAR, LAST_YEAR, CalendarRules, ClosedDate, Hours, SpecialDate
from slo_rules.public_holidays import HolidayRules
from slo_rules.reading import Reader, suggestion
from slo_rules.wall_time import MINUTES_A_DAY, parse_time_of_day, zones

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MOST_INTERVALS = 24
MOST_DATES = 1000
MOST_NAMES = 100

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_INTERVAL = re.compile(r"([0-9:]+) ?[-–] ?([0-9:]+)")
_LONG_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
# The years whose holidays say which names there are.
_NAMED_YEARS = range(2000, 2051)


def read_calendar(name: str, metadata: Reader, spec: Reader) -> CalendarRules | None:
    """The rules that a document says, version 1. Faults are noted with the readers; then the rules are not for use."""
    metadata.mapping(("name", "owner", "title", "description"), ())
    if not spec.mapping(("zone", "hours", "holidays", "closed", "special"), ("zone", "hours")):
        return None
    week = _week(spec.optional("hours"))
    special = _special(spec.optional("special"))
    closed = _closed(spec.optional("closed"), {entry.date for entry in special})
    holidays = spec.optional("holidays")
    if _empty(spec.value.get("hours")) and not spec.value.get("special"):
        spec.fault("there are no hours at all: it would never be open", (*spec.path, "hours"))
    return CalendarRules(
        name=name,
        zone=read_zone(spec.optional("zone")),
        week=week,
        title=_text(metadata, "title") or name,
        owner=_text(metadata, "owner"),
        holidays=_holidays(holidays) if holidays else None,
        closed=closed,
        special=special,
    )


def _empty(hours: Any) -> bool:
    return isinstance(hours, dict) and all(value == [] for value in hours.values())


def _text(reader: Reader, field: str) -> str:
    member = reader.optional(field)
    return member.text() if member else ""


def read_zone(entry: Reader | None) -> str:
    """A time zone of the IANA database; empty where none is said, or one that there is not: a fault."""
    zone = entry.text(longest=100) if entry else ""
    if entry and zone and zone not in zones():
        entry.fault(f"there is no time zone {zone!r}{_likely_zone(zone) or '; write it like Europe/Berlin'}")
        return ""
    return zone


def _likely_zone(zone: str) -> str:
    """Of the same city, as in `New York`, or of nearly the same name."""
    city = "/" + zone.rpartition("/")[2].replace(" ", "_").lower()
    same = sorted(known for known in zones() if known.lower().endswith(city))
    return f" — did you mean {same[0]!r}?" if same else suggestion(zone, zones())


# Hours


def _week(entry: Reader | None) -> tuple[tuple[Hours, ...], ...]:
    week: dict[int, tuple[Hours, ...]] = {}
    if entry is None or not entry.mapping():
        return ((),) * 7
    for spelling in entry.value:
        place = entry.at(spelling)
        days = _weekdays(place, spelling)
        hours = _hours(place)
        for day in days:
            if day in week:
                place.fault(f"{WEEKDAYS[day]} has its hours already")
            week[day] = hours
    return tuple(week.get(day, ()) for day in range(7))


def _weekdays(place: Reader, spelling: str) -> list[int]:
    """`mon`, `mon-thu`, `sun-thu`, `mon, wed`; long names too."""
    found: list[int] = []
    for part in spelling.lower().replace("–", "-").split(","):
        words = [word.strip() for word in part.split("-")]
        unknown = [word for word in words if word not in WEEKDAYS and word not in _LONG_WEEKDAYS]
        if unknown or len(words) > 2:
            known = suggestion(unknown[0], (*WEEKDAYS, *_LONG_WEEKDAYS)) if unknown else ""
            place.fault(f"{spelling[:80]!r} names no weekdays: write mon, mon-thu or mon,wed{known}")
            return []
        first, last = WEEKDAYS.index(words[0][:3]), WEEKDAYS.index(words[-1][:3])
        found += [(first + step) % 7 for step in range((last - first) % 7 + 1)]
    return found


def _hours(entry: Reader) -> tuple[Hours, ...]:
    """Intervals in the order of the day, as a list or a single text."""
    found = entry.each(_interval, longest=MOST_INTERVALS) if isinstance(entry.value, list) else [_interval(entry)]
    return tuple(sorted((hours for hours in found if hours), key=lambda hours: (hours.opens, hours.closes)))


def _interval(entry: Reader) -> Hours | None:
    text = entry.text()
    if not text:
        return None
    shape = _INTERVAL.fullmatch(text.strip())
    if shape is None:
        entry.fault(
            f"{text[:80]!r} is no interval of a day: write it like 08:00-17:30, or 22:00-06:00 when it ends on the next"
        )
        return None
    try:
        opens, closes = parse_time_of_day(shape[1]), parse_time_of_day(shape[2])
    except ValueError as error:
        entry.fault(str(error))
        return None
    if opens == MINUTES_A_DAY:
        entry.fault("24:00 is an end; what begins at midnight begins at 00:00 of the next day")
        return None
    if opens == closes:
        entry.fault("begins and ends at the same time; the whole day is 00:00-24:00")
        return None
    return Hours(opens, closes if opens < closes else closes + MINUTES_A_DAY)


# Dates


def _date(entry: Reader) -> date | None:
    text = entry.text()
    if not text:
        return None
    if not _DATE.fullmatch(text):
        entry.fault(f"{text[:80]!r} is not a date; write it like 2026-12-24")
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError:
        entry.fault(f"there is no date {text}")
        return None
    if not FIRST_YEAR <= day.year <= LAST_YEAR:
        entry.fault(f"{text} is outside of the calendar, which reaches from {FIRST_YEAR} to {LAST_YEAR}")
        return None
    return day


def _special(entry: Reader | None) -> tuple[SpecialDate, ...]:
    if entry is None or not entry.mapping():
        return ()
    if len(entry.value) > MOST_DATES:
        entry.fault(f"has {len(entry.value)} entries; at most {MOST_DATES} are allowed")
        return ()
    found = []
    for spelling in entry.value:
        place = entry.at(spelling)
        day = _date(Reader(entry.document, entry.faults, spelling, place.path))
        name, hours = "", place
        if isinstance(place.value, dict):
            if not place.mapping(("name", "hours"), ("hours",)) or not place.optional("hours"):
                continue
            name, hours = _text(place, "name"), place.at("hours")
        if hours.value == []:
            hours.fault("has no hours; a date on which nothing is open belongs under 'closed'")
        opened = _hours(hours)
        if day is not None and opened:
            found.append(SpecialDate(day, opened, name))
    return tuple(sorted(found, key=lambda special: special.date))


def _closed(entry: Reader | None, special: set[date]) -> tuple[ClosedDate, ...]:
    if entry is None:
        return ()
    found: dict[date, ClosedDate] = {}

    def note(place: Reader) -> None:
        name, dated = "", place
        if isinstance(place.value, dict):
            if not place.mapping(("date", "name"), ("date",)) or not place.optional("date"):
                return
            name, dated = _text(place, "name"), place.at("date")
        day = _date(dated)
        if day is None:
            return
        if day in found:
            dated.fault(f"{day} is closed already")
        if day in special:
            dated.fault(f"{day} has hours under 'special': it cannot be closed as well")
        found[day] = ClosedDate(day, name)

    entry.each(note, longest=MOST_DATES)
    return tuple(found[day] for day in sorted(found))


# Holidays


def _holidays(entry: Reader) -> HolidayRules | None:
    if not entry.mapping(("country", "subdivision", "categories", "except"), ("country",)):
        return None
    country = _text(entry, "country")
    if not country:
        return None
    countries = public_holidays.countries()
    if country not in countries:
        entry.at("country").fault(f"no holidays are known of the country {country!r}{_country(country, countries)}")
        return None
    before = len(entry.faults)
    subdivision = _text(entry, "subdivision")
    parts = public_holidays.subdivisions(country)
    if subdivision and subdivision not in parts:
        hint = (suggestion(subdivision, parts) or _listed(parts)) if parts else ": it is not divided"
        entry.at("subdivision").fault(f"{country} has no subdivision {subdivision!r}{hint}")
    categories = _names(entry, "categories", public_holidays.categories(country), f"category of {country}")
    rules = HolidayRules(country, subdivision, categories)
    if entry.optional("except") is None or len(entry.faults) > before:
        return rules
    names = sorted(public_holidays.names(rules, _NAMED_YEARS))
    return HolidayRules(
        country, subdivision, categories, _names(entry, "except", names, f"holiday of {subdivision or country}")
    )


def _country(word: str, countries: dict[str, str]) -> str:
    """`germany`, `de` → DE."""
    plain = word.lower().replace(" ", "_")
    codes = (code for code, name in countries.items() if plain in (name, code.lower()))
    code = next(codes, None)
    if code is None:
        name = suggestion(plain, countries.values())
        code = next((code for code, spelled in countries.items() if repr(spelled) in name), None)
    return f" — did you mean {code!r}?" if code else "; write its ISO 3166 code, such as DE"


def _names(entry: Reader, field: str, known: Sequence[str], what: str) -> tuple[str, ...]:
    names = entry.optional(field)
    if names is None:
        return ()

    def read(place: Reader) -> str:
        name = place.text()
        if name and name not in known:
            place.fault(f"there is no {what} named {name!r}{suggestion(name, known) or _listed(known)}")
        return name

    return tuple(sorted({name for name in names.each(read, longest=MOST_NAMES) if name}))


def _listed(known: Sequence[str]) -> str:
    return f": there are {', '.join(known[:40])}"
