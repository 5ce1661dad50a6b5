"""How many will miss their deadline and when a backlog is clear, beside simulations of which the truth is known."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slo_rules.durations import HOUR, MINUTE
from slo_rules.forecast import Awaiting, Draining, chances, drain, expected, told_apart_by
from slo_rules.survival import Chance, Lifetimes, StageHistory, Unknown
from tests.strategies import definitions

NOW = 10**15
PAID = ("paid", None)


def awaiting(waited: int, left: int, stage: tuple[str, str | None] = PAID) -> Awaiting:
    return Awaiting("a", stage, "", waited, left, NOW + left)


def history(chance: random.Random, count: int = 2000) -> StageHistory:
    """Exponential with a mean of an hour."""
    seen = Lifetimes()
    for _ in range(count):
        seen.note(round(chance.expovariate(1) * HOUR), finished=True)
    return StageHistory({"": seen})


def test_an_instance_of_a_stage_never_seen_has_no_chance_to_tell() -> None:
    ((_, chance),) = chances([awaiting(0, HOUR, ("other", None))], {PAID: history(random.Random(1))})
    assert (chance.value, chance.unknown) == (None, Unknown.TOO_FEW)
    assert expected([(awaiting(0, HOUR), chance)], NOW + HOUR).unknown == 1


def test_whose_deadline_differs_by_an_attribute_is_told_apart_by_it() -> None:
    assert told_apart_by(definitions().workflows["orders"]) == {"paid": ("region",)}


def test_a_deadline_counts_within_the_horizon_that_holds_it() -> None:
    told = [(awaiting(0, left), Chance(0.5, 0.5, 0.5, 100)) for left in (HOUR, HOUR + 1, 3 * HOUR)]
    assert [expected(told, NOW + hours * HOUR).due for hours in (0, 1, 2, 3)] == [0, 1, 2, 3]
    assert expected(told, NOW + 3 * HOUR).mean == 1.5


@given(st.lists(st.floats(0, 1), max_size=60))
def test_the_range_holds_the_mean_and_is_possible(values: list[float]) -> None:
    told = [(awaiting(0, HOUR), Chance(value, value, value, 100)) for value in values]
    found = expected(told, NOW + HOUR)
    assert found.mean == pytest.approx(math.fsum(values))
    assert 0 <= found.low <= found.high <= len(values)
    assert found.low <= found.mean + 1e-9 and found.mean - 1e-9 <= found.high


def test_a_mistake_in_the_estimate_does_not_even_out() -> None:
    sure = [(awaiting(0, HOUR), Chance(0.5, 0.5, 0.5, 100))] * 1000
    unsure = [(awaiting(0, HOUR), Chance(0.5, 0.4, 0.6, 100))] * 1000
    a, b = expected(sure, NOW + HOUR), expected(unsure, NOW + HOUR)
    assert a.high - a.low < 50 < 100 < b.high - b.low


@pytest.mark.slow
@pytest.mark.parametrize(("seen", "open_"), [(100, 10), (100, 300), (2000, 40), (2000, 1000)])
def test_the_range_holds_what_comes_about_four_times_out_of_five(seen: int, open_: int) -> None:
    """Learned anew each time from so many, of which the truth is known."""
    chance = random.Random(seen + open_)
    held = below = 0
    for _ in range(200):
        known = history(chance, seen)
        asked = [
            awaiting(round(chance.uniform(0, 1) * HOUR), round(chance.uniform(0.2, 2) * HOUR)) for _ in range(open_)
        ]
        found = expected(chances(asked, {PAID: known}), NOW + 9 * HOUR)
        assert found.unknown == 0
        came = sum(chance.expovariate(1) * HOUR > one.left for one in asked)
        held += found.low <= came <= found.high
        below += came < found.low
    # Whole numbers are rounded outwards, which shows where there are few.
    assert 150 <= held <= 196
    assert below <= 35


# Draining


def slots(chance: random.Random, mean: float, count: int) -> list[int]:
    """How many come in each slot, by chance."""
    found = []
    for _ in range(count):
        at, many = chance.expovariate(mean), 0
        while at < 1:
            at, many = at + chance.expovariate(mean), many + 1
        found.append(many)
    return found


def test_a_backlog_that_goes_down_evenly_is_clear_when_it_is_gone() -> None:
    found = drain(60, [15] * 12, [5] * 12, 5 * MINUTE, NOW)
    assert (found.state, found.net_per_hour, found.clear_at) == (Draining.CLEARING, 120, NOW + HOUR // 2)
    assert found.earliest is not None and found.latest is not None
    assert NOW < found.earliest < NOW + HOUR // 2 < found.latest


@pytest.mark.parametrize(("done", "arrived"), [(5, 5), (5, 6), (0, 1)])
def test_what_comes_as_fast_as_it_goes_does_not_clear(done: int, arrived: int) -> None:
    found = drain(60, [done] * 12, [arrived] * 12, 5 * MINUTE, NOW)
    assert (found.state, found.clear_at, found.latest) == (Draining.NOT_CLEARING, None, None)


def test_nothing_waiting_is_clear_and_little_seen_tells_nothing() -> None:
    assert drain(0, [], [], 5 * MINUTE, NOW).clear_at == NOW
    assert drain(9, [4, 0], [0, 0], 5 * MINUTE, NOW).state is Draining.TOO_LITTLE_SEEN
    assert drain(9, [0, 0], [3, 1], 5 * MINUTE, NOW).state is Draining.TOO_LITTLE_SEEN
    assert drain(9, [50], [0], 5 * MINUTE, NOW).state is Draining.TOO_LITTLE_SEEN


def test_where_it_may_as_well_grow_no_latest_time_is_told() -> None:
    found = drain(500, [11, 3, 14, 2, 9, 12], [8, 9, 6, 10, 7, 8], 10 * MINUTE, NOW)
    assert (found.state, found.latest) == (Draining.CLEARING, None)
    assert found.clear_at is not None and found.earliest is not None and found.earliest < found.clear_at


@given(st.integers(1, 10**6), st.lists(st.tuples(st.integers(0, 500), st.integers(0, 500)), min_size=2, max_size=50))
def test_the_times_are_in_order(waiting: int, seen: list[tuple[int, int]]) -> None:
    found = drain(waiting, [one for one, _ in seen], [one for _, one in seen], 5 * MINUTE, NOW)
    if found.state is Draining.CLEARING:
        assert found.clear_at is not None and found.earliest is not None
        assert NOW <= found.earliest <= found.clear_at
        assert found.latest is None or found.clear_at <= found.latest
        more = drain(waiting + 1, [one for one, _ in seen], [one for _, one in seen], 5 * MINUTE, NOW)
        assert more.clear_at is not None and more.clear_at >= found.clear_at


@pytest.mark.parametrize(
    ("done", "arrived", "waiting", "seen"), [(12, 3, 100, 12), (6, 2, 40, 12), (30, 20, 400, 12), (12, 10, 30, 400)]
)
def test_it_is_clear_in_the_range_four_times_out_of_five(done: int, arrived: int, waiting: int, seen: int) -> None:
    """Seen for an hour, where the pace is hardly known; or for long, where only what is to come is left to chance."""
    chance = random.Random(done)
    held = told = 0
    for _ in range(300):
        found = drain(waiting, slots(chance, done, seen), slots(chance, arrived, seen), 5 * MINUTE, NOW)
        if found.state is not Draining.CLEARING or found.earliest is None:
            continue
        told += 1
        left, at = waiting, 0
        while left > 0:
            at += 1
            left += slots(chance, arrived, 1)[0] - slots(chance, done, 1)[0]
        clear = NOW + at * 5 * MINUTE
        # It is clear somewhere in the slot.
        held += found.earliest <= clear and (found.latest is None or clear - 5 * MINUTE <= found.latest)
    assert told > 280
    assert 0.72 <= held / told <= 0.93
