"""Which items an objective counted in a span of time, each as what, and what a few instances come to. Pure.

The items of freshness are the changes that were stale in some slice of the span; those of all other objectives count
where they are due. Volume has no items but slices.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection
from enum import StrEnum
from typing import NamedTuple

from slo_rules.buckets import BUCKET
from slo_rules.contribution import promise_name
from slo_rules.exclusions import Span
from slo_rules.item import Item, Outcome
from slo_rules.items import items
from slo_rules.objective import MissingData, Objective
from slo_rules.progress import Progress
from slo_rules.reckoning import Asked, spans_of
from slo_rules.windows import DEFAULT_WINDOW
from slo_rules.workflow import Workflow

PROMISE = "promise"
"""The kind of the objective that every workflow has without asking."""
_NEVER = 2**63


class LeftOut(StrEnum):
    """Why an item does not count: it fell into an exclusion, or nothing was known when it fell due."""

    EXCLUDED = "excluded"
    MISSING = "missing"


class Counted(NamedTuple):
    """What an item counts as in a span of time; None where it is left out."""

    as_: Outcome | None
    left_out: LeftOut | None = None


def promise_of(workflow: Workflow) -> Objective:
    """All the deadlines of a workflow as an objective, of which nobody has said what share must be kept."""
    name, title = promise_name(workflow.name), f"All deadlines of {workflow.title}"
    return Objective(name, title, workflow.owner, workflow.name, PROMISE, "", "", 0, 1.0, DEFAULT_WINDOW)


def items_of(objective: Objective, progress: Progress, workflow: Workflow) -> list[Item]:
    """The items of an instance in one objective, in an order that depends on nothing but the instance."""
    if objective.kind == PROMISE:
        return [item for item in items(progress, workflow, ()) if item.objective is None]
    return [item for item in items(progress, workflow, (objective,)) if item.objective is not None]


_KINDS = (None, LeftOut.EXCLUDED, LeftOut.MISSING)


class _Placed:
    """The spans of a question in order, each with its place among its `Spans`."""

    def __init__(self, asked: Asked) -> None:
        self._spans = sorted(
            (begin, end, kind) for kind, of_kind in enumerate(spans_of(asked)) for begin, end in of_kind
        )
        self._begins = [begin for begin, _, _ in self._spans]

    def of(self, bucket: int) -> int | None:
        place = bisect_right(self._begins, bucket) - 1
        return None if place < 0 or bucket >= self._spans[place][1] else self._spans[place][2]

    def met(self, since: int, until: int) -> list[int]:
        return [kind for begin, end, kind in self._spans if begin < until and end > since]


class ItemCounting:
    """How the items of an objective count in the span of time of a question."""

    def __init__(self, asked: Asked) -> None:
        self._objective = asked.objective
        self._placed = _Placed(asked)

    def of(self, item: Item) -> Counted | None:
        """What an item counts as; None: it is not of that time."""
        if self._objective.kind == "freshness":
            return self._stale(item)
        kind = self._placed.of(_bucket(item.at))
        return None if kind is None else self.counted(item.outcome, _KINDS[kind])

    def _stale(self, item: Item) -> Counted | None:
        """Whatever is stale in one slice that counts, counts."""
        if item.outcome is not Outcome.BAD:
            return None
        found = [self.counted(Outcome.BAD, _KINDS[kind]) for kind in self._placed.met(*stale(item))]
        return next((one for one in found if one.as_ is not None), found[0]) if found else None

    def counted(self, outcome: Outcome, kind: LeftOut | None) -> Counted:
        if kind is None:
            return Counted(outcome)
        if kind is LeftOut.MISSING:
            policy = self._objective.missing_data
            if policy is MissingData.BAD or outcome in (Outcome.WAIVED, Outcome.CANCELLED):
                return Counted(outcome)
            if policy is MissingData.GOOD:
                return Counted(Outcome.GOOD)
        return Counted(None, kind)


def stale(item: Item) -> Span:
    """The slices in which what an item is about was older than promised: from one bucket to another (micros)."""
    return _bucket(item.at), _NEVER if item.arrival is None else _bucket(item.arrival - 1 + BUCKET)


def _bucket(at: int) -> int:
    return at - at % BUCKET


def settled_by_completion(objective: Objective, workflow: Workflow) -> bool:
    """Whether an instance that completed has certainly reached or passed all that the objective waits for."""
    if workflow.each:
        # A part may still be awaited when the whole is through.
        return False
    if objective.kind == PROMISE:
        ends: Collection[str] = [one.name for one in workflow.promised_once]
    else:
        ends = [objective.end] if objective.end in workflow.by_name else []
    enough = any if workflow.completes_with_all else all
    completing = workflow.completing
    return bool(completing) and all(
        enough(one == end or one in workflow.descendants[end] for one in completing) for end in ends
    )
