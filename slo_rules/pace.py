"""How fast an error budget is spent: when it is gone if it goes on like this. Pure."""

from __future__ import annotations

from typing import NamedTuple

from slo_rules.budget import Number, budget
from slo_rules.durations import DAY, HOUR
from slo_rules.windows import Window, began, ends


class Pace(NamedTuple):
    """What may be bad in all, and when it will be if it goes on like this (micros); None: not in this window.

    Of a period `allowed` is for the whole of it, if as much comes in the rest as has come so far.
    """

    allowed: float
    gone_at: int | None


def recent(window: Window, at: int) -> int:
    """How far back (micros) one looks to see how a rolling window is spent now."""
    return min(DAY, max(HOUR, (at - began(window, at)) // 30))


def pace(window: Window, at: int, target: float, good: Number, bad: Number, bad_lately: Number) -> Pace | None:
    """The pace at an instant, from what the window has so far and what was bad in the `recent` time.

    A period is spent as on average so far. From a rolling window what is old falls out as new comes in. None while
    there is nothing to judge.
    """
    allowed, wrong = budget(good, bad, target).allowed, float(bad)
    since, until = began(window, at), ends(window, at)
    if good + bad <= 0 or at <= since:
        return None
    if until is not None:
        allowed *= (until - since) / (at - since)
        gone_at = None if wrong <= 0 else since + int((at - since) * allowed / wrong)
        return Pace(allowed, gone_at if gone_at is not None and gone_at < until else None)
    growth = float(bad_lately) / recent(window, at) - wrong / (at - since)
    if wrong > allowed:
        return Pace(allowed, at)
    if growth <= 0:
        return Pace(allowed, None)
    gone_at = at + int((allowed - wrong) / growth)
    return Pace(allowed, gone_at if gone_at < at + (at - since) else None)
