"""What the tests beside the definitions say of a workflow: how they ended, what they cover, and what they do not."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from typing import Protocol

from collector.query.reader import Row
from slo_rules.definitions import fingerprint
from slo_rules.objective import Objective
from slo_rules.workflow import Workflow


class DefinitionTests(Protocol):
    """Whoever runs the tests of the definitions of this process."""

    async def get(self) -> Row:
        """`state` is `none`, `running`, `ran` or `failed`; see milepost/tested_definitions.py."""


def workflow_tests(
    found: Row, workflow: Workflow, objectives: Iterable[Objective], in_sight: Container[str] | None
) -> Row:
    """Of a workflow in force its tests, by how many of them each thing is covered, and what none covers.

    Of tests that ask about a workflow that is not `in_sight` (None: all are) nothing is told, nor of faults in files.
    `in_force` is False where the files say something else by now than what is in force.
    """
    tested: Row = (found.get("workflows") or {}).get(workflow.name) or {}
    promised = {milestone.name for milestone in workflow.promised}
    counts = tested.get("milestones") or {}
    milestones = [
        {"name": one.name, "title": one.title, "promised": one.name in promised, **counts[one.name]}
        for one in workflow.milestones
        if one.name in counts
    ]
    signals = [{"name": name, "tests": count} for name, count in (tested.get("signals") or {}).items()]
    asked = tested.get("objectives") or {}
    of_objectives = [
        {"name": one.name, "title": one.title, "tests": asked[one.name]}
        for one in sorted(objectives, key=lambda one: one.name)
        if one.name in asked
    ]
    return {
        "state": found["state"],
        "ran_at": found.get("ran_at"),
        "seconds": found.get("seconds"),
        "faults": list(found.get("faults") or ()) if in_sight is None else [],
        "in_force": not tested or tested["fingerprint"] == fingerprint(workflow),
        "tests": [
            {name: one[name] for name in ("name", "file", "line", "passed", "seconds", "details")}
            for one in _about(found, workflow.name, in_sight)
        ],
        "milestones": milestones,
        "signals": signals,
        "objectives": of_objectives,
        "untested": list(_untested(milestones, signals, of_objectives)),
    }


def counts_of_tests(found: Row, names: Iterable[str], in_sight: Container[str] | None) -> dict[str, Row]:
    """Of each workflow how many tests ask about it, and how many of them failed; empty before they ran."""
    if found["state"] in ("running", "failed"):
        return {}
    counts = {}
    for name in names:
        about = _about(found, name, in_sight)
        counts[name] = {"tests": len(about), "failed": sum(not one["passed"] for one in about)}
    return counts


def _about(found: Row, name: str, in_sight: Container[str] | None) -> list[Row]:
    return [
        one
        for one in found.get("tests") or ()
        if name in one["workflows"] and (in_sight is None or all(other in in_sight for other in one["workflows"]))
    ]


def _untested(
    milestones: Iterable[Row], signals: Iterable[Row], objectives: Iterable[Row]
) -> Iterable[Mapping[str, str]]:
    """What no test covers: milestones that none reaches, deadlines that none misses, signals and objectives."""
    for one in milestones:
        said = {"name": one["name"], "title": one["title"]}
        if not one["reached"]:
            yield {"what": "milestone", **said}
        if one["promised"] and not one["missed"]:
            yield {"what": "deadline", **said}
    for one in signals:
        if not one["tests"]:
            yield {"what": "signal", "name": one["name"], "title": one["name"]}
    for one in objectives:
        if not one["tests"]:
            yield {"what": "objective", "name": one["name"], "title": one["title"]}
