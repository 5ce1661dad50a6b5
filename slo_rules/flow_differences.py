"""Two sets of instances of one workflow side by side: at which step they differ, and by how much."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from math import sqrt
from typing import NamedTuple

from slo_rules.flow_times import StepSeen
from slo_rules.survival import FEWEST, Z95, Lifetimes, merged


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

    `one` and `other` are shares or micros; None where there is nothing to tell. `size` is the difference between two
    shares, or between two durations as a share of the longer: from 0 to 1, by which differences are ordered. `sure` is
    whether chance would bring so much less often than once in twenty; with fewer than FEWEST on either side it never
    is.
    """

    step: str
    measure: Measure
    one: float | None
    other: float | None
    size: float
    sure: bool


def differences(names: Iterable[str], one: dict[str, Side], other: dict[str, Side]) -> list[StepDifference]:
    """Every measure of every step by which the two differ: the sure ones first, the largest of each first."""
    found = [_difference(name, measure, one[name], other[name]) for name in names for measure in Measure]
    return sorted((one for one in found if one.size), key=lambda one: (not one.sure, -one.size))


def told(measure: Measure, side: Side) -> float | None:
    """What one set says: a share, or micros; None where there is nothing to tell it of."""
    if measure in DURATIONS:
        micros, _ = side.seen.quantile(DURATIONS[measure])
        return micros
    part, whole = _counts(measure, side)
    return part / whole if whole else None


def _difference(step: str, measure: Measure, one: Side, other: Side) -> StepDifference:
    a, b = told(measure, one), told(measure, other)
    if a is None or b is None:
        return StepDifference(step, measure, a, b, 0.0, sure=False)
    if measure not in DURATIONS:
        return StepDifference(step, measure, a, b, abs(a - b), sure=_shares_differ(measure, one, other))
    # Hours of an office are not compared with those of a clock.
    same = one.seen.calendar == other.seen.calendar
    size = abs(a - b) / max(a, b) if same and max(a, b) else 0.0
    sure = same and _times_differ(one.seen.times[one.seen.calendar], other.seen.times[other.seen.calendar])
    return StepDifference(step, measure, a, b, size, sure=sure)


def _counts(measure: Measure, side: Side) -> tuple[int, int]:
    seen = side.seen
    return {
        Measure.REACHED: (seen.reached, side.instances),
        Measure.LATE: (seen.late, seen.reached),
        Measure.DROPPED: (seen.dropped, side.instances),
        Measure.AGAIN: (seen.again, seen.reached),
    }[measure]


def _shares_differ(measure: Measure, one: Side, other: Side) -> bool:
    """By the usual test of two proportions, with what both have in common as the share that chance has."""
    (a, of_a), (b, of_b) = _counts(measure, one), _counts(measure, other)
    if min(of_a, of_b) < FEWEST:
        return False
    common = (a + b) / (of_a + of_b)
    spread = sqrt(max(0.0, common * (1 - common)) * (1 / of_a + 1 / of_b))
    return spread > 0 and abs(a / of_a - b / of_b) > Z95 * spread


def _times_differ(one: Lifetimes, other: Lifetimes) -> bool:
    """By the log-rank test (Mantel 1966), for which what still waits is a witness like any other."""
    if min(sum(one.finished.values()), sum(other.finished.values())) < FEWEST:
        return False
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
    return variance > 0 and abs(surplus) > Z95 * sqrt(variance)
