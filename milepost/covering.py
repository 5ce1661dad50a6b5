"""`milepost coverage`: reads a sample of what is stored and holds the definitions against it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec

from collector.catalogue import Catalogue, load_catalogue
from collector.sampling import DeadLetters, Window, dead_letters, newest_events, newest_instances, sources_heard
from milepost.definition_files import read_definitions
from milepost.settings import Settings
from milepost.since import parse_since
from milepost.stored_data import NoStoredData, open_stored_data
from slo_rules.calendars import CalendarRules
from slo_rules.coverage import Coverage, CoverageReport
from slo_rules.definitions import fingerprint
from slo_rules.explain import journey
from slo_rules.instants import to_micros
from slo_rules.workflow import Definitions, Source, Workflow


class NothingToCover(Exception):
    """There are no definitions."""


@dataclass(frozen=True, slots=True)
class Covered:
    """What was found within the window. `not_in_force` are workflows that the database does not know so.

    So many instances are `unreadable`: what is stored of them cannot be read, and they are left out.
    Instances stand under the versions in the database, whatever the files say.
    """

    report: CoverageReport
    dead_letters: list[DeadLetters]
    window: Window
    not_in_force: list[str]
    unreadable: int


def cover(settings: Settings, since: str | None, limit: int) -> Covered:
    """The definitions of the settings, or without any those in force, against the data; as of now.

    Raises DefinitionError, NoStoredData, NothingToCover, and ValueError where `since` is no time.
    """
    now = datetime.now(UTC)
    window = Window(limit, parse_since(since, now) if since is not None else None)
    files = read_definitions(settings.definitions) if settings.definitions else None
    try:
        return _cover(settings, files, window, to_micros(now))
    except msgspec.DecodeError as error:
        raise NoStoredData(f"Another version of Milepost has written this database; serve it first: {error}") from error


def _cover(settings: Settings, files: Definitions | None, window: Window, now: int) -> Covered:
    with open_stored_data(settings) as (_, conn):
        catalogue = load_catalogue(conn)
        workflows = files.workflows if files else catalogue.current
        sources: dict[str, Source] = files.sources if files else catalogue.sources
        if not workflows:
            raise NothingToCover("There are no workflows to hold against the data: name them with --definitions.")
        calendars = files.calendars if files else _calendars(catalogue)
        coverage = Coverage(workflows.values(), sources.values(), calendars.values())
        for event in newest_events(conn, window):
            coverage.observe(event)
        unreadable = 0
        for workflow, progress in newest_instances(conn, catalogue, window):
            if progress is None:
                unreadable += 1
                continue
            coverage.observe_instance(workflow.name, journey(progress, workflow, now))
        report = coverage.report(sources_heard(conn))
        letters = dead_letters(conn, window)
    other = [name for name in workflows if not _in_force(workflows[name], catalogue)]
    return Covered(report, letters, window, other, unreadable)


def _calendars(catalogue: Catalogue) -> dict[str, CalendarRules]:
    """The calendars in force: the database only knows those that something counts on."""
    found = {name: rules for workflow in catalogue.current.values() for name, rules in workflow.calendars.items()}
    expectations = (one for source in catalogue.sources.values() for one in (source.expects, *source.types.values()))
    return found | {one.calendar.name: one.calendar for one in expectations if one is not None and one.calendar}


def _in_force(workflow: Workflow, catalogue: Catalogue) -> bool:
    current = catalogue.current.get(workflow.name)
    return current is not None and fingerprint(current) == fingerprint(workflow)
