"""Error budgets: counts in, counts out; a ratio is only ever made of sums."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from decimal import Decimal

import msgspec

from slo_rules.buckets import BUCKET

Number = Decimal | int
"""Items are whole; money is not."""


class Budget(msgspec.Struct, frozen=True):
    """Good and bad of a window; how many bad ones the target allows, and the share of that which is left.

    `ratio` and `left` are None while there is nothing to judge. `left` is negative when more was spent than allowed.
    """

    good: Number
    bad: Number
    allowed: float
    ratio: float | None
    left: float | None


def budget(good: Number, bad: Number, target: float) -> Budget:
    """The budget of a window: `allowed = (1 - target) * total` (Google SRE Workbook, chapter 2)."""
    total = good + bad
    if total == 0:
        return Budget(0, 0, 0.0, None, None)
    # Of 3,000 by a target of 0.9 just 300 may miss; in binary 1 - 0.9 is a little less than 0.1.
    allowed = float((1 - Decimal(repr(target))) * total)
    return Budget(good, bad, allowed, float(good / total), (allowed - float(bad)) / allowed)


class Staleness:
    """In which slices at least one change was stale.

    `steps` are `(bucket, step)` in order: where the number of stale changes rises and falls. Before the first nothing
    is stale.
    """

    def __init__(self, steps: Iterable[tuple[int, int]]) -> None:
        self._at: list[int] = []
        self._stale: list[int] = []
        """Stale slices before each step."""
        self._counts: list[int] = []
        """Stale changes from each step on."""
        self._add(steps)

    def with_other(self, since: int, steps: Iterable[tuple[int, int]]) -> Staleness:
        """The same with other steps from an instant on."""
        place = bisect_left(self._at, since)
        other = Staleness(())
        other._at, other._stale, other._counts = self._at[:place], self._stale[:place], self._counts[:place]
        other._add(steps)
        return other

    def _add(self, steps: Iterable[tuple[int, int]]) -> None:
        stale, count = (self._stale[-1], self._counts[-1]) if self._at else (0, 0)
        for bucket, step in steps:
            if count > 0:
                stale += (bucket - self._at[-1]) // BUCKET
            count += step
            self._at.append(bucket)
            self._stale.append(stale)
            self._counts.append(count)

    def before(self, until: int) -> int:
        """How many whole slices before an instant were stale."""
        index = bisect_left(self._at, until) - 1
        if index < 0:
            return 0
        return self._stale[index] + ((until - self._at[index]) // BUCKET if self._counts[index] > 0 else 0)

    def runs(self, since: int, until: int) -> Iterator[tuple[int, int]]:
        """From when to when something was stale, of the whole slices between two instants, in order."""
        since, until = _whole(since, until)
        place = max(bisect_right(self._at, since) - 1, 0)
        began: int | None = None
        for at, count in zip(self._at[place:], self._counts[place:], strict=True):
            if at >= until:
                break
            if count > 0 and began is None:
                began = max(at, since)
            elif count <= 0 and began is not None:
                if at > began:
                    yield began, at
                began = None
        if began is not None and began < until:
            yield began, until

    def slices(self, since: int, until: int) -> tuple[int, int]:
        """How many whole slices between two instants were fresh, and how many stale."""
        since, until = _whole(since, until)
        if since >= until:
            return 0, 0
        stale = self.before(until) - self.before(since)
        return (until - since) // BUCKET - stale, stale


def _whole(since: int, until: int) -> tuple[int, int]:
    """What begins before the one or ends after the other is no whole slice of this time."""
    return -(-since // BUCKET) * BUCKET, until // BUCKET * BUCKET
