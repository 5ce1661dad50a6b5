"""What one instance adds to the buckets of each objective: its items, where they are due.

Freshness adds besides the interval in which a change was older than promised as two steps, +1 where it begins and -1
after it ends; the running sum over slices says in which of them something was stale.

An objective that tells groups apart counts an item twice, in all and in the group. One that counts by value counts it
in its currency as well, with what it is worth; what is worth less than nothing is not counted in money.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from decimal import Decimal

from slo_rules.buckets import BUCKET
from slo_rules.item import Outcome
from slo_rules.items import items
from slo_rules.objective import ALL, Group, Objective
from slo_rules.progress import Progress, Scalar
from slo_rules.workflow import AMOUNT, CURRENCY, Milestone, Workflow

Place = tuple[str, Group, str, int]
"""An objective's name, a group, a currency or ITEMS, and the start of a bucket."""
Counts = tuple[Decimal | int, Decimal | int, Decimal | int, Decimal | int, int]
"""What is good, bad, waived and cancelled, and the step in the number of stale changes."""
Contributions = dict[Place, Counts]
ITEMS = ""
NO_CURRENCY = "XXX"
"""What money is counted in of which nobody has said the currency (ISO 4217)."""
NOTHING: Counts = (0, 0, 0, 0, 0)
_OF: dict[Outcome, Counts] = {
    Outcome.GOOD: (1, 0, 0, 0, 0),
    Outcome.BAD: (0, 1, 0, 0, 0),
    Outcome.WAIVED: (0, 0, 1, 0, 0),
    Outcome.CANCELLED: (0, 0, 0, 1, 0),
}
_LESS: dict[Outcome, Counts] = {
    Outcome.GOOD: (-1, 0, 0, 0, 0),
    Outcome.BAD: (0, -1, 0, 0, 0),
    Outcome.WAIVED: (0, 0, -1, 0, 0),
    Outcome.CANCELLED: (0, 0, 0, -1, 0),
}
_BAD = Outcome.BAD
STALE: Counts = (0, 1, 0, 0, 1)
_STALE_LESS: Counts = (0, -1, 0, 0, -1)
NO_LONGER: Counts = (0, 0, 0, 0, -1)
_NO_LONGER_LESS: Counts = (0, 0, 0, 0, 1)


def promise_name(workflow: str) -> str:
    """The name of the objective every workflow has without asking: all its deadlines together."""
    return f"workflow:{workflow}"


def contributions(
    progress: Progress,
    workflow: Workflow,
    objectives: Collection[Objective],
    promised: Iterable[Milestone] | None = None,
) -> Contributions:
    """The counts an instance adds to its buckets; `promised` as for `items`."""
    found: Contributions = {}
    _count(found, 1, progress, workflow, objectives, promised)
    return found


def _count(
    total: Contributions,
    sign: int,
    progress: Progress,
    workflow: Workflow,
    objectives: Collection[Objective],
    promised: Iterable[Milestone] | None = None,
) -> None:
    """Add them to a total, or with sign -1 take them away: without a dictionary for each instance."""
    promise = promise_name(workflow.name)
    attributes: Mapping[str, Scalar] | None = None
    of, stale_counts, no_longer_counts = (_OF, STALE, NO_LONGER) if sign == 1 else (_LESS, _STALE_LESS, _NO_LONGER_LESS)
    for item in items(progress, workflow, objectives, promised):
        objective, at, counts = item.objective, item.at, of[item.outcome]
        stale = False
        if objective is None:
            name = promise
            if item.stands_for != 1:
                counts = _times(counts, item.stands_for)
        else:
            name = objective.name
            stale = objective.kind == "freshness" and item.outcome is _BAD
            if stale:
                counts = stale_counts
        _add(total, name, ALL, ITEMS, at, counts)
        no_longer = item.arrival - 1 + BUCKET if stale and item.arrival is not None else None
        if no_longer is not None:
            _add(total, name, ALL, ITEMS, no_longer, no_longer_counts)
        if objective is None or objective.plain:
            continue
        if attributes is None:
            attributes = progress.attributes
        group = objective.group_of(attributes) if objective.group_by else ALL
        if group != ALL:
            _add(total, name, group, ITEMS, at, counts)
            if no_longer is not None:
                _add(total, name, group, ITEMS, no_longer, no_longer_counts)
        if objective.by_value and (value := worth(attributes)) is not None:
            amount, currency = value
            for one in {ALL, group}:
                _add(total, name, one, currency, at, _times(counts, amount))


