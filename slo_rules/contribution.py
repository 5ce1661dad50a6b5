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
from slo_rules.items import Outcome, items, unsettled
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
_STALE: Counts = (0, 1, 0, 0, 1)
_NO_LONGER: Counts = (0, 0, 0, 0, -1)


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
    promise = promise_name(workflow.name)
    attributes: Mapping[str, Scalar] | None = None
    for item in items(progress, workflow, objectives, promised):
        objective, at, counts = item.objective, item.at, _OF[item.outcome]
        if objective is None:
            if item.stands_for != 1:
                counts = _times(counts, item.stands_for)
            _add(found, promise, ALL, ITEMS, at, counts)
            continue
        steps = [(at, counts)]
        if objective.kind == "freshness" and item.outcome is Outcome.BAD:
            steps = [(at, _STALE)]
            if item.arrival is not None:
                steps.append((item.arrival - 1 + BUCKET, _NO_LONGER))
        if objective.plain:
            for when, added in steps:
                _add(found, objective.name, ALL, ITEMS, when, added)
            continue
        if attributes is None:
            attributes = progress.attributes
        groups = (ALL, objective.group_of(attributes)) if objective.group_by else (ALL,)
        for group in groups:
            for when, added in steps:
                _add(found, objective.name, group, ITEMS, when, added)
            if objective.by_value and (worth := _worth(attributes)) is not None:
                amount, currency = worth
                _add(found, objective.name, group, currency, at, _times(counts, amount))
    return found


def difference(
    before: Progress, after: Progress, workflow: Workflow, objectives: Collection[Objective]
) -> Contributions:
    """What an instance adds to its buckets when more is known of it: contributions after, less contributions before.

    Places that come to nothing may be among them, with zeros. This runs for nearly every event: what stands as it was
    is not counted twice to find that out.
    """
    few, promised = unsettled(before, after, workflow, objectives)
    found = contributions(after, workflow, few, promised)
    add(found, contributions(before, workflow, few, promised), -1)
    return found


def _worth(attributes: Mapping[str, Scalar]) -> tuple[Decimal, str] | None:
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
