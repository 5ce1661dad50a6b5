"""How open instances would stand under other definitions: read beside the service, and nothing written.

An instance keeps the version it started under. What another version would make of it is derived anew: its events are
replayed under that version, and the progress they make is judged by what is known now. The answer is compared with the
verdict it has now under its own version.

A few hundred instances and their events are in memory at a time, whatever the number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from itertools import groupby, islice
from typing import Any, NamedTuple
from uuid import UUID

from psycopg import IsolationLevel
from psycopg.types.numeric import Int8BinaryLoader

from collector.arrivals import watermarks
from collector.catalogue import Catalogue
from collector.copyformat import EPOCH_2000
from collector.replay import Logged, Part, replay_under
from collector.store.database import Connection
from collector.store.sql import load
from collector.stored_progress import readable, readable_document
from collector.unjoined import load_unjoined
from slo_rules.arithmetic import arithmetic
from slo_rules.definitions import fingerprint
from slo_rules.event import Event
from slo_rules.expectation import Expectation
from slo_rules.explain import explain
from slo_rules.judgement import Marks, Verdict, VerdictKind
from slo_rules.judging import judge
from slo_rules.matching import Matcher
from slo_rules.progress import Progress
from slo_rules.workflow import Definitions, Workflow

Q = load("comparison")
CHUNK = 500
MOST_EVENTS = 20_000
"""Of one instance; what has more is not replayed."""
MOST_KEYS = 2_000_000
"""Joining keys that are remembered to find instances that would be joined."""


class Fate(StrEnum):
    """What becomes of an open instance that another version cannot simply judge."""

    NOT_FOUND = "not_found"
    FALLS_APART = "falls_apart"
    JOINED = "joined"
    UNTOLD = "untold"


class Detail(StrEnum):
    """What is different where the verdict is the same, and why it cannot be told."""

    NONE = ""
    DUE_EARLIER = "due_earlier"
    DUE_LATER = "due_later"
    WAITS_FOR_ANOTHER = "waits_for_another"
    ANOTHER_OWNER = "another_owner"
    ANOTHER_REASON = "another_reason"
    EVENTS_GONE = "events_gone"
    TOO_MANY_EVENTS = "too_many_events"
    STORED_OTHERWISE = "stored_otherwise"


Transition = tuple[VerdictKind, VerdictKind | Fate, Detail]


@dataclass(frozen=True, slots=True)
class Example:
    """One instance of a group: why it stands as it does now, and why it would stand otherwise, in words."""

    id: UUID
    title: str
    version: int
    now: str
    then: str
    arithmetic: list[str]


@dataclass(slots=True)
class Group:
    """The instances that would go the same way, what they are worth by currency, and the first of them."""

    count: int = 0
    worth: dict[str, Decimal] = field(default_factory=dict)
    examples: list[Example] = field(default_factory=list)


@dataclass(slots=True)
class Comparison:
    """The open instances of one workflow: how many there are under each version, were compared, and would stand as now.

    `groups` are those that would not. `joins_told` says whether all that would be joined could be found among those
    compared; those under the new version already, and finished ones, were not looked at for that.
    """

    workflow: str
    open: dict[int, int]
    compared: int = 0
    same: int = 0
    groups: dict[Transition, Group] = field(default_factory=dict)
    joins_told: bool = True

    @property
    def changes(self) -> bool:
        """Whether any instance would stand otherwise, or may."""
        return bool(self.groups)


class Question(NamedTuple):
    """What is asked: of the open instances under `versions` what they would be under `after` (None: under their own).

    With `examples` so many are told of each group.
    """

    workflow: str
    versions: list[int]
    after: Workflow | None
    examples: int


class _Open(NamedTuple):
    """A row of `open_instances`."""

    id: UUID
    version: int
    title: str
    amount: Decimal | None
    currency: str | None
    progress: bytes


Told = Callable[[str, int], None]
"""Is told the workflow and how many of its instances have been compared so far."""


def hold_still(conn: Connection) -> None:
    """Let every transaction on this connection see the database at one moment."""
    conn.isolation_level = IsolationLevel.REPEATABLE_READ


def open_counts(conn: Connection) -> dict[str, dict[int, int]]:
    """How many instances are open, by workflow and version."""
    found: dict[str, dict[int, int]] = {}
    for workflow, version, count in conn.execute(Q["open_counts"]):
        found.setdefault(workflow, {})[version] = count
    return found


def open_progress(conn: Connection, workflow: str, versions: list[int]) -> Iterator[tuple[int, Progress]]:
    """The open instances under these versions of a workflow, in the caller's transaction: version and progress."""
    with conn.cursor("open_progress", binary=True) as cursor:
        cursor.itersize = CHUNK
        cursor.execute(Q["open_instances"], {"workflow": workflow, "versions": versions})
        for row in map(_Open._make, cursor):
            if (progress := readable(row.progress, row.id)) is not None:
                yield row.version, progress


