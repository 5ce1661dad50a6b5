"""Up to when may be judged while receivers may still have something on their disks."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from collector.awaiting import LEASE, PATIENCE, Awaiting, Told
from slo_rules.durations import MINUTE, SECOND
from slo_rules.instants import to_datetime, to_micros

NOW = 1_800_000_000_000_000
ONE, OTHER = UUID(int=1), UUID(int=2)


def told(receiver: UUID, at: int, waits_since: int | None = None) -> Told:
    return receiver, to_datetime(at), None if waits_since is None else to_datetime(waits_since)


def test_whoever_has_just_told_that_nothing_waits_holds_nothing_up() -> None:
    assert Awaiting().decide([told(ONE, NOW - SECOND), told(OTHER, NOW - LEASE)], NOW, 0) == (NOW, [])
    assert Awaiting().decide([], NOW, 0) == (NOW, [])


def test_nothing_is_judged_beyond_what_somebody_still_has() -> None:
    waiting = told(ONE, NOW, NOW - 10 * MINUTE)
    assert Awaiting().decide([waiting, told(OTHER, NOW)], NOW, 0) == (NOW - 10 * MINUTE, [])


def test_whoever_tells_nothing_may_have_anything_since_then() -> None:
    silent = told(ONE, NOW - 10 * MINUTE)
    assert Awaiting().decide([silent, told(OTHER, NOW)], NOW, 0) == (NOW - 10 * MINUTE + LEASE, [])


def test_it_is_waited_for_from_when_we_see_it_and_not_for_ever() -> None:
    awaiting = Awaiting()
    silent = told(ONE, NOW - 10 * MINUTE)
    latest = NOW - 10 * MINUTE + LEASE
    assert awaiting.decide([silent], NOW, 100.0) == (latest, [])
    assert awaiting.decide([silent], NOW, 100.0 + PATIENCE - 0.1) == (latest, [])
    assert awaiting.decide([silent], NOW, 100.0 + PATIENCE) == (NOW, [(ONE, silent[1])])


def test_whoever_gets_on_is_waited_for_however_long_it_takes() -> None:
    awaiting = Awaiting()
    for minute in range(10, 0, -1):
        since = NOW - minute * MINUTE
        assert awaiting.decide([told(ONE, NOW, since)], NOW, -minute * (PATIENCE - 1)) == (since, [])


def test_whoever_only_says_that_something_waits_and_gets_nowhere_is_let_go() -> None:
    awaiting = Awaiting()
    for second in range(int(PATIENCE)):
        told_now = told(ONE, NOW + second * SECOND, NOW - MINUTE)
        assert awaiting.decide([told_now], NOW + second * SECOND, second) == (NOW - MINUTE, [])
    at = NOW + 45 * SECOND
    assert awaiting.decide([told(ONE, at, NOW - MINUTE)], at, PATIENCE) == (at, [(ONE, to_datetime(at))])


@given(
    st.lists(
        st.tuples(st.integers(1, 4), st.integers(-100, 1), st.none() | st.integers(-200, 0)),
        max_size=5,
        unique_by=lambda one: one[0],
    ),
    st.floats(0, 1000),
)
def test_it_is_never_judged_beyond_what_anybody_who_is_waited_for_has(
    words: list[tuple[int, int, int | None]], seconds: float
) -> None:
    rows = [
        told(UUID(int=number), NOW + at * SECOND, None if since is None else NOW + since * SECOND)
        for number, at, since in words
    ]
    latest, given_up = Awaiting().decide(rows, NOW, seconds)
    assert latest <= NOW
    assert given_up == []
    held = [to_micros(since) if since is not None else to_micros(at) + LEASE for _, at, since in rows]
    assert latest == min([NOW, *held])
    assert all(isinstance(at, datetime) for _, at, _ in rows)
