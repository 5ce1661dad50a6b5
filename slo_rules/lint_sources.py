"""What sources say that is likely not meant."""

from __future__ import annotations

from slo_rules.deadline_rules import DeadlineRule
from slo_rules.documents import Document, Path
from slo_rules.durations import DAY, format_duration
from slo_rules.expectation import Expectation
from slo_rules.matching import WorkflowMatcher
from slo_rules.noting import Noting
from slo_rules.periods import Period
from slo_rules.reading import suggestion
from slo_rules.workflow import Definitions, Source

# Holidays and the lengths of months move two moments closer to each other, seldom by more than this.
_SHORTEST = {
    Period.DAY: DAY,
    Period.WEEK: 5 * DAY,
    Period.MONTH: 25 * DAY,
    Period.QUARTER: 85 * DAY,
    Period.YEAR: 355 * DAY,
}


def lint_source(source: Source, definitions: Definitions, document: Document, noting: Noting) -> None:
    """Note what nobody waits for, and what comes too often for the time before it that counts for it."""
    awaited = any(one.source == source.name for known in definitions.workflows.values() for one in known.milestones)
    for type_, expectation, path in _expectations(source, document):
        # Of a source that nothing here waits for, others may.
        if type_ and awaited:
            _lint_type(source, type_, definitions, (*path, "type"), noting)
        _lint_window(expectation, path, noting)


def _expectations(source: Source, document: Document) -> list[tuple[str, Expectation, Path]]:
    expect = document.value["spec"].get("expect")
    path: Path = ("spec", "expect")
    listed = [(entry, (*path, index)) for index, entry in enumerate(expect)] if isinstance(expect, list) else []
    found = []
    for entry, place in listed or [(expect or {}, path)]:
        type_ = str(entry.get("type") or "")
        expectation = source.types.get(type_) if type_ else source.expects
        if expectation is not None:
            found.append((type_, expectation, place))
    return found


def _lint_type(source: Source, type_: str, definitions: Definitions, path: Path, noting: Noting) -> None:
    workflows = definitions.workflows.values()
    if all(WorkflowMatcher(workflow).rules(source.name, type_) is None for workflow in workflows):
        noting.warn(
            path,
            f"no filter of any workflow takes {type_!r} from {source.name!r}",
            "name the type as its events do, or leave it out" + suggestion(type_, _types_of(source, definitions)),
        )
    elif type_ not in _types_of(source, definitions):
        noting.hint(
            path,
            f"no milestone waits for {type_!r} alone: nothing is blind when it does not come",
            "let a milestone ask for exactly this source and type",
        )


def _types_of(source: Source, definitions: Definitions) -> set[str]:
    """The types of the source that milestones wait for alone."""
    return {
        type_
        for workflow in definitions.workflows.values()
        for milestone, type_ in workflow.awaited_types.items()
        if workflow.by_name[milestone].source == source.name
    }


def _lint_window(expectation: Expectation, path: Path, noting: Noting) -> None:
    """A window that opens before the moment before it lets one arrival, late for that one, count for both."""
    rule = expectation.length
    if not isinstance(rule, DeadlineRule) or expectation.opens <= _SHORTEST[rule.period]:
        return
    noting.warn(
        (*path, "opens"),
        f"{format_duration(expectation.opens)} may reach beyond the moment before: one arrival then counts for both",
        "make it shorter than the time between two moments",
    )
