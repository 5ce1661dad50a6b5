"""How long a stage takes, learned from those that are through it and from those that still wait.

The product-limit estimate (Kaplan and Meier 1958): an instance that still waits says that it takes longer than it has
waited so far, and is no less a witness for that. To leave the waiting ones out would make every stage look faster than
it is, and most so while things stand still.

Durations are micros of the time in which the clock of the stage counts: business time where it counts that, without
pauses. Whoever hands them over has subtracted the rest. An instance that was called off counts as one that waited until
then: the estimate is of what would be if nobody called it off.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping
from enum import StrEnum
from itertools import accumulate
from typing import NamedTuple

import msgspec

PRECISION = 10
"""Binary digits of a duration that are kept: it is rounded down by less than 1/512 of itself."""
FEWEST = 20
"""Comparable instances of which it must be known how it ended, before a chance is told."""
WIDEST = 0.5
"""An interval wider than this is no answer."""
Z95 = 1.959964
"""The normal quantile of an interval that holds 95 % of the time."""


class Lifetimes(msgspec.Struct, array_like=True):
    """How many took so long (`finished`) and have waited so long (`waiting`), by the duration, `coarse`.

    This is the form to keep: a few thousand numbers for however many instances. Putting two together is adding, so it
    can be done by day or by process in any order, and what turned out otherwise can be taken away again.
    """

    finished: dict[int, int] = {}
    waiting: dict[int, int] = {}

    def note(self, duration: int, *, finished: bool, count: int = 1) -> None:
        """Add so many of this duration (not negative); a negative count takes away what was noted before."""
        into = self.finished if finished else self.waiting
        place = coarse(duration)
        left = into.get(place, 0) + count
        if left:
            into[place] = left
        else:
            into.pop(place, None)


def coarse(duration: int) -> int:
    """The duration as it is counted: rounded down, exact up to 1023 micros, in the order of durations.

    Exact durations would be millions of numbers to keep; buckets of one width would be too wide for a stage of seconds
    or too many for one of months. Nobody plans by a fifth of a percent of a term.
    """
    dropped = max(0, duration.bit_length() - PRECISION)
    return duration >> dropped << dropped


def merged(many: Iterable[Lifetimes]) -> Lifetimes:
    """All of them together."""
    total = Lifetimes()
    for one in many:
        for into, counts in ((total.finished, one.finished), (total.waiting, one.waiting)):
            for place, count in counts.items():
                into[place] = into.get(place, 0) + count
    return total


class Unknown(StrEnum):
    """Why there is no chance to tell. Of silence only whoever knows the sources can say."""

    TOO_FEW = "too_few"
    BEYOND_OBSERVED = "beyond_observed"
    SOURCE_SILENT = "source_silent"


class Chance(NamedTuple):
    """A probability with its 95 % interval, made of `known` comparable instances that ended one way or the other.

    `value` is None where the data do not say, and `unknown` says why; `low` and `high` hold all the same. `pooled` says
    that the instance's own group knew too little, and that all groups were asked.
    """

    value: float | None
    low: float
    high: float
    known: int
    unknown: Unknown | None = None
    pooled: bool = False


class Survival:
    """The estimate from some lifetimes. Made in O(n log n) of the distinct durations, asked in O(log n)."""

    __slots__ = ("_at_risk", "_finished", "_greenwood", "_surviving", "_times")

    def __init__(self, seen: Lifetimes) -> None:
        times = sorted(seen.finished.keys() | seen.waiting.keys())
        at_risk = sum(seen.finished.values()) + sum(seen.waiting.values())
        # Each list begins with what holds before the first duration.
        left, surviving, variance = [at_risk], [1.0], [0.0]
        for time in times:
            through, waiting = seen.finished.get(time, 0), seen.waiting.get(time, 0)
            stayed = at_risk - through
            surviving.append(surviving[-1] * stayed / at_risk)
            variance.append(variance[-1] + (through / (at_risk * stayed) if stayed else 0.0))
            # Of one duration those that are through come first: whoever has waited so long was still at risk then.
            at_risk = stayed - waiting
            left.append(at_risk)
        self._times, self._at_risk, self._surviving, self._greenwood = times, left, surviving, variance
        self._finished = list(accumulate((seen.finished.get(time, 0) for time in times), initial=0))

    @property
    def count(self) -> int:
        """How many instances it is made of."""
        return self._at_risk[0]

    def longer_than(self, duration: int, waited: int | None = None) -> Chance:
        """The chance that it takes longer than `duration`, given that it has taken longer than `waited` already.

        None for `waited` asks before it starts: some take no time at all, and have not waited 0.
        """
        start = 0 if waited is None else self._place(waited)
        end = max(start, self._place(duration))
        known = self._finished[end] - self._finished[start] + self._at_risk[end]
        if not self._at_risk[start]:
            return Chance(None, 0.0, 1.0, 0, Unknown.BEYOND_OBSERVED if self.count else Unknown.TOO_FEW)
        value, low, high = self._between(start, end)
        if not self._at_risk[end] and value:
            return Chance(None, 0.0, high, known, Unknown.BEYOND_OBSERVED)
        if known < FEWEST or high - low > WIDEST:
            return Chance(None, low, high, known, Unknown.TOO_FEW)
        return Chance(value, low, high, known)

    def median(self) -> int | None:
        """The shortest duration by which at least half are through; None where they have not been seen to be."""
        return self.quantile(0.5)

    def quantile(self, share: float) -> int | None:
        """The shortest duration by which at least this share is through; None where so many were not seen to be."""
        most = 1 - share + 1e-12
        return next((time for time, left in zip(self._times, self._surviving[1:], strict=True) if left <= most), None)

    def _place(self, duration: int) -> int:
        return bisect_right(self._times, coarse(duration))

    def _between(self, start: int, end: int) -> tuple[float, float, float]:
        """The share of those at risk after `start` that are left after `end`, with its interval (log-log, Greenwood).

        At its ends, where no variance can be estimated, the interval is the exact one of a binomial share.
        """
        value = self._surviving[end] / self._surviving[start]
        through = self._finished[end] - self._finished[start]
        if not through:
            return 1.0, _exact(self._at_risk[end]), 1.0
        if not value:
            # Only the last duration can end it all: the share left before it, and of those the share that still may be.
            last = bisect_left(self._finished, self._finished[end]) - 1
            before = self._between(start, last)[2]
            return 0.0, 0.0, before * (1 - _exact(self._finished[end] - self._finished[last]))
        spread = math.sqrt(max(0.0, self._greenwood[end] - self._greenwood[start]))
        factor = math.exp(Z95 * spread / -math.log(value))
        # Of nearly none the exponent has no end.
        return value, value ** min(factor, 1e6), value ** (1 / factor)


def _exact(count: int) -> float:
    """Of so many all did the same: the least share that is compatible with it (Clopper and Pearson)."""
    return 0.025 ** (1 / count) if count else 0.0


class StageHistory:
    """What is known of one stage: by group, and of all groups together.

    A group speaks for itself where it knows enough (FEWEST, WIDEST, and as far as it was observed); else all groups
    together do, and say so.
    """

    def __init__(self, by_group: Mapping[str, Lifetimes]) -> None:
        self.pooled = Survival(merged(by_group.values()))
        # Of a single group all groups together know no more.
        self._groups = {name: Survival(seen) for name, seen in by_group.items()} if len(by_group) > 1 else {}

    def longer_than(self, duration: int, waited: int | None, group: str) -> Chance:
        """The chance that an instance of this group takes longer than `duration`; see `Survival.longer_than`."""
        own = self._groups.get(group)
        if own is not None:
            chance = own.longer_than(duration, waited)
            if chance.value is not None:
                return chance
        chance = self.pooled.longer_than(duration, waited)
        return chance._replace(pooled=True) if self._groups else chance
