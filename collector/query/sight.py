"""What somebody is shown who may not see every workflow: the same answers, of a database that has nothing else in it.

Every statement that is run for him is preceded by WITH, which gives each table the name of which somebody could learn
something another content: its rows that are in sight. A statement cannot forget to ask for them, and a table that came
later than this has to be decided about (tests/integration/test_sight.py). The catalogue is narrowed likewise.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from psycopg import AsyncConnection

from collector.access.principal import acting
from collector.access.sight import Sight
from collector.catalogue import Catalogue
from collector.query.reader import Q, Reader, Row, T, compiled_select, feed_rows
from collector.query.staleness import Memory
from collector.store.sql import load
from slo_rules.contribution import promise_name
from slo_rules.filters import exact_value
from slo_rules.workflow import Workflow

TABLES = load("sight")
UNSHADOWED = {
    "event": "reached by the numbers that instance_event and dead_letter have",
    "span": "reached by the traces that instance_event has",
    "saved_view": "judged by what its query says (collector/saved_views.py)",
    "receiver_spool": "how much Milepost kept on disk while its database was away, whosever it was",
    "silence": "judged by what it matches (alerting/acts_api.py)",
    **dict.fromkeys(
        ("projection", "retention", "shared_stretch", "stretch_share", "objective_state", "current_definition",
         "file_import", "kafka_offset", "source_poll", "target_state", "drill"),
        "of how Milepost itself works; no answer holds a row of it",
    ),
    **dict.fromkeys(
        ("api_key", "person", "session", "audit", "rate_limited"), "read at the terminal and by the guard alone"
    ),
}  # fmt: skip
"""The tables that are not narrowed, and why nobody learns by that what he should not."""
_WITH = "WITH " + ", ".join(f"{name} AS NOT MATERIALIZED ({said})" for name, said in TABLES.items())


@dataclass(frozen=True, slots=True)
class Seen:
    """What is in sight by the definitions there are."""

    workflows: tuple[str, ...]
    objectives: tuple[str, ...]
    sources: tuple[str, ...]
    domains: frozenset[str]
    """Those of the workflows."""
    domains_whole: frozenset[str]
    """Those of which every workflow is in sight, also one that comes tomorrow."""

    @property
    def parameters(self) -> Row:
        """What the statements of sight.sql want."""
        return {
            "seen_workflows": list(self.workflows),
            "seen_objectives": list(self.objectives),
            "seen_sources": list(self.sources),
        }


def seen_by_asker(catalogue: Catalogue) -> Seen | None:
    """What whoever asks may see; None is everything."""
    who = acting.get()
    return None if who is None or who.sight is None else seen_of(catalogue, who.sight)


def seen_of(catalogue: Catalogue, sight: Sight) -> Seen:
    """What a sight comes to. A workflow is of the domain that its latest version says, and so are its instances."""
    latest: dict[str, Workflow] = {}
    for (name, version), one in catalogue.versions.items():
        if name not in latest or latest[name].version < version:
            latest[name] = one.workflow
    workflows = {name: one for name, one in latest.items() if sight.sees(name, one.domain)}
    sources = {source for name in workflows for source in _sources(catalogue, name)}
    objectives = [
        one.name
        for of in catalogue.objectives.values()
        for one in of
        if one.workflow in workflows or (not one.workflow and one.source in sources)
    ]
    return Seen(
        tuple(sorted(workflows)),
        tuple(sorted({*objectives, *map(promise_name, workflows)})),
        tuple(sorted(sources)),
        frozenset(one.domain for one in workflows.values()),
        sight.domains,
    )


def narrowed(catalogue: Catalogue, seen: Seen) -> Catalogue:
    """The catalogue as if there were only what is in sight."""
    workflows, objectives, sources = set(seen.workflows), set(seen.objectives), set(seen.sources)
    return Catalogue(
        [one for (name, _), one in catalogue.versions.items() if name in workflows],
        [one for of in catalogue.objectives.values() for one in of if one.name in objectives],
        [one for name, one in catalogue.sources.items() if name in sources],
    )


def _sources(catalogue: Catalogue, workflow: str) -> set[str]:
    """The systems that a workflow hears of, in any version, as far as its filters say so plainly."""
    found: set[str] = set()
    for (name, version), one in catalogue.versions.items():
        if name == workflow:
            found |= {milestone.source for milestone in one.workflow.milestones if milestone.source}
            filters = catalogue.matcher_of(name, version).filters
            found |= {said for condition in filters if (said := exact_value(condition, "source")) is not None}
    return found


def in_sight(statement: str, parameters: Mapping[str, Any] | None, seen: Seen) -> tuple[str, Row]:
    """A statement that reads, with its parameters, as it is run for somebody who sees only this."""
    asked = statement.rstrip().rstrip(";")
    if parameters is None:
        # Without parameters a percent sign was nothing but that.
        asked = asked.replace("%", "%%")
    # A statement has one WITH: one that begins with its own becomes a part of another.
    own = asked.lstrip()[:4].upper() == "WITH"
    whole = f"{_WITH} SELECT * FROM ({asked}) AS asked" if own else f"{_WITH} ({asked})"
    return whole, {**(parameters or {}), **seen.parameters}


class NarrowReader(Reader):
    """A reader for whom there is nothing but what is in sight."""

    def __init__(self, whole: Reader, seen: Seen) -> None:
        self._whole, self._seen = whole, seen

    async def open(self) -> None:
        """Nothing: the reader of everything is open."""

    async def close(self) -> None:
        """Nothing: others read on."""

    @property
    def memory(self) -> Memory:
        """What was read before, by objective: whoever asks for one has it in sight."""
        return self._whole.memory

    def connection(self) -> AbstractAsyncContextManager[AsyncConnection[Row]]:
        """None: what is run on a connection is not narrowed."""
        raise NotImplementedError("ask by all, one, select or feed")

    async def all(self, name: str, parameters: Mapping[str, Any] | None = None) -> list[Row]:
        """All rows of a named statement that are in sight."""
        async with self._whole.connection() as conn:
            return await (await conn.execute(*in_sight(Q[name], parameters, self._seen))).fetchall()

    async def one(self, name: str, parameters: Mapping[str, Any] | None = None) -> Row | None:
        """The first of them."""
        async with self._whole.connection() as conn:
            return await (await conn.execute(*in_sight(Q[name], parameters, self._seen))).fetchone()

    async def select(self, statement: sa.Select[Any]) -> list[Row]:
        """All rows of a Core select that are in sight."""
        async with self._whole.connection() as conn:
            return await (await conn.execute(*in_sight(*compiled_select(statement), self._seen))).fetchall()

    async def feed(self, statement: sa.Select[Any], take: Callable[[Sequence[tuple[Any, ...]]], None]) -> None:
        """Hand them to `take`, as the reader of everything does."""
        async with self._whole.connection() as conn:
            await feed_rows(conn, *in_sight(*compiled_select(statement), self._seen), take)

    async def now(self) -> datetime:
        """The instant as of which what is read holds."""
        return await self._whole.now()

    async def clock(self) -> datetime:
        """The database's clock."""
        return await self._whole.clock()

    async def answer(self, ask: Callable[[], Awaitable[T]]) -> T:
        """The answer to a question that may take several reads."""
        return await self._whole.answer(ask)

    def require(self, at: int) -> None:
        """Raise Unsettled where what is read does not reach up to an instant (micros)."""
        self._whole.require(at)

    def note_write(self) -> None:
        """Somebody has written through this process."""
        self._whole.note_write()

    def replica(self) -> Row | None:
        """How the replica stands that is read, if one is."""
        return self._whole.replica()


def reader_for_asker(reader: Reader, catalogue: Catalogue) -> Reader:
    """The reader that whoever asks may read by."""
    seen = seen_by_asker(catalogue)
    return reader if seen is None else NarrowReader(reader, seen)
