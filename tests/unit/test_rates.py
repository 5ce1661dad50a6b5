"""How much somebody may bring: no clock, no network, no database."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.access import limits as limits_of
from collector.access.limits import OTHERS, Limited, Limits
from collector.access.principal import How, Principal, acting
from collector.access.rates import Rate, Rates, left_at, parse_rate, spend, wait_for
from milepost.doctor import judging
from milepost.doctor.finding import Grade


class Clock:
    """Seconds that go on when they are told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def key(name: str = "noisy", rate: float | None = None) -> Principal:
    return Principal(name, How.KEY, frozenset(("ingest",)), "id", rate=rate)


@contextmanager
def sending(who: Principal) -> Iterator[None]:
    token = acting.set(who)
    try:
        yield
    finally:
        acting.reset(token)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.mark.parametrize(
    ("text", "per_second", "spelled"),
    [
        ("500/s", 500, "500/s"),
        ("30000/min", 500, "500/s"),
        ("30/min", 0.5, "30/min"),
        ("1/h", 1 / 3600, "1/h"),
        ("0.5/s", 0.5, "30/min"),
        ("2.5/s", 2.5, "2.5/s"),
    ],
)
def test_a_rate_is_read_and_spelled(text: str, per_second: float, spelled: str) -> None:
    found = parse_rate(text)
    assert found is not None
    assert (found.per_second, str(found)) == (pytest.approx(per_second), spelled)
    assert parse_rate("off") is None


@pytest.mark.parametrize("text", ["", "5", "0/s", "-1/s", "1/d", "1e9/s", "nan/s", "inf/s", "0.001/h", "1 / s", "٥/s"])
def test_what_is_no_rate_says_how_one_is_written(text: str) -> None:
    with pytest.raises(ValueError, match="500/s"):
        parse_rate(text)


@given(
    st.floats(0.001, 1e6),
    st.lists(st.tuples(st.floats(0, 100), st.integers(1, 10_000)), max_size=200),
)
def test_in_the_long_run_nobody_gets_more_than_his_rate(per_second: float, came: list[tuple[float, int]]) -> None:
    rate, kept, now, taken, largest = Rate(per_second), None, 0.0, 0, 0
    for pause, count in came:
        now += pause
        left = left_at(kept, rate, now)
        if wait_for(left, rate) is None:
            left, taken, largest = spend(left, count), taken + count, max(largest, count)
        kept = left
    assert taken <= rate.burst + per_second * now + largest + 1e-3 * (1 + taken)


@given(st.floats(0.001, 1e6), st.integers(1, 100_000))
def test_who_waits_for_as_long_as_he_was_told_is_let_in_and_a_second_before_that_is_not(
    per_second: float, count: int
) -> None:
    rate = Rate(per_second)
    left = spend(left_at(None, rate, 0.0), rate.burst + count)
    wait = wait_for(left, rate)
    assert wait is not None
    assert wait_for(left_at(left, rate, wait + 1e-3), rate) is None
    if wait > 1:
        assert wait_for(left_at(left, rate, wait - 1 - 1e-3), rate) is not None


def test_a_clock_that_stands_or_goes_back_gives_nothing_away() -> None:
    rate = Rate(10)
    left = spend(left_at(None, rate, 100.0), rate.burst)
    assert left_at(left, rate, 50.0).count == left_at(left, rate, 100.0).count == 0


def test_a_key_is_let_in_until_it_has_brought_too_much_and_again_when_that_is_made_up_for(clock: Clock) -> None:
    limits, who = Limits(Rates(per_key=Rate(100)), clock), key()
    with sending(who):
        limits.admit(who)
        limits.take(5000)
        with pytest.raises(Limited) as found:
            limits.admit(who)
    # 1,000 were left, 5,000 came: 4,001 are to be made up for at 100 a second.
    assert found.value.retry_after == 41
    assert str(found.value) == "the key 'noisy' sends more than 100/s; come again in 41 s"
    clock.now += 40
    with pytest.raises(Limited):
        limits.admit(who)
    clock.now += 1
    limits.admit(who)


