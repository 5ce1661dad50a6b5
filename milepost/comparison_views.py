"""What `milepost check --diff` prints: for people, and JSON for programs."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import orjson

from collector.comparison import Comparison, Detail, Example, Fate, Group, Transition
from collector.query.reader import amounts
from milepost.comparing import Compared, ComparedDefinition, ComparedWorkflow, State
from milepost.plain_text import aligned, shown
from slo_rules.definition_differences import Difference
from slo_rules.instants import rfc3339

LONGEST_LINE = 2_000
_FATES = {
    Fate.NOT_FOUND: "not found",
    Fate.FALLS_APART: "falls apart",
    Fate.JOINED: "joined with another",
    Fate.UNTOLD: "cannot be told",
}
_DETAILS = {
    Detail.NONE: "",
    Detail.DUE_EARLIER: "due earlier",
    Detail.DUE_LATER: "due later, or not at all",
    Detail.WAITS_FOR_ANOTHER: "waits for another step",
    Detail.ANOTHER_OWNER: "another owner",
    Detail.ANOTHER_REASON: "for another reason",
    Detail.EVENTS_GONE: "its events are no longer in the log",
    Detail.TOO_MANY_EVENTS: "it has too many events",
    Detail.STORED_OTHERWISE: "its events no longer make what is stored of it",
}
_UNCOUNTED = ("title", "owner", "target", "window")
"""What may change of an objective without its items being counted anew."""


def printed(compared: Compared, form: str) -> str:
    """As `text` or `json`."""
    if form == "json":
        return orjson.dumps(as_json(compared), option=orjson.OPT_INDENT_2).decode()
    return as_text(compared)


def as_text(compared: Compared) -> str:
    """The workflows that differ with what would become of their instances, then the rest."""
    lines: list[str] = []
    told = [one for one in compared.workflows if one.state is not State.UNCHANGED or one.instances.compared]
    for workflow in told:
        lines += [*_workflow(workflow), ""]
    for definition in compared.others:
        if definition.state is not State.UNCHANGED:
            lines += [*definition_lines(definition), ""]
    count = len(compared.workflows) - len(told)
    if count:
        lines.append(f"{several(count, 'workflow')} unchanged.")
    lines.append("Routes are not kept in the database and not compared.")
    looked_at = sum(one.instances.compared for one in compared.workflows)
    lines.append(f"Compared {several(looked_at, 'open instance')} in {compared.seconds:.1f}s. {_verdict(compared)}")
    return "\n".join(shown(line, LONGEST_LINE) for line in lines)


def as_json(compared: Compared) -> dict[str, Any]:
    """Everything."""
    return {
        "now": rfc3339(compared.now),
        "seconds": round(compared.seconds, 3),
        "changes_instances": compared.changes_instances,
        "workflows": [_workflow_json(one) for one in compared.workflows],
        "others": [
            {"kind": one.kind, "name": one.name, "state": one.state, "differences": differences_json(one.differences)}
            for one in compared.others
        ],
        "not_compared": ["Route"],
    }


def _verdict(compared: Compared) -> str:
    if compared.changes_instances:
        return "Some would stand otherwise."
    return "None would stand otherwise."


def _workflow(one: ComparedWorkflow) -> Iterator[str]:
    instances = one.instances
    total = sum(instances.open.values())
    match one.state:
        case State.NEW:
            yield f"Workflow {one.name}: new."
        case State.GONE:
            yield f"Workflow {one.name}: gone. Nothing new starts; {several(total, 'open instance')} go on as before."
        case State.CHANGED:
            yield f"Workflow {one.name}: changed; version {one.version} is in force."
            yield from (f"  {difference}" for difference in one.differences)
        case State.UNCHANGED:
            yield f"Workflow {one.name}: unchanged; version {one.version} is in force."
    if one.state in (State.CHANGED, State.UNCHANGED):
        yield from (f"  {line}" for line in _instances(one, total))


def _instances(one: ComparedWorkflow, total: int) -> Iterator[str]:
    instances = one.instances
    if not total:
        yield "No instance is open."
        return
    if not instances.compared:
        yield f"{several(total, 'open instance')}, all under the version in the files."
        return
    versions = ", ".join(f"{count:,} under version {version}" for version, count in instances.open.items())
    yield f"{several(total, 'open instance')} ({versions}); each keeps its version until it is moved."
    if one.newly_asked:
        asked = ", ".join(one.newly_asked)
        yield f"What was sent so far of the events that {asked} newly asks for was not heard, and does not count here."
    if not instances.joins_told:
        yield "There are too many keys to tell of all instances whether they would be joined."
    yield f"By what the files say, {instances.same:,} of {instances.compared:,} would stand as they do now."
    groups = _groups(instances)
    rows = [(f"  {_way(way)}", f"{group.count:,}", _worth(group), _DETAILS[way[2]]) for way, group in groups]
    for (way, group), line in zip(groups, aligned(rows, right=(1,)) if rows else (), strict=True):
        yield line
        for example in group.examples:
            yield from _example(example, way)


def _groups(instances: Comparison) -> list[tuple[Transition, Group]]:
    return sorted(instances.groups.items(), key=lambda item: (-item[1].count, item[0]))


def _way(way: Transition) -> str:
    before, after, _ = way
    return f"{_word(before)} → {_word(after)}"


def _word(standing: str) -> str:
    return _FATES.get(standing, standing.replace("_", " "))  # type: ignore[call-overload, no-any-return]


def _worth(group: Group) -> str:
    return ", ".join(f"{currency} {_amount(worth)}".strip() for currency, worth in sorted(group.worth.items()))


def _amount(worth: Decimal) -> str:
    return f"{worth.quantize(Decimal('0.01')):,}"


def _example(example: Example, way: Transition) -> Iterator[str]:
    yield f"    {shown(example.title)}  {example.id}"
    yield f"      now:  {example.now}"
    if way[1] not in Fate:
        yield f"      then: {example.then}"
        yield from (f"            {line}" for line in example.arithmetic)


def definition_lines(one: ComparedDefinition) -> Iterator[str]:
    """What is said otherwise of a definition, and from when on that counts."""
    yield f"{one.kind} {one.name}: {one.state}."
    yield from (f"  {difference}" for difference in one.differences)
    if one.kind == "Objective" and any(difference.path not in _UNCOUNTED for difference in one.differences):
        yield "  All its items are counted anew when these definitions are served."
    if one.kind == "Source":
        yield "  That counts for all open instances as soon as these definitions are served."


def several(count: int, what: str) -> str:
    """`1 instance`, `2,000 instances`."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _workflow_json(one: ComparedWorkflow) -> dict[str, Any]:
    instances = one.instances
    return {
        "name": one.name,
        "state": one.state,
        "version": one.version,
        "differences": differences_json(one.differences),
        "newly_asked": one.newly_asked,
        "open": {str(version): count for version, count in instances.open.items()},
        "compared": instances.compared,
        "same": instances.same,
        "joins_told": instances.joins_told,
        "transitions": [
            {
                "from": way[0],
                "to": way[1],
                "detail": way[2] or None,
                "count": group.count,
                "value": amounts(group.worth),
                "examples": [
                    {
                        "id": str(example.id),
                        "title": example.title,
                        "version": example.version,
                        "now": example.now,
                        "then": example.then or None,
                        "arithmetic": example.arithmetic,
                    }
                    for example in group.examples
                ],
            }
            for way, group in _groups(instances)
        ],
    }


def differences_json(differences: list[Difference]) -> list[dict[str, Any]]:
    """Each with its path, and in words."""
    return [
        {"path": one.path, "kind": one.kind, "before": one.before, "after": one.after, "words": str(one)}
        for one in differences
    ]
