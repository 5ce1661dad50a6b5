"""Business calendars, by example: what people read off the wall, worked out by hand."""

from __future__ import annotations

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import msgspec
import pytest

from slo_rules.calendars import Calendar, CalendarRules, ClosedDate, Hours, SpecialDate, Stretch, Why
from slo_rules.deadline_rules import parse_deadline_rule
from slo_rules.durations import DAY, HOUR, MINUTE, SECOND
from slo_rules.instants import to_datetime, to_micros
from slo_rules.public_holidays import HolidayRules

BERLIN, NEW_YORK = "Europe/Berlin", "America/New_York"
OFFICE = (Hours(8 * 60, 12 * 60), Hours(13 * 60, 17 * 60 + 30))
FRIDAY = (Hours(8 * 60, 15 * 60),)
NIGHT = (Hours(22 * 60, 30 * 60),)
ALWAYS = (Hours(0, 24 * 60),)
EMEA = CalendarRules(
    name="emea-office",
    zone=BERLIN,
    week=(*(OFFICE,) * 4, FRIDAY, (), ()),
    holidays=HolidayRules("DE", "BY"),
    closed=(ClosedDate(date(2026, 8, 3), "Company outing"), ClosedDate(date(2026, 12, 24))),
    special=(SpecialDate(date(2026, 12, 31), (Hours(8 * 60, 12 * 60),), "New Year's Eve"),),
)
CALENDAR = Calendar(EMEA)


def at(text: str, zone: str = BERLIN, fold: int = 0) -> int:
    """`2026-03-02 09:30` on the wall."""
    return to_micros(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold))


def shown(micros: int | None, zone: str = BERLIN) -> str:
    return "never" if micros is None else f"{to_datetime(micros).astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M}"


def weekly(zone: str, *week: tuple[Hours, ...], **more: object) -> Calendar:
    return Calendar(msgspec.convert({"name": "any", "zone": zone, "week": week, **more}, CalendarRules))


def hours_of(calendar: Calendar, a: str, b: str) -> float:
    zone = calendar.rules.zone
    return calendar.between(at(a, zone), at(b, zone)) / HOUR


# Arithmetic


@pytest.mark.parametrize(
    ("start", "micros", "end"),
    [
        ("2026-03-02 09:00", 4 * HOUR, "2026-03-02 14:00"),  # over lunch
        ("2026-03-02 09:00", 3 * HOUR, "2026-03-02 12:00"),  # until lunch, not after it
        ("2026-03-02 12:30", 30 * MINUTE, "2026-03-02 13:30"),
        ("2026-03-06 14:00", 4 * HOUR, "2026-03-09 11:00"),  # Friday to Monday
        ("2026-03-07 11:00", 1 * MINUTE, "2026-03-09 08:01"),
        ("2026-03-02 09:00", 0, "2026-03-02 09:00"),
        ("2026-03-07 11:00", 0, "2026-03-07 11:00"),  # nothing to add: not even the wait for Monday
        ("2026-03-07 11:00", -1, "2026-03-07 11:00"),
        ("2026-07-31 14:00", 2 * HOUR, "2026-08-04 09:00"),  # the outing on Monday
        ("2026-12-23 16:30", 2 * HOUR, "2026-12-28 09:00"),  # Christmas Eve is the company's, Christmas the country's
        ("2026-12-31 10:00", 3 * HOUR, "2027-01-04 09:00"),  # a half day, New Year's Day, a weekend
        ("2026-01-05 17:00", 1 * HOUR, "2026-01-07 08:30"),  # Epiphany in Bavaria
    ],
)
def test_business_time_is_added(start: str, micros: int, end: str) -> None:
    assert shown(CALENDAR.add(at(start), micros)) == end


