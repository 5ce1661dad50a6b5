"""How much somebody may send: a rate, what is left of it, and how long to wait. Pure; instants are given.

A bucket of tokens that may go below zero. Whoever has one left is let in, with however much he brings, and waits until
what that was too much is made up for: what a request weighs is known only when it was read, and a batch that is larger
than what may ever be left must pass too. In the long run nobody gets more than his rate.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

BURST_SECONDS = 10.0
"""What was not used adds up to so many seconds of a rate: senders that collect before they send are not held up."""
OFF = "off"
_UNITS = {"s": 1, "min": 60, "h": 3600}
_SPELLED = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,3})?)/(s|min|h)")


@dataclass(frozen=True, slots=True)
class Rate:
    """So many events a second in the long run."""

    per_second: float

    @property
    def burst(self) -> float:
        """The most that may be left."""
        return max(1.0, self.per_second * BURST_SECONDS)

    def __str__(self) -> str:
        unit = next((unit for unit, seconds in _UNITS.items() if self.per_second * seconds >= 1), "h")
        return f"{round(self.per_second * _UNITS[unit], 3):.12g}/{unit}"


@dataclass(frozen=True, slots=True)
class Rates:
    """What is allowed: to each key of which nothing else was said, to each source, and to some sources by name.

    None is as much as comes.
    """

    per_key: Rate | None = None
    per_source: Rate | None = None
    sources: Mapping[str, Rate | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Left:
    """What is left of a rate at an instant, in seconds of a clock that only goes on. Below zero it is a debt."""

    count: float
    at: float


def parse_rate(text: str) -> Rate | None:
    """A rate such as 500/s, 30000/min or 100/h; None for `off`. ValueError says what is wrong."""
    if text == OFF:
        return None
    found = _SPELLED.fullmatch(text.strip())
    per_second = float(found[1]) / _UNITS[found[2]] if found else 0.0
    if per_second * _UNITS["h"] < 1:
        raise ValueError(f"{text[:40]!r} is not a rate; write such as 500/s, 30000/min or 100/h, or {OFF}")
    return Rate(per_second)


def left_at(kept: Left | None, rate: Rate, now: float) -> Left:
    """What is left by now; of whom nothing is known nothing was used."""
    if kept is None:
        return Left(rate.burst, now)
    return Left(min(rate.burst, kept.count + max(0.0, now - kept.at) * rate.per_second), max(now, kept.at))


def wait_for(left: Left, rate: Rate, least: float = 1.0) -> int | None:
    """Whole seconds until so much is left, at least one; None where it is."""
    if left.count >= least:
        return None
    return max(1, math.ceil((least - left.count) / rate.per_second - 1e-6))


def spend(left: Left, count: float) -> Left:
    """What is left when so much has come."""
    return Left(left.count - count, left.at)
