"""Burn rates: which ones are worth an alert, over which times (Google SRE Workbook, chapter 5).

A burn rate of 1 spends the budget of a window in just that window. An alert wants it over a long time, so that it
matters, and over a twelfth of that, so that it ends when the trouble does.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import NamedTuple

from slo_rules.durations import DAY, HOUR, MINUTE
from slo_rules.objective import Objective
from slo_rules.periods import Period
from slo_rules.windows import CalendarWindow, Window

FEWEST_BAD = 2
"""One bad item alone is never a trend, however small the budget."""
_USUAL_WINDOW = 30 * DAY
_PARTS = 1_000_000
"""Factors of tiers are rounded to this part of one."""
_LENGTHS = {
    Period.DAY: DAY,
    Period.WEEK: 7 * DAY,
    Period.MONTH: 30 * DAY,
    Period.QUARTER: 90 * DAY,
    Period.YEAR: 365 * DAY,
}


class Tier(NamedTuple):
    """One alert: its severity, both times (micros), and the share of the budget that is spent in the long one."""

    severity: str
    long: int
    short: int
    share: float

    def factor(self, window: Window) -> float:
        """The burn rate from which on it alerts.

        Of a short window more of the budget goes before that: with the shares of 30 days, what the window lasts for
        would be called too fast.
        """
        return round(self.share * max(length_of(window), _USUAL_WINDOW) / self.long, 6)


TIERS = (
    Tier("page", HOUR, 5 * MINUTE, 0.02),
    Tier("page", 6 * HOUR, 30 * MINUTE, 0.05),
    Tier("ticket", DAY, 2 * HOUR, 0.10),
    Tier("ticket", 3 * DAY, 6 * HOUR, 0.10),
)


def length_of(window: Window) -> int:
    """How long a window is by the clock (micros); of a period and of business time the usual length.

    Burn rates are asked across the borders of periods, and of a window that is as long every hour.
    """
    if isinstance(window, int):
        return window
    return _LENGTHS[window.period] if isinstance(window, CalendarWindow) else window.usual


def tiers_within(window: Window) -> list[Tier]:
    """The tiers whose times are shorter than a window."""
    return [tier for tier in TIERS if tier.long < length_of(window)]


def is_reachable(tier: Tier, objective: Objective) -> bool:
    """Whether it can alert at all: when everything is bad, the budget burns at 1 / (1 - target) and no faster."""
    return tier.factor(objective.window) * (1 - objective.target) < 1


def lookbacks(window: Window) -> list[int]:
    """The times (micros) over which good and bad are asked of an objective; the last is the length of its window."""
    length = length_of(window)
    times = {time for tier in tiers_within(window) for time in (tier.short, tier.long)}
    return [*sorted(times | ({DAY} if length > DAY else set())), length]


def expected_in_window(window: Window, counts: Mapping[int, tuple[int, int]]) -> int:
    """How many a window has had, or will have if it goes on like the last day, whichever is more: so many times DAY.

    `counts` are good and bad over each of the `lookbacks`.
    """
    length = length_of(window)
    expected = sum(counts[length]) * DAY
    return max(expected, sum(counts[DAY]) * length) if length > DAY else expected


class Burning(NamedTuple):
    """A tier that alerts: how much was bad in its long time, and the burn rate that makes."""

    tier: Tier
    bad: int
    rate: float


def burning(objective: Objective, counts: Mapping[int, tuple[int, int]]) -> list[Burning]:
    """The tiers that alert, in the order of TIERS; `counts` are good and bad over each of the `lookbacks`.

    A burn rate is what was bad in a time against what the budget of the whole window allows for in that time (Google
    SRE Workbook, chapter 5). The budget is that of the window as it was, or as it will be if it goes on like the last
    day, whichever is larger: neither a quiet night nor a young objective makes one bad item look like a disaster. A
    tier alerts while the rate is above its factor over both its times, and at least FEWEST_BAD were bad in the long
    one. The rules for Prometheus (milepost/prometheus_rules.py) ask for the same.

    Whole numbers are compared without a division, so that exactly the factor never alerts by rounding.
    """
    window, length = objective.window, length_of(objective.window)
    expected = expected_in_window(window, counts)
    numerator, denominator = (1 - Decimal(str(objective.target))).as_integer_ratio()
    found = []
    for tier in tiers_within(window):
        factor = round(tier.factor(window) * _PARTS)
        spent = [counts[time][1] * length * DAY * denominator for time in (tier.long, tier.short)]
        allowed = [time * numerator * expected for time in (tier.long, tier.short)]
        exceeds = all(a * _PARTS > factor * b for a, b in zip(spent, allowed, strict=True))
        if counts[tier.long][1] >= FEWEST_BAD and exceeds and is_reachable(tier, objective):
            found.append(Burning(tier, counts[tier.long][1], spent[0] / allowed[0]))
    return found
