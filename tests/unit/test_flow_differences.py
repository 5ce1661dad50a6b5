"""By what two sets of instances of one workflow differ, and whether that is more than chance brings."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from slo_rules.durations import HOUR
from slo_rules.flow_differences import Measure, Side, differences
from slo_rules.flow_times import StepSeen


def side(hours: list[float], *, waiting: int = 0, late: int = 0, calendar: str | None = None) -> Side:
    seen = StepSeen(reached=len(hours), measured=len(hours), late=late)
    for took in hours:
        seen.times[calendar].note(round(took * HOUR), finished=True)
    for _ in range(waiting):
        seen.times[calendar].note(200 * HOUR, finished=False)
    return Side(len(hours) + waiting, seen)


def compared(one: Side, other: Side) -> dict[Measure, tuple[float, bool]]:
    return {found.measure: (found.size, found.sure) for found in differences("a", {"a": one}, {"a": other})}


def spread(seed: int, around: float, number: int = 100) -> list[float]:
    chance = Random(seed)
    return [chance.expovariate(1 / around) for _ in range(number)]


def test_the_largest_difference_that_is_sure_comes_first() -> None:
    slow, quick = side(spread(1, 9), late=40), side(spread(2, 3), late=12)
    found = differences("a", {"a": slow}, {"a": quick})
    assert all(one.sure for one in found)
    assert [one.size for one in found] == sorted((one.size for one in found), reverse=True)
    assert found[-1].measure is Measure.LATE
    assert abs(found[-1].size - 0.28) < 1e-9


def test_of_too_few_nothing_is_sure() -> None:
    assert not any(sure for _, sure in compared(side([1.0] * 19, late=19), side([9.0] * 300)).values())
    assert compared(side([1.0] * 20), side([9.0] * 300))[Measure.MEDIAN][1]


def test_one_that_was_late_among_hundreds_is_nothing_to_be_sure_of() -> None:
    assert not compared(side([1.0] * 158, late=1), side([1.0] * 740))[Measure.LATE][1]


def test_what_still_waits_makes_a_step_slower() -> None:
    found = compared(side([1.0] * 60), side([1.0] * 60, waiting=60))
    assert found[Measure.REACHED] == (0.5, True)


def test_hours_of_an_office_are_not_compared_with_those_of_a_clock() -> None:
    found = compared(side([1.0] * 100), side([9.0] * 100, calendar="office"))
    assert not found


@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_whichever_is_named_first_the_differences_are_the_same(a: int, b: int) -> None:
    one, other = side(spread(a, 4, 40), late=a % 40), side(spread(b, 5, 30), waiting=b % 9)
    assert compared(one, other) == compared(other, one)


def test_what_chance_brings_is_seldom_called_sure() -> None:
    """Of 300 pairs that are alike one in twenty would be, were each looked at by itself."""
    called = [
        compared(side(spread(n, 5)), side(spread(n + 10_000, 5))).get(Measure.MEDIAN, (0, False))[1] for n in range(300)
    ]
    assert sum(called) <= 30
