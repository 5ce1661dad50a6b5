"""Reading and parsing the next batch of the log while the database writes the present one.

While the projector waits for its own statements the interpreter is free; this uses it. Reading ahead is safe because
the log is in order of commit: what comes after a number does not change.
"""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime

import msgspec
import structlog

from collector.store.database import Connection
from collector.store.sql import load
from slo_rules.event import Event, event_key
from slo_rules.instants import to_datetime
from slo_rules.matching import Match, Matcher, WorkflowMatcher

log = structlog.get_logger("milepost.projector")

Q = load("projection")
Row = tuple[int, int, int, str, str, str, bytes | None, bytes]
"""Number, arrival and occurrence in micros, source, id, type, trace id, body."""
Found = list[tuple[WorkflowMatcher, Match]]

_decode_body = msgspec.json.Decoder().decode


class Parsed(msgspec.Struct, frozen=True):
    """An event of the log and what it means to each workflow; `error` says why it could not be understood."""

    row: Row
    event: Event
    found: Found
    error: Exception | None = None


class LogReader:
    """Reads the log in order of its numbers, one batch ahead where a connection is given for it."""

    def __init__(self, matcher: Matcher, limit: int, ahead: Connection | None) -> None:
        self._matcher = matcher
        self._limit = limit
        self._ahead = ahead
        self._executor = ThreadPoolExecutor(1, "reading-ahead") if ahead is not None else None
        self._next: tuple[int, Future[list[Parsed]]] | None = None

    def read(self, conn: Connection, after: int, since: datetime | str) -> list[Parsed]:
        """The events after a number, at most the limit; `since` lets partitions that are older be skipped."""
        batch: list[Parsed] | None = None
        if self._next is not None:
            start, future = self._next
            self._next = None
            found = future.result()
            # A short one was read before the horizon of this cycle was taken: taking it for the end of the log would
            # let deadlines be judged ahead of events that have arrived since.
            batch = found if start == after and len(found) == self._limit else None
        if batch is None:
            batch = self._read(conn, after, since)
        if len(batch) == self._limit and self._executor is not None and self._ahead is not None:
            last = batch[-1].row
            future = self._executor.submit(self._read, self._ahead, last[0], to_datetime(last[1]))
            self._next = (last[0], future)
        return batch

    def forget(self) -> None:
        """Let go of what was read ahead."""
        if self._next is not None:
            self._next[1].cancel()
            self._next = None

    def _read(self, conn: Connection, after: int, since: datetime | str) -> list[Parsed]:
        with conn.transaction():
            cursor = conn.cursor(binary=True)
            cursor.execute(Q["read"], {"after": after, "since": since, "limit": self._limit})
            rows: list[Row] = cursor.fetchall()
        return [self._parse(row) for row in rows]

    def _parse(self, row: Row) -> Parsed:
        """An event that cannot be read or matched must not stop those behind it."""
        _seq, received_at, occurred_at, source, id_, type_, trace_id, body = row
        key = event_key(source, id_)
        try:
            event = Event(source, type_, occurred_at, received_at, key, _decode_body(body), trace_id)
            return Parsed(row, event, self._matcher.matches(event))
        except Exception as error:
            log.exception("event_set_aside", seq=row[0])
            return Parsed(row, Event(source, type_, occurred_at, received_at, key, {}, trace_id), [], error)
