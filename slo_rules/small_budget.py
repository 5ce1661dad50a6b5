"""Where the budget of an objective is less than one item: no rate tells anything then, and each item counts. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import NamedTuple

from slo_rules.buckets import BUCKET
from slo_rules.burn_rates import expected_in_window
from slo_rules.durations import DAY
from slo_rules.objective import Objective

OVERDUE, DUE_SOON = "overdue", "due_soon"


class Singly(NamedTuple):
    """The items of a window that may miss none: what is `allowed`, how many missed, and how many soon will.

    They are told one by one, where a burn rate would need several to tell a trend.
    """

    allowed: float
    overdue: int
    due_soon: int


def soon(objective: Objective) -> int:
    """How long (micros) before its deadline an item that has not come is told: in the last quarter of its time.

    At least five minutes and at most a day.
    """
    quarter = min(max(objective.within // 4, BUCKET), DAY)
    return quarter - quarter % BUCKET


def singly(objective: Objective, counts: Mapping[int, tuple[int, int]], overdue: int, due_soon: int) -> Singly | None:
    """What is told item by item; None where the budget is one or more, and of slices, which nobody can save singly.

    `counts` are good and bad over each of the `lookbacks`, by which the budget is reckoned as for burn rates;
    `overdue` were bad in the window, and `due_soon` are to come within `soon`.
    """
    expected = expected_in_window(objective.window, counts)
    allowed = float((1 - Decimal(str(objective.target))) * expected / DAY)
    if objective.in_slices or allowed >= 1 or not (expected or due_soon):
        return None
    return Singly(allowed, overdue, due_soon)
