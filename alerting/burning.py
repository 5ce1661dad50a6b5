"""Objectives as causes: those whose error budget burns too fast, and those that may miss none and have missed one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from alerting.behind import replay_of
from alerting.incident import BURNING, Cause, Population
from collector.catalogue import Catalogue
from collector.query.objectives import all_objectives, whole_buckets
from collector.query.reckoning import reckon_on
from collector.query.sources import marks_on
from collector.query.staleness import Memory
from collector.store.database import Connection
from slo_rules.objective import ALL, Objective
from slo_rules.reckoning import missing, replaying
from slo_rules.stand import Questions, Stand
from slo_rules.workflow import Workflow

SEVERITY = {"page": "critical", "ticket": "warning"}
"""A page is for now, a ticket for the next working day."""


@dataclass(frozen=True, slots=True)
class Burning:
    """The objectives that somebody is to be told of, and those of which nothing can be said.

    Those are the causes that are `unknown`, because a source sends its past. `withheld` are those of them that burn by
    what is there so far: by the source, which is a cause of its own.
    """

    found: Mapping[Cause, Population] = field(default_factory=dict)
    unknown: AbstractSet[Cause] = frozenset()
    withheld: Mapping[Cause, Sequence[Population]] = field(default_factory=dict)


def cause_of(objective: Objective) -> Cause:
    """What an objective is as a cause."""
    return Cause(objective.workflow or None, BURNING, source=objective.source or None, reason=objective.name)


def burning_on(conn: Connection, now: int, catalogue: Catalogue, memory: Memory) -> Burning:
    """How the objectives stand at `now` (micros), in the caller's transaction."""
    marks = marks_on(conn, catalogue)
    objectives = [(one, catalogue.current.get(one.workflow)) for one in all_objectives(catalogue)]
    asked = [Questions(one, ALL, now, missing(one, workflow, marks, now)) for one, workflow in objectives]
    answers = iter(reckon_on(conn, [question for one in asked for question in one.asked], memory))
    stands = [one.stand([next(answers) for _ in one.asked]) for one in asked]
    found = causes(
        {one.name: (one, workflow, stand) for (one, workflow), stand in zip(objectives, stands, strict=True)}, now
    )
    behind = {cause_of(one): replaying(one, workflow, marks, now) for one, workflow in objectives}
    return held_back(found, {cause: source for cause, source in behind.items() if source is not None})


def held_back(found: Mapping[Cause, Population], behind: Mapping[Cause, str]) -> Burning:
    """What is told of these objectives, given those of which a source sends its past.

    What it will say of the last hours is missing: what would count as bad until then is no miss.
    """
    withheld: dict[Cause, list[Population]] = {}
    for cause, population in found.items():
        if cause in behind:
            withheld.setdefault(replay_of(behind[cause]), []).append(population)
    told = {cause: population for cause, population in found.items() if cause not in behind}
    return Burning(told, frozenset(behind), withheld)


def causes(stands: Mapping[str, tuple[Objective, Workflow | None, Stand]], now: int) -> dict[Cause, Population]:
    """The causes and what they hold up, given how every objective stands.

    Counted is what was bad over the longest time that alerts; of what is told singly, what is overdue or due soon. A
    population is as old as that time is long.
    """
    found: dict[Cause, Population] = {}
    for objective, workflow, stand in stands.values():
        counted = _counted(stand, now)
        if counted is None:
            continue
        severity, count, since = counted
        owner = objective.owner or (workflow.owner if workflow else None)
        found[cause_of(objective)] = Population(
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
