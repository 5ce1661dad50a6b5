"""When the error budget of an objective is spent so fast that somebody is told: counts by bucket in, alerts out. Pure.

A burn rate is what was bad in a time against what the budget of the whole window allows for in that time (Google SRE
Workbook, chapter 5). The budget is that of the window as it was at that instant, or as it will be if it goes on like
the last day, whichever is larger: neither a quiet night nor a young objective makes one bad item look like a disaster.
A tier alerts while the burn rate is above its factor over both its times, and at least FEWEST_BAD items were bad in
the long one. The rules for Prometheus (milepost/prometheus_rules.py) ask for the same.

The sums are kept as whole numbers and compared without a division, so that an objective at exactly the factor never
alerts by rounding.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from decimal import Decimal
from itertools import accumulate

import msgspec

from slo_rules.burn_rates import FEWEST_BAD, Tier, is_reachable, length_of, lookbacks, tiers_within
from slo_rules.contribution import BUCKET
from slo_rules.durations import DAY
from slo_rules.workflow import Objective

_PARTS = 1_000_000
"""Factors of tiers are rounded to this part of one."""


class BurnAlert(msgspec.Struct, frozen=True):
    """An alert of one severity from `since` until `until` (micros; None where it still fires at the end).

    `tier` is the one that fired first; `bad` items were bad in its long time when it began, which was a burn rate of
    `rate`.
    """

    severity: str
    since: int
    until: int | None
    tier: Tier
    bad: int
    rate: float


class Burning(msgspec.Struct, frozen=True):
    """A tier that fires at an instant: how many items were bad in its long time, and the burn rate that makes."""

    tier: Tier
    bad: int
    rate: float


class BurnRates:
    """The burn rates of one objective at any instant.

    `counts` are `(bucket, good, bad)`: the starts of buckets (micros, multiples of BUCKET) with the items in each, in
    any order, each bucket once. At an instant those count that have ended by then. To be right about an instant they
    must reach back from it by the length of the objective's window, or to where the objective began.
    """

    def __init__(self, objective: Objective, counts: Iterable[tuple[int, int, int]]) -> None:
        self._tiers = [tier for tier in tiers_within(objective.window) if is_reachable(tier, objective)]
        self._length = length_of(objective.window)
        self._back = lookbacks(objective.window)
        self._allowed = (1 - Decimal(str(objective.target))).as_integer_ratio()
        self._factors = {tier: round(tier.factor(objective.window) * _PARTS) for tier in self._tiers}
        known = sorted(one for one in counts if one[1] or one[2])
        self._buckets = [bucket for bucket, _, _ in known]
        self._bad = list(accumulate((bad for _, _, bad in known), initial=0))
        self._total = list(accumulate((good + bad for _, good, bad in known), initial=0))

    def burning(self, at: int) -> list[Burning]:
        """The tiers that fire at an instant (micros), in the order of TIERS; of the last whole bucket before it."""
        end = self._place(at - BUCKET + 1)
        found: list[Burning] = []
        expected: int | None = None
        for tier in self._tiers:
            bad = self._bad_since(at - tier.long, end)
            if bad < FEWEST_BAD:
                continue
            if expected is None:
                expected = self._expected(at, end)
            if self._exceeds(tier, bad, tier.long, expected) and self._exceeds(
                tier, self._bad_since(at - tier.short, end), tier.short, expected
            ):
                found.append(Burning(tier, bad, self._rate(bad, tier.long, expected)))
        return found

    def alerts(self, since: int, until: int) -> list[BurnAlert]:
        """What would have fired at the ends of buckets from `since` to `until` (micros), both included, by its begin.

        What fires already at the first of them begins there. Tiers of one severity are one alert.
        """
        open_: dict[str, tuple[int, Burning]] = {}
        found: list[BurnAlert] = []
        for at in self._turning_points(since, until):
            # Of the tiers of one severity the first in their order speaks.
            firing = {one.tier.severity: one for one in reversed(self.burning(at))}
            found += [_alert(*open_.pop(severity), at) for severity in [*open_] if severity not in firing]
            open_ = {severity: (at, one) for severity, one in firing.items()} | open_
        found += [_alert(begun, one, None) for begun, one in open_.values()]
        return sorted(found, key=lambda alert: (alert.since, alert.severity))

    def _turning_points(self, since: int, until: int) -> list[int]:
        """The ends of buckets at which anything is another sum than at the one before, and the first of all."""
        first = since + -since % BUCKET
        if first > until:
            return []
        points = {first}
        # A bucket counts from its end on, for each of the times that are looked back over.
        for step in (BUCKET, *(BUCKET + back for back in self._back)):
            ends = self._buckets[self._place(first - step) : self._place(until - step + 1)]
            points.update(bucket + step for bucket in ends)
        return sorted(points)

    def _place(self, bucket: int) -> int:
        return bisect_left(self._buckets, bucket)

    def _bad_since(self, since: int, end: int) -> int:
        return self._bad[end] - self._bad[min(end, self._place(since))]

    def _total_since(self, since: int, end: int) -> int:
        return self._total[end] - self._total[min(end, self._place(since))]

    def _expected(self, at: int, end: int) -> int:
        """The items of a window, times DAY."""
        of_window = self._total_since(at - self._length, end) * DAY
        return max(of_window, self._total_since(at - DAY, end) * self._length) if self._length > DAY else of_window

    def _exceeds(self, tier: Tier, bad: int, time: int, expected: int) -> bool:
        numerator, denominator = self._allowed
        return bad * self._length * DAY * denominator * _PARTS > self._factors[tier] * time * numerator * expected

    def _rate(self, bad: int, time: int, expected: int) -> float:
        numerator, denominator = self._allowed
        return bad * self._length * DAY * denominator / (time * numerator * expected)


def _alert(since: int, burning: Burning, until: int | None) -> BurnAlert:
    return BurnAlert(burning.tier.severity, since, until, burning.tier, burning.bad, burning.rate)


def counts_of_slices(steps: Iterable[tuple[int, int]], since: int, until: int) -> list[tuple[int, int, int]]:
    """The whole slices from `since` to `until` (micros) of a freshness objective as counts: each is one item.

    `steps` are `(bucket, step)` in order: where the number of stale changes rises and falls.
    """
    found: list[tuple[int, int, int]] = []
    stale, bucket = 0, since + -since % BUCKET
    for place, step in [*steps, (until - until % BUCKET, 0)]:
        while bucket < min(place, until - BUCKET + 1):
            found.append((bucket, int(stale <= 0), int(stale > 0)))
            bucket += BUCKET
        stale += step
    return found
