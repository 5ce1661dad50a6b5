"""What an objective comes to in a time, by the buckets that instances add to: its budget, and its alerts. Pure."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from slo_rules.budget import Budget, budget
from slo_rules.burn_alerts import BurnAlert, BurnRates, counts_of_slices
from slo_rules.burn_rates import length_of
from slo_rules.contribution import BUCKET
from slo_rules.workflow import Objective

Buckets = Mapping[int, tuple[int, int, int]]
"""By the start of each bucket (micros): good items, bad items, and the step in the number of stale changes."""


class Outcome(msgspec.Struct, frozen=True):
    """Good and bad of a time, with the budget that the target leaves in it, and the burn-rate alerts of that time."""

    budget: Budget
    alerts: list[BurnAlert]

    @property
    def met(self) -> bool | None:
        """Whether no more was bad than the target allows; None while there is nothing to judge."""
        return None if self.budget.ratio is None else self.budget.bad <= self.budget.allowed


def outcome(objective: Objective, buckets: Buckets, begins: int | None, since: int, until: int) -> Outcome:
    """What an objective came to in the whole buckets from `since` to `until` (micros).

    Before `begins` there was nothing to judge, which only matters for slices of freshness; None: there never was. The
    buckets before `since` are looked at for the alerts, which ask back from every instant.
    """
    since, until = since - since % BUCKET, until - until % BUCKET
    if objective.kind == "freshness":
        steps = sorted((bucket, counts[2]) for bucket, counts in buckets.items() if counts[2])
        first = until if begins is None else max(begins, since - length_of(objective.window))
        counted = counts_of_slices(steps, min(first, until), until)
    else:
        counted = [(bucket, good, bad) for bucket, (good, bad, _) in buckets.items() if good or bad]
    inside = [one for one in counted if since <= one[0] < until]
    found = budget(sum(good for _, good, _ in inside), sum(bad for _, _, bad in inside), objective.target)
    return Outcome(found, BurnRates(objective, counted).alerts(since, until))
