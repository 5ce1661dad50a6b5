"""Times in which nothing counts: one-off and recurring ones, and what is left of a span without them."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slo_rules.durations import DAY, HOUR, MINUTE
from slo_rules.exclusions import Exclusion, check_rule, excluded, united, without
from slo_rules.instants import to_datetime, to_micros


def at(text: str, zone: str = "UTC") -> int:
    return to_micros(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)))


def local(span: tuple[int, int], zone: str) -> tuple[str, str]:
    first, last = (f"{to_datetime(one).astimezone(ZoneInfo(zone)):%m-%d %H:%M}" for one in span)
    return first, last


SUNDAYS = Exclusion("maintenance", at("2026-01-04T02:00", "Europe/Berlin"), 4 * HOUR, "FREQ=WEEKLY", "Europe/Berlin")


def test_a_one_off_exclusion_is_there_once() -> None:
    once = Exclusion("freeze", at("2026-12-24T18:00"), 2 * DAY)
    year = (at("2026-01-01T00:00"), at("2027-01-01T00:00"))
    assert once.within(*year) == [(at("2026-12-24T18:00"), at("2026-12-26T18:00"))]
    assert once.within(at("2026-12-26T18:00"), at("2027-01-01T00:00")) == []
    assert once.within(at("2026-12-26T17:59"), at("2027-01-01T00:00")) != []
    assert once.within(at("2026-12-01T00:00"), at("2026-12-24T18:00")) == []


def test_a_recurring_one_keeps_its_time_on_the_wall_over_the_change_of_clocks() -> None:
    found = SUNDAYS.within(at("2026-03-20T00:00"), at("2026-04-07T00:00"))
    assert [local(one, "Europe/Berlin") for one in found] == [
        ("03-22 02:00", "03-22 06:00"),
        # 02:00 does not exist on this day: it begins when the clocks have been put forward, and lasts as long.
        ("03-29 03:00", "03-29 07:00"),
        ("04-05 02:00", "04-05 06:00"),
    ]
    autumn = SUNDAYS.within(at("2026-10-24T00:00"), at("2026-10-26T00:00"))
    # 02:00 comes twice; it is the first.
    assert autumn == [(at("2026-10-25T00:00"), at("2026-10-25T04:00"))]


def test_nothing_recurs_before_it_first_is() -> None:
    assert SUNDAYS.within(at("2025-01-01T00:00"), at("2026-01-04T01:00")) == []
    assert len(SUNDAYS.within(at("2025-01-01T00:00"), at("2026-01-04T01:05"))) == 1


def test_a_rule_can_end() -> None:
    thrice = Exclusion("x", at("2026-01-01T00:00"), HOUR, "FREQ=DAILY;COUNT=3")
    assert len(thrice.within(at("2026-01-01T00:00"), at("2030-01-01T00:00"))) == 3
    until = Exclusion("x", at("2026-01-01T00:00"), HOUR, "FREQ=DAILY;UNTIL=20260105")
    assert len(until.within(at("2026-01-01T00:00"), at("2030-01-01T00:00"))) == 5


@pytest.mark.parametrize(
    ("rule", "wrong"),
    [
        ("FREQ=WEEKLY;BYDAY=SU", ""),
        ("FREQ=MONTHLY;BYDAY=-1SU", ""),
        ("FREQ=YEARLY;BYMONTH=12;BYMONTHDAY=24", ""),
        ("FREQ=DAILY;INTERVAL=2;COUNT=10", ""),
        ("", "must be an RRULE"),
        ("every sunday", "must be an RRULE"),
        ("RRULE:FREQ=DAILY", "must be an RRULE"),
        ("FREQ=DAILY\nEXDATE:20260101", "must be an RRULE"),
        ("FREQ=SECONDLY", "FREQ must be one of YEARLY, MONTHLY, WEEKLY, DAILY"),
        ("FREQ=MINUTELY;COUNT=3", "FREQ must be one of"),
        ("BYDAY=SU", "FREQ must be one of"),
        ("FREQ=DAILY;BYSECOND=1", "BYSECOND is not taken"),
        ("FREQ=DAILY;BYMINUTE=1", "BYMINUTE is not taken"),
        ("FREQ=DAILY;INTERVAL=0", "INTERVAL must be from 1 to 1000"),
        ("FREQ=WEEKLY;BYDAY=XX", "cannot be read"),
        ("FREQ=DAILY;UNTIL=20260101T000000Z", "cannot be read"),
        ("FREQ=DAILY;COUNT=99999999999999999999", ""),
        ("FREQ=DAILY;INTERVAL=99999999999999999999", "INTERVAL must be"),
        ("FREQ=DAILY;INTERVAL=-1", "INTERVAL must be"),
        ("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30", "never comes"),
        ("FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30", "never comes"),
    ],
)
def test_what_can_recur(rule: str, wrong: str) -> None:
    assert check_rule(rule).startswith(wrong) if wrong else check_rule(rule) == ""


SPANS = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 20)), max_size=6).map(
    lambda pairs: [(start, start + length) for start, length in pairs]
)


@given(SPANS, st.integers(0, 60), st.integers(0, 60))
def test_what_is_left_and_what_is_gone_are_the_whole(spans: list[tuple[int, int]], since: int, length: int) -> None:
    span = (since, since + length)
    gone = united(spans)
    assert all(a[1] < b[0] for a, b in pairwise(gone))
    left = without(span, gone)
    inside = {n for n in range(*span) if any(a <= n < b for a, b in spans)}
    assert {n for a, b in left for n in range(a, b)} == set(range(*span)) - inside


@given(
    st.integers(0, 400).map(lambda days: days * DAY),
    st.integers(1, 40).map(lambda n: n * HOUR),
    st.sampled_from(["FREQ=DAILY", "FREQ=WEEKLY;BYDAY=MO,TH", "FREQ=MONTHLY;BYMONTHDAY=1,31"]),
    st.sampled_from(["UTC", "Europe/Berlin", "America/St_Johns"]),
)
def test_occurrences_are_those_that_overlap(since: int, length: int, rule: str, zone: str) -> None:
    first = at("2026-01-01T02:00", zone)
    one = Exclusion("x", first, length, rule, zone)
    begin = first + since
    every = one.within(first, first + 500 * DAY)
    for width in (MINUTE, DAY, 40 * DAY):
        assert one.within(begin, begin + width) == [(a, b) for a, b in every if a < begin + width and b > begin]
        cut = excluded([one], begin, begin + width)
        assert all(begin <= a < b <= begin + width for a, b in cut)


def test_it_says_itself_in_words() -> None:
    assert SUNDAYS.words == "maintenance, from 2026-01-04 02:00 Europe/Berlin for 4h, FREQ=WEEKLY"
    assert to_datetime(SUNDAYS.since).tzinfo is UTC
