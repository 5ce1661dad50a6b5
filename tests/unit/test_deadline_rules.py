"""Named deadlines as people write them."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slo_rules.deadline_rules import SPELLINGS, DeadlineRule, parse_deadline_rule
from slo_rules.periods import Period, period_of

DAY, WEEK, MONTH, QUARTER, YEAR = Period


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("same_day 18:00", DeadlineRule(DAY, 0, 1080)),
        ("same day", DeadlineRule(DAY)),
        ("Same Business Day 9:05", DeadlineRule(DAY, 0, 545)),
        ("next_business_day 16:00", DeadlineRule(DAY, 1, 960)),
        ("next business day", DeadlineRule(DAY, 1)),
        ("1 business day", DeadlineRule(DAY, 1)),
        ("2 business days 16:00", DeadlineRule(DAY, 2, 960)),
        ("250 business_days 24:00", DeadlineRule(DAY, 250, 1440)),
        ("end of week", DeadlineRule(WEEK)),
        ("end_of_month", DeadlineRule(MONTH)),
        ("  end  of quarter 00:00 ", DeadlineRule(QUARTER, 0, 0)),
        ("end of year - 2 business days", DeadlineRule(YEAR, -2)),
        ("end of month − 2 business days 16:00", DeadlineRule(MONTH, -2, 960)),
        ("end of month – 2 business days", DeadlineRule(MONTH, -2)),
        ("end of month-1 business day", DeadlineRule(MONTH, -1)),
        ("end of month + 1 business day 10:30", DeadlineRule(MONTH, 1, 630)),
    ],
)
def test_a_rule_is_read(text: str, rule: DeadlineRule) -> None:
    assert parse_deadline_rule(text) == rule


@pytest.mark.parametrize(
    "text",
    [
        *("", "tomorrow", "same_day 18", "same_day at 18:00", "next_business_day 16:00 18:00", "next day 16:00"),
        *("business day", "-1 business days", "1.5 business days", "2 days", "２ business days", "end of decade"),
        *("end of month - 2", "end of month - 2 days", "end of month 16:00 - 2 business days", "end of", "x" * 5000),
    ],
)
def test_what_is_no_rule_is_told_the_spellings(text: str) -> None:
    with pytest.raises(ValueError, match="is not a deadline; write it like one of") as caught:
        parse_deadline_rule(text)
    assert all(spelling in str(caught.value) for spelling in SPELLINGS)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("text", ["0 business days", "251 business days", "end of month - 0 business days"])
def test_the_number_of_business_days_is_bounded(text: str) -> None:
    with pytest.raises(ValueError, match="the business days must be 1 to 250"):
        parse_deadline_rule(text)


@pytest.mark.parametrize("text", ["same_day 24:01", "same_day 25:00", "end of week 12:60"])
def test_a_time_of_day_must_exist(text: str) -> None:
    with pytest.raises(ValueError, match="is not a time of day"):
        parse_deadline_rule(text)


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_every_spelling_that_an_error_names_is_read(spelling: str) -> None:
    assert parse_deadline_rule(str(parse_deadline_rule(spelling))) == parse_deadline_rule(spelling)


@given(st.sampled_from(Period), st.integers(-250, 250), st.none() | st.integers(0, 1440))
def test_a_rule_spells_itself_so_that_it_is_read_again(period: Period, days: int, time: int | None) -> None:
    rule = DeadlineRule(period, abs(days) if period is DAY else days, time)
    assert parse_deadline_rule(str(rule)) == rule


@pytest.mark.parametrize(
    ("period", "first", "last"),
    [
        (DAY, date(2028, 2, 29), date(2028, 2, 29)),
        (WEEK, date(2028, 2, 28), date(2028, 3, 5)),
        (MONTH, date(2028, 2, 1), date(2028, 2, 29)),
        (QUARTER, date(2028, 1, 1), date(2028, 3, 31)),
        (YEAR, date(2028, 1, 1), date(2028, 12, 31)),
    ],
)
def test_a_period_has_its_ends(period: Period, first: date, last: date) -> None:
    assert period_of(period, date(2028, 2, 29), 0) == (first, last)
    assert all(period_of(period, day, 0) == (first, last) for day in (first, last))


def test_a_week_may_begin_on_any_day() -> None:
    assert period_of(WEEK, date(2026, 3, 4), 6) == (date(2026, 3, 1), date(2026, 3, 7))