def questions(
    catalogue: Catalogue, definitions: Definitions, counts: dict[str, dict[int, int]], examples: int
) -> Iterator[Question]:
    """What there is to ask, in the order of names: of workflows that say something else than a version with instances.

    And of those that wait for a source of which something else is said.
    """
    turned = {
        name
        for name in catalogue.sources.keys() | definitions.sources.keys()
        if expected_of(catalogue, name) != expected_of(definitions, name)
    }
    for name, of_workflow in sorted(counts.items()):
        after = definitions.workflows.get(name)
        others, kept = [], []
        for version in sorted(of_workflow):
            own = catalogue.versions[name, version].workflow
            if after is not None and fingerprint(own) != fingerprint(after):
                others.append(version)
            elif any(milestone.source in turned for milestone in own.milestones):
                kept.append(version)
        if others:
            yield Question(name, others, after, examples)
        if kept:
            yield Question(name, kept, None, examples)


def expected_of(of: Catalogue | Definitions, source: str) -> tuple[Expectation | None, dict[str, Expectation]]:
    """What is expected of all that a source sends, and of its types."""
    known = of.sources.get(source)
    return (known.expects, known.types) if known else (None, {})


class Comparing:
    """Compares instances in the caller's transaction, as of `now` (micros)."""

    def __init__(self, conn: Connection, catalogue: Catalogue, definitions: Definitions, now: int, told: Told) -> None:
        self._conn = conn
        self._catalogue = catalogue
        self._now = now
        self._told = told
        row = conn.execute(Q["applied"]).fetchone()
        seq = 0 if row is None else row[0]
        self._before: Marks = watermarks(conn, catalogue, seq)[0]
        self._after: Marks = watermarks(conn, Catalogue((), (), definitions.sources.values()), seq)[0]
        self._unjoined = load_unjoined(conn)
        self._matchers: dict[int, Matcher] = {}

    def add(self, question: Question, comparison: Comparison) -> None:
        """Compare what a question asks for, and add what was found."""
        asked = {"workflow": question.workflow, "versions": question.versions}
        keys = _Keys() if self._keys_change(question) else None
        with self._conn.cursor("open_instances", binary=True) as cursor:
            cursor.itersize = CHUNK
            cursor.execute(Q["open_instances"], asked)
            while rows := [_Open(*row) for row in cursor.fetchmany(CHUNK)]:
                histories = self._histories(rows) if question.after is not None else ((row, None) for row in rows)
                for row, history in histories:
                    self._compare(question, comparison, row, history, keys)
                self._told(question.workflow, comparison.compared)
        if keys is not None and keys.full:
            comparison.joins_told = False

    def _keys_change(self, question: Question) -> bool:
        after = question.after
        return after is not None and any(
            not after.joins_as(self._catalogue.versions[after.name, version].workflow) for version in question.versions
        )

    def _histories(self, rows: list[_Open]) -> Iterator[tuple[_Open, list[Logged] | Detail]]:
        """The instances with their events, or why they have none."""
        open_ = {row.id: row for row in rows}
        with self._conn.cursor("events_of", binary=True) as cursor:
            cursor.itersize = 5_000
            cursor.adapters.register_loader("timestamptz", Int8BinaryLoader)
            cursor.execute(Q["events_of"], {"ids": list(open_)})
            for id_, events in groupby(cursor, key=lambda event: event[0]):
                yield open_.pop(id_), _history(events)
        for row in open_.values():
            yield row, Detail.EVENTS_GONE

    def _compare(
        self,
        question: Question,
        comparison: Comparison,
        row: _Open,
        history: list[Logged] | Detail | None,
        keys: _Keys | None,
    ) -> None:
        progress = readable(row.progress, row.id)
        if progress is None:
            return
        own = self._catalogue.versions[question.workflow, row.version].workflow
        now = judge(progress, own, self._before, self._now)
        comparison.compared += 1
        then: tuple[Progress, Workflow, Verdict] | None = None
        fate, detail = Fate.UNTOLD, Detail.NONE
        if history is None:
            then = progress, own, judge(progress, own, self._after, self._now)
        elif isinstance(history, Detail):
            detail = history
        else:
            assert question.after is not None
            parts = self._replayed(question.after, history)
            if len(parts) == 1:
                verdict = judge(parts[0].progress, question.after, self._after, self._now)
                then = parts[0].progress, question.after, verdict
                if keys is not None and keys.known(parts[0].keys):
                    then, fate = None, Fate.JOINED
            else:
                fate = Fate.FALLS_APART if parts else Fate.NOT_FOUND
            differs = then is None or _standing(then[2]) != _standing(now)
            if differs and self._remade(own, history) != progress:
                then, fate, detail = None, Fate.UNTOLD, Detail.STORED_OTHERWISE
        after: VerdictKind | Fate = fate
        if then is not None:
            if _standing(then[2]) == _standing(now):
                comparison.same += 1
                return
            after = then[2].kind
            detail = _detail(now, then[2]) if after is now.kind else Detail.NONE
        group = comparison.groups.setdefault((now.kind, after, detail), Group())
        group.count += 1
        if row.amount is not None:
            currency = row.currency or ""
            group.worth[currency] = group.worth.get(currency, Decimal()) + row.amount
        if len(group.examples) < question.examples:
            said = explain(progress, own, now, self._before, self._now)
            words, steps = self._in_words(then) if then is not None else ("", [])
            group.examples.append(Example(row.id, row.title, row.version, said, words, steps))

    def _in_words(self, then: tuple[Progress, Workflow, Verdict]) -> tuple[str, list[str]]:
        progress, workflow, verdict = then
        said = explain(progress, workflow, verdict, self._after, self._now)
        return said, arithmetic(progress, workflow, verdict, self._now)

    def _replayed(self, workflow: Workflow, history: list[Logged]) -> list[Part]:
        """What a version makes of events on its own."""
        # The version of a file and a stored one may have one number.
        matcher = self._matchers.get(id(workflow))
        if matcher is None:
            matcher = self._matchers[id(workflow)] = Matcher([workflow])
        return replay_under(matcher, workflow.name, history, self._unjoined)

    def _remade(self, own: Workflow, history: list[Logged]) -> Progress | None:
        """What the events make under the instance's own version, all of them being of one instance."""
        parts = self._replayed(own, history)
        for part in parts[1:]:
            parts[0].absorb(part)
        return parts[0].progress if parts else None


