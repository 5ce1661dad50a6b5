"""How much a source sent in each hour of a week, against what it usually sends in that hour. All of it pure.

Hours are those of the clock, in UTC. What is usual is the median of the same hour on the days of the four weeks before:
of the same weekday where enough of them are known, else of all days.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from datetime import timedelta
from statistics import median, quantiles
from typing import NamedTuple

from slo_rules.durations import DAY, HOUR

SHOWN_DAYS, USUAL_DAYS = 7, 28
KEPT = timedelta(days=SHOWN_DAYS + USUAL_DAYS, hours=2)
LEAST_DAYS = 3
"""Of fewer days nobody can tell what is usual."""
_GAP = 2 * HOUR
"""Between two samples further apart than this nobody looked, so that it is not known when what came came."""


class Usual(NamedTuple):
    """The median and the quartiles of so many days; with `weekday` they are those of the same weekday."""

    low: float
    median: float
    high: float
    days: int
    weekday: bool


class Hour(NamedTuple):
    """What came from `at` (micros) on for an hour: None where that is not known; None for what is usual, likewise."""

    at: int
    came: float | None
    usual: Usual | None


def week(samples: Sequence[tuple[int, int]], now: int) -> list[Hour]:
    """The last full hours of a week, oldest first, of samples: by when (micros, in order) how much had come in all."""
    last = now // HOUR * HOUR
    return hours_of(samples, last - SHOWN_DAYS * DAY, last)


def hours_of(samples: Sequence[tuple[int, int]], since: int, until: int) -> list[Hour]:
    """The full hours of a span of time (micros), likewise."""
    first, last = -(-since // HOUR) * HOUR, until // HOUR * HOUR
    hours = range(first - USUAL_DAYS * DAY, last, HOUR)
    counts = {at: came for at in hours if (came := _between(samples, at, at + HOUR)) is not None}
    return [Hour(at, counts.get(at), usual_at(at, counts)) for at in range(first, last, HOUR)]


def usual_at(at: int, counts: Mapping[int, float]) -> Usual | None:
    """What is usual in the hour that begins at `at`, by the days before it; None where too few are known."""
    known = {back: counts[at - back * DAY] for back in range(1, USUAL_DAYS + 1) if at - back * DAY in counts}
    alike = [count for back, count in known.items() if back % 7 == 0]
    chosen = alike if len(alike) >= LEAST_DAYS else list(known.values())
    if len(chosen) < LEAST_DAYS:
        return None
    low, _, high = quantiles(chosen, n=4, method="inclusive")
    return Usual(low, median(chosen), high, len(chosen), chosen is alike)


def _between(samples: Sequence[tuple[int, int]], begin: int, end: int) -> float | None:
    """How much came between two instants; None where nobody looked around them."""
    sent = [_sent_by(samples, at) for at in (begin, end)]
    # A rebuild counts anew.
    return None if sent[0] is None or sent[1] is None else max(0.0, sent[1] - sent[0])


def _sent_by(samples: Sequence[tuple[int, int]], at: int) -> float | None:
    after = bisect_right(samples, at, key=lambda sample: sample[0])
    if after and samples[after - 1][0] == at:
        return float(samples[after - 1][1])
    if after == 0 or after == len(samples):
        return None
    (before_at, before), (after_at, then) = samples[after - 1], samples[after]
    if after_at - before_at > _GAP:
        return None
    return before + (then - before) * (at - before_at) / (after_at - before_at)
