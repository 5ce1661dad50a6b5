"""Budgets at their very edge: what is just allowed is allowed."""

from __future__ import annotations

from decimal import Decimal

import pytest

from slo_rules.budget import budget


@pytest.mark.parametrize("target", [0.9, 0.99, 0.999, 0.95, 0.97, 0.7, 0.9999])
@pytest.mark.parametrize("thousands", [10, 30, 70, 1230])
def test_as_many_as_may_miss_keep_the_promise(target: float, thousands: int) -> None:
    total = thousands * 1_000
    bad = int((1 - Decimal(str(target))) * total)
    found = budget(total - bad, bad, target)
    assert (found.allowed, found.left) == (bad, 0)
    more = budget(total - bad - 1, bad + 1, target)
    assert more.bad > more.allowed
