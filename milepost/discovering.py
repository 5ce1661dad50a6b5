"""`milepost discover`: reads a log, of the database or of a file, and hands it to the rules."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from collector.sampling import Window, newest_events
from collector.store.database import Connection
from milepost.event_files import FileLog
from milepost.settings import Settings
from milepost.since import parse_since
from milepost.stored_data import open_stored_data
from slo_rules.candidate_keys import CandidateKey, propose
from slo_rules.discovery import Discovery, Graph
from slo_rules.drafting import DraftOptions, NothingToDraft, draft
from slo_rules.event import Event
from slo_rules.naming import key_rules
from slo_rules.path_survey import Survey
from slo_rules.workflow import KeyRule


class NothingDiscovered(Exception):
    """The log does not say what was asked for; the message says what it lacks, and what to try."""


@dataclass(frozen=True, slots=True)
class Question:
    """What to discover, from a file or, without one, from the database. Without keys the likeliest one is taken."""

    window: Window
    options: DraftOptions
    keys: tuple[KeyRule, ...] = ()
    file: Path | None = None
    mapping: Path | None = None


def question_of(
    keys: Sequence[str],
    since: str | None,
    limit: int,
    sources: Sequence[str],
    types: Sequence[str],
    coverage: float,
    percentile: float,
    file: Path | None,
    mapping: Path | None,
) -> Question:
    """The question that the flags ask, `since` as of now. ValueError with all that cannot be asked."""
    faults: list[str] = []
    rules: tuple[KeyRule, ...] = ()
    at = None
    try:
        rules = key_rules(keys)
    except ValueError as error:
        faults.append(str(error))
    try:
        at = parse_since(since, datetime.now(UTC)) if since is not None else None
    except ValueError as error:
        faults.append(str(error))
    if mapping is not None and file is None:
        faults.append("--mapping is for a CSV file, and no file is named")
    if faults:
        raise ValueError("; ".join(faults))
    window = Window(limit, at, tuple(sources), tuple(types))
    return Question(window, DraftOptions(coverage, percentile), rules, file, mapping)


@dataclass(frozen=True, slots=True)
class Discovered:
    """What was found in `events`, beside which `unusable` records were left out.

    Where nobody named a key, `candidates` were to choose from, and the first was taken.
    """

    graph: Graph
    rules: tuple[KeyRule, ...]
    candidates: list[CandidateKey]
    draft: str
    events: int
    limited: bool
    unusable: int
    faults: list[str]


class _Log(Protocol):
    """Events that can be read again, and what had to be left out of them."""

    unusable: int
    faults: list[str]

    def read(self) -> Iterable[Event]: ...


class _StoredLog:
    """The log of the database; what is in it has been checked at the door."""

    def __init__(self, conn: Connection, window: Window) -> None:
        self._conn = conn
        self._window = window
        self.unusable = 0
        self.faults: list[str] = []

    def read(self) -> Iterable[Event]:
        return newest_events(self._conn, self._window)


def discover(settings: Settings, question: Question) -> Discovered:
    """Raises NothingDiscovered, NoStoredData, UnreadableFile, OSError, ValueError."""
    if question.file is not None:
        return _learn(FileLog(question.file, question.mapping, question.window), question)
    with open_stored_data(settings) as (_, conn):
        return _learn(_StoredLog(conn, question.window), question)


def _learn(log: _Log, question: Question) -> Discovered:
    candidates = [] if question.keys else _candidates(log)
    rules = question.keys or key_rules([candidates[0].path])
    discovery, survey = Discovery(rules), Survey()
    for event in log.read():
        if discovery.observe(event):
            survey.observe(event)
    if not discovery.events:
        raise NothingDiscovered(_no_events(log))
    if not all(discovery.carried.values()):
        raise NothingDiscovered(_unseen_keys(discovery, _surveyed(log)))
    graph = discovery.graph()
    try:
        spelled = draft(discovery, graph, survey, question.options)
    except NothingToDraft as error:
        raise NothingDiscovered(f"Nothing can be drafted: {error}.") from error
    return Discovered(
        graph=graph,
        rules=rules,
        candidates=candidates,
        draft=spelled,
        events=discovery.events,
        limited=discovery.events >= question.window.limit,
        unusable=log.unusable,
        faults=log.faults,
    )


def _surveyed(log: _Log) -> Survey:
    survey = Survey()
    for event in log.read():
        survey.observe(event)
    return survey


def _candidates(log: _Log) -> list[CandidateKey]:
    """What could be the key that nobody has named, the likeliest first."""
    survey = _surveyed(log)
    if not survey.events:
        raise NothingDiscovered(_no_events(log))
    candidates = propose(survey)
    if not candidates:
        raise NothingDiscovered(
            f"None of the {len(survey.paths)} paths in {survey.events:,} events looks like an id that several "
            f"kinds of event share. Name it with --key; there are: {_some(survey.paths)}"
        )
    return candidates


def _unseen_keys(discovery: Discovery, survey: Survey) -> str:
    unseen = [rule for rule in discovery.rules if not discovery.carried[rule.namespace]]
    lines = [f"No event carries a usable value of {','.join(rule.paths)}.{_like(rule, survey)}" for rule in unseen]
    if candidates := propose(survey):
        lines.append(f"What looks like a key: {', '.join(one.path for one in candidates)}.")
    return "\n".join(lines)


def _like(rule: KeyRule, survey: Survey) -> str:
    close = difflib.get_close_matches(rule.paths[0], list(survey.paths), n=1)
    return f" Did you mean {close[0]}?" if close and close[0] not in rule.paths else ""


def _no_events(log: _Log) -> str:
    if not log.unusable:
        return "There are no events to look at: none is there, or none fits --source, --type and --since."
    faults = "".join(f"\n  {fault}" for fault in log.faults)
    return f"There are no events to look at; {log.unusable:,} records cannot be used:{faults}"


def _some(paths: Iterable[str]) -> str:
    found = sorted(paths)
    return ", ".join(found[:20]) + (", …" if len(found) > 20 else "") if found else "none"