@pytest.mark.parametrize(
    ("start", "end", "hours"),
    [
        ("2026-03-02 00:00", "2026-03-09 00:00", 41),
        ("2026-03-02 17:30", "2026-03-03 08:00", 0),
        ("2026-03-02 11:30", "2026-03-02 13:15", 0.75),
        ("2026-03-03 08:00", "2026-03-02 08:00", -8.5),
        ("2026-12-24 00:00", "2027-01-01 00:00", 4 * 8.5 - 4.5),
        ("2026-03-02 00:00", "2026-03-02 00:00", 0),
    ],
)
def test_business_time_is_counted(start: str, end: str, hours: float) -> None:
    assert hours_of(CALENDAR, start, end) == hours


def test_an_interval_is_open_at_its_start_and_closed_at_its_end() -> None:
    assert [CALENDAR.is_open(at(f"2026-03-02 {time}")) for time in ("08:00", "11:59", "12:00", "13:00", "17:30")] == [
        *(True, True, False, True, False)
    ]
    assert shown(CALENDAR.next_open(at("2026-03-02 09:00"))) == "2026-03-02 09:00"
    assert shown(CALENDAR.next_open(at("2026-03-02 12:00"))) == "2026-03-02 13:00"
    assert shown(CALENDAR.next_open(at("2026-12-31 12:00"))) == "2027-01-04 08:00"


def test_open_intervals_are_clipped_to_what_is_asked() -> None:
    found = CALENDAR.opens_and_closes(at("2026-03-05 10:00"), at("2026-03-06 09:00"))
    assert [(shown(a)[11:], shown(b)[11:]) for a, b in found] == [
        *(("10:00", "12:00"), ("13:00", "17:30"), ("08:00", "09:00"))
    ]
    assert CALENDAR.opens_and_closes(at("2026-03-05 12:00"), at("2026-03-05 13:00")) == []
    assert CALENDAR.opens_and_closes(at("2026-03-05 10:00"), at("2026-03-05 10:00")) == []
    assert CALENDAR.opens_and_closes(at("2026-03-05 11:00"), at("2026-03-05 10:00")) == []


def test_intervals_that_touch_or_overlap_are_one() -> None:
    calendar = weekly("UTC", *((Hours(480, 720), Hours(720, 800), Hours(700, 1020)),) * 7)
    start = to_micros(datetime(2026, 3, 2, tzinfo=UTC))
    assert calendar.opens_and_closes(start, start + DAY) == [(start + 8 * HOUR, start + 17 * HOUR)]
    always = weekly("UTC", *(ALWAYS,) * 7)
    assert always.opens_and_closes(start, start + 1000 * DAY) == [(start, start + 1000 * DAY)]


def test_a_shift_over_midnight_belongs_to_the_day_it_begins_on() -> None:
    calendar = weekly(BERLIN, *(NIGHT,) * 5, (), (), holidays=HolidayRules("DE"))
    assert hours_of(calendar, "2026-03-06 22:00", "2026-03-09 22:00") == 8  # Friday's runs into Saturday
    assert calendar.is_open(at("2026-03-07 05:59"))
    assert not calendar.is_open(at("2026-03-02 05:59"))  # Sunday has none that could reach Monday
    assert hours_of(calendar, "2025-12-31 12:00", "2026-01-01 12:00") == 8  # into a holiday, and over the year
    assert hours_of(calendar, "2026-01-01 12:00", "2026-01-02 12:00") == 0  # none begins on the holiday


def test_own_dates_override_holidays_and_weekdays() -> None:
    calendar = weekly(
        BERLIN,
        *(OFFICE,) * 5,
        (),
        (),
        holidays=HolidayRules("DE"),
        special=(SpecialDate(date(2026, 5, 1), FRIDAY), SpecialDate(date(2026, 5, 2), ALWAYS)),
        closed=(ClosedDate(date(2026, 5, 4)),),
    )
    assert hours_of(calendar, "2026-05-01 00:00", "2026-05-05 00:00") == 7 + 24


def test_holidays_can_be_left_out_also_where_they_are_observed_on_another_day() -> None:
    week = (*(OFFICE,) * 5, (), ())
    every = weekly(NEW_YORK, *week, holidays=HolidayRules("US"))
    some = weekly(NEW_YORK, *week, holidays=HolidayRules("US", leave_out=("Independence Day",)))
    # 4 July 2026 is a Saturday: Friday is free.
    assert [calendar.is_business_day(date(2026, 7, 3)) for calendar in (every, some)] == [False, True]
    assert not some.is_business_day(date(2026, 11, 26))


