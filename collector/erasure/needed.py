"""What of an event its verdict and its place in counts depend on. All else is what somebody said of himself. Pure.

Kept is what any version of a definition reads: keys, what filters and requirements compare, the worth, and attributes
by which deadlines differ, parts are counted or objectives are told apart. Other attributes are for people, and go.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from slo_rules.filters import All, Any_, Compare, Filter, Not
from slo_rules.objective import Objective
from slo_rules.workflow import Workflow

_STRUCTURE = (
    "specversion", "id", "source", "type", "time", "subject", "datacontenttype", "dataschema", "traceparent", "service",
    "name", "kind", "status", "duration_ms",
)  # fmt: skip


def attributes_needed(workflow: Workflow, objectives: Iterable[Objective]) -> frozenset[str]:
    """The attributes on which a verdict or a count depends."""
    found = {name for one in objectives if one.workflow == workflow.name for name in one.group_by}
    for milestone in workflow.milestones:
        if milestone.deadline is not None:
            found |= {tier.attribute for tier in milestone.deadline.tiers}
        if isinstance(milestone.count, str):
            found.add(milestone.count)
    return frozenset(found)


def paths_needed(workflow: Workflow, attributes: Iterable[str], filters: Iterable[Filter]) -> frozenset[str]:
    """The paths at which a version of a workflow reads what it needs; `filters` are all of its filters."""
    found = {path for rule in workflow.keys for path in rule.paths}
    found |= {path for rule in workflow.keys for alias in rule.aliases for path in (*alias.old, *alias.new)}
    found |= {path for name in attributes for path in workflow.attributes.get(name, ())}
    found |= {*workflow.amount, *workflow.currency}
    for milestone in workflow.milestones:
        for one in milestone.require:
            found.add(one.path)
            if one.like is not None:
                found.add(one.like.path)
    for condition in filters:
        found |= _compared(condition)
    return frozenset(found)


def _compared(condition: Filter) -> set[str]:
    match condition:
        case Compare(path=path):
            return {path}
        case All(parts) | Any_(parts):
            return {path for part in parts for path in _compared(part)}
        case Not(part):
            return _compared(part)
    return set()


def reduced(document: Mapping[str, Any], paths: Iterable[str]) -> dict[str, Any]:
    """A document with its structure and what these paths find in it, each where it was."""
    found: dict[str, Any] = {name: document[name] for name in _STRUCTURE if name in document}
    for path in paths:
        steps = _steps(document, path)
        if steps is not None:
            _copy(document, found, steps)
    for name in ("data", "resource"):
        if isinstance(document.get(name), dict):
            found.setdefault(name, {})
    # In the order of the document: equal documents stay equal.
    return {name: found[name] for name in document if name in found}


def _steps(branch: Any, path: str) -> list[str | int] | None:
    """The names, and numbers in lists, by which slo_rules/paths.py finds a path; None where there is nothing."""
    if isinstance(branch, list):
        head, _, tail = path.partition(".")
        if not head.isdecimal() or int(head) >= len(branch):
            return None
        if not tail:
            return [int(head)]
        below = _steps(branch[int(head)], tail)
        return None if below is None else [int(head), *below]
    if not isinstance(branch, dict):
        return None
    if path in branch:
        return [path]
    cut = path.rfind(".")
    while cut > 0:
        below = _steps(branch.get(path[:cut]), path[cut + 1 :])
        if below is not None:
            return [path[:cut], *below]
        cut = path.rfind(".", 0, cut)
    return None


def _copy(whole: Any, found: Any, steps: Sequence[str | int]) -> None:
    step, *rest = steps
    if not rest:
        found[step] = whole[step]
        return
    if found is whole or (isinstance(found, dict) and found.get(step) is whole[step]):
        # All of it is kept already.
        return
    empty = found.get(step) if isinstance(found, dict) else found[int(step)]
    if empty is None:
        below = whole[step]
        empty = [None] * len(below) if isinstance(below, list) else {}
        found[step] = empty
    _copy(whole[step], empty, rest)
