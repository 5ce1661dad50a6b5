"""When a connection must go. Pure."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from milepost.connections import LEAST_RATE, Patience, Standing, overdue

PATIENCE = Patience(head=10, body=20, idle=30)
ENOUGH = LEAST_RATE * 20


@pytest.mark.parametrize(
    ("standing", "at", "why"),
    [
        (Standing(head_since=0), 9.9, None),
        (Standing(head_since=0), 10, "slow_head"),
        (Standing(idle_since=0), 29.9, None),
        (Standing(idle_since=0), 30, "idle"),
        (Standing(body_since=0, answering=True), 19.9, None),
        (Standing(body_since=0, answering=True), 20, "slow_body"),
        (Standing(body_since=0, body_bytes=ENOUGH - 1), 20, "slow_body"),
        (Standing(body_since=0, body_bytes=ENOUGH), 20, None),
        (Standing(unread_since=0, answering=True), 20, "slow_reader"),
        # What we take our time for is nobody's fault, also not of whoever has begun the next request.
        (Standing(answering=True), 10_000, None),
        (Standing(answering=True, head_since=0), 10_000, None),
    ],
)
def test_a_connection_goes_when_it_is_too_slow(standing: Standing, at: float, why: str | None) -> None:
    assert overdue(standing, PATIENCE, at) == why


@given(st.floats(0, 9.99), st.floats(0, 19.99), st.floats(0, 29.99))
def test_nobody_goes_before_his_time(head: float, body: float, idle: float) -> None:
    assert overdue(Standing(head_since=0), PATIENCE, head) is None
    assert overdue(Standing(body_since=0), PATIENCE, body) is None
    assert overdue(Standing(idle_since=0), PATIENCE, idle) is None
