"""What is usual by this hour of the day."""

from __future__ import annotations

from datetime import date, timedelta

from collector.query.usual import Counted, Usual, usual

SATURDAY = date(2026, 11, 21)
LONG_AGO = date(2026, 1, 1)


def days(**back: Counted) -> dict[date, Counted]:
    return {SATURDAY - timedelta(days=int(name.removeprefix("d"))): one for name, one in back.items()}


def test_what_is_usual_is_the_median_of_the_same_weekday() -> None:
    counted = days(d7=Counted(10, 1), d14=Counted(20, 2), d21=Counted(30, 9), d28=Counted(40, 3), d1=Counted(900, 90))
    assert usual(counted, LONG_AGO, SATURDAY) == Usual(25, 2.5, 4, True)


def test_with_too_few_of_a_weekday_every_day_before_counts() -> None:
    counted = days(d1=Counted(10, 1), d2=Counted(20, 2), d3=Counted(30, 6))
    assert usual(counted, SATURDAY - timedelta(days=4), SATURDAY) == Usual(20, 2, 3, False)


def test_a_day_without_anything_counts_as_one_on_which_nothing_fell_due() -> None:
    counted = days(d1=Counted(10, 1))
    assert usual(counted, SATURDAY - timedelta(days=4), SATURDAY) == Usual(0, 0, 3, False)


def test_the_first_day_that_anything_is_known_of_is_not_whole_and_does_not_count() -> None:
    counted = days(d1=Counted(10, 1), d2=Counted(10, 1), d3=Counted(500, 1))
    assert usual(counted, SATURDAY - timedelta(days=3), SATURDAY) is None
    assert usual({}, None, SATURDAY) is None


def test_today_itself_is_no_part_of_what_is_usual() -> None:
    counted = days(d0=Counted(999, 999), d7=Counted(1, 0), d14=Counted(1, 0), d21=Counted(1, 0), d28=Counted(1, 0))
    assert usual(counted, LONG_AGO, SATURDAY) == Usual(1, 0, 4, True)
