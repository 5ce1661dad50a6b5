"""Two sets of instances of one workflow side by side: at which step they differ, and by how much."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from math import erfc, sqrt
from typing import NamedTuple

from slo_rules.differences import FALSE_DISCOVERIES, chance_of_as_many, corrected_for_all
from slo_rules.flow_times import StepSeen
from slo_rules.survival import FEWEST, Lifetimes, merged


class Measure(StrEnum):
    """What two sets are compared by: shares, and durations in micros."""

    REACHED = "reached_share"
    LATE = "late_share"
    DROPPED = "dropped_share"
    AGAIN = "again_share"
    MEDIAN = "median_seconds"
    P95 = "p95_seconds"


DURATIONS = {Measure.MEDIAN: 0.5, Measure.P95: 0.95}


class Side(NamedTuple):
    """One of the two sets: how many instances it has, and what they say of a step."""

    instances: int
    seen: StepSeen


class StepDifference(NamedTuple):
    """What two sets say of one measure of a step.

    `one` and `other` are shares or micros. `size` is the difference between two shares, or between two durations as a
    share of the longer: from 0 to 1, by which differences are ordered. `p` is the probability that chance alone brings
    as much, and `q` the same corrected for all that was looked at. Of fewer than FEWEST on either side both are 1.
    """

    step: str
    measure: Measure
    one: float
    other: float
    size: float
    p: float
    q: float = 1.0

    @property
    def sure(self) -> bool:
        """Whether it is told from chance."""
        return self.q <= FALSE_DISCOVERIES


def differences(names: Iterable[str], one: dict[str, Side], other: dict[str, Side]) -> list[StepDifference]:
    """Every measure of every step by which the two differ: the sure ones first, the largest of each first."""
    told_of = [_difference(name, measure, one[name], other[name]) for name in names for measure in Measure]
    looked_at = [found for found in told_of if found is not None]
    corrected = zip(looked_at, corrected_for_all([found.p for found in looked_at], len(looked_at)), strict=True)
    found = [each._replace(q=q) for each, q in corrected if each.size]
    return sorted(found, key=lambda each: (not each.sure, -each.size))


def told(measure: Measure, side: Side) -> float | None:
    """What one set says: a share, or micros; None where there is nothing to tell it of."""
    if measure in DURATIONS:
        micros, _ = side.seen.quantile(DURATIONS[measure])
        return micros
    part, whole = _counts(measure, side)
    return part / whole if whole else None


def _difference(step: str, measure: Measure, one: Side, other: Side) -> StepDifference | None:
    """None where one of them says nothing, or where the two cannot be compared."""
    a, b = told(measure, one), told(measure, other)
    if a is None or b is None:
        return None
    if measure not in DURATIONS:
        return StepDifference(step, measure, a, b, abs(a - b), _chance_of_shares(measure, one, other))
    calendar = one.seen.calendar
    if calendar != other.seen.calendar:
        # Hours of an office are not hours of a clock.
        return None
    size = abs(a - b) / max(a, b) if max(a, b) else 0.0
    return StepDifference(
        step, measure, a, b, size, _chance_of_times(one.seen.times[calendar], other.seen.times[calendar])
    )


def _counts(measure: Measure, side: Side) -> tuple[int, int]:
    seen = side.seen
    return {
        Measure.REACHED: (seen.reached, side.instances),
        Measure.LATE: (seen.late, seen.reached),
        Measure.DROPPED: (seen.dropped, side.instances),
        Measure.AGAIN: (seen.again, seen.reached),
    }[measure]


def _chance_of_shares(measure: Measure, one: Side, other: Side) -> float:
    """By Fisher's exact test, both ways."""
    (a, of_a), (b, of_b) = sorted(
        (_counts(measure, side) for side in (one, other)), key=lambda pair: pair[0] / pair[1], reverse=True
    )
    if min(of_a, of_b) < FEWEST:
        return 1.0
    return min(1.0, 2 * chance_of_as_many(a, of_a, a + b, of_a + of_b))


def _chance_of_times(one: Lifetimes, other: Lifetimes) -> float:
    """By the log-rank test (Mantel 1966), for which what still waits is a witness like any other."""
    if min(sum(one.finished.values()), sum(other.finished.values())) < FEWEST:
        return 1.0
    both = merged((one, other))
    at_risk = [sum(each.finished.values()) + sum(each.waiting.values()) for each in (one, both)]
    surplus = variance = 0.0
    for time in sorted(both.finished.keys() | both.waiting.keys()):
        mine, all_ = at_risk
        through = both.finished.get(time, 0)
        if through and all_ > 1:
            surplus += one.finished.get(time, 0) - through * mine / all_
            variance += through * (mine / all_) * (1 - mine / all_) * (all_ - through) / (all_ - 1)
        for place, each in enumerate((one, both)):
            at_risk[place] -= each.finished.get(time, 0) + each.waiting.get(time, 0)
    return erfc(abs(surplus) / sqrt(2 * variance)) if variance > 0 else 1.0
