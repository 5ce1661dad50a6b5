"""From the spool to the log: what waits is written in its order, as soon as the database is back.

How far that came is a row of `receiver_spool`, moved in the transaction that writes: a record is in the log once,
whenever the process ends. What was being committed when the database went away carries the number of that transaction,
and is passed over where it was committed after all.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

import psycopg
import structlog

from collector import metrics
from collector.awaiting import LEASE, arrivals
from collector.log import Batch, is_away, timeline_of
from collector.spool.packing import unpack, write_events, write_unordered
from collector.spool.records import Record
from collector.spool.segments import Spool
from collector.store.database import LOG_LOCK, Connection
from collector.store.sql import load
from slo_rules.instants import to_datetime, to_micros

log = structlog.get_logger("milepost.spool")

Q = load("spool")
AT_ONCE = 8 * 2**20
_STEADY = 1_000_000
"""Micros by which the clocks of receiver and database may differ before that is said."""


class Undecided(Exception):
    """Whether a transaction was committed is not known yet: the server has not noticed that nobody waits for it."""

    def __init__(self, transaction: int) -> None:
        super().__init__(f"transaction {transaction} is still in progress")


class Elsewhere(Exception):
    """The database says that somebody else has written from this spool: what is to be written is found out anew."""

    def __init__(self) -> None:
        super().__init__("somebody else writes from a copy of this folder")


class Draining:
    """Writes what waits in a spool to the log, on one connection."""

    def __init__(self, conn: Connection, spool: Spool, former: Draining | None = None) -> None:
        """`former` is who wrote from this spool before, on a connection that is lost."""
        self._conn = conn
        self._spool = spool
        self._place: tuple[UUID | None, int] = (None, 0)
        self._timeline = 0
        self._ahead = 0
        """By how many micros the database's clock is ahead of ours."""
        self.unmapped_since: datetime | None = former.unmapped_since if former else None
        """Since when something waits of what was written here, which has yet to become events."""
        self.unmapped_until: int = former.unmapped_until if former else 0
        """Up to when that was received (micros, by the database's clock)."""

    def begin(self) -> None:
        """Find out what was written before. psycopg.Error, OSError."""
        self.set_clock()
        self._timeline = timeline_of(self._conn)
        with self._conn.transaction():
            row = self._conn.execute(Q["hold"], {"id": self._spool.id}).fetchone()
        assert row is not None
        self._place = segment, drained = row
        if segment is not None:
            self._spool.taken(segment, drained)

    def set_clock(self) -> None:
        """Find out how the clocks differ: what was received when is told by ours, and judged by the database's."""
        before = time.time_ns() // 1000
        with self._conn.transaction():
            row = self._conn.execute(Q["clock"]).fetchone()
        assert row is not None
        self._ahead = to_micros(row[0]) - (before + time.time_ns() // 1000) // 2
        if abs(self._ahead) > _STEADY:
            log.warning("clocks_differ", seconds=round(self._ahead / 1e6, 1))

    def run_once(self) -> int | None:
        """Write the next records; how much that was. None where nothing waits. psycopg.Error, OSError, Undecided."""
        taken = self._spool.take(AT_ONCE)
        if taken is None:
            return None
        try:
            return self._write(taken.segment, taken.records)
        except Exception as error:
            if not is_poison(error):
                raise
            log.exception("spool_written_one_by_one")
        return sum(self._write_alone(taken.segment, ends, record) for ends, record in taken.records)

    def _write_alone(self, segment: UUID, ends: int, record: Record) -> int:
        try:
            return self._write(segment, ((ends, record),))
        except Exception as error:
            if not is_poison(error):
                raise
            # It was acknowledged: it is kept, and must not keep the others from the log.
            log.exception("spool_record_set_aside", file=str(self._spool.set_aside(record)), count=record.count)
            metrics.SPOOL_SET_ASIDE.inc(record.count)
            self._write(segment, ((ends, None),))
            return 0

    def _write(self, segment: UUID, records: Sequence[tuple[int, Record | None]]) -> int:
        conn, own = self._conn, {"id": self._spool.id}
        begins = self._place[1] if self._place[0] == segment else 0
        wanted = [record for ends, record in records if ends > begins and record is not None]
        until = max(begins, records[-1][0])
        with conn.transaction():
            batches = [(one.received_at, unpack(one)) for one in wanted if not self._is_committed(one)]
            write_unordered(conn, [(self._here(at), batch) for at, batch in batches])
            for at, batch in batches:
                if batch.requests:
                    self.unmapped_until = self._here(at)
                    self.unmapped_since = self.unmapped_since or to_datetime(self._here(at))
            # Who holds the lock of the log may wait for the row, and never the other way round.
            conn.execute("SELECT pg_advisory_xact_lock(%s)", (LOG_LOCK,))
            if conn.execute(Q["hold"], own).fetchone() != self._place:
                raise Elsewhere
            floor, now = self.tell(self.unmapped_since)
            write_events(conn, self._ordered(batches, floor, now))
            following = None
            if wanted and self.unmapped_since is None:
                following = to_datetime(self._here(wanted[-1].received_at))
            conn.execute(Q["moved"], own | {"segment": segment, "drained": until, "oldest": following})
        self._place = (segment, until)
        self._spool.taken(segment, until)
        count = sum(record.count for _, record in records if record is not None)
        metrics.SPOOL_DRAINED.inc(count)
        return count

    def look_for_unmapped(self) -> datetime | None:
        """Since when something waits of what was written here, to become events (collector/sources/intake.py)."""
        if self.unmapped_since is not None:
            with self._conn.transaction():
                row = self._conn.execute(Q["unmapped"], {"until": to_datetime(self.unmapped_until)}).fetchone()
            self.unmapped_since = None if row is None else row[0]
        return self.unmapped_since

    def tell(self, unmapped_since: datetime | None) -> tuple[int, int]:
        """Tell since when something waits, in the caller's transaction, which holds the writers' lock.

        The instant before which nothing counts as received that is written, and the database's clock.
        """
        oldest = self._spool.held.oldest
        at = time.time_ns() // 1000 if oldest is None else oldest
        since = to_datetime(self._here(at))
        since = since if unmapped_since is None else min(since, unmapped_since)
        asked = {"id": self._spool.id, "lease": timedelta(microseconds=LEASE), "oldest": since}
        row = self._conn.execute(Q["waits"], asked).fetchone()
        assert row is not None
        return to_micros(row[0]), to_micros(row[1])

    def _here(self, at: int) -> int:
        """An instant of our clock (micros) by the database's."""
        return at + self._ahead

    def _is_committed(self, record: Record) -> bool:
        if record.in_doubt is None:
            return False
        transaction, timeline = record.in_doubt
        outcome = None
        # Another server, a standby that took over or a backup, never knew of it, and may have given the number away.
        if timeline == self._timeline:
            with contextlib.suppress(psycopg.DataError), self._conn.transaction():
                row = self._conn.execute(Q["outcome"], {"transaction": transaction}).fetchone()
                outcome = None if row is None else row[0]
        if outcome == "in progress":
            raise Undecided(transaction)
        log.info("spool_doubt_settled", transaction=transaction, outcome=outcome or "not known here")
        return outcome == "committed"

    def _ordered(self, batches: Sequence[tuple[int, Batch]], floor: int, now: int) -> list[tuple[int, Batch]]:
        """When each counts as received, by the database's clock."""
        times = arrivals(self._conn, [self._here(at) for at, _ in batches], floor, now)
        return [(at, batch) for at, (_, batch) in zip(times, batches, strict=True)]


def is_poison(error: Exception) -> bool:
    """Whether it is of what was to be written, and would be the same the next time."""
    return not (is_away(error) or isinstance(error, (Undecided, Elsewhere, OSError)))
