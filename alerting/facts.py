"""What routes, silences, inhibitions and severities look at of an incident. Pure."""

from __future__ import annotations

from alerting.incident import Attributes, Cause, Incident, Population
from slo_rules.conditions import (
    ATTRIBUTES,
    NAMES,
    VERDICTS,
    Condition,
    Facts,
    Match,
    holds,
    read_match,
    spell_match,
    unmet,
    words_of,
)

__all__ = [
    "NAMES",
    "VERDICTS",
    "Condition",
    "Facts",
    "Match",
    "facts",
    "facts_of",
    "holds",
    "read_match",
    "spell_match",
    "unmet",
    "words_of",
]


def facts_of(incident: Incident) -> dict[str, frozenset[str]]:
    """The facts of an incident."""
    return facts(incident.cause, incident.population, incident.severity, incident.attributes, incident.assignee)


def facts(
    cause: Cause,
    population: Population,
    severity: str = "",
    attributes: Attributes = (),
    assignee: str | None = None,
) -> dict[str, frozenset[str]]:
    """The same, from its parts."""
    found = {
        "domain": (population.domain, *population.domains),
        "owner": (population.owner, *population.owners),
        "workflow": (cause.workflow, *population.workflows),
        "severity": (severity or cause.severity,),
        "verdict": (cause.verdict,),
        "source": (cause.source,),
        "waiting_for": (cause.waiting_for,),
        "reason": (cause.reason,),
        "assignee": (assignee,),
    } | {f"{ATTRIBUTES}.{name}": values for name, values in attributes}
    return {name: frozenset(value for value in values if value) for name, values in found.items()}
