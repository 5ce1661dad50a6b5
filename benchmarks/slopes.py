"""Whether a series of samples grows: the slope that half of all pairs of samples exceed (Theil–Sen), and its bounds.

A leak is steady and small; what one sees is mostly noise, with steps where a cache fills or the allocator takes more.
A line fitted by least squares follows one such step, the median of the slopes does not. The bounds are those of Sen
(Journal of the American Statistical Association 63, 1968), at 95 %, for samples that do not depend on each other: those
of memory do, so that they are rather too narrow.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

HOUR = 3600.0
MOST = 400
"""Samples that are compared with each other; of more every second, third … is taken."""


@dataclass(frozen=True, slots=True)
class Growth:
    """How a measure moved: what it was at first and at last (medians of a tenth each), and by how much an hour."""

    first: float
    last: float
    an_hour: float
    low: float
    high: float

    @property
    def is_told(self) -> bool:
        """Whether it grows for sure: the lower bound lies above 0."""
        return self.low > 0


def growth(samples: Sequence[tuple[float, float]]) -> Growth:
    """Of samples by their time in seconds, in order. ValueError of fewer than three."""
    if len(samples) < 3:
        raise ValueError("a slope needs three samples")
    step = math.ceil(len(samples) / MOST)
    looked_at = samples[::step]
    slopes = sorted((b - a) / (t - s) * HOUR for (s, a), (t, b) in combinations(looked_at, 2) if t > s)
    count = len(looked_at)
    reach = 1.96 * math.sqrt(count * (count - 1) * (2 * count + 5) / 18)
    low, high = int((len(slopes) - reach) / 2), math.ceil((len(slopes) + reach) / 2)
    tenth = max(1, len(samples) // 10)
    return Growth(
        _median(sorted(value for _, value in samples[:tenth])),
        _median(sorted(value for _, value in samples[-tenth:])),
        _median(slopes),
        slopes[max(0, low)],
        slopes[min(len(slopes) - 1, high)],
    )


def _median(ordered: Sequence[float]) -> float:
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2
