"""From the log to the instances: read in order of commit, apply, and move the position, in one transaction.

Theory of operation
-------------------
One projector works at a time (a session advisory lock; others stand by). Each cycle

1. takes the *horizon*: with the log writers' lock held for a moment, the database's clock says an instant T of which
   it is true that everything received before T is in the log and visible; where receivers may have kept something on
   their disks while the database was away, T is no later than that (collector/awaiting.py);
2. applies the next batch of the log;
3. sweeps: instances whose `next_check_at` is not after T are judged, found by their index. With a backlog behind the
   batch, T is the arrival of the last event applied instead: everything received before that has been applied.

Because the sweep never runs ahead of the log, and because an event that arrives at R first lets time pass for its
instance up to R, the recorded verdict changes depend on what was received when, not on when this loop ran. Replaying
the log gives the same.

Every statement is per batch, not per instance. What a batch needs and the cache does not hold is read with two
queries; what changed is written with one statement per table (collector/changes.py).

Events are read and applied in small chunks and written in large batches. With `Helpers` four things happen side by
side while there is a backlog: the log is read and parsed in another process, the instances a chunk concerns are looked
up, the chunk before it is applied, the batch before that is written. One write is under way at most; it checks that
the position is where the batch before it left it, and when it fails everything in memory is forgotten.
"""

from __future__ import annotations

import time
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import partial

import structlog

from collector.applying import Applying
from collector.arrivals import Arrivals
from collector.awaiting import Awaiting
from collector.batches import BATCH, Batch, Moved, Writing, commit
from collector.catalogue import Catalogue
from collector.changes import Changes, Q
from collector.cycle_report import CycleReport
from collector.dividing import DividingProcess
from collector.instances import MAX_CACHED, InstanceCache
from collector.lookup import StoredInstance, instances_of, unknown_keys
from collector.parsed import Parsed
from collector.reading import CHUNK, LogReader
from collector.reading_ahead import ReadingProcess
from collector.relief import Relief
from collector.separation import Place
from collector.sharing import Sharer
from collector.store.database import PROJECTION_LOCK, Connection
from collector.stretches import MOST_SHARES, Stretch, close_stretch, hands, open_stretch, write_down
from collector.unjoined import load_unjoined
from collector.unreadable import Aside, Unreadable, look_again, mend
from slo_rules.identity import Key
from slo_rules.instants import to_datetime, to_micros

log = structlog.get_logger("milepost.projector")

SMALL_BATCH = 4_000
SHARE_FROM = 20_000
"""How many events must wait for others to be asked for help with them."""
EVENTS_PER_SHARE = 20_000
SHARES_EACH = 2
"""Into how many shares a stretch is divided for each who applies it: who is done first takes one more."""
LOOKED_UP_AHEAD = 4
"""For how many chunks instances are looked up ahead: while a batch is prepared there is time for it, between two chunks
there is hardly any."""
SWEEP_BATCH = 20_000
SWEEP_SECONDS = 10.0
"""How often deadlines are judged while there is a backlog: the sweep waits until everything is written."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Events in the order of the log, and the stored instances they concern that the cache did not hold.

    `asked` are the joining keys by which these were looked up, by workflow.
    """

    events: list[Parsed]
    asked: dict[str, set[Key]]
    found: Future[list[StoredInstance]]


@dataclass(frozen=True, slots=True)
class Helpers:
    """What a projector needs to do several things at once.

    A connection in autocommit for looking up, a reader, and, where others may lend a hand, who divides the log.
    """

    lookups: Connection
    reading: ReadingProcess
    dividing: DividingProcess | None = None

    def close(self) -> None:
        """Let go of all."""
        self.lookups.close()
        self.reading.close()
        if self.dividing is not None:
            self.dividing.close()


def hold(conn: Connection) -> bool:
    """Let this session be the one that projects, if none is; only its end lets another one."""
    row = conn.execute("SELECT pg_try_advisory_lock(%s)", (PROJECTION_LOCK,)).fetchone()
    conn.commit()
    return bool(row and row[0])


