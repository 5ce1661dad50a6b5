"""Of a filter that an event does not satisfy: what about the event would have to be different."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import SequenceMatcher
from typing import Any

import msgspec

from slo_rules.filters import SPAN_TYPE, All, Any_, Compare, Filter, Not, holds, spell
from slo_rules.paths import MISSING, compile_path
from slo_rules.workflow import Workflow

_NEAR = 0.25
_SAYS_LITTLE = ("source", "service")
"""Every event of a system has these: that they fit does not make a miss a near one."""
_HOW = {"exact": "not", "prefix": "which does not begin with", "suffix": "which does not end with"}
_LONGEST = 80


class Shortfall(msgspec.Struct, frozen=True):
    """The least that keeps a filter from holding: the `differences` in words, and how many telling comparisons `held`.

    `cost` is 0 where the filter holds, and up to 1 for each difference: less where the texts are alike.
    """

    cost: float
    held: int
    differences: tuple[str, ...] = ()

    @property
    def is_near(self) -> bool:
        """Whether anybody would call it a near miss: part of it holds, or the texts are alike."""
        return self.held > 0 or self.cost <= _NEAR * len(self.differences)


class NearMiss(msgspec.Struct, frozen=True):
    """The filter that an event came nearest to: of which workflow, and for what there (a milestone, `fails_on`, …)."""

    workflow: str
    what: str
    differences: tuple[str, ...]


def nearest(workflows: Iterable[Workflow], document: Mapping[str, Any]) -> NearMiss | None:
    """The filter that misses an event by the least; None where none comes near."""
    best: tuple[float, int, str, str] | None = None
    found = None
    for workflow in workflows:
        for what, condition in _filters(workflow):
            miss = shortfall(condition, document)
            rank = (miss.cost, -miss.held, workflow.name, what)
            if miss.is_near and (best is None or rank < best):
                best, found = rank, NearMiss(workflow.name, what, miss.differences)
    return found


def _filters(workflow: Workflow) -> Iterable[tuple[str, Filter]]:
    for milestone in workflow.milestones:
        yield f"milestone {milestone.name}", milestone.condition
    for field in ("observes", "fails_on", "cancels_on", "pauses_on", "resumes_on", "restarts_on"):
        for condition in getattr(workflow, field):
            yield field, condition


def shortfall(condition: Filter, document: Mapping[str, Any]) -> Shortfall:
    """What keeps the filter from holding for an event document."""
    match condition:
        case Compare():
            return _compared(condition, document)
        case All(parts):
            each = [shortfall(part, document) for part in parts]
            differences = [one for part in each for one in part.differences]
            return Shortfall(sum(one.cost for one in each), sum(one.held for one in each), tuple(differences))
        case Any_(parts):
            each = [shortfall(part, document) for part in parts]
            return min(
                each, key=lambda one: (one.cost, -one.held), default=Shortfall(1.0, 0, ("nothing satisfies it",))
            )
        case Not(part):
            if holds(part, document):
                return Shortfall(1.0, 0, (f"{_spelled(part)}, which is excluded",))
            return Shortfall(0.0, 0)


def _compared(condition: Compare, document: Mapping[str, Any]) -> Shortfall:
    found = compile_path(condition.path)(document)
    if condition.holds(found):
        return Shortfall(0.0, condition.path not in _SAYS_LITTLE and condition.text != SPAN_TYPE)
    wanted = repr(condition.text[:_LONGEST])
    if found is MISSING or found is None:
        return Shortfall(1.0, 0, (f"{condition.path} is missing, instead of {wanted}",))
    text = spell(found)
    if text is None:
        return Shortfall(1.0, 0, (f"{condition.path} is a structure, not {wanted}",))
    alike = SequenceMatcher(None, text[:200], condition.text[:200], autojunk=False).ratio()
    said = f"{condition.path} is {text[:_LONGEST]!r}, {_HOW[condition.how]} {wanted}"
    return Shortfall(1.0 - alike, 0, (said,))


def _spelled(condition: Filter) -> str:
    match condition:
        case Compare(how, path, text):
            return f"{path} {'is' if how == 'exact' else f'has the {how}'} {text[:_LONGEST]!r}"
        case All(parts):
            return " and ".join(map(_spelled, parts)) or "everything"
        case Any_(parts):
            return " or ".join(map(_spelled, parts)) or "nothing"
        case Not(part):
            return f"not ({_spelled(part)})"