def test_a_category_adds_its_days() -> None:
    calendar = weekly(BERLIN, *(OFFICE,) * 7, holidays=HolidayRules("DE", "BY", ("catholic", "public")))
    assert not calendar.is_business_day(date(2026, 8, 15))
    assert CALENDAR.is_business_day(date(2028, 8, 15))


# Clocks


@pytest.mark.parametrize(
    ("zone", "day", "next_day", "hours"),
    [
        (BERLIN, "2026-03-29", "2026-03-30", 23),
        (BERLIN, "2026-10-25", "2026-10-26", 25),
        ("Europe/Dublin", "2026-03-29", "2026-03-30", 23),
        ("Europe/Dublin", "2026-10-25", "2026-10-26", 25),
        ("America/Sao_Paulo", "2018-11-04", "2018-11-05", 23),
        ("America/Sao_Paulo", "2018-02-17", "2018-02-18", 25),
        ("Australia/Lord_Howe", "2026-04-05", "2026-04-06", 24.5),
        ("Asia/Kathmandu", "1986-01-01", "1986-01-02", 23.75),
        ("Pacific/Apia", "2011-12-29", "2011-12-31", 24),
    ],
)
def test_an_open_day_is_as_long_as_the_clocks_make_it(zone: str, day: str, next_day: str, hours: float) -> None:
    calendar = weekly(zone, *(ALWAYS,) * 7)
    assert hours_of(calendar, f"{day} 00:00", f"{next_day} 00:00") == hours


@pytest.mark.parametrize(
    ("hours", "opens", "closes"),
    [
        (Hours(150, 240), "01:00", "02:00"),  # opens in the gap 02:00-03:00: when the gap ends, 03:00 summer time
        (Hours(60, 150), "00:00", "01:00"),  # closes in the gap
    ],
)
def test_what_opens_or_closes_in_a_gap_does_so_at_its_end(hours: Hours, opens: str, closes: str) -> None:
    calendar = weekly(BERLIN, *((hours,),) * 7)
    expected = (at(f"2026-03-29 {opens}", "UTC"), at(f"2026-03-29 {closes}", "UTC"))
    assert calendar.opens_and_closes(at("2026-03-28 23:00", "UTC"), at("2026-03-29 12:00", "UTC")) == [expected]


def test_what_lies_in_a_gap_altogether_does_not_take_place() -> None:
    calendar = weekly(BERLIN, *((Hours(130, 170),),) * 7)
    assert hours_of(calendar, "2026-03-29 00:00", "2026-03-30 00:00") == 0
    assert not calendar.is_business_day(date(2026, 3, 29))


def test_nothing_begins_on_a_date_that_was_never_there() -> None:
    for hours in (ALWAYS, NIGHT):
        calendar = weekly("Pacific/Apia", *(hours,) * 7)
        assert not calendar.is_business_day(date(2011, 12, 30))
        assert calendar.business_day(at("2011-12-29 09:00", "Pacific/Apia"), 1) == date(2011, 12, 31)
    # Thursday's night would close on that date: it does when the gap ends, at midnight.
    assert hours_of(calendar, "2011-12-29 12:00", "2011-12-31 12:00") == 2


def test_a_repeated_hour_opens_the_first_time_and_closes_the_second() -> None:
    calendar = weekly(BERLIN, *((Hours(150, 165),),) * 7)
    assert calendar.opens_and_closes(at("2026-10-25 00:00"), at("2026-10-25 12:00")) == [
        (at("2026-10-25 02:30", fold=0), at("2026-10-25 02:45", fold=1))
    ]


def test_a_zone_with_seconds_in_its_offset_is_exact() -> None:
    calendar = weekly("Africa/Monrovia", *(OFFICE,) * 7)  # 44 minutes and 30 seconds behind UTC until 1972
    opens = to_micros(datetime(1971, 6, 1, 8, 44, 30, tzinfo=UTC))
    assert calendar.next_open(opens - SECOND) == opens
    assert calendar.is_open(opens) and not calendar.is_open(opens - 1)