class Projector:
    """Applies the log to the instances of one database."""

    _applying: Applying

    def __init__(
        self,
        catalogue: Catalogue,
        *,
        batch: int = BATCH,
        cached: int = MAX_CACHED,
        helpers: Helpers | None = None,
        share_from: int = SHARE_FROM,
    ) -> None:
        self._catalogue = catalogue
        self._cache = InstanceCache(cached)
        self._reader = LogReader(catalogue, min(CHUNK, batch))
        self._batch = batch
        self._helpers = helpers
        self._looking_up = ThreadPoolExecutor(1, "looking-up")
        self._writer = ThreadPoolExecutor(1, "writing")
        self._following: deque[Chunk] = deque()
        self._gone: deque[set[bytes]] = deque(maxlen=LOOKED_UP_AHEAD)
        """The instances that were joined to others, or replaced, in each of the chunks applied last."""
        self._writing: Future[Writing] | None = None
        self._number = 0
        self._seq = -1
        self._forgotten = 0
        self._received_at = 0
        self._swept = 0.0
        self._report = CycleReport()
        self._conn: Connection | None = None
        self._awaiting = Awaiting()
        self._aside = Aside()
        self._share_from = share_from
        self._unfinished = True
        """Whether there may be a stretch that is not finished."""

    def acquire(self, conn: Connection) -> bool:
        """Become the projector on this connection, if nobody is; idempotent. Forgets what a former connection knew."""
        if self._conn is conn:
            return True
        if not hold(conn):
            return False
        with conn.transaction():
            conn.execute(Q["stage"])
            conn.execute(Q["begin"])
            row = conn.execute(Q["counted"]).fetchone()
            if row is None or not row[0]:
                conn.execute(Q["forget_counts"])
                conn.execute(Q["count_anew"])
                conn.execute(Q["note_counted"])
        self._conn = conn
        self._unfinished = True
        self._forget()
        return True

    def cycle(self, conn: Connection) -> CycleReport:
        """Apply the next batch of what was received before now; judge what time has changed as far as that reaches."""
        self._report = report = CycleReport()
        try:
            shared = self._share(conn)
            horizon = None if shared else self.apply_batch(conn)
            report.caught_up = horizon is not None
            if horizon is not None:
                self.sweep(conn, horizon)
            elif time.monotonic() - self._swept > SWEEP_SECONDS:
                if shared:
                    self._synchronise(conn)
                self.sweep(conn, self._horizon(conn, self._received_at))
        except BaseException as error:
            self._forget()
            if isinstance(error, Unreadable):
                mend(conn, self._catalogue, error.ids, self._aside)
                report.caught_up = False
            elif isinstance(error, Moved):
                log.info("position_moved", reason=str(error))
            else:
                raise
        return report

    def _horizon(self, conn: Connection, most: int | None = None) -> int:
        """Up to when may be judged (micros), `most` at the most. The connection has to be free for it."""
        self._settle()
        return self._awaiting.horizon(conn, most)

    def _forget(self) -> None:
        if self._writing is not None:
            wait([self._writing])
            self._writing = None
        self._cache.clear()
        self._following.clear()
        self._gone.clear()
        if self._helpers is not None:
            self._helpers.reading.forget()
        self._seq = -1

    # Applying

    def apply_batch(self, conn: Connection) -> int | None:
        """Apply the next batch of the log; the last write may still be under way then.

        Where that reached the end of the log, the instant before which everything received has been applied.
        """
        started = time.perf_counter()
        if self._writing is None:
            self._synchronise(conn)
        batch, count, horizon = self._begin(), 0, None
        while horizon is None and not self._enough(count):
            chunk = self._take()
            if chunk is None:
                horizon = self._horizon(conn)
                events, stored = self._read(conn)
                if len(events) == self._reader.limit:
                    horizon = None
            else:
                events, stored = chunk.events, chunk.found.result()
            batch = self._apply(conn, batch, events, stored)
            count += len(events)
        # Only here, between two chunks: what a chunk needs and finds in the cache has not been looked up for it.
        self._trim(batch.changes.number - 1)
        self._hand_over(conn, batch)
        if horizon is not None:
            self._settle()
        if count:
            self._report.batch_seconds = time.perf_counter() - started
        return horizon

    def _enough(self, count: int) -> bool:
        """Whether to write a batch of so many events: towards the end of a backlog smaller ones.

        Nothing is applied beside the last, and what is visible should be close behind what arrives.
        """
        behind = self._helpers.reading.head - self._seq if self._helpers is not None else self._batch
        return count >= self._batch or count >= max(behind, SMALL_BATCH)

    def _read(self, conn: Connection) -> tuple[list[Parsed], list[StoredInstance]]:
        """The next events now, and the stored instances they concern."""
        events = self._reader.read(conn, self._seq, self._received_at)
        if len(events) == self._reader.limit and self._helpers is not None:
            self._helpers.reading.ask(events[-1].seq, events[-1].received_at, self._reader.limit)
        with conn.transaction():
            return events, instances_of(conn, unknown_keys(events, self._catalogue, self._cache))

    def _take(self) -> Chunk | None:
        """The next chunk that was read ahead; looking up the instances of those after it begins."""
        if self._helpers is None:
            return None
        reading, following = self._helpers.reading, self._following
        if not following:
            events = reading.take(self._catalogue, self._seq, wait=True)
            if events is None:
                return None
            self._look_up(events, self._helpers.lookups)
        while len(following) <= LOOKED_UP_AHEAD:
            events = reading.take(self._catalogue, following[-1].events[-1].seq, wait=False)
            if events is None:
                break
            self._look_up(events, self._helpers.lookups)
        return following.popleft()

    def _look_up(self, events: list[Parsed], conn: Connection) -> None:
        """Have the instances of the chunk that follows the others looked up.

        What these have asked for is in the cache when it is applied, or nowhere.
        """
        unknown = unknown_keys(events, self._catalogue, self._cache)
        for before in self._following:
            for workflow, asked in before.asked.items():
                if workflow in unknown:
                    unknown[workflow] -= asked
        found = self._looking_up.submit(instances_of, conn, unknown)
        self._following.append(Chunk(events, unknown, found))

    def _trim(self, before: int) -> None:
        """Make room in the cache; what was looked up for later chunks may be missing what goes, or be older."""
        if self._cache.full:
            self._cache.trim(before)
            if self._helpers is not None:
                following = list(self._following)
                self._following.clear()
                for chunk in following:
                    chunk.found.cancel()
                    self._look_up(chunk.events, self._helpers.lookups)

    def _synchronise(self, conn: Connection) -> None:
        """Begin where the database says, if that is not where we are."""
        with conn.transaction():
            row = conn.execute(Q["position"]).fetchone()
            assert row is not None
            seq, received_at, forgotten = row
            if seq != self._seq or forgotten != self._forgotten:
                self._forget()
                self._seq = seq
                self._forgotten = forgotten
                self._received_at = 0 if received_at is None else to_micros(received_at)
                arrivals = Arrivals(conn, self._catalogue, seq)
                unjoined = load_unjoined(conn)
                look_again(conn, self._aside)
                self._applying = Applying(self._catalogue, self._cache, arrivals, unjoined, aside=self._aside)

    def _apply(self, conn: Connection, batch: Batch, events: list[Parsed], stored: list[StoredInstance]) -> Batch:
        """Apply a chunk to the batch; where a source can be seen again in between, what comes after is a new batch."""
        # The chunk was looked up before those before it were applied, which may have joined some of these to others.
        applying = self._applying
        self._gone.append(applying.joined_away)
        gone = set[bytes]().union(*self._gone)
        applying.hold([row for row in stored if row[0] not in gone] if gone else stored)
        applying.joined_away = set()
        note, take = applying.arrivals.note, applying.take
        last: Parsed | None = None
        for parsed in events:
            if note(parsed) is None:
                self._reach(batch, last)
                self._hand_over(conn, batch)
                self._resume(conn, parsed)
                batch = self._begin()
                # The second time it is heard already, and nothing turns.
                note(parsed)
            take(batch, parsed)
            last = parsed
            if batch.crowded or batch.words:
                batch = self._relieve(conn, batch, parsed)
        self._reach(batch, last)
        return batch

    def _reach(self, batch: Batch, last: Parsed | None) -> None:
        """Everything up to this event has been applied."""
        if last is not None:
            self._seq = batch.seq = last.seq
            self._received_at = batch.received_at = last.received_at

    def _begin(self) -> Batch:
        self._number += 1
        return Batch(self._seq, Changes(self._number), forgotten=self._forgotten)

    def _resume(self, conn: Connection, event: Parsed) -> None:
        """A source turns: judge what fell due before as it was known then, and if it is seen again what is overdue."""
        self._settle()
        while self._sweep_some(conn, event.received_at):
            pass
        resumes = self._applying.arrivals.resumes(event)
        self._applying.arrivals.hear(event)
        if not resumes:
            return
        with conn.transaction():
            rows = conn.execute(Q["overdue_on"], {"source": event.source}).fetchall()
            changes = Changes(self._number)
            for held in self._applying.load(conn, [row[0].bytes for row in rows]):
                held.judge(event.received_at, self._applying.arrivals.marks, changes.verdicts)
                changes.touch(held)
            self._write(conn, changes)

    def _relieve(self, conn: Connection, batch: Batch, last: Parsed) -> Batch:
        """Do what the last event of a batch brings about besides; what comes after is a new batch."""
        self._reach(batch, last)
        self._settle()
        relief = Relief(conn, self._applying, self._reader, Place(last.seq, last.received_at), self._number)
        with conn.transaction():
            relief.before(batch)
            writing = self._prepare(batch)
            commit(conn, writing)
            for prepared in relief.after(batch):
                self._report.count_breaches(prepared)
        self._count(writing)
        return self._begin()

    # Sharing

    def _share(self, conn: Connection) -> bool:
        """Have the next stretch of the log applied by all who take part, where enough waits; whether that was done.

        One that was left unfinished is finished first.
        """
        stretch = None
        if self._unfinished:
            with conn.transaction():
                stretch = open_stretch(conn)
                if stretch is None:
                    # What was applied of one that cannot be read is applied once more, and counts once.
                    close_stretch(conn)
            self._unfinished = stretch is not None
        elif self._helpers is not None and self._helpers.dividing is not None:
            if self._writing is None:
                self._synchronise(conn)
            stretch = self._divide(conn, self._helpers, self._helpers.dividing)
        if stretch is not None:
            self._forget()
            self._unfinished = True
            Sharer(conn, self._catalogue, stretch, self._report, aside=self._aside).finish()
            self._unfinished = False
        return stretch is not None

    def _divide(self, conn: Connection, helpers: Helpers, dividing: DividingProcess) -> Stretch | None:
        """Divide what comes next, and have what follows divided in the meantime."""
        if max(dividing.head, helpers.reading.head) - self._seq < self._share_from:
            return None
        # Asked beside the write that is under way: nearly always there is nobody, and then it need not be waited for.
        others = self._looking_up.submit(hands, helpers.lookups, conn.info.backend_pid).result()
        if not others:
            return None
        self._settle()
        shares = min(MOST_SHARES, SHARES_EACH * (others + 1))
        most = min(shares * EVENTS_PER_SHARE, self._batch * (others + 1))
        if not dividing.asked(self._seq):
            dividing.ask(self._seq, self._received_at, most, shares)
        stretch = dividing.take()
        if stretch is None:
            return None
        with conn.transaction():
            if not self._is_where_we_are(conn):
                raise Moved("before the log was divided")
            write_down(conn, stretch)
        dividing.ask(stretch.seq, stretch.received_at, most, shares)
        return stretch

    # Writing

    def _hand_over(self, conn: Connection, batch: Batch) -> None:
        """Have a batch written; returns while that is under way where there is a thread for it."""
        if not batch.count:
            return
        writing = self._prepare(batch)
        self._settle()
        if self._helpers is None:
            self._count(commit(conn, writing))
        else:
            self._writing = self._writer.submit(commit, conn, writing)

    def _prepare(self, batch: Batch) -> Writing:
        applying, arrivals = self._applying, self._applying.arrivals
        catch_up = partial(applying.catch_up, batch)
        meanwhile = None if self._helpers is None else self._helpers.reading.gather
        prepared = batch.changes.prepare(self._catalogue, applying.unjoined, arrivals.listened(), catch_up, meanwhile)
        return Writing(batch, prepared, *arrivals.take())

    def _settle(self) -> None:
        """Wait for the write under way. Raises what went wrong with it."""
        if self._writing is not None:
            writing, self._writing = self._writing, None
            self._count(writing.result())

    def _count(self, written: Writing) -> None:
        self._report.count(written.batch)
        self._report.count_breaches(written.prepared)
        self._report.unmatched += sum(source["unmatched"] for source in written.sources)

    def _write(self, conn: Connection, changes: Changes) -> None:
        """Write changes that no event has made, in the caller's transaction."""
        prepared = changes.prepare(self._catalogue, self._applying.unjoined)
        prepared.write(conn)
        self._report.count_breaches(prepared)

    # Sweeping

    def sweep(self, conn: Connection, now: int) -> None:
        """Judge every instance whose verdict may have changed by `now`."""
        started = time.perf_counter()
        try:
            self._settle()
            while self._sweep_some(conn, now):
                self._number += 1
                self._trim(self._number)
            with conn.transaction():
                if self._is_where_we_are(conn):
                    conn.execute(Q["swept"], {"at": to_datetime(now)})
        except BaseException:
            self._forget()
            raise
        self._swept = time.monotonic()
        self._report.sweep_seconds = time.perf_counter() - started

    def _sweep_some(self, conn: Connection, now: int) -> bool:
        """Judge the most overdue; whether there may be more. Nothing must be on its way to the database."""
        with conn.transaction():
            if not self._is_where_we_are(conn):
                return False
            due = conn.execute(Q["due"], {"now": to_datetime(now), "limit": SWEEP_BATCH}).fetchall()
            changes = Changes(self._number)
            for held in self._applying.load(conn, [row[0].bytes for row in due]):
                held.advance(now, self._applying.arrivals.marks, changes.verdicts)
                changes.touch(held)
            self._write(conn, changes)
        return len(due) == SWEEP_BATCH

    def _is_where_we_are(self, conn: Connection) -> bool:
        """Whether nobody has moved the position or deleted what may be in memory; locks it for the transaction."""
        row = conn.execute(Q["position"]).fetchone()
        return row is not None and row[0] == self._seq and row[2] == self._forgotten
