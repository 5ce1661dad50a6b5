"""What a source sent in each hour of a week, against what it usually sends in that hour."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from collector.source_volume import Usual, usual_at, week
from slo_rules.durations import DAY, HOUR, MINUTE

NOW = 1_795_000_200_000_000
HOURS = [NOW // HOUR * HOUR - back * HOUR for back in range(36 * 24, -1, -1)]


def samples(per_hour: dict[int, int], *, usual: int = 10) -> list[tuple[int, int]]:
    """By when how much had come, with so much in each hour but in those that are named by how many hours ago they began."""
    total, found = 0, []
    for at in HOURS:
        found.append((at, total))
        total += per_hour.get((NOW // HOUR * HOUR - at) // HOUR, usual)
    return found


def test_an_hour_stands_beside_the_same_hour_of_the_same_weekday() -> None:
    # A week ago, and two and three, twice as much.
    hours = week(samples({1: 3, 1 + 7 * 24: 20, 1 + 14 * 24: 20, 1 + 21 * 24: 20}), NOW)
    assert len(hours) == 7 * 24
    assert hours[-1].came == 3
    assert hours[-1].usual == Usual(17.5, 20.0, 20.0, 4, True)
    assert hours[-2].usual == Usual(10.0, 10.0, 10.0, 4, True)


def test_of_few_days_all_weekdays_are_taken_and_of_fewer_nothing_is_usual() -> None:
    counts = {NOW // HOUR * HOUR - back * DAY: 5.0 for back in (1, 2, 3)}
    assert usual_at(NOW // HOUR * HOUR, counts) == Usual(5.0, 5.0, 5.0, 3, False)
    assert usual_at(NOW // HOUR * HOUR, dict(list(counts.items())[:2])) is None


def test_when_nobody_looked_for_hours_nothing_is_known_of_them() -> None:
    found = samples({})
    hours = week(found[:-6] + found[-1:], NOW)
    assert [one.came for one in hours[-7:]] == [10, None, None, None, None, None, None]


def test_samples_beside_the_hour_are_told_by_their_share_of_it() -> None:
    shifted = [(at + 10 * MINUTE, total) for at, total in samples({2: 40})]
    # What came between ten past and ten past counts for fifty minutes of the one hour and for ten of the next.
    assert [round(one.came or 0) for one in week(shifted, NOW)[-3:-1]] == [10, 35]


def test_a_rebuild_that_counts_anew_makes_no_hour_negative() -> None:
    found = samples({})
    assert week([*found[:-1], (found[-1][0], 0)], NOW)[-1].came == 0


@given(st.lists(st.tuples(st.integers(0, 40 * DAY), st.integers(0, 10**9)), max_size=30, unique_by=lambda one: one[0]))
def test_whatever_was_sampled_every_hour_is_told(found: list[tuple[int, int]]) -> None:
    hours = week(sorted((NOW - back, count) for back, count in found), NOW)
    assert len(hours) == 7 * 24
    assert all(one.came is None or one.came >= 0 for one in hours)
