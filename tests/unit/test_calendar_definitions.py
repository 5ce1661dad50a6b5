"""`kind: Calendar`: what a good file becomes, and every fault it can name, with its place."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slo_rules.calendar_definitions import read_calendar
from slo_rules.calendars import Calendar, CalendarRules, ClosedDate, Hours, SpecialDate
from slo_rules.documents import load_documents
from slo_rules.faults import Fault
from slo_rules.public_holidays import HolidayRules, subdivisions
from slo_rules.reading import Reader
from tests.examples import examples

GOOD = """\
apiVersion: milepost/v1
kind: Calendar
metadata: {name: emea-office, title: EMEA office hours, owner: operations}
spec:
  zone: Europe/Berlin
  hours:
    mon-thu: ["08:00-12:00", "13:00-17:30"]
    fri: ["08:00-15:00"]
  holidays: {country: DE, subdivision: BY}
  closed: [2026-12-24, {date: 2026-08-03, name: Company outing}]
  special: {2026-12-31: ["08:00-12:00"]}
"""
OFFICE = (Hours(480, 720), Hours(780, 1050))
FRIDAY = (Hours(480, 900),)
Place = tuple[int, str, str]


def read(text: str) -> tuple[CalendarRules | None, list[Fault]]:
    documents, faults = load_documents(text, "calendar.yaml")
    if faults:
        return None, faults
    top = Reader(documents[0], faults, documents[0].value)
    return read_calendar("emea-office", top.at("metadata"), top.at("spec")), faults


def rules(text: str) -> CalendarRules:
    found, faults = read(text)
    assert faults == [] and found is not None
    return found


def changed(old: str, new: str) -> str:
    assert GOOD.count(old) == 1, f"{old!r} must be there once"
    return GOOD.replace(old, new)


def test_a_good_file_gives_the_rules_exactly() -> None:
    found = rules(GOOD)
    assert found == CalendarRules(
        name="emea-office",
        zone="Europe/Berlin",
        week=(*(OFFICE,) * 4, FRIDAY, (), ()),
        title="EMEA office hours",
        owner="operations",
        holidays=HolidayRules("DE", "BY"),
        closed=(ClosedDate(date(2026, 8, 3), "Company outing"), ClosedDate(date(2026, 12, 24))),
        special=(SpecialDate(date(2026, 12, 31), (Hours(480, 720),)),),
        version=1,
    )
    assert Calendar(found).is_business_day(date(2026, 12, 31))


def test_a_short_file_is_enough() -> None:
    text = "metadata: {name: x}\nspec: {zone: UTC, hours: {mon-sun: 00:00-24:00}}"
    assert rules(text) == CalendarRules("emea-office", "UTC", ((Hours(0, 1440),),) * 7, title="emea-office")


@pytest.mark.parametrize(
    ("spelling", "weekdays"),
    [
        ("mon-thu", [0, 1, 2, 3]),
        ("Monday – Thursday", [0, 1, 2, 3]),
        ("sun-thu", [6, 0, 1, 2, 3]),
        ("mon, wed,FRI", [0, 2, 4]),
        ("mon-tue,sat", [0, 1, 5]),
        ("sat-sat", [5]),
    ],
)
def test_weekdays_are_spelled_freely(spelling: str, weekdays: list[int]) -> None:
    text = changed("mon-thu:", f'"{spelling}":').replace('    fri: ["08:00-15:00"]\n', "")
    assert [day for day, hours in enumerate(rules(text).week) if hours] == sorted(weekdays)


@pytest.mark.parametrize(
    ("hours", "expected"),
    [
        ("8:00-15:00", (Hours(480, 900),)),
        ('"08:00 – 15:00"', (Hours(480, 900),)),
        ('["22:00-06:00"]', (Hours(1320, 1800),)),
        ('["00:00-24:00"]', (Hours(0, 1440),)),
        ('["22:00-24:00", "00:00-06:00"]', (Hours(0, 360), Hours(1320, 1440))),
        ('["08:00-00:00"]', (Hours(480, 1440),)),
        ("[]", ()),
    ],
)
def test_hours_are_spelled_freely(hours: str, expected: tuple[Hours, ...]) -> None:
    assert rules(changed('["08:00-15:00"]', hours)).week[4] == expected


def test_holidays_take_categories_and_leave_names_out() -> None:
    text = changed("subdivision: BY", "subdivision: Bayern, categories: [public, catholic], except: [Epiphany]")
    assert rules(text).holidays == HolidayRules("DE", "Bayern", ("catholic", "public"), ("Epiphany",))
    calendar = Calendar(rules(text))
    assert calendar.is_business_day(date(2026, 1, 6))
    assert not calendar.is_business_day(date(2028, 8, 15))


def test_norway_is_a_country() -> None:
    assert rules(changed("{country: DE, subdivision: BY}", "{country: NO}")).holidays == HolidayRules("NO")


def test_special_dates_may_have_a_name_and_be_all_there_is() -> None:
    text = changed('{2026-12-31: ["08:00-12:00"]}', "{2026-12-31: {name: New Year's Eve, hours: 08:00-12:00}}")
    assert rules(text).special == (SpecialDate(date(2026, 12, 31), (Hours(480, 720),), "New Year's Eve"),)
    alone = "metadata: {name: x}\nspec: {zone: UTC, hours: {}, special: {2026-12-31: 08:00-12:00}}"
    assert not any(rules(alone).week)


HOURS_SHAPE = "write it like 08:00-17:30, or 22:00-06:00 when it ends on the next"
WEEKDAYS_SHAPE = "names no weekdays: write mon, mon-thu or mon,wed"
TIME_SHAPE = "is not a time of day; write it like 08:00, 17:30 or 24:00"
DATE_SHAPE = "is not a date; write it like 2026-12-24"
FRI = "spec.hours.fri"

FAULTY: list[tuple[str, str, list[Place]]] = [
    ("title: EMEA", "titel: x, title: EMEA", [(3, "metadata.titel", "unknown field 'titel' — did you mean 'title'?")]),
    ("  closed:", "  close:", [(10, "spec.close", "unknown field 'close' — did you mean 'closed'?")]),
    ("  zone: Europe/Berlin\n", "", [(4, "spec", "the field 'zone' is missing")]),
    # zones
    (
        "Europe/Berlin",
        "Europe/Berlni",
        [(5, "spec.zone", "there is no time zone 'Europe/Berlni' — did you mean 'Europe/Berlin'?")],
    ),
    ("Europe/Berlin", "Berlin", [(5, "spec.zone", "there is no time zone 'Berlin' — did you mean 'Europe/Berlin'?")]),
    (
        "Europe/Berlin",
        "new york",
        [(5, "spec.zone", "there is no time zone 'new york' — did you mean 'America/New_York'?")],
    ),
    ("Europe/Berlin", "xyzzy", [(5, "spec.zone", "there is no time zone 'xyzzy'; write it like Europe/Berlin")]),
    (
        "Europe/Berlin",
        "../../etc/passwd",
        [(5, "spec.zone", "there is no time zone '../../etc/passwd'; write it like Europe/Berlin")],
    ),
    (
        "Europe/Berlin",
        "localtime",
        [(5, "spec.zone", "there is no time zone 'localtime'; write it like Europe/Berlin")],
    ),
    ("Europe/Berlin", "[UTC]", [(5, "spec.zone", "must be text, not a list")]),
    # hours
    ("    fri:", "    fryday:", [(8, "spec.hours.fryday", f"'fryday' {WEEKDAYS_SHAPE} — did you mean 'friday'?")]),
    ("    fri:", "    fri-:", [(8, "spec.hours.fri-", f"'fri-' {WEEKDAYS_SHAPE}")]),
    ("    fri:", "    mon-wed-fri:", [(8, "spec.hours.mon-wed-fri", f"'mon-wed-fri' {WEEKDAYS_SHAPE}")]),
    (
        "    fri:",
        "    wed-fri:",
        [
            (8, "spec.hours.wed-fri", "thu has its hours already"),
            (8, "spec.hours.wed-fri", "wed has its hours already"),
        ],
    ),
    ("    fri:", "    fri,fri:", [(8, "spec.hours.fri,fri", "fri has its hours already")]),
    ('["08:00-15:00"]', "8-15", [(8, FRI, f"'8-15' {TIME_SHAPE}".replace("8-15", "8"))]),
    ('["08:00-15:00"]', "morning", [(8, FRI, f"'morning' is no interval of a day: {HOURS_SHAPE}")]),
    (
        '["08:00-15:00"]',
        '["08:00-15:00-16:00"]',
        [(8, f"{FRI}[0]", f"'08:00-15:00-16:00' is no interval of a day: {HOURS_SHAPE}")],
    ),
    ('["08:00-15:00"]', '["08:60-15:00"]', [(8, f"{FRI}[0]", f"'08:60' {TIME_SHAPE}")]),
    ('["08:00-15:00"]', '["08:00-24:01"]', [(8, f"{FRI}[0]", f"'24:01' {TIME_SHAPE}")]),
    (
        '["08:00-15:00"]',
        '["08:00-08:00"]',
        [(8, f"{FRI}[0]", "begins and ends at the same time; the whole day is 00:00-24:00")],
    ),
    (
        '["08:00-15:00"]',
        '["24:00-06:00"]',
        [(8, f"{FRI}[0]", "24:00 is an end; what begins at midnight begins at 00:00 of the next day")],
    ),
    ('["08:00-15:00"]', "{from: 8}", [(8, FRI, "must be text, not a mapping")]),
    ('["08:00-15:00"]', "", [(8, FRI, "must be text, not nothing")]),
    ('["08:00-15:00"]', "[[]]", [(8, f"{FRI}[0]", "must be text, not a list")]),
    ('["08:00-15:00"]', f"[{'08:00-15:00, ' * 25}]", [(8, FRI, "has 25 entries; at most 24 are allowed")]),
    # holidays
    ("{country: DE, subdivision: BY}", "DE", [(9, "spec.holidays", "must be a mapping, not text")]),
    ("country: DE, ", "", [(9, "spec.holidays", "the field 'country' is missing")]),
    (
        "country: DE",
        "country: de",
        [(9, "spec.holidays.country", "no holidays are known of the country 'de' — did you mean 'DE'?")],
    ),
    (
        "country: DE",
        "country: Germany",
        [(9, "spec.holidays.country", "no holidays are known of the country 'Germany' — did you mean 'DE'?")],
    ),
    (
        "country: DE",
        "country: Germnay",
        [(9, "spec.holidays.country", "no holidays are known of the country 'Germnay' — did you mean 'DE'?")],
    ),
    (
        "country: DE",
        "country: HolidayBase",
        [
            (
                9,
                "spec.holidays.country",
                "no holidays are known of the country 'HolidayBase'; write its ISO 3166 code, such as DE",
            )
        ],
    ),
    ("BY}", "Bayren}", [(9, "spec.holidays.subdivision", "DE has no subdivision 'Bayren' — did you mean 'Bayern'?")]),
    (
        "DE, subdivision: BY",
        "MC, subdivision: BY",
        [(9, "spec.holidays.subdivision", "MC has no subdivision 'BY': it is not divided")],
    ),
    (
        "BY}",
        "XXXX, categories: [publik, half_day]}",
        [
            (
                9,
                "spec.holidays.categories[0]",
                "there is no category of DE named 'publik' — did you mean 'public'?",
            ),
            (
                9,
                "spec.holidays.categories[1]",
                "there is no category of DE named 'half_day': there are catholic, public, school",
            ),
            (
                9,
                "spec.holidays.subdivision",
                "DE has no subdivision 'XXXX': there are " + ", ".join(subdivisions("DE")),
            ),
        ],
    ),
    (
        "BY}",
        "BY, except: [Epifany]}",
        [(9, "spec.holidays.except[0]", "there is no holiday of BY named 'Epifany' — did you mean 'Epiphany'?")],
    ),
    ("BY}", "BY, except: Epiphany}", [(9, "spec.holidays.except", "must be a list, not text")]),
    # dates
    ("[2026-12-24,", "[2026-02-30,", [(10, "spec.closed[0]", "there is no date 2026-02-30")]),
    ("[2026-12-24,", "[24.12.2026,", [(10, "spec.closed[0]", f"'24.12.2026' {DATE_SHAPE}")]),
    ("[2026-12-24,", "[20261224,", [(10, "spec.closed[0]", f"'20261224' {DATE_SHAPE}")]),
    ("[2026-12-24,", "[2026-12-24 10:00:00,", [(10, "spec.closed[0]", f"'2026-12-24 10:00:00' {DATE_SHAPE}")]),
    ("[2026-12-24,", "['２０２６-12-24',", [(10, "spec.closed[0]", f"'２０２６-12-24' {DATE_SHAPE}")]),
    (
        "[2026-12-24,",
        "[1899-12-31,",
        [(10, "spec.closed[0]", "1899-12-31 is outside of the calendar, which reaches from 1900 to 2199")],
    ),
    ("[2026-12-24,", "[2026-08-03,", [(10, "spec.closed[1].date", "2026-08-03 is closed already")]),
    (
        "[2026-12-24,",
        "[2026-12-31,",
        [(10, "spec.closed[0]", "2026-12-31 has hours under 'special': it cannot be closed as well")],
    ),
    ("{date: 2026-08-03, ", "{", [(10, "spec.closed[1]", "the field 'date' is missing")]),
    ("date: 2026-08-03", "day: 3, date: 2026-08-03", [(10, "spec.closed[1].day", "unknown field 'day'")]),
    (
        "[2026-12-24, {date: 2026-08-03, name: Company outing}]",
        "2026-12-24",
        [(10, "spec.closed", "must be a list, not text")],
    ),
    (
        "[2026-12-24, {date: 2026-08-03, name: Company outing}]",
        f"[{'2026-12-24, ' * 1001}]",
        [(10, "spec.closed", "has 1001 entries; at most 1000 are allowed")],
    ),
    ("{2026-12-31:", "{12-31:", [(11, "spec.special.12-31", f"'12-31' {DATE_SHAPE}")]),
    ("{2026-12-31:", "{2027-02-29:", [(11, "spec.special.2027-02-29", "there is no date 2027-02-29")]),
    (
        '{2026-12-31: ["08:00-12:00"]}',
        "{2026-12-31: []}",
        [(11, "spec.special.2026-12-31", "has no hours; a date on which nothing is open belongs under 'closed'")],
    ),
    (
        '{2026-12-31: ["08:00-12:00"]}',
        "{2026-12-31: {name: x}}",
        [(11, "spec.special.2026-12-31", "the field 'hours' is missing")],
    ),
    ('{2026-12-31: ["08:00-12:00"]}', "[2026-12-31]", [(11, "spec.special", "must be a mapping, not a list")]),
    (
        '{2026-12-31: ["08:00-12:00"]}',
        f"{{{', '.join(f'd{n}: x' for n in range(1001))}}}",
        [(11, "spec.special", "has 1001 entries; at most 1000 are allowed")],
    ),
]


@pytest.mark.parametrize(
    ("old", "new", "expected"), FAULTY, ids=lambda value: value[:40] if isinstance(value, str) else ""
)
def test_a_fault_is_named_at_its_place(old: str, new: str, expected: list[Place]) -> None:
    _, faults = read(changed(old, new))
    assert sorted((fault.line, fault.path, fault.message) for fault in faults) == expected


def test_a_calendar_that_is_never_open_is_a_fault() -> None:
    for hours in ("{}", "{mon-fri: []}"):
        _, faults = read(f"metadata: {{name: x}}\nspec: {{zone: UTC, hours: {hours}, special: {{}}}}")
        assert [(fault.path, fault.message) for fault in faults] == [
            ("spec.hours", "there are no hours at all: it would never be open")
        ]


def test_all_faults_are_named_at_once() -> None:
    text = changed("Europe/Berlin", "Mars").replace("15:00", "25:00").replace("DE", "XX").replace("2026-12-24", "never")
    _, faults = read(text)
    assert [fault.path for fault in sorted(faults)] == [
        *("spec.zone", "spec.hours.fri[0]", "spec.holidays.country", "spec.closed[0]")
    ]


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=12)
    | st.sampled_from(["08:00-12:00", "2026-12-24", "DE"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["mon", "fri-sun", "country", "subdivision", "categories", "except", "date", "name", "hours"]
            )
            | st.text(max_size=5),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)
FIELDS = st.sampled_from(["zone", "hours", "holidays", "closed", "special"])


@settings(max_examples=examples(80))
@given(st.dictionaries(FIELDS, VALUES, max_size=5))
def test_whatever_a_file_holds_becomes_rules_or_faults(spec: dict[str, object]) -> None:
    (document,), faults = load_documents("metadata: {name: x}\nspec: {}", "calendar.yaml")
    top = Reader(
        document, faults, {"metadata": {"name": "x"}, "spec": {"zone": "UTC", "hours": {"mon": "08:00-12:00"}} | spec}
    )
    found = read_calendar("x", top.at("metadata"), top.at("spec"))
    if not faults:
        assert found is not None
        Calendar(found).add(0, 1)