class Counting:
    """How the instances of one version of a workflow count in its objectives, prepared for what runs at every event."""

    def __init__(self, workflow: Workflow, objectives: Iterable[Objective]) -> None:
        self._workflow = workflow
        self._objectives = tuple(objectives)
        self._plain = all(one.plain for one in self._objectives)
        self._hard = bool(workflow.counted or workflow.choosing or workflow.tiered)
        self._affected: dict[tuple[frozenset[str], frozenset[str]], _Affected] = {}

    def add(self, total: Contributions, progress: Progress, sign: int) -> None:
        """Add what an instance adds to its buckets to a total, or with sign -1 take it away."""
        _count(total, sign, progress, self._workflow, self._objectives)

    def add_difference(self, total: Contributions, before: Progress, after: Progress) -> None:
        """Add what it adds when more is known of it: contributions after, less contributions before.

        What stands as it was is not counted twice to find out that it comes to nothing.
        """
        objectives, promised = self._objectives, self._workflow.promised_once
        if not (self._hard or after.clock or after.cancelled is not None or after.waiver is not before.waiver):
            was, now = before.milestones, after.milestones
            changed = frozenset([name for name, mark in now.items() if was.get(name) != mark])
            reached = frozenset(now)
            affected = self._affected.get((changed, reached))
            if affected is None:
                affected = self._what_is_affected(changed, reached)
            objectives, promised = affected
            if not self._plain and before.said is not after.said and before.attributes != after.attributes:
                objectives = tuple(one for one in self._objectives if one in objectives or not one.plain)
        _count(total, 1, after, self._workflow, objectives, promised)
        _count(total, -1, before, self._workflow, objectives, promised)

    def _what_is_affected(self, changed: frozenset[str], reached: frozenset[str]) -> _Affected:
        """What an instance may count as otherwise once it has reached these milestones, of which some have changed."""
        if len(self._affected) >= _MOST_KEPT:
            self._affected.clear()
        workflow, stands = self._workflow, reached - changed

        def comes_otherwise(name: str) -> bool:
            # Once it has come nothing says better when; until then what comes after it does.
            return name not in stands and not changed.isdisjoint(workflow.shown_by.get(name, ()))

        def is_affected(one: Objective) -> bool:
            if one.kind == "success" or one.start in changed:
                return True
            return one.start in reached and comes_otherwise(one.end)

        objectives = tuple(one for one in self._objectives if is_affected(one))
        promised = tuple(
            one
            for one in workflow.promised_once
            if not (one.name in stands and stands.issuperset(one.starts_clock))
            and not changed.isdisjoint(workflow.affected_by[one.name])
        )
        self._affected[changed, reached] = objectives, promised
        return objectives, promised


_Affected = tuple[tuple[Objective, ...], tuple[Milestone, ...]]
_MOST_KEPT = 4096


def worth(attributes: Mapping[str, Scalar]) -> tuple[Decimal, str] | None:
    """What an instance with these attributes is counted with in money, and the currency; None: with nothing."""
    amount = Decimal(str(attributes.get(AMOUNT, "0")))
    return (amount, str(attributes.get(CURRENCY, NO_CURRENCY))) if amount > 0 else None


def _times(counts: Counts, factor: Decimal | int) -> Counts:
    return counts[0] * factor, counts[1] * factor, counts[2] * factor, counts[3] * factor, 0


def add(total: Contributions, found: Contributions, sign: int) -> None:
    """Add these counts to the total, or with sign -1 take them away; places that come to nothing stay, with zeros."""
    for place, (good, bad, waived, cancelled, step) in found.items():
        a = total.get(place, NOTHING)
        total[place] = (
            a[0] + sign * good,
            a[1] + sign * bad,
            a[2] + sign * waived,
            a[3] + sign * cancelled,
            a[4] + sign * step,
        )


def _add(found: Contributions, objective: str, group: Group, unit: str, at: int, counts: Counts) -> None:
    place = (objective, group, unit, at - at % BUCKET)
    a = found.get(place)
    found[place] = (
        counts
        if a is None
        else (a[0] + counts[0], a[1] + counts[1], a[2] + counts[2], a[3] + counts[3], a[4] + counts[4])
    )
