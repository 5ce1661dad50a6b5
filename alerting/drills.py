"""Drills: incidents that are made up, to see whether the chain holds from the cause to the last target."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from alerting.incident import Cause, Population
from slo_rules.instants import to_micros

NAMES = ("owner", "domain", "workflow", "severity")
"""What a drill may pretend to have."""


def populations_of(rows: Iterable[Mapping[str, Any]]) -> dict[Cause, Population]:
    """The causes of the drills that are under way, each holding up one thing that is none."""
    return {drill_cause(str(row["id"])): drill_population(row["facts"], to_micros(row["since"])) for row in rows}


def drill_cause(id_: str) -> Cause:
    """The cause of a drill."""
    return Cause(None, "drill", reason=id_)


def drill_population(facts: Mapping[str, str], since: int) -> Population:
    """What a drill pretends to hold up since an instant (micros)."""
    owner, domain, workflow = (facts.get(name) for name in NAMES[:3])
    return Population(
        count=1,
        oldest_since=since,
        owner=owner,
        domain=domain,
        entity="drill",
        owners=(owner,) if owner else (),
        domains=(domain,) if domain else (),
        workflows=(workflow,) if workflow else (),
        severity=facts.get("severity"),
    )
