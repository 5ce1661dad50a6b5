"""The duty that drops what is kept no longer: each class by its own length, one process at a time.

Each step is one short transaction. What somebody else holds is left for the next run, and so is what would take too
long: a run ends after MOST_SECONDS, and the next one goes on. A class that has been gone through rests for a day.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import psycopg
import structlog

from collector import metrics
from collector.retention.compression import compress_old
from collector.retention.counted import AT_ONCE as PLACES_AT_ONCE
from collector.retention.counted import drop_buckets, first_kept, old_places
from collector.retention.finished import FIRST, drop_finished
from collector.retention.parts import Dropped, NotCurrent, drop, find_needed, forget_needed, parts_of, thin
from collector.retention.policy import Kept, Retention
from collector.store.database import RETENTION_LOCK, Connection
from collector.store.sql import load

log = structlog.get_logger("milepost.retention")

Q = load("retention")
REST = timedelta(days=1)
MOST_SECONDS = 120.0
ROWS_AT_ONCE = 1_000
_EVER = datetime(1, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class Report:
    """What one run dropped of each class, how many chunks it compressed, and what it left for the next with the reason.

    `ran` is false where another process was at it.
    """

    ran: bool = False
    dropped: dict[Kept, Dropped] = field(default_factory=dict)
    compressed: int = 0
    postponed: dict[str, str] = field(default_factory=dict)


class _TakesLong(Exception):
    """The run has lasted long enough."""


class _Run:
    def __init__(self, conn: Connection, now: datetime, retention: Retention, report: Report) -> None:
        self._conn = conn
        self._now = now
        self._retention = retention
        self._report = report
        self._ends = time.monotonic() + MOST_SECONDS

    def all(self) -> None:
        ways: dict[Kept, Callable[[datetime], None]] = {
            Kept.SPANS: self._spans,
            Kept.EVENTS: self._events,
            Kept.INSTANCES: self._instances,
            Kept.BUCKETS: self._buckets,
            Kept.AUDIT: self._audit,
        }
        for kept, way in ways.items():
            until = self._until(kept)
            if self._rests(kept):
                continue
            if until is not None and not self._gone_through(kept, way, until):
                continue
            with self._conn.transaction():
                self._conn.execute(Q["record_run"], {"class": kept, "now": self._now})
        if self._retention.compress_after is not None:
            until = self._now - timedelta(microseconds=self._retention.compress_after)
            self._report.compressed = compress_old(self._conn, until, self._report.postponed)

    def _until(self, kept: Kept) -> datetime | None:
        """What came before is due; None: nothing ever is."""
        length = self._retention.of(kept)
        return None if length is None else self._now - timedelta(microseconds=length)

    def _rests(self, kept: Kept) -> bool:
        """Whether it was gone through not long ago. That it is kept for so long is written down for everybody."""
        with self._conn.transaction():
            self._conn.execute(Q["record_policy"], {"class": kept, "keep": self._retention.of(kept)})
            row = self._conn.execute(Q["ran"], {"class": kept}).fetchone()
        return row is not None and row[0] is not None and self._now - row[0] < REST

    def _gone_through(self, kept: Kept, way: Callable[[datetime], None], until: datetime) -> bool:
        try:
            way(until)
        except NotCurrent:
            self._report.postponed[kept] = "not everything received has been applied"
        except psycopg.errors.LockNotAvailable:
            self._report.postponed[kept] = "somebody else holds what would be dropped"
        except _TakesLong:
            self._report.postponed[kept] = "the rest is for the next run"
        else:
            return True
        return False

    def _note(self, kept: Kept, dropped: Dropped) -> None:
        before = self._report.dropped.get(kept, Dropped(0, 0))
        self._report.dropped[kept] = Dropped(before.rows + dropped.rows, before.bytes + dropped.bytes)
        metrics.RETENTION_ROWS.labels(kept).inc(dropped.rows)
        metrics.RETENTION_BYTES.labels(kept).inc(dropped.bytes)
        if time.monotonic() > self._ends:
            raise _TakesLong

    def _spans(self, until: datetime) -> None:
        with self._conn.transaction():
            due = [part for part in parts_of(self._conn, "span") if part.until <= until]
        for part in due:
            self._note(Kept.SPANS, drop(self._conn, part))

    def _events(self, until: datetime) -> None:
        with self._conn.transaction():
            due = [part for part in parts_of(self._conn, "event") if part.until <= until]
            row = self._conn.execute(Q["ran"], {"class": Kept.EVENTS}).fetchone()
        # To find who needs what all links are read, so that the older parts are looked at again only with the next one.
        if due and not (row is not None and row[1] is not None and row[1] >= due[-1].until):
            audit_since = self._until(Kept.AUDIT) or _EVER
            find_needed(self._conn, due[-1].until, audit_since)
            try:
                for part in due:
                    self._note(Kept.EVENTS, thin(self._conn, part, audit_since, self._now) or Dropped(0, 0))
            finally:
                forget_needed(self._conn)
        if due:
            self._rows("drop_dead_letters", due[-1].until)
            self._rows("drop_source_requests", due[-1].until)

    def _rows(self, statement: str, until: datetime) -> None:
        while True:
            with self._conn.transaction():
                gone = self._conn.execute(Q[statement], {"until": until, "limit": ROWS_AT_ONCE}).rowcount
            self._note(Kept.EVENTS, Dropped(gone, 0))
            if gone < ROWS_AT_ONCE:
                return

    def _instances(self, until: datetime) -> None:
        after = FIRST
        while True:
            dropped, following = drop_finished(self._conn, until, after, self._now)
            self._note(Kept.INSTANCES, dropped)
            if following is None:
                return
            after = following

    def _buckets(self, until: datetime) -> None:
        first = first_kept(until)
        places = old_places(self._conn, first)
        for begin in range(0, len(places), PLACES_AT_ONCE):
            some = places[begin : begin + PLACES_AT_ONCE]
            self._note(Kept.BUCKETS, drop_buckets(self._conn, first, some, self._now))

    def _audit(self, until: datetime) -> None:
        for name in ("drop_incidents", "drop_messages"):
            gone = ROWS_AT_ONCE
            while gone >= ROWS_AT_ONCE:
                with self._conn.transaction():
                    gone = self._conn.execute(Q[name], {"until": until, "limit": ROWS_AT_ONCE}).rowcount
                    if gone:
                        said = {"class": Kept.AUDIT, "kept_since": until, "rows": gone, "bytes": 0}
                        self._conn.execute(Q["record_dropped"], said)
                self._note(Kept.AUDIT, Dropped(gone, 0))


def run_once(conn: Connection, now: datetime, retention: Retention) -> Report:
    """Drop what has been kept long enough by `now`; what is not dropped for a reason is tried again by the next run."""
    report = Report()
    with conn.transaction():
        row = conn.execute("SELECT pg_try_advisory_lock(%s)", (RETENTION_LOCK,)).fetchone()
    if not (row and row[0]):
        return report
    report.ran = True
    try:
        _Run(conn, now, retention, report).all()
    finally:
        if not conn.closed:
            with conn.transaction():
                conn.execute("SELECT pg_advisory_unlock(%s)", (RETENTION_LOCK,))
    said = {kept: dropped.rows for kept, dropped in report.dropped.items() if dropped.rows}
    if said or report.compressed:
        freed = sum(dropped.bytes for dropped in report.dropped.values())
        log.info("retention", **said, freed_bytes=freed, compressed_chunks=report.compressed)
    for kept, reason in report.postponed.items():
        metrics.RETENTION_POSTPONED.labels(kept).inc()
        log.info("retention_postponed", what=kept, reason=reason)
    return report