# Ends of the world


BEGINNING = to_micros(datetime(1, 1, 1, tzinfo=UTC))
END = to_micros(datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC))


@pytest.mark.parametrize("instant", [BEGINNING, END, -(10**30), 10**30])
@pytest.mark.parametrize("zone", ["UTC", "Pacific/Apia", "America/Sao_Paulo"])
def test_no_instant_is_too_far_away(instant: int, zone: str) -> None:
    calendar = weekly(zone, *((),) * 7, special=(SpecialDate(date(2026, 1, 2), OFFICE),))
    middle = at("2026-01-02 09:00", zone)
    counted = 7.5 * HOUR if instant > middle else -1 * HOUR
    assert calendar.between(middle, instant) == counted
    assert not calendar.is_open(instant)
    assert shown(calendar.next_open(instant), zone) == ("never" if instant > middle else "2026-01-02 08:00")
    assert shown(calendar.add(instant, HOUR), zone) == ("never" if instant > middle else "2026-01-02 09:00")
    assert calendar.add(instant, 0) == instant
    assert calendar.business_day(instant, 1) is None
    assert calendar.by(parse_deadline_rule("end of month"), instant) is None
    steps = calendar.explain(min(middle, instant), max(middle, instant), most=3)
    assert sum(step.counted for step in steps) == abs(counted)
    assert calendar.opens_and_closes(instant, instant + DAY) == []


def test_a_calendar_that_is_never_open_answers_so() -> None:
    calendar = weekly("UTC", *((),) * 7)
    now = at("2026-03-02 09:00")
    assert calendar.add(now, 1) is None
    assert calendar.next_open(now) is None
    assert calendar.between(now, now + 1000 * DAY) == 0
    assert calendar.business_day(now, 1) is None
    assert calendar.business_day(now, -(10**9)) is None
    assert calendar.by(parse_deadline_rule("same_day 18:00"), now) is None
    assert calendar.by(parse_deadline_rule("end of week - 2 business days"), now) is None
    assert calendar.explain(now, now + 3 * DAY) == [Stretch(now, now + 3 * DAY, Why.CLOSED_WEEKDAY)]


def test_a_duration_longer_than_the_calendar_is_never_reached() -> None:
    assert weekly("UTC", *(ALWAYS,) * 7).add(0, 10**30) is None
    last = to_micros(datetime(2200, 1, 1, tzinfo=UTC))
    always = weekly("UTC", *(ALWAYS,) * 7)
    assert always.add(last - 10, 10) == last
    assert always.add(last - 10, 11) is None


def test_many_years_are_counted_right_though_few_are_kept() -> None:
    calendar = weekly("UTC", *(FRIDAY,) * 7)
    first = to_micros(datetime(1950, 1, 1, tzinfo=UTC))
    days = (date(2150, 1, 1) - date(1950, 1, 1)).days
    assert calendar.between(first, first + days * DAY) == days * 7 * HOUR
    assert calendar.between(first, first + DAY) == 7 * HOUR
    assert calendar.add(first, days * 7 * HOUR) == first + (days - 1) * DAY + 15 * HOUR
    assert len(calendar._years) <= 32


# Business days and named deadlines


def test_business_days_are_counted_from_the_local_date() -> None:
    assert CALENDAR.business_day(at("2026-03-06 23:30"), 1) == date(2026, 3, 9)
    assert CALENDAR.business_day(at("2026-03-06 23:30"), 0) == date(2026, 3, 6)
    assert CALENDAR.business_day(at("2026-03-07 11:00"), 0) == date(2026, 3, 9)
    assert CALENDAR.business_day(at("2026-03-07 11:00"), -1) == date(2026, 3, 6)
    assert CALENDAR.business_day(at("2026-12-31 11:00"), 1) == date(2027, 1, 4)
    assert CALENDAR.business_day(at("2026-12-28 11:00"), -1) == date(2026, 12, 23)


