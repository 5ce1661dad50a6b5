"""What an objective comes to in a time, by what instances add to its buckets: its budget, and its alerts. Pure."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping

import msgspec

from slo_rules.buckets import BUCKET
from slo_rules.budget import Budget, Staleness, budget
from slo_rules.burn_alerts import BurnAlert, BurnRates, Counted
from slo_rules.burn_rates import length_of
from slo_rules.contribution import ITEMS, Counts
from slo_rules.exclusions import Span, excluded
from slo_rules.objective import ALL, Objective
from slo_rules.reckoning import Asked, Reckoned, reckon_volume, whole_slices
from slo_rules.tallying import Tally


class Attainment(msgspec.Struct, frozen=True):
    """What counts of a time and what does not, the budget that the target leaves in it, and its burn-rate alerts."""

    reckoned: Reckoned
    budget: Budget
    alerts: list[BurnAlert]

    @property
    def met(self) -> bool | None:
        """Whether no more was bad than the target allows; None while there is nothing to judge."""
        return None if self.budget.ratio is None else self.budget.bad <= self.budget.allowed


def attainment(
    objective: Objective, counts: Mapping[int, Counts], since: int, until: int, missing_since: int | None = None
) -> Attainment:
    """What an objective came to in the whole buckets from `since` to `until` (micros).

    `counts` are those of items, all together, by the starts of their buckets; they are looked at as far back as alerts
    ask. From `missing_since` on nothing is known of what fell due; alerts take that for what it counted as.
    """
    since, until = since - since % BUCKET, until - until % BUCKET
    counts = {at: found for at, found in sorted(counts.items()) if any(found)}
    asked = Asked(objective, since, until, missing_since=missing_since)
    begins = next(iter(counts), until)
    steps = [(at, found[4]) for at, found in counts.items() if found[4]]
    reckoned = Tally({(objective.name, ALL, ITEMS, at): found for at, found in counts.items()}).reckon(asked)[ITEMS]
    found = budget(reckoned.good, reckoned.bad, objective.target)
    back = since - length_of(objective.window)
    gone = excluded(objective.exclude, back, until)
    counted = (one for one in _counted(objective, counts, steps, max(begins, back), until) if not _meets(gone, one))
    return Attainment(reckoned, found, BurnRates(objective, counted).alerts(since, until))


def _counted(
    objective: Objective, counts: Mapping[int, Counts], steps: list[tuple[int, int]], since: int, until: int
) -> Iterator[Counted]:
    """What may count from `since` to `until`, each item or slice in its time."""
    if objective.kind == "freshness":
        staleness = Staleness(steps)
        for at in range(since - since % BUCKET, until, BUCKET):
            yield (at, at + BUCKET, *staleness.slices(at, at + BUCKET))
    elif objective.volume is not None:
        reached = [(at, int(found[0])) for at, found in counts.items()]
        at_all_times = msgspec.structs.replace(objective, exclude=())
        for begin, end in whole_slices(objective.volume.per, since, until):
            first, last = (bisect_left(reached, (instant, -1)) for instant in (begin, end))
            found = reckon_volume(Asked(at_all_times, begin, end), reached[first:last], begin)
            yield begin, end, int(found.good), int(found.bad)
    else:
        for at, of_bucket in counts.items():
            if since <= at:
                yield at, at + BUCKET, int(of_bucket[0]), int(of_bucket[1])


def _meets(gone: list[Span], one: Counted) -> bool:
    """Whether any of what was excluded falls in it; the spans are in order and apart."""
    place = bisect_left(gone, (one[1],)) - 1
    return place >= 0 and gone[place][1] > one[0]
