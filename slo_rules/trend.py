"""How the population of an incident goes on: its points, its rate, and when it will be drained. Pure.

Instants and durations are micros.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from slo_rules.durations import HOUR, MINUTE

MOST_POINTS = 60
STEP = MINUTE
"""Points are at least so far apart, until there are too many: then every second goes."""
_LOOKED_BACK = HOUR
_LEAST_TIME = 2 * MINUTE


class Trend(NamedTuple):
    """By how many it grows in an hour, and when nothing is left at that pace; None where not within a day."""

    per_hour: float
    drained_at: int | None


def observed(points: Sequence[tuple[int, int]], at: int, count: int) -> tuple[tuple[int, int], ...]:
    """The points with one more. Within a step only the latest stays, but the first point always does."""
    kept = list(points)
    if len(kept) > 1 and at - kept[-2][0] < STEP:
        kept.pop()
    kept.append((at, count))
    if len(kept) > MOST_POINTS:
        kept = [kept[0], *kept[2:-1:2], kept[-1]]
    return tuple(kept)


def trend(points: Sequence[tuple[int, int]], now: int) -> Trend | None:
    """The least-squares slope of the last hour up to `now`; None where less than two minutes are known.

    The count stays what it was until the next point, and until now.
    """
    if not points:
        return None
    since = now - _LOOKED_BACK
    before = [count for at, count in points if at <= since]
    lately = [(at, count) for at, count in points if since < at <= now]
    if before:
        lately.insert(0, (since, before[-1]))
    if not lately or now - lately[0][0] < _LEAST_TIME:
        return None
    if lately[-1][0] < now:
        lately.append((now, lately[-1][1]))
    first = lately[0][0]
    hours = [(at - first) / HOUR for at, _ in lately]
    counts = [float(count) for _, count in lately]
    middle, mean = sum(hours) / len(hours), sum(counts) / len(counts)
    spread = sum((hour - middle) ** 2 for hour in hours)
    slope = sum((hour - middle) * (count - mean) for hour, count in zip(hours, counts, strict=True)) / spread
    left = counts[-1]
    drained = None
    if slope < 0 < left and left / -slope <= 24:
        drained = now + round(left / -slope * HOUR)
    return Trend(round(slope, 3), drained)
