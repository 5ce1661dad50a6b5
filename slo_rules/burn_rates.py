"""Burn rates: which ones are worth an alert, over which times (Google SRE Workbook, chapter 5).

A burn rate of 1 spends the budget of a window in just that window. An alert wants it over a long time, so that it
matters, and over a twelfth of that, so that it ends when the trouble does.
"""

from __future__ import annotations

from typing import NamedTuple

from slo_rules.durations import DAY, HOUR, MINUTE
from slo_rules.windows import Period, Window
from slo_rules.workflow import Objective

FEWEST_BAD = 2
"""One bad item alone is never a trend, however small the budget."""
_USUAL_WINDOW = 30 * DAY
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
    """How long a window is (micros); of a period the usual length, for burn rates are asked across its borders."""
    return window if isinstance(window, int) else _LENGTHS[window.period]


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