@pytest.mark.parametrize(
    ("rule", "start", "due"),
    [
        ("same_day 18:00", "2026-03-02 09:00", "2026-03-02 18:00"),
        ("same_day 18:00", "2026-03-02 18:00", "2026-03-02 18:00"),
        ("same_day 18:00", "2026-03-02 18:01", "2026-03-03 18:00"),
        ("same_day 18:00", "2026-03-07 09:00", "2026-03-09 18:00"),
        ("same_day", "2026-03-06 09:00", "2026-03-06 15:00"),
        ("same_day", "2026-03-06 15:01", "2026-03-09 17:30"),
        ("same_day 24:00", "2026-03-06 22:00", "2026-03-07 00:00"),
        ("next_business_day 16:00", "2026-03-02 23:59", "2026-03-03 16:00"),
        ("next_business_day 16:00", "2026-03-03 00:00", "2026-03-04 16:00"),
        ("next_business_day 16:00", "2026-03-06 09:00", "2026-03-09 16:00"),
        ("next_business_day 16:00", "2026-03-07 09:00", "2026-03-09 16:00"),
        ("next_business_day 16:00", "2026-12-31 09:00", "2027-01-04 16:00"),
        ("2 business days 16:00", "2026-07-30 09:00", "2026-08-04 16:00"),
        ("end of week", "2026-03-02 09:00", "2026-03-06 15:00"),
        ("end of week", "2026-03-06 15:00", "2026-03-06 15:00"),
        ("end of week", "2026-03-06 15:01", "2026-03-13 15:00"),
        ("end of week", "2026-12-23 09:00", "2026-12-23 17:30"),  # Christmas
        ("end of month", "2026-01-31 09:00", "2026-02-27 15:00"),  # a Saturday: January's end has passed
        ("end of month 10:00", "2026-12-01 09:00", "2026-12-31 10:00"),
        ("end of month − 2 business days", "2026-03-02 09:00", "2026-03-27 15:00"),
        ("end of month − 2 business days", "2026-03-30 09:00", "2026-04-28 17:30"),
        ("end of month + 1 business day 16:00", "2026-03-30 09:00", "2026-04-01 16:00"),
        ("end of month + 1 business day 16:00", "2026-04-01 09:00", "2026-05-04 16:00"),  # of the month it lies in
        ("end of quarter", "2026-11-11 09:00", "2026-12-31 12:00"),
        ("end of year - 2 business days", "2026-05-05 09:00", "2026-12-29 17:30"),
        ("end of year - 2 business days", "2026-12-30 09:00", "2027-12-29 17:30"),
    ],
)
def test_a_named_deadline_is_an_instant(rule: str, start: str, due: str) -> None:
    assert shown(CALENDAR.by(parse_deadline_rule(rule), at(start))) == due


def test_the_week_ends_before_the_weekend_of_the_calendar() -> None:
    calendar = weekly("Asia/Riyadh", OFFICE, OFFICE, OFFICE, OFFICE, (), (), OFFICE)
    sunday = at("2026-03-01 09:00", "Asia/Riyadh")
    assert shown(calendar.by(parse_deadline_rule("end of week"), sunday), "Asia/Riyadh") == "2026-03-05 17:30"


def test_a_period_without_a_business_day_is_passed_over() -> None:
    days = [SpecialDate(date(2026, month, 1), OFFICE) for month in (7, 9, 10)]
    calendar = weekly("UTC", *((),) * 7, special=days)
    assert shown(calendar.by(parse_deadline_rule("end of month"), at("2026-03-02 09:00")), "UTC") == "2026-07-01 17:30"
    after = parse_deadline_rule("end of month + 1 business day")
    assert shown(calendar.by(after, at("2026-08-05 09:00")), "UTC") == "2026-10-01 17:30"


def test_the_close_of_a_night_shift_is_on_the_next_date() -> None:
    calendar = weekly(BERLIN, *(NIGHT,) * 5, (), ())
    assert shown(calendar.by(parse_deadline_rule("end of week"), at("2026-03-02 09:00"))) == "2026-03-07 06:00"


