"""How many events a minute a source has sent: told from samples of how many it had sent by when."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from collector.source_rates import HOURS, rates
from slo_rules.durations import DAY, HOUR, MINUTE

NOW = 1_795_000_000_000_000
QUARTERS = [NOW - back * 15 * MINUTE for back in range(98, 0, -1)]


def steady(a_minute: int) -> dict[int, int]:
    return {at: (at - QUARTERS[0]) // MINUTE * a_minute for at in QUARTERS}


def test_a_steady_source_has_one_rate() -> None:
    received = (NOW - QUARTERS[0]) // MINUTE * 7
    assert rates(QUARTERS, steady(7), received, NOW) == [7.0] * HOURS


def test_without_samples_nothing_is_known() -> None:
    assert rates([], {}, 5, NOW) == [None] * HOURS
    assert rates([NOW], {NOW: 5}, 5, NOW) == [None] * HOURS


def test_hours_before_the_first_sample_are_not_known_and_of_its_own_what_came_after() -> None:
    found = rates([NOW - 90 * MINUTE], {NOW - 90 * MINUTE: 10}, 190, NOW)
    assert found == [None] * (HOURS - 2) + [2.0, 2.0]
    assert rates([NOW - MINUTE // 2], {NOW - MINUTE // 2: 0}, 9, NOW) == [None] * HOURS


def test_a_source_that_is_new_had_sent_nothing() -> None:
    assert rates(QUARTERS, {}, 30, NOW)[-2:] == [0.0, 0.5]


def test_what_is_rare_is_not_nothing() -> None:
    assert rates([NOW - DAY], {NOW - DAY: 0}, 1, NOW)[0] == 0.000694


def test_a_rebuild_that_counts_anew_makes_no_rate_negative() -> None:
    assert rates([NOW - HOUR], {NOW - HOUR: 1000}, 10, NOW)[-1] == 0.0


@given(
    st.lists(st.integers(1, DAY - 1), max_size=8, unique=True), st.lists(st.integers(0, 10**6), min_size=9, max_size=9)
)
def test_the_rates_of_a_day_add_up_to_what_came_in_it(backs: list[int], counts: list[int]) -> None:
    taken, totals = [NOW - DAY, *sorted(NOW - back for back in backs)], sorted(counts)
    found = rates(taken, dict(zip(taken, totals, strict=False)), totals[-1], NOW)
    came = totals[-1] - totals[0]
    known = [one for one in found if one is not None]
    assert len(known) == HOURS
    assert abs(sum(known) * 60 - came) <= 0.01 * came
