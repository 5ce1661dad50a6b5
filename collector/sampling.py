"""The newest of what is stored, read beside the service: so many rows, found by indexes, and nothing written."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.types.numeric import Int8BinaryLoader

from collector.catalogue import Catalogue
from collector.copyformat import EPOCH_2000
from collector.query.instances import definition_of
from collector.store.database import Connection
from collector.store.sql import load
from collector.stored_progress import readable, readable_document
from slo_rules.event import Event
from slo_rules.instants import to_datetime
from slo_rules.progress import Progress
from slo_rules.workflow import Workflow

Q = load("sample")
READ_ONLY = "-c default_transaction_read_only=on"
"""For connections of which nobody need be afraid."""
_FETCHED_AT_ONCE = 2000


@dataclass(frozen=True, slots=True)
class Window:
    """What is looked at: at most `limit` rows, the newest first, that occurred since then (micros; None for ever).

    Of events only those whose source and type begin with one of these; none given, all.
    """

    limit: int
    since: int | None = None
    sources: tuple[str, ...] = ()
    types: tuple[str, ...] = ()

    def takes(self, source: str, type_: str, occurred_at: int) -> bool:
        """Whether an event lies within, but for the limit."""
        return (
            (self.since is None or occurred_at >= self.since)
            and (not self.sources or source.startswith(self.sources))
            and (not self.types or type_.startswith(self.types))
        )

    def parameters(self) -> dict[str, Any]:
        """For the statements."""
        since = "-infinity" if self.since is None else to_datetime(self.since)
        return {
            "limit": self.limit,
            "since": since,
            "sources": list(self.sources) or None,
            "types": list(self.types) or None,
        }


@dataclass(frozen=True, slots=True)
class DeadLetters:
    """What one source sent that could not be used for one reason; `detail` is of the last of them."""

    reason: str
    source: str
    count: int
    last_at: datetime
    detail: str


def holds_a_log(conn: Connection) -> bool:
    """Whether the database is one of Milepost's."""
    with conn.transaction():
        row = conn.execute(Q["is_there"]).fetchone()
    return bool(row and row[0])


def newest_events(conn: Connection, window: Window) -> Iterator[Event]:
    """The events of the log, newest first; the `key` of each is empty."""
    with conn.transaction(), conn.cursor("sample", binary=True) as cursor:
        cursor.itersize = _FETCHED_AT_ONCE
        cursor.adapters.register_loader("timestamptz", Int8BinaryLoader)
        cursor.execute(Q["newest_events"], window.parameters())
        for source, type_, occurred_at, received_at, body in cursor:
            if (document := readable_document(body)) is not None:
                yield Event(source, type_, occurred_at + EPOCH_2000, received_at + EPOCH_2000, b"", document)


def newest_instances(
    conn: Connection, catalogue: Catalogue, window: Window
) -> Iterator[tuple[Workflow, Progress | None]]:
    """The instances begun last that have moved since then, each with the definition version it was started under.

    None stands for what is stored of one that cannot be read.
    """
    with conn.transaction(), conn.cursor("sample", binary=True) as cursor:
        cursor.itersize = _FETCHED_AT_ONCE
        cursor.execute(Q["newest_instances"], window.parameters())
        for workflow, version, progress in cursor:
            named = {"workflow": workflow, "workflow_version": version}
            yield definition_of(named, catalogue), readable(progress)


def dead_letters(conn: Connection, window: Window) -> list[DeadLetters]:
    """The dead letters received since then, by reason and source, the most frequent first."""
    with conn.transaction():
        return [DeadLetters(*row) for row in conn.execute(Q["dead_letters_by_reason"], window.parameters())]


def sources_heard(conn: Connection) -> set[str]:
    """The sources that have ever sent an event."""
    with conn.transaction():
        return {row[0] for row in conn.execute(Q["heard"])}
