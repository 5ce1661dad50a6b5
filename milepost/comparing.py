"""`milepost check --diff`: holds definition files against what is stored, and says what they would change."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

import msgspec
import psycopg

from collector.catalogue import Catalogue, load_catalogue
from collector.comparison import Comparing, Comparison, hold_still, open_counts, questions
from collector.store.database import Connection
from milepost.settings import Settings
from milepost.stored_data import NoStoredData, open_stored_data
from slo_rules.calendars import CalendarRules
from slo_rules.definition_differences import Difference, differences, newly_asked, workflow_differences
from slo_rules.instants import to_micros
from slo_rules.reading import suggestion
from slo_rules.workflow import Definitions, Source, Workflow


class NothingToCompare(Exception):
    """The workflow that was asked for is neither in the files nor in the database."""


class State(StrEnum):
    """A definition in the files beside the one in force."""

    NEW = "new"
    GONE = "gone"
    CHANGED = "changed"
    UNCHANGED = "unchanged"


@dataclass(frozen=True, slots=True)
class ComparedWorkflow:
    """One workflow: the version in force (None where it is new), what the files say otherwise, its open instances.

    `newly_asked` names what asks for events that were not heard so far.
    """

    name: str
    state: State
    version: int | None
    differences: list[Difference]
    newly_asked: list[str]
    instances: Comparison


@dataclass(frozen=True, slots=True)
class ComparedDefinition:
    """A definition of another kind."""

    kind: str
    name: str
    state: State
    differences: list[Difference]


@dataclass(frozen=True, slots=True)
class Compared:
    """Everything, as of `now` (micros); it took so many `seconds`."""

    now: int
    seconds: float
    workflows: list[ComparedWorkflow]
    others: list[ComparedDefinition]

    @property
    def changes_instances(self) -> bool:
        """Whether any open instance would stand otherwise, or may."""
        return any(one.instances.changes for one in self.workflows)


Progress = Callable[[str, int, int], None]
"""Is told a workflow, how many of its open instances have been compared, and how many there are."""


def compare(
    settings: Settings, definitions: Definitions, workflow: str | None, examples: int, told: Progress
) -> Compared:
    """The definitions against those in force and the open instances, of one workflow or of all.

    Nothing is written, and the service may be running. Raises NoStoredData and NothingToCompare.
    """
    started = time.monotonic()
    now = to_micros(datetime.now(UTC))
    try:
        with open_stored_data(settings) as (_, conn):
            hold_still(conn)
            with conn.transaction():
                workflows, others = _compare(conn, definitions, workflow, examples, now, told)
    except (msgspec.DecodeError, psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn) as error:
        raise NoStoredData(f"Another version of Milepost has written this database; serve it first: {error}") from error
    return Compared(now, time.monotonic() - started, workflows, others)


def _compare(
    conn: Connection, definitions: Definitions, workflow: str | None, examples: int, now: int, told: Progress
) -> tuple[list[ComparedWorkflow], list[ComparedDefinition]]:
    catalogue = load_catalogue(conn)
    counts = open_counts(conn)
    names = sorted(catalogue.current.keys() | definitions.workflows.keys() | counts.keys())
    if workflow is not None and workflow not in names:
        raise NothingToCompare(f"There is no workflow {workflow!r}{suggestion(workflow, names)}")
    asked = names if workflow is None else [workflow]
    counts = {name: counts.get(name, {}) for name in asked}
    compared = {name: Comparison(name, of_workflow) for name, of_workflow in counts.items()}
    totals = {name: sum(of_workflow.values()) for name, of_workflow in counts.items()}
    comparing = Comparing(conn, catalogue, definitions, now, lambda name, count: told(name, count, totals[name]))
    for question in questions(catalogue, definitions, counts, examples):
        comparing.add(question, compared[question.workflow])
    workflows = [_workflow(name, catalogue, definitions, compared[name]) for name in asked]
    return workflows, [] if workflow is not None else list(other_definitions(catalogue, definitions))


def _workflow(name: str, catalogue: Catalogue, definitions: Definitions, instances: Comparison) -> ComparedWorkflow:
    before, after = catalogue.current.get(name), definitions.workflows.get(name)
    version = before.version if before is not None else None
    if before is None or after is None:
        # Not in the files, and no longer in force either: only old instances are left.
        return ComparedWorkflow(name, State.GONE if after is None else State.NEW, version, [], [], instances)
    found = workflow_differences(before, after)
    state = State.CHANGED if found else State.UNCHANGED
    return ComparedWorkflow(name, state, version, found, newly_asked(before, after), instances)


def other_definitions(catalogue: Catalogue, definitions: Definitions) -> Iterator[ComparedDefinition]:
    """The objectives, calendars and sources in force beside those of the files."""
    objectives = {one.name: one for of_workflow in catalogue.objectives.values() for one in of_workflow}
    yield from _of_kind("Objective", objectives, definitions.objectives)
    yield from _of_kind(
        "Calendar",
        _calendars(catalogue.current, catalogue.sources),
        _calendars(definitions.workflows, definitions.sources),
    )
    yield from _of_kind("Source", catalogue.sources, definitions.sources)


def _calendars(workflows: Mapping[str, Workflow], sources: Mapping[str, Source]) -> dict[str, CalendarRules]:
    """The calendars that are kept: those that a workflow counts on, or what is expected of a source."""
    found = {name: rules for workflow in workflows.values() for name, rules in workflow.calendars.items()}
    for source in sources.values():
        expectations = (source.expects, *source.types.values())
        found |= {one.calendar.name: one.calendar for one in expectations if one and one.calendar}
    return found


def _of_kind(
    kind: str, before: Mapping[str, msgspec.Struct], after: Mapping[str, msgspec.Struct]
) -> Iterator[ComparedDefinition]:
    for name in sorted(before.keys() | after.keys()):
        if name not in before or name not in after:
            yield ComparedDefinition(kind, name, State.NEW if name in after else State.GONE, [])
        else:
            found = differences(before[name], after[name])
            yield ComparedDefinition(kind, name, State.CHANGED if found else State.UNCHANGED, found)
