"""Objectives as causes: those whose error budget burns too fast, and those that may miss none and have missed one."""

from __future__ import annotations

from collections.abc import Mapping

from alerting.incident import Cause, Population
from collector.catalogue import Catalogue
from collector.query.objectives import all_objectives, whole_buckets
from collector.query.reckoning import reckon_on
from collector.query.sources import marks_on
from collector.query.staleness import Memory
from collector.store.database import Connection
from slo_rules.objective import ALL, Objective
from slo_rules.reckoning import missing
from slo_rules.stand import Questions, Stand
from slo_rules.workflow import Workflow

BURNING = "burning"
SEVERITY = {"page": "critical", "ticket": "warning"}
"""A page is for now, a ticket for the next working day."""


def burning_on(conn: Connection, now: int, catalogue: Catalogue, memory: Memory) -> dict[Cause, Population]:
    """The objectives that somebody is to be told of at `now` (micros), in the caller's transaction."""
    marks = marks_on(conn, catalogue)
    objectives = all_objectives(catalogue)
    asked = [
        Questions(one, ALL, now, missing(one, catalogue.current.get(one.workflow), marks, now)) for one in objectives
    ]
    answers = iter(reckon_on(conn, [question for one in asked for question in one.asked], memory))
    stands = [one.stand([next(answers) for _ in one.asked]) for one in asked]
    return causes(
        {
            one.name: (one, catalogue.current.get(one.workflow), stand)
            for one, stand in zip(objectives, stands, strict=True)
        },
        now,
    )


def causes(stands: Mapping[str, tuple[Objective, Workflow | None, Stand]], now: int) -> dict[Cause, Population]:
    """The causes and what they hold up, given how every objective stands.

    Counted is what was bad over the longest time that alerts; of what is told singly, what is overdue or due soon. A
    population is as old as that time is long.
    """
    found: dict[Cause, Population] = {}
    for name, (objective, workflow, stand) in stands.items():
        counted = _counted(stand, now)
        if counted is None:
            continue
        severity, count, since = counted
        owner = objective.owner or (workflow.owner if workflow else None)
        found[Cause(objective.workflow or None, BURNING, source=objective.source or None, reason=name)] = Population(
            count=count,
            oldest_since=since,
            owner=owner or None,
            domain=(workflow.domain if workflow else None) or None,
            entity=workflow.entity if workflow else None,
            owners=(owner,) if owner else (),
            domains=(workflow.domain,) if workflow and workflow.domain else (),
            workflows=(objective.workflow,) if objective.workflow else (),
            severity=severity,
        )
    return found


def _counted(stand: Stand, now: int) -> tuple[str, int, int] | None:
    until = whole_buckets(now)
    if stand.burning:
        # The gravest speaks for all: TIERS begin with it.
        grave = stand.burning[0].tier.severity
        longest = max(stand.burning, key=lambda one: one.tier.long)
        return SEVERITY[grave], longest.bad, until - longest.tier.long
    alone = stand.singly
    if alone is not None and (alone.overdue or alone.due_soon):
        return ("critical" if alone.overdue else "warning"), alone.overdue + alone.due_soon, stand.asked.since
    return None
