"""Windows of objectives: periods of a zone follow each other without gap or overlap, whatever its clocks do."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slo_rules.burn_rates import length_of, lookbacks
from slo_rules.calendars import CalendarRules, ClosedDate, Hours, SpecialDate
from slo_rules.durations import DAY, HOUR, SECOND
from slo_rules.instants import to_datetime, to_micros
from slo_rules.periods import Period
from slo_rules.windows import BusinessWindow, CalendarWindow, began, ends, last_periods, spell_window

# Clocks change at midnight in Cairo, Beirut, Asunción and Havana; Apia left out a whole day.
ZONES = (
    *("UTC", "Europe/Berlin", "America/New_York", "America/Havana", "America/Asuncion", "Asia/Beirut"),
    *("Africa/Cairo", "Asia/Kathmandu", "Australia/Lord_Howe", "Pacific/Apia"),
)
INSTANTS = st.integers(473_385_600, 2_145_916_800).map(lambda seconds: seconds * SECOND)
WINDOWS = st.builds(CalendarWindow, st.sampled_from(Period), st.sampled_from(ZONES))


def micros(text: str) -> int:
    return to_micros(datetime.fromisoformat(text))


@given(WINDOWS, INSTANTS)
def test_an_instant_is_in_one_period(window: CalendarWindow, at: int) -> None:
    begins, over = window.around(at)
    assert begins <= at < over
    assert began(window, at) == begins
    assert ends(window, at) == over
    assert window.around(begins) == window.around(over - 1) == (begins, over)
    assert window.around(over)[0] == over


@given(WINDOWS, INSTANTS)
def test_a_period_begins_with_the_first_instant_of_its_first_date(window: CalendarWindow, at: int) -> None:
    zone = ZoneInfo(window.zone)
    begins, over = window.around(at)
    first, last = (to_datetime(one).astimezone(zone) for one in (begins, over - 1))
    before = to_datetime(begins - 1).astimezone(zone)
    match window.period:
        case Period.DAY:
            assert first.date() == last.date()
            assert before.date() < first.date()
        case Period.WEEK:
            assert first.isocalendar()[:2] == last.isocalendar()[:2]
            assert before.isocalendar()[:2] != first.isocalendar()[:2]
        case Period.MONTH | Period.QUARTER | Period.YEAR:
            months = {Period.MONTH: 1, Period.QUARTER: 3, Period.YEAR: 12}[window.period]

            def number(one: datetime) -> int:
                return (one.year * 12 + one.month - 1) // months

            assert number(first) == number(last) == number(before) + 1


@given(WINDOWS, INSTANTS, st.integers(1, 20))
def test_periods_follow_each_other(window: CalendarWindow, at: int, most: int) -> None:
    found = last_periods(window, at, most)
    assert len(found) == most
    assert found[0] == window.around(at)
    for later, earlier in pairwise(found):
        assert earlier[1] == later[0]


OFFICE = CalendarRules(
    "office", "Europe/Berlin", (*((Hours(540, 1020),),) * 5, (), ()), closed=(ClosedDate(date(2026, 11, 19)),)
)


def test_a_window_of_business_time_skips_what_is_closed() -> None:
    window = BusinessWindow(16 * HOUR, OFFICE)
    # Friday at noon: three hours of it, eight of Wednesday, five of Tuesday; Thursday was closed.
    assert began(window, micros("2026-11-20T11:00:00Z")) == micros("2026-11-17T11:00:00Z")
    # On Sunday and at the opening on Monday it is the same, and what was due at the weekend is in both.
    for at in ("2026-11-22T03:00:00Z", "2026-11-23T08:00:00Z"):
        assert began(window, micros(at)) == micros("2026-11-18T08:00:00Z")
    assert ends(window, micros("2026-11-20T11:00:00Z")) is None
    assert spell_window(window) == "16h of office"
    assert window.usual == 16 * HOUR * 7 * 24 // 40
    assert length_of(window) == window.usual
    assert lookbacks(window)[-1] == window.usual


def test_a_window_that_began_before_its_calendar_begins_with_it() -> None:
    once = CalendarRules("once", "UTC", ((),) * 7, special=(SpecialDate(date(2012, 1, 1), (Hours(0, 60),)),))
    assert began(BusinessWindow(2 * HOUR, once), micros("2026-11-20T11:00:00Z")) < micros("1930-01-01T00:00:00Z")


def test_months_are_as_long_as_they_are() -> None:
    berlin = CalendarWindow(Period.MONTH, "Europe/Berlin")
    october = berlin.around(micros("2026-10-31T22:59:59Z"))
    assert october == (micros("2026-09-30T22:00:00Z"), micros("2026-10-31T23:00:00Z"))
    assert october[1] - october[0] == 31 * DAY + HOUR
    quarter = CalendarWindow(Period.QUARTER).around(micros("2026-11-21T12:00:00Z"))
    assert quarter == (micros("2026-10-01T00:00:00Z"), micros("2027-01-01T00:00:00Z"))
    assert CalendarWindow(Period.WEEK).around(micros("2026-11-22T23:59:59Z"))[0] == micros("2026-11-16T00:00:00Z")
    assert CalendarWindow(Period.YEAR).around(micros("2026-12-31T23:59:59Z"))[1] == micros("2027-01-01T00:00:00Z")


def test_a_rolling_window_moves_on() -> None:
    at = micros("2026-11-21T12:00:00Z")
    assert began(7 * DAY, at) == at - 7 * DAY
    assert ends(7 * DAY, at) is None
    assert spell_window(7 * DAY) == "7d"
    assert spell_window(CalendarWindow(Period.MONTH, "Europe/Berlin")) == "month of Europe/Berlin"


@pytest.mark.parametrize("year", [1, 9999])
def test_at_the_ends_of_time_there_are_fewer(year: int) -> None:
    at = to_micros(datetime(year, 6, 1, tzinfo=UTC) + timedelta(hours=1))
    assert 0 < len(last_periods(CalendarWindow(Period.MONTH), at, 30)) <= 30
