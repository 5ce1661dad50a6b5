"""The log: what arrives is made durable here before it is acknowledged, and read in the order of its commits.

A sequence alone is not the order of commits: a transaction that took number 7 may commit after one that took 8, and a
reader that has passed 8 would never see 7. Every writer therefore holds one advisory lock from before it takes its
numbers until its commit is visible (PostgreSQL releases advisory transaction locks after that). A reader that has
seen number n has then seen everything below n. Writers in several processes queue on the lock; group commit makes
the queue short, and the projection, not the log, is what limits throughput.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple, Protocol

import msgspec
import psycopg
import structlog

from collector import metrics
from collector.access import audit
from collector.copyformat import EVENT_COPY, HEADER, SPAN_COPY, TRAILER
from collector.store.database import LOG_LOCK, Connection, connect

log = structlog.get_logger("milepost.log")

MAX_PENDING_BYTES = 64 * 2**20
MAX_COMMIT_BYTES = 8 * 2**20
RECONNECT_SECONDS = 1.0
STALL_SECONDS = 5.0
"""For how long a commit is waited for, where there is a buffer that can take its place."""
_LET_GO = "-c idle_in_transaction_session_timeout=10s"
"""A process that stands still in the middle of a commit holds up every other writer."""


class LetterReason(StrEnum):
    """Why something is a dead letter.

    The first two at a door or in a file, the next two where a source sends in a form of its own, the others when the
    log is applied.
    """

    INVALID_EVENT = "invalid_event"
    UNREADABLE_RECORD = "unreadable_record"
    UNREADABLE_REQUEST = "unreadable_request"
    CANNOT_BE_MAPPED = "cannot_be_mapped"
    CANNOT_BE_APPLIED = "cannot_be_applied"
    NO_USABLE_KEY = "no_usable_key"
    NO_SUCH_INSTANCE = "no_such_instance"
    KEY_JOINS_TOO_MANY = "key_joins_too_many"
    JOIN_REJECTED = "join_rejected"
    NOT_MOVED = "not_moved"


def is_away(error: BaseException) -> bool:
    """Whether it says that the database is away, full, or no longer the primary; not that something cannot be stored.

    What exceeds a limit of the server (class 54) is an operational error to psycopg, and would be one for ever; a
    session that was ended because it stood still, or that may only read (class 25), is none to psycopg.
    """
    of_class = (error.sqlstate or "")[:2] if isinstance(error, psycopg.Error) else ""
    known = isinstance(error, (psycopg.OperationalError, psycopg.InterfaceError))
    return of_class == "25" or (known and of_class != "54")


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """Something received that could not be used, whole."""

    source: str
    reason: LetterReason
    detail: str
    body: bytes
    event_id: str | None = None
    type: str | None = None
    request: int | None = None
    item: int | None = None


@dataclass(frozen=True, slots=True)
class SourceRequest:
    """What a source sent in a form of its own, as it may be kept: what is sensitive is not in it."""

    source: str
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass(slots=True)
class Batch:
    """What one request brought: rows in COPY format and the dead letters among them. It commits whole or not at all."""

    events: list[bytes] = field(default_factory=list)
    spans: list[bytes] = field(default_factory=list)
    dead_letters: list[DeadLetter] = field(default_factory=list)
    requests: list[SourceRequest] = field(default_factory=list)
    audit: list[audit.Entry] = field(default_factory=list)

    @property
    def size(self) -> int:
        """Bytes held."""
        return (
            sum(map(len, self.events))
            + sum(map(len, self.spans))
            + sum(len(letter.body) for letter in self.dead_letters)
            + sum(len(request.body) for request in self.requests)
        )


class Unavailable(Exception):
    """The batch was not stored and may be sent again: the log is full or the database is away."""

    def __init__(self, message: str, retry_after: int, *, overloaded: bool) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.overloaded = overloaded


class Buffer(Protocol):
    """Keeps on disk what arrives while the database is away, and writes it to the log afterwards."""

    @property
    def active(self) -> bool:
        """Whether what arrives goes there: something waits there already, and the log is in the order of arrivals."""

    def start(self, watch: Callable[[], None]) -> None:
        """Begin to write what waits. `watch` is called once a second."""

    def keep(self, arrivals: Sequence[Arrival], error: str) -> list[Exception | None]:
        """What became of each: it is durable, or an exception says why not. `error` is why it is not in the log."""

    def close(self) -> None:
        """Stop. What waits stays."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """A batch that arrived then (micros), and in which transaction of which timeline it may have been committed."""

    batch: Batch
    received_at: int
    in_doubt: tuple[int, int] | None = None


class _Pending(NamedTuple):
    """A batch that waits to be committed."""

    batch: Batch
    size: int
    received_at: int
    future: Future[None]


class _NotWritten(Exception):
    """The database did not answer; `in_doubt` is the transaction that was being committed, if one was."""

    def __init__(self, message: str, in_doubt: tuple[int, int] | None) -> None:
        super().__init__(message)
        self.in_doubt = in_doubt


class LogWriter:
    """Commits batches of many requests together on one connection and thread; bounded in bytes.

    With a `buffer`, what cannot be committed, or not within STALL_SECONDS, is kept there, and counts as durable.
    """

    def __init__(
        self, database_url: str, *, on_commit: Callable[[], None] = lambda: None, buffer: Buffer | None = None
    ) -> None:
        self._url = database_url
        self._on_commit = on_commit
        self._buffer = buffer
        self._pending: list[_Pending] = []
        self._bytes = 0
        self._wake = threading.Condition()
        self._closing = False
        self._down_until = 0.0
        self._conn: Connection | None = None
        self._watched = threading.Lock()
        self._began: float | None = None
        self._committing: tuple[int, int] | None = None
        self._timeline = 0
        self._thread = threading.Thread(target=self._run, name="log-writer", daemon=True)

    def start(self) -> None:
        """Begin to commit."""
        if self._buffer is not None:
            self._buffer.start(self._end_stalled)
        self._thread.start()

    def close(self) -> None:
        """Commit what is pending, then stop."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        self._thread.join(timeout=30)
        if self._buffer is not None:
            self._buffer.close()

    @property
    def pending_bytes(self) -> int:
        """Bytes accepted and not yet committed."""
        return self._bytes

    def submit(self, batch: Batch) -> Future[None]:
        """A future that is done when the batch is durable. Raises Unavailable when it must be sent again later."""
        size = batch.size
        future: Future[None] = Future()
        with self._wake:
            if self._closing:
                raise Unavailable("the collector is shutting down", 5, overloaded=False)
            if time.monotonic() < self._down_until:
                raise Unavailable("the database cannot be reached", 5, overloaded=False)
            if self._bytes + size > MAX_PENDING_BYTES and self._pending:
                raise Unavailable("more arrives than can be stored", 1, overloaded=True)
            self._pending.append(_Pending(batch, size, time.time_ns() // 1000, future))
            self._bytes += size
            self._wake.notify()
        return future

    def _take(self) -> list[_Pending]:
        with self._wake:
            while not self._pending and not self._closing:
                self._wake.wait()
            taken, size = 0, 0
            while taken < len(self._pending) and (taken == 0 or size < MAX_COMMIT_BYTES):
                size += self._pending[taken].size
                taken += 1
            batches, self._pending = self._pending[:taken], self._pending[taken:]
            return batches

    @property
    def alive(self) -> bool:
        """Whether batches are being committed at all."""
        return self._thread.is_alive()

    def _run(self) -> None:
        while pending := self._take():
            if self._buffer is not None and self._buffer.active:
                outcomes = self._keep(self._buffer, [Arrival(one.batch, one.received_at) for one in pending], "")
            else:
                outcomes = self._store(pending)
            self._settle(pending, outcomes)
        self._let_go()

    def _store(self, pending: list[_Pending]) -> list[Exception | None]:
        outcomes: list[Exception | None]
        try:
            if self._conn is None or self._conn.closed:
                self._conn = connect(self._url, "log", options=_LET_GO)
                self._timeline = 0 if self._buffer is None else timeline_of(self._conn)
            outcomes = self._write(self._conn, [one.batch for one in pending])
        except (psycopg.OperationalError, psycopg.InterfaceError) as error:
            outcomes = [_NotWritten(str(error).strip(), None)] * len(pending)
        failed = [(place, one) for place, one in enumerate(outcomes) if isinstance(one, _NotWritten)]
        if not failed:
            return outcomes
        self._let_go()
        why = str(failed[0][1])
        log.warning("log_not_written", error=why, batches=len(failed))
        if self._buffer is None:
            self._down_until = time.monotonic() + RECONNECT_SECONDS
            away = Unavailable("the database cannot be reached", 5, overloaded=False)
            return [away if isinstance(one, _NotWritten) else one for one in outcomes]
        arrivals = [Arrival(pending[place].batch, pending[place].received_at, one.in_doubt) for place, one in failed]
        for (place, _), outcome in zip(failed, self._keep(self._buffer, arrivals, why), strict=True):
            outcomes[place] = outcome
        return outcomes

    @staticmethod
    def _keep(buffer: Buffer, arrivals: list[Arrival], why: str) -> list[Exception | None]:
        try:
            return buffer.keep(arrivals, why)
        except Exception as error:
            # Whoever commits must not end by it.
            log.exception("not_kept")
            return [error] * len(arrivals)

    def _write(self, conn: Connection, batches: list[Batch]) -> list[Exception | None]:
        """What became of each batch. One that cannot be stored must not take the others of the commit with it."""
        if conn.closed:
            return [_NotWritten("the connection is closed", None)] * len(batches)
        try:
            self._commit(conn, batches)
        except Exception as error:
            if is_away(error):
                failed = _NotWritten(str(error).strip(), self._committing)
                # Whatever is wrong, the next commit is not tried on this connection.
                conn.close()
                return [failed] * len(batches)
            if len(batches) == 1:
                log.exception("batch_refused")
                return [error]
            return [outcome for batch in batches for outcome in self._write(conn, [batch])]
        return [None] * len(batches)

    def _settle(self, pending: list[_Pending], outcomes: Sequence[Exception | None]) -> None:
        with self._wake:
            self._bytes -= sum(one.size for one in pending)
        for one, outcome in zip(pending, outcomes, strict=True):
            if not one.future.set_running_or_notify_cancel():
                continue
            if outcome is None:
                one.future.set_result(None)
            else:
                one.future.set_exception(outcome)
        self._on_commit()

    def _commit(self, conn: Connection, batches: list[Batch]) -> None:
        events = [row for batch in batches for row in batch.events]
        spans = [row for batch in batches for row in batch.spans]
        letters = [letter for batch in batches for letter in batch.dead_letters]
        requests = [request for batch in batches for request in batch.requests]
        started = time.perf_counter()
        self._committing = None
        self._began = time.monotonic()
        try:
            with conn.transaction():
                keep_requests(conn, requests)
                transaction = append(conn, events, spans, letters)
                # Last: its lock is taken after that of the log, by everybody.
                audit.record(conn, [one for batch in batches for one in batch.audit])
                if transaction is None and self._buffer is not None:
                    transaction = _transaction_of(conn)
                # From here on an error says nothing of whether it was committed.
                self._committing = None if transaction is None else (transaction, self._timeline)
        finally:
            with self._watched:
                self._began = None
        metrics.LOG_COMMITS.observe(time.perf_counter() - started)

    def _end_stalled(self) -> None:
        """End the connection of a commit that takes too long: its thread then finds out, and keeps the batches."""
        with self._watched:
            began, conn = self._began, self._conn
            if began is None or conn is None or time.monotonic() - began < STALL_SECONDS:
                return
            # Another thread waits on that socket, and must not find it closed beneath it.
            with contextlib.suppress(psycopg.Error, OSError), socket.socket(fileno=os.dup(conn.fileno())) as shared:
                shared.shutdown(socket.SHUT_RDWR)

    def _let_go(self) -> None:
        with self._watched:
            conn, self._conn = self._conn, None
        if conn is not None:
            conn.close()


def timeline_of(conn: Connection) -> int:
    """Which timeline the server writes: a standby that took over has another, and other numbers of transactions.

    0 where the server does not say. psycopg.OperationalError where it writes none, and where it is away.
    """
    try:
        with conn.transaction():
            row = conn.execute("SELECT left(pg_walfile_name(pg_current_wal_lsn()), 8)").fetchone()
    except (psycopg.NotSupportedError, psycopg.ProgrammingError):
        return 0
    assert row is not None
    return int(row[0], 16)


def _transaction_of(conn: Connection) -> int:
    row = conn.execute("SELECT pg_current_xact_id()::text::bigint").fetchone()
    assert row is not None
    return int(row[0])


def append(conn: Connection, events: list[bytes], spans: list[bytes], letters: list[DeadLetter]) -> int | None:
    """Write rows to the log in the caller's transaction, which should end soon: it holds the writers' lock.

    The number of the transaction, where events were written; it comes with the lock.
    """
    write_letters(conn, letters)
    if spans:
        copy(conn, SPAN_COPY, spans)
    if not events:
        return None
    row = conn.execute("SELECT pg_advisory_xact_lock(%s), pg_current_xact_id()::text::bigint", (LOG_LOCK,)).fetchone()
    copy(conn, EVENT_COPY, events)
    assert row is not None
    return int(row[1])


def write_letters(conn: Connection, letters: list[DeadLetter], received_at: datetime | None = None) -> None:
    """Write dead letters, in the caller's transaction; None stands for now."""
    if not letters:
        return
    conn.cursor().executemany(
        "INSERT INTO dead_letter (received_at, source, reason, detail, event_id, type, body, request, item) "
        "VALUES (coalesce(%s, clock_timestamp()), %s, %s, %s, %s, %s, %s, %s, %s)",
        [
            (received_at, one.source, one.reason, one.detail, one.event_id, one.type, one.body, one.request, one.item)
            for one in letters
        ],
    )


def keep_requests(conn: Connection, requests: list[SourceRequest], received_at: datetime | None = None) -> None:
    """Write what sources sent in forms of their own, in the caller's transaction; None stands for now."""
    if not requests:
        return
    conn.cursor().executemany(
        "INSERT INTO source_request (received_at, source, method, path, headers, body) "
        "VALUES (coalesce(%s, clock_timestamp()), %s, %s, %s, %s::jsonb, %s)",
        [
            (received_at, one.source, one.method, one.path, msgspec.json.encode(one.headers).decode(), one.body)
            for one in requests
        ],
    )


def copy(conn: Connection, statement: str, rows: list[bytes]) -> None:
    """Send rows in COPY format, in the caller's transaction."""
    with conn.cursor().copy(statement) as copy:
        copy.write(HEADER + b"".join(rows) + TRAILER)
