"""The definitions as they are in force, their versions, and what each version says differently."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from collector.catalogue import Catalogue, Version
from collector.query.objectives import describe
from collector.query.reader import Reader, Row, rfc3339
from slo_rules.deadline_rules import DeadlineRule
from slo_rules.deadlines import Deadline, Length
from slo_rules.definition_differences import workflow_differences
from slo_rules.durations import format_duration
from slo_rules.workflow import Workflow

MOST_VERSIONS = 20
"""Of more versions the last are shown."""


async def one_definition(reader: Reader, catalogue: Catalogue, name: str, shown: Row) -> Row:
    """A workflow in force, with `shown` of it, its objectives and its versions, the latest first.

    `differences` of a version are lines for people, against the version before it; null of the first.
    """
    workflow = catalogue.current[name]
    loaded = {row["version"]: row["loaded_at"] for row in await reader.all("versions_of_workflow", {"workflow": name})}
    versions = sorted(
        (one for (of, _), one in catalogue.versions.items() if of == name), key=lambda one: one.workflow.version
    )
    told: list[Row] = []
    for place, version in enumerate(versions):
        before = versions[place - 1] if place else None
        told.append(_version(version, before, loaded.get(version.workflow.version)))
    return shown | {
        "objectives": [
            {
                "name": one.name,
                "title": one.title,
                "kind": one.kind,
                "target": one.target,
                "owner": one.owner or workflow.owner,
                "promise": describe(one, workflow),
            }
            for one in sorted(catalogue.objectives.get(name, ()), key=lambda one: one.name)
        ],
        "calendars": sorted(rules.title or calendar for calendar, rules in workflow.calendars.items()),
        "keys": [
            {"namespace": namespace, "joins": namespace in workflow.joining} for namespace in _namespaces(workflow)
        ],
        "versions": told[::-1][:MOST_VERSIONS],
    }


def _namespaces(workflow: Workflow) -> list[str]:
    return list(dict.fromkeys(rule.namespace for rule in workflow.keys))


def _version(version: Version, before: Version | None, loaded_at: Any) -> Row:
    changed = None
    if before is not None:
        changed = [str(one) for one in workflow_differences(before.workflow, version.workflow)]
    return {
        "version": version.workflow.version,
        "loaded_at": rfc3339(loaded_at),
        "in_force": version.until_seq is None,
        "differences": changed,
    }


def workflow_row(workflow: Workflow, counts: Mapping[str, int]) -> Row:
    """A workflow as lists show it, with the number of its instances by verdict."""
    return {
        "name": workflow.name,
        "version": workflow.version,
        "title": workflow.title,
        "description": workflow.description,
        "domain": workflow.domain,
        "owner": workflow.owner,
        "entity": workflow.entity,
        "milestones": [
            {
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
            for m in workflow.milestones
        ],
        "counts": dict(counts),
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
