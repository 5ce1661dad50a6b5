"""Reading for the projector: the next events of the log, and what the database holds of the instances they concern.

With a connection of its own this happens on a thread while the events before are applied. Reading the log ahead is
safe because it is in order of commit: what comes after a number does not change. Reading instances ahead is safe
because whatever has changed since is in the cache, and the cache goes before what was read; only what is dropped from
the cache must be asked for again (`forget_instances`).
"""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
import structlog
from psycopg.types.numeric import Int8BinaryLoader
from psycopg.types.string import ByteaBinaryLoader

from collector.copyformat import EPOCH_2000, TextArray, TextArrayDumper
from collector.instances import InstanceCache
from collector.store.database import Connection
from collector.store.sql import load
from slo_rules.event import Event, event_key
from slo_rules.identity import Key, split_key
from slo_rules.instants import to_datetime
from slo_rules.matching import Matcher, WorkflowMatcher
from slo_rules.observation import Match

log = structlog.get_logger("milepost.projector")

Q = load("projection")
Row = tuple[int, int, int, str, str, str, bytes | None, bytes]
"""Number, arrival and occurrence in micros since 2000, source, id, type, trace id, body."""
StoredInstance = tuple[Any, ...]
"""A row of the query `load`; the id as sixteen bytes, times as micros since 2000."""
Found = list[tuple[WorkflowMatcher, Match]]

_decode_body = msgspec.json.Decoder().decode


class Parsed(msgspec.Struct, frozen=True, gc=False):
    """An event of the log and what it means to each workflow; `error` says why it could not be understood.

    What it says is taken out at once and its document let go: tens of thousands of documents do not fit the
    processor's caches.
    """

    seq: int
    source: str
    type: str
    id: str
    occurred_at: int
    received_at: int
    key: bytes
    trace_id: bytes | None
    found: Found
    error: Exception | None = None


class Chunk(msgspec.Struct):
    """Events in the order of the log, and the stored instances they concern that the cache did not hold."""

    events: list[Parsed]
    instances: list[StoredInstance]


class LogReader:
    """Reads the log in order of its numbers, at most `limit` events at a time; one chunk ahead if it may.

    Chunks are small, so that what is made of them is still in the processor's caches when it is used.
    """

    def __init__(self, matcher: Matcher, limit: int, cache: InstanceCache, ahead: Connection | None) -> None:
        self.limit = limit
        self._matcher = matcher
        self._cache = cache
        self._ahead = ahead
        self._executor = ThreadPoolExecutor(1, "reading-ahead") if ahead is not None else None
        self._next: tuple[int, Future[Chunk]] | None = None
        self._stale = False

    def take(self, after: int) -> Chunk | None:
        """The chunk that follows a number, if it was read ahead and is full.

        A short one was read before the horizon of this cycle was taken: taking it for the end of the log would let
        deadlines be judged ahead of events that have arrived since.
        """
        following, self._next = self._next, None
        if following is None or following[0] != after:
            return None
        chunk = following[1].result()
        if len(chunk.events) < self.limit:
            return None
        if self._stale and self._executor is not None and self._ahead is not None:
            chunk.instances = self._executor.submit(self._instances, self._ahead, chunk.events).result()
        return chunk

    def read(self, conn: Connection, after: int, since: datetime | str) -> Chunk:
        """The events after a number, now; `since` lets partitions that are older be skipped."""
        with conn.transaction():
            cursor = conn.cursor(binary=True)
            cursor.adapters.register_loader("timestamptz", Int8BinaryLoader)
            cursor.execute(Q["read"], {"after": after, "since": since, "limit": self.limit})
            events = [self._parse(row) for row in cursor.fetchall()]
        return Chunk(events, self._instances(conn, events))

    def read_on(self, chunk: Chunk) -> None:
        """Begin to read what follows this chunk, if there may be more and there is somebody to do so."""
        self._stale = False
        if len(chunk.events) == self.limit and self._executor is not None and self._ahead is not None:
            last = chunk.events[-1]
            since = to_datetime(last.received_at)
            self._next = (last.seq, self._executor.submit(self.read, self._ahead, last.seq, since))

    def forget_instances(self) -> None:
        """What is read ahead of instances no longer counts: the cache is about to be trimmed."""
        self._stale = True

    def forget(self) -> None:
        """Let go of what was read ahead."""
        self._next = None

    def _parse(self, row: Row) -> Parsed:
        """An event that cannot be read or matched must not stop those behind it."""
        seq, received_at, occurred_at, source, id_, type_, trace_id, body = row
        received_at += EPOCH_2000
        occurred_at += EPOCH_2000
        key = event_key(source, id_)
        found: Found = []
        error = None
        try:
            if self._matcher.plan(source, type_):
                event = Event(source, type_, occurred_at, received_at, key, _decode_body(body), trace_id)
                found = self._matcher.matches(event)
        except Exception as raised:
            log.exception("event_set_aside", seq=seq)
            error = raised
        return Parsed(seq, source, type_, id_, occurred_at, received_at, key, trace_id, found, error)

    def _instances(self, conn: Connection, events: list[Parsed]) -> list[StoredInstance]:
        """The stored instances that events concern and the cache does not hold."""
        unknown: dict[str, set[Key]] = {}
        for parsed in events:
            for matcher, match in parsed.found:
                name = matcher.workflow.name
                held = self._cache.by_key(name)
                for key in match.joining:
                    if key not in held:
                        unknown.setdefault(name, set()).add(key)
        return _instances_of(conn, unknown) if unknown else []


def _instances_of(conn: Connection, unknown: dict[str, set[Key]]) -> list[StoredInstance]:
    conn.adapters.register_dumper(TextArray, TextArrayDumper)
    values: dict[tuple[str, str], list[str]] = {}
    for workflow, keys in unknown.items():
        # In the order of the index, so that neighbours share its pages.
        for key in sorted(keys):
            namespace, value = split_key(key)
            values.setdefault((workflow, namespace), []).append(value)
    ids: set[UUID] = set()
    with conn.transaction():
        for (workflow, namespace), of_namespace in values.items():
            parameters = {"workflow": workflow, "namespace": namespace, "values": TextArray(of_namespace)}
            ids.update(id_ for (id_,) in conn.execute(Q["instances_of_keys"], parameters))
        return load_instances(conn, list(ids)) if ids else []


def load_instances(conn: Connection, ids: list[Any]) -> list[StoredInstance]:
    """The stored instances with these ids."""
    cursor = conn.cursor(binary=True)
    cursor.adapters.register_loader("timestamptz", Int8BinaryLoader)
    cursor.adapters.register_loader("uuid", ByteaBinaryLoader)
    return cursor.execute(Q["load"], {"ids": ids}).fetchall()
