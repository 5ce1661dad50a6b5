"""`milepost backtest`: runs definition files over the stored history, and says what would have been otherwise."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec
import psycopg

from collector.backtest import Backtesting, Told, is_asked
from collector.backtested import WorkflowBacktest
from collector.catalogue import Catalogue, load_catalogue
from collector.comparison import hold_still
from collector.history import Extent, extent
from milepost.comparing import ComparedDefinition, State, other_definitions
from milepost.settings import Settings
from milepost.since import parse_since
from milepost.stored_data import NoStoredData, open_stored_data
from slo_rules.definition_differences import Difference, workflow_differences
from slo_rules.instants import rfc3339, to_micros
from slo_rules.reading import suggestion
from slo_rules.workflow import Definitions


class NothingToBacktest(Exception):
    """There is no time or no history to backtest, or no such workflow; the message says which."""


@dataclass(frozen=True, slots=True)
class BacktestedWorkflow:
    """A workflow: the version in force (None where it is new), what the files say otherwise, and what would come of it.

    There is no backtest where nothing could have been otherwise, and of what the files do not have.
    """

    name: str
    state: State
    version: int | None
    differences: list[Difference]
    backtest: WorkflowBacktest | None


@dataclass(frozen=True, slots=True)
class Backtested:
    """Everything from `since` to `until` (micros), of a log that reaches so far; it took so many `seconds`."""

    since: int
    until: int
    reach: Extent
    seconds: float
    workflows: list[BacktestedWorkflow]
    others: list[ComparedDefinition]

    @property
    def differs(self) -> bool:
        """Whether anything would have been otherwise."""
        return any(one.backtest is not None and one.backtest.differs for one in self.workflows)


def backtest(
    settings: Settings, definitions: Definitions, since: str, workflow: str | None, examples: int, told: Told
) -> Backtested:
    """The definitions beside those in force over what is stored, of one workflow or of all.

    Nothing is written, and the service may be running. Raises NoStoredData, NothingToBacktest, TooMuchHistory.
    """
    started = time.monotonic()
    now = datetime.now(UTC)
    begin, until = _begin(since, now), to_micros(now)
    try:
        with open_stored_data(settings) as (_, conn):
            hold_still(conn)
            with conn.transaction():
                catalogue, reach = load_catalogue(conn), extent(conn)
                if not reach.events:
                    raise NothingToBacktest("No event was ever stored: there is no history to backtest.")
                if reach.kept_since is not None and begin < reach.kept_since:
                    raise NothingToBacktest(
                        f"--since: of what was received before {rfc3339(reach.kept_since)} the log has only what open "
                        "instances need: older events have been dropped (retention_events). Ask for less."
                    )
                backtesting = Backtesting(conn, catalogue, definitions, reach, begin, until, examples, told)
                found = [
                    _workflow(name, catalogue, definitions, backtesting)
                    for name in _names(catalogue, definitions, workflow)
                ]
                others = [] if workflow is not None else list(other_definitions(catalogue, definitions))
    except (msgspec.DecodeError, psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn) as error:
        raise NoStoredData(f"Another version of Milepost has written this database; serve it first: {error}") from error
    return Backtested(begin, until, reach, time.monotonic() - started, found, others)


def _begin(since: str, now: datetime) -> int:
    try:
        begin = parse_since(since, now)
        spelled = rfc3339(begin)
    except (ValueError, OverflowError) as error:
        raise NothingToBacktest(f"--since: {error}") from error
    if begin >= to_micros(now):
        raise NothingToBacktest(f"--since: {spelled} lies ahead, and a backtest runs over what was")
    return begin


def _names(catalogue: Catalogue, definitions: Definitions, workflow: str | None) -> list[str]:
    names = sorted(catalogue.current.keys() | definitions.workflows.keys())
    if workflow is None:
        return names
    if workflow not in names:
        raise NothingToBacktest(f"There is no workflow {workflow!r}{suggestion(workflow, names)}")
    return [workflow]


def _workflow(
    name: str, catalogue: Catalogue, definitions: Definitions, backtesting: Backtesting
) -> BacktestedWorkflow:
    before, after = catalogue.current.get(name), definitions.workflows.get(name)
    found = backtesting.run(name) if is_asked(name, catalogue, definitions) else None
    if before is None or after is None:
        return BacktestedWorkflow(
            name, State.NEW if before is None else State.GONE, before.version if before else None, [], found
        )
    said = workflow_differences(before, after)
    return BacktestedWorkflow(name, State.CHANGED if said else State.UNCHANGED, before.version, said, found)
