"""A workflow as it is defined, in the form of answers."""

from __future__ import annotations

from collections.abc import Mapping

from collector.query.reader import Row
from slo_rules.deadline_rules import DeadlineRule
from slo_rules.deadlines import Deadline, Length
from slo_rules.durations import format_duration
from slo_rules.workflow import Milestone, Workflow


def shown(workflow: Workflow, counts: Mapping[str, int]) -> Row:
    """A workflow in force with the number of its instances by verdict."""
    return {
        "name": workflow.name,
        "version": workflow.version,
        "title": workflow.title,
        "description": workflow.description,
        "domain": workflow.domain,
        "owner": workflow.owner,
        "entity": workflow.entity,
        "milestones": [_milestone(one) for one in workflow.milestones],
        "counts": counts,
    }


def _milestone(m: Milestone) -> Row:
    return {
        "name": m.name,
        "title": m.title,
        "after": list(m.after),
        "after_any": m.after_any,
        "optional": m.optional,
        "choice": m.choice or None,
        "count": m.count,
        "each": m.each or None,
        "source": m.source,
        "owner": m.owner,
        "deadline": _deadline(m.deadline),
        "starts": m.starts,
        "completes": m.completes,
    }


def _deadline(deadline: Deadline | None) -> Row | None:
    """A deadline as definitions spell it."""
    if deadline is None:
        return None
    by: dict[str, Row] = {}
    for tier in deadline.tiers:
        terms = {"warn": _length(tier.warn), "breach": _length(tier.breach), "calendar": tier.calendar}
        by.setdefault(tier.attribute, {})[tier.value] = {name: said for name, said in terms.items() if said is not None}
    return {
        "from": deadline.start,
        "warn": _length(deadline.warn),
        "breach": _length(deadline.breach),
        "calendar": deadline.calendar,
        "by": by,
    }


def _length(length: Length | None) -> str | None:
    if length is None:
        return None
    return str(length) if isinstance(length, DeadlineRule) else format_duration(length)
