"""When an error budget is gone if it goes on like this."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slo_rules.durations import DAY, HOUR
from slo_rules.pace import Pace, pace, recent
from slo_rules.periods import Period
from slo_rules.windows import CalendarWindow

MONTH = CalendarWindow(Period.MONTH)
SEPTEMBER = 1_788_220_800_000_000  # 2026-09-01 00:00 UTC


def test_a_month_at_the_pace_so_far() -> None:
    # 1,000 orders in ten days make 3,000, of which 30 may be late; 15 are by now.
    found = pace(MONTH, SEPTEMBER + 10 * DAY, 0.99, 985, 15, 0)
    assert found is not None
    assert (found.allowed, found.gone_at) == (pytest.approx(30), pytest.approx(SEPTEMBER + 20 * DAY, abs=10))


@pytest.mark.parametrize(("good", "bad"), [(1000, 0), (990, 10), (995, 5)])
def test_what_lasts_to_the_end_is_not_gone(good: int, bad: int) -> None:
    found = pace(MONTH, SEPTEMBER + 10 * DAY, 0.99, good, bad, 0)
    assert found is not None
    assert found.gone_at is None


def test_without_anything_to_judge_there_is_no_pace() -> None:
    assert pace(MONTH, SEPTEMBER + DAY, 0.99, 0, 0, 0) is None
    assert pace(MONTH, SEPTEMBER, 0.99, 5, 0, 0) is None


def test_from_a_rolling_window_what_is_old_falls_out() -> None:
    at = SEPTEMBER + 40 * DAY
    # As much as on average: as much falls out as comes in.
    assert pace(30 * DAY, at, 0.9, 970, 30, 1) == Pace(pytest.approx(100), None)
    # Eleven a day more than fall out, and seventy are left: a week.
    assert pace(30 * DAY, at, 0.9, 970, 30, 11) == Pace(pytest.approx(100), pytest.approx(at + 7 * DAY, abs=100))
    assert pace(30 * DAY, at, 0.9, 800, 200, 0) == Pace(pytest.approx(100), at)


def test_lately_is_a_day_or_less_of_short_windows() -> None:
    assert recent(30 * DAY, SEPTEMBER) == recent(90 * DAY, SEPTEMBER) == DAY
    assert recent(7 * DAY, SEPTEMBER) == 7 * DAY // 30
    assert recent(DAY, SEPTEMBER) == HOUR


@given(st.integers(1, 29), st.integers(0, 5000), st.integers(0, 500), st.floats(0.5, 0.999))
def test_at_the_instant_it_is_gone_as_much_is_bad_as_may_be(days: int, good: int, bad: int, target: float) -> None:
    at = SEPTEMBER + days * DAY
    found = pace(MONTH, at, target, good, bad, 0)
    if found is None:
        assert good + bad == 0
    elif found.gone_at is None:
        assert bad / days * 30 <= found.allowed * (1 + 1e-9)
    else:
        assert bad * (found.gone_at - SEPTEMBER) / (at - SEPTEMBER) == pytest.approx(found.allowed, rel=1e-6)
