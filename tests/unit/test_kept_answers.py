"""Answers that are kept: how often they are made, who waits, and what an error leaves behind."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from collector.query.kept_answers import KeptAnswers
from tests.unit.making import Making, settled


async def test_whoever_asks_while_one_is_made_gets_the_same() -> None:
    kept: KeptAnswers[str, int] = KeptAnswers(most=2, seconds=1000, times=0)
    make = Making()
    asked = [asyncio.create_task(kept.get("a", make)) for _ in range(3)]
    await settled()
    make.go.set()
    assert [await one for one in asked] == [1, 1, 1]
    assert await kept.get("a", make) == 1
    assert await kept.get("b", make) == 2


async def test_what_is_past_its_time_is_given_once_more_while_the_next_is_made() -> None:
    clock = asyncio.get_running_loop()
    kept: KeptAnswers[str, int] = KeptAnswers(most=2, seconds=100, times=0)
    make, now = Making(), 0.0
    make.go.set()
    clock.time, real = lambda: now, clock.time  # type: ignore[method-assign]
    try:
        assert await kept.get("a", make) == 1
        now = 99
        assert await kept.get("a", make) == 1
        now = 150
        assert await kept.get("a", make) == 1
        await settled()
        assert make.made == 2
        assert await kept.get("a", make) == 2
        # Nobody has asked for long: what was kept says nothing of now.
        now = 1000
        assert await kept.get("a", make) == 3
    finally:
        clock.time = real  # type: ignore[method-assign]


async def test_what_takes_long_to_make_is_kept_longer() -> None:
    clock = asyncio.get_running_loop()
    now = 0.0
    kept: KeptAnswers[str, int] = KeptAnswers(most=2, seconds=1, times=10)

    def taking(seconds: float) -> Callable[[], Awaitable[int]]:
        async def make() -> int:
            nonlocal now
            now += seconds
            return int(now)

        return make

    clock.time, real = lambda: now, clock.time  # type: ignore[method-assign]
    try:
        assert await kept.get("a", taking(20)) == 20
        now = 219
        assert await kept.get("a", taking(1)) == 20
    finally:
        clock.time = real  # type: ignore[method-assign]


async def test_who_goes_away_stops_nothing() -> None:
    kept: KeptAnswers[str, int] = KeptAnswers(most=2, seconds=1000, times=0)
    make = Making()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(kept.get("a", make), 0.01)
    make.go.set()
    assert await kept.get("a", make) == 1


async def test_an_error_is_told_and_not_kept() -> None:
    kept: KeptAnswers[str, int] = KeptAnswers(most=2, seconds=1000, times=0)
    make = Making()
    make.go.set()
    make.error = ConnectionError("away")
    with pytest.raises(ConnectionError):
        await kept.get("a", make)
    make.error = None
    assert await kept.get("a", make) == 2


async def test_only_so_many_are_kept() -> None:
    kept: KeptAnswers[int, int] = KeptAnswers(most=2, seconds=1000, times=0)
    make = Making()
    make.go.set()
    assert [await kept.get(place, make) for place in (0, 1, 2, 1, 2)] == [1, 2, 3, 2, 3]
    assert await kept.get(0, make) == 4
