"""When the error budget of an objective burned so fast that somebody would have been told: counts in, alerts out. Pure.

At the end of every five minutes the same is asked as at present (`slo_rules.burn_rates.burning`), of what counted by
then. As nothing changes while nothing begins or ceases to count, only those ends are looked at.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from itertools import accumulate

import msgspec

from slo_rules.buckets import BUCKET
from slo_rules.burn_rates import FEWEST_BAD, Burning, Tier, burning, lookbacks, tiers_within
from slo_rules.objective import Objective

Counted = tuple[int, int, int, int]
"""From when to when (micros, multiples of BUCKET), with what was good and bad in it: a bucket, or a slice."""


class BurnAlert(msgspec.Struct, frozen=True):
    """An alert of one severity from `since` until `until` (micros; None where it still fires at the end).

    `tier` is the one that fired first; `bad` were bad in its long time when it began, which was a burn rate of `rate`.
    """

    severity: str
    since: int
    until: int | None
    tier: Tier
    bad: int
    rate: float


class BurnRates:
    """The burn rates of one objective at any instant.

    `counted` are apart, in any order. At an instant those count that have ended by then. To be right about an instant
    they must reach back from it by the length of the objective's window, or to where the objective began.
    """

    def __init__(self, objective: Objective, counted: Iterable[Counted]) -> None:
        self._objective = objective
        self._back = lookbacks(objective.window)
        self._longest = max((tier.long for tier in tiers_within(objective.window)), default=0)
        known = sorted(one for one in counted if one[2] or one[3])
        self._since = [since for since, _, _, _ in known]
        self._until = [until for _, until, _, _ in known]
        self._good = list(accumulate((good for _, _, good, _ in known), initial=0))
        self._bad = list(accumulate((bad for _, _, _, bad in known), initial=0))

    def burning(self, at: int) -> list[Burning]:
        """The tiers that fire at an instant (micros), in the order of TIERS."""
        at -= at % BUCKET
        end = bisect_right(self._until, at)
        if self._between(at - self._longest, end)[1] < FEWEST_BAD:
            return []
        return burning(self._objective, {back: self._between(at - back, end) for back in self._back})

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
        # It counts from its end on, and no more one bucket after it begins too early.
        for instants, step in ((self._until, 0), *((self._since, back + BUCKET) for back in self._back)):
            inside = instants[bisect_left(instants, first - step) : bisect_right(instants, until - step)]
            points.update(instant + step for instant in inside)
        return sorted(points)

    def _between(self, since: int, end: int) -> tuple[int, int]:
        """Good and bad of what begins from an instant on, up to a place."""
        place = min(end, bisect_left(self._since, since))
        return self._good[end] - self._good[place], self._bad[end] - self._bad[place]


def _alert(since: int, burning_: Burning, until: int | None) -> BurnAlert:
    return BurnAlert(burning_.tier.severity, since, until, burning_.tier, burning_.bad, burning_.rate)
