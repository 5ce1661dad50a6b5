"""Error budgets: counts in, counts out; a ratio is only ever made of sums."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from slo_rules.contribution import BUCKET


class Budget(msgspec.Struct, frozen=True):
    """Good and bad of a window; how many bad ones the target allows, and the share of that which is left.

    `ratio` and `left` are None while there is nothing to judge. `left` is negative when more was spent than allowed.
    """

    good: int
    bad: int
    allowed: float
    ratio: float | None
    left: float | None


def budget(good: int, bad: int, target: float) -> Budget:
    """The budget of a window: `allowed = (1 - target) * total` (Google SRE Workbook, chapter 2)."""
    total = good + bad
    if total == 0:
        return Budget(0, 0, 0.0, None, None)
    allowed = (1 - target) * total
    return Budget(good, bad, allowed, good / total, (allowed - bad) / allowed)


def stale_slices(steps: Iterable[tuple[int, int]], until: int) -> int:
    """How many whole slices before `until` had at least one stale change.

    `steps` are `(bucket, step)` in order: where the number of stale changes rises and falls.
    """
    stale, count, since = 0, 0, 0
    for bucket, step in steps:
        if bucket >= until:
            break
        if count > 0:
            stale += (bucket - since) // BUCKET
        count += step
        since = bucket
    return stale + (max(0, until - since) // BUCKET if count > 0 else 0)