def test_one_key_takes_nothing_from_another_and_people_are_not_counted(clock: Clock) -> None:
    limits = Limits(Rates(per_key=Rate(1)), clock)
    for _ in range(10):
        limits.admit(key())
    with pytest.raises(Limited):
        limits.admit(key())
    limits.admit(key("quiet"))
    for how in (How.PASSWORD, How.OIDC, How.PROXY, How.OPEN):
        for _ in range(100):
            limits.admit(Principal("noisy", how, frozenset(("admin",))))


def test_a_keys_own_rate_goes_before_that_of_all(clock: Clock) -> None:
    limits = Limits(Rates(per_key=Rate(1)), clock)
    for _ in range(100):
        limits.admit(key("free", math.inf))
    for _ in range(20):
        limits.admit(key("more", 2.0))
    with pytest.raises(Limited, match="2/s"):
        limits.admit(key("more", 2.0))
    unlimited = Limits(Rates(), clock)
    for _ in range(10):
        unlimited.admit(key("bounded", 1.0))
    with pytest.raises(Limited):
        unlimited.admit(key("bounded", 1.0))


def test_requests_that_come_in_side_by_side_do_not_all_bring_as_much_as_they_like(clock: Clock) -> None:
    limits, who = Limits(Rates(per_key=Rate(10)), clock), key()
    with sending(who):
        for _ in range(50):
            limits.admit(who)
            limits.take(1)
            clock.now += 0.1
        for _ in range(3):
            limits.admit(who)
        limits.take(10_000)
        with pytest.raises(Limited):
            limits.take(10_000)


def test_a_request_that_is_refused_for_one_source_uses_up_nothing_of_another(clock: Clock) -> None:
    limits = Limits(Rates(per_source=Rate(1), sources={"sap": Rate(100), "crm": None}), clock)
    limits.take(30, lambda: {"desk": 30})
    for _ in range(3):
        with pytest.raises(Limited, match="'desk'"):
            limits.take(1001, lambda: {"sap": 1000, "desk": 1})
    limits.take(1000, lambda: {"sap": 1000})
    with pytest.raises(Limited, match="'sap' sends more than 100/s"):
        limits.take(1, lambda: {"sap": 1})
    limits.take(10**6, lambda: {"crm": 10**6})


def test_nothing_is_asked_of_sources_where_none_is_limited(clock: Clock) -> None:
    def never() -> Any:
        raise AssertionError

    Limits(Rates(per_key=Rate(1)), clock).take(5, never)


def test_whoever_makes_up_sources_shares_what_is_left_for_strangers(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits_of, "MOST_KNOWN", 100)
    limits = Limits(Rates(per_source=Rate(1), sources={"sap": Rate(5)}), clock)
    taken = 0
    for number in range(5000):
        with contextlib.suppress(Limited):
            limits.take(1, lambda number=number: {f"made-up-{number}": 1})  # type: ignore[misc]
            taken += 1
    assert len(limits._left) <= 101
    # A hundred by their own names, and then what one source has.
    assert taken == 110
    limits.take(1, lambda: {"sap": 1})
    clock.now += 60
    limits.take(1, lambda: {"a new one": 1})
    assert ("source", "a new one") in limits._left


def test_what_is_told_of_those_who_are_limited_is_bounded(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits_of, "MOST_TOLD", 3)
    limits = Limits(Rates(per_source=Rate(1)), clock)
    for number in range(50):
        name = f"bounded-{number}\0\ud800{'x' * 5000}"
        limits.take(100, lambda name=name: {name: 100})  # type: ignore[misc]
        with pytest.raises(Limited):
            limits.take(1, lambda name=name: {name: 1})  # type: ignore[misc]
    assert sum(limits._untold.values()) == 50
    assert limits._untold[("source", OTHERS)] == 47
    assert all(len(name.encode()) <= 300 and "\0" not in name for _, name in limits._untold)


def test_the_doctor_names_those_who_are_limited_most_first() -> None:
    assert judging.limited({}).grade is Grade.OK
    found = judging.limited({("key", "a"): 3, ("source", "b"): 4711})
    assert found.grade is Grade.WARN
    assert found.said.endswith("source b (4,711 requests), key a (3 requests)")