class _Keys:
    """Which joining keys were seen, as far as they fit."""

    def __init__(self) -> None:
        self._seen: set[int] = set()
        self.full = False

    def known(self, keys: Iterable[str]) -> bool:
        """Whether one of an instance's keys was an earlier one's."""
        hashes = set(map(hash, keys))
        if not self._seen.isdisjoint(hashes):
            return True
        self.full = self.full or len(self._seen) > MOST_KEYS
        if not self.full:
            self._seen |= hashes
        return False


def _history(events: Iterable[tuple[Any, ...]]) -> list[Logged] | Detail:
    found = []
    # What is left of it is passed over by whoever groups the rows.
    for _, seq, key, received_at, source, type_, occurred_at, body in islice(events, MOST_EVENTS + 1):
        if source is None:
            return Detail.EVENTS_GONE
        document = readable_document(body)
        if document is None:
            return Detail.EVENTS_GONE
        at, received = occurred_at + EPOCH_2000, received_at + EPOCH_2000
        found.append(Logged(seq, Event(source, type_, at, received, key.bytes, document)))
    return found if len(found) <= MOST_EVENTS else Detail.TOO_MANY_EVENTS


def _standing(verdict: Verdict) -> tuple[Any, ...]:
    """What people see of a verdict."""
    return verdict.kind, verdict.reason, verdict.waiting_for, verdict.deadline_at, verdict.owner


def _detail(now: Verdict, then: Verdict) -> Detail:
    """The first thing anybody would ask about two verdicts of one kind."""
    if now.waiting_for != then.waiting_for:
        return Detail.WAITS_FOR_ANOTHER
    if now.deadline_at != then.deadline_at:
        if now.deadline_at is None or (then.deadline_at is not None and then.deadline_at < now.deadline_at):
            return Detail.DUE_EARLIER
        return Detail.DUE_LATER
    return Detail.ANOTHER_OWNER if now.owner != then.owner else Detail.ANOTHER_REASON
