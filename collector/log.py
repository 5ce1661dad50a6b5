"""The log: what arrives is made durable here before it is acknowledged, and read in the order of its commits.

A sequence alone is not the order of commits: a transaction that took number 7 may commit after one that took 8, and a
reader that has passed 8 would never see 7. Every writer therefore holds one advisory lock from before it takes its
numbers until its commit is visible (PostgreSQL releases advisory transaction locks after that). A reader that has
seen number n has then seen everything below n. Writers in several processes queue on the lock; group commit makes
the queue short, and the projection, not the log, is what limits throughput.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from enum import StrEnum

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


class LogWriter:
    """Commits batches of many requests together on one connection and thread; bounded in bytes."""

    def __init__(self, database_url: str, *, on_commit: Callable[[], None] = lambda: None) -> None:
        self._url = database_url
        self._on_commit = on_commit
        self._pending: list[tuple[Batch, int, Future[None]]] = []
        self._bytes = 0
        self._wake = threading.Condition()
        self._closing = False
        self._down_until = 0.0
        self._thread = threading.Thread(target=self._run, name="log-writer", daemon=True)

    def start(self) -> None:
        """Begin to commit."""
        self._thread.start()

    def close(self) -> None:
        """Commit what is pending, then stop."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        self._thread.join(timeout=30)

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
            self._pending.append((batch, size, future))
            self._bytes += size
            self._wake.notify()
        return future

    def _take(self) -> list[tuple[Batch, int, Future[None]]]:
        with self._wake:
            while not self._pending and not self._closing:
                self._wake.wait()
            taken, size = 0, 0
            while taken < len(self._pending) and (taken == 0 or size < MAX_COMMIT_BYTES):
                size += self._pending[taken][1]
                taken += 1
            batches, self._pending = self._pending[:taken], self._pending[taken:]
            return batches

    @property
    def alive(self) -> bool:
        """Whether batches are being committed at all."""
        return self._thread.is_alive()

    def _run(self) -> None:
        conn: Connection | None = None
        while pending := self._take():
            try:
                if conn is None or conn.closed:
                    conn = connect(self._url, "log", options=_LET_GO)
                outcomes = self._write(conn, [batch for batch, _, _ in pending])
            except (psycopg.OperationalError, psycopg.InterfaceError) as error:
                log.warning("log_not_written", error=str(error).strip(), batches=len(pending))
                outcomes = [Unavailable("the database cannot be reached", 5, overloaded=False)] * len(pending)
                self._down_until = time.monotonic() + RECONNECT_SECONDS
                if conn is not None:
                    conn.close()
            self._settle(pending, outcomes)
        if conn is not None:
            conn.close()

    def _write(self, conn: Connection, batches: list[Batch]) -> list[Exception | None]:
        """What became of each batch. One that cannot be stored must not take the others of the commit with it."""
        try:
            self._commit(conn, batches)
        except (psycopg.OperationalError, psycopg.InterfaceError):
            raise
        except Exception as error:
            if conn.closed or isinstance(error, psycopg.errors.ReadOnlySqlTransaction):
                # Not for what a batch says: the server has ended a session that stood still, or is a standby now.
                raise psycopg.OperationalError(str(error)) from error
            if len(batches) == 1:
                log.exception("batch_refused")
                return [error]
            return [outcome for batch in batches for outcome in self._write(conn, [batch])]
        return [None] * len(batches)

    def _settle(self, pending: list[tuple[Batch, int, Future[None]]], outcomes: Sequence[Exception | None]) -> None:
        with self._wake:
            self._bytes -= sum(size for _, size, _ in pending)
        for (_, _, future), outcome in zip(pending, outcomes, strict=True):
            if not future.set_running_or_notify_cancel():
                continue
            if outcome is None:
                future.set_result(None)
            else:
                future.set_exception(outcome)
        self._on_commit()

    def _commit(self, conn: Connection, batches: list[Batch]) -> None:
        events = [row for batch in batches for row in batch.events]
        spans = [row for batch in batches for row in batch.spans]
        letters = [letter for batch in batches for letter in batch.dead_letters]
        requests = [request for batch in batches for request in batch.requests]
        started = time.perf_counter()
        with conn.transaction():
            keep_requests(conn, requests)
            append(conn, events, spans, letters)
            # Last: its lock is taken after that of the log, by everybody.
            audit.record(conn, [one for batch in batches for one in batch.audit])
        metrics.LOG_COMMITS.observe(time.perf_counter() - started)


def append(conn: Connection, events: list[bytes], spans: list[bytes], letters: list[DeadLetter]) -> None:
    """Write rows to the log in the caller's transaction, which should end soon: it holds the writers' lock."""
    if letters:
        conn.cursor().executemany(
            "INSERT INTO dead_letter (received_at, source, reason, detail, event_id, type, body, request, item) "
            "VALUES (clock_timestamp(), %s, %s, %s, %s, %s, %s, %s, %s)",
            [
                (one.source, one.reason, one.detail, one.event_id, one.type, one.body, one.request, one.item)
                for one in letters
            ],
        )
    if spans:
        _copy(conn, SPAN_COPY, spans)
    if events:
        conn.execute("SELECT pg_advisory_xact_lock(%s)", (LOG_LOCK,))
        _copy(conn, EVENT_COPY, events)


def keep_requests(conn: Connection, requests: list[SourceRequest]) -> None:
    """Write what sources sent in forms of their own, in the caller's transaction."""
    if not requests:
        return
    conn.cursor().executemany(
        "INSERT INTO source_request (source, method, path, headers, body) VALUES (%s, %s, %s, %s::jsonb, %s)",
        [(one.source, one.method, one.path, msgspec.json.encode(one.headers).decode(), one.body) for one in requests],
    )


def _copy(conn: Connection, statement: str, rows: list[bytes]) -> None:
    with conn.cursor().copy(statement) as copy:
        copy.write(HEADER + b"".join(rows) + TRAILER)