# Steps


def test_an_explanation_names_what_counts_and_why_the_rest_does_not() -> None:
    steps = CALENDAR.explain(at("2026-07-31 14:00"), at("2026-08-04 09:00"))
    assert [(shown(step.start), shown(step.end), step.why, step.counted // MINUTE, step.name) for step in steps] == [
        ("2026-07-31 14:00", "2026-07-31 15:00", Why.OPEN, 60, ""),
        ("2026-07-31 15:00", "2026-08-01 00:00", Why.OUTSIDE_HOURS, 0, ""),
        ("2026-08-01 00:00", "2026-08-03 00:00", Why.CLOSED_WEEKDAY, 0, ""),
        ("2026-08-03 00:00", "2026-08-04 00:00", Why.OWN_DATE, 0, "Company outing"),
        ("2026-08-04 00:00", "2026-08-04 08:00", Why.OUTSIDE_HOURS, 0, ""),
        ("2026-08-04 08:00", "2026-08-04 09:00", Why.OPEN, 60, ""),
    ]


def test_an_explanation_names_holidays() -> None:
    steps = CALENDAR.explain(at("2026-12-31 11:00"), at("2027-01-02 00:00"))
    assert [(shown(step.end), step.why, step.name) for step in steps] == [
        ("2026-12-31 12:00", Why.OPEN, ""),
        ("2027-01-01 00:00", Why.OWN_DATE, "New Year's Eve"),
        ("2027-01-02 00:00", Why.HOLIDAY, "New Year's Day"),
    ]


def test_a_long_explanation_ends_with_how_much_more_there_is() -> None:
    start = at("2026-03-02 08:00")
    steps = CALENDAR.explain(start, start + 100 * DAY, most=3)
    assert [step.why for step in steps] == [Why.OPEN, Why.OUTSIDE_HOURS, Why.OPEN, Why.MORE]
    assert steps[-1].days == 100
    assert steps[-1].counted == CALENDAR.between(start, start + 100 * DAY) - 8 * HOUR - 30 * MINUTE
    assert CALENDAR.explain(start, start) == []


def test_a_date_that_comes_back_after_midnight_is_explained_as_well() -> None:
    zone = "America/Goose_Bay"  # until 2011 its clocks were set back at 00:01, to 23:01 of the day before
    calendar = weekly(zone, *((),) * 5, OFFICE, OFFICE)
    start = at("2010-11-06 23:30", zone, fold=1)
    until = at("2010-11-08 12:00", zone)
    steps = calendar.explain(start, until)
    assert [(shown(step.start, zone), step.why) for step in steps] == [
        ("2010-11-06 23:30", Why.OUTSIDE_HOURS),
        ("2010-11-07 08:00", Why.OPEN),
        ("2010-11-07 12:00", Why.OUTSIDE_HOURS),
        ("2010-11-07 13:00", Why.OPEN),
        ("2010-11-07 17:30", Why.OUTSIDE_HOURS),
        ("2010-11-08 00:00", Why.CLOSED_WEEKDAY),
    ]
    assert (steps[0].start, steps[-1].end) == (start, until)


def test_beyond_the_calendar_nothing_is_open_and_the_explanation_says_so() -> None:
    calendar = weekly("UTC", *(ALWAYS,) * 7)
    first, last = (to_micros(datetime(year, 1, 1, tzinfo=UTC)) for year in (1900, 2200))
    assert calendar.explain(BEGINNING, END) == [
        Stretch(BEGINNING, first, Why.BEYOND_CALENDAR),
        Stretch(first, last, Why.OPEN, last - first),
        Stretch(last, END, Why.BEYOND_CALENDAR),
    ]


def test_rules_are_stored_as_json_and_read_again() -> None:
    assert msgspec.json.decode(msgspec.json.encode(EMEA), type=CalendarRules) == EMEA
    assert hash(EMEA) == hash(msgspec.structs.replace(EMEA))
