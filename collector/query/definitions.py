"""The definitions as they are in force, their versions, and what each version says differently."""

from __future__ import annotations

from typing import Any

from collector.catalogue import Catalogue, Version
from collector.query.objectives import describe
from collector.query.reader import Reader, Row, rfc3339
from slo_rules.definition_differences import workflow_differences
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
