"""Applying a stretch of the log in shares: what whoever projects does, and what those do who lend a hand.

Nothing of a stretch depends on what another share of it does, so each is applied as a whole log would be: from what was
known at the beginning of the stretch on, with every arrival in between noted at its place. What is not about single
instances (how often a source was heard, objectives on sources, the position) is written when all shares are done.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from functools import partial
from itertools import islice

import structlog

from collector.applying import Applying
from collector.arrivals import Arrivals
from collector.batches import BATCH, Batch, Moved, advance
from collector.buckets import bucket_parameters
from collector.catalogue import Catalogue, load_catalogue
from collector.changes import Changes, Q, write_buckets
from collector.cycle_report import CycleReport
from collector.dividing import versions_of
from collector.instances import InstanceCache
from collector.lookup import instances_of, unknown_keys
from collector.parsed import Parsed
from collector.reading import CHUNK, LogReader
from collector.relief import Relief
from collector.separation import Place
from collector.store.database import HANDS_LOCK, LOG_LOCK, Connection
from collector.store.sql import load
from collector.stretches import (
    NOBODY,
    Arrival,
    Share,
    Stretch,
    close_stretch,
    leave_share,
    note_share,
    open_stretch,
    shares_of,
    take_share,
)
from collector.unjoined import load_unjoined
from collector.unreadable import Aside, Unreadable, mend

log = structlog.get_logger("milepost.projector")

S = load("sharing")
_POLL_SECONDS = 0.005


class Sharer:
    """Applies shares of one stretch with this catalogue, on one connection, at most `batch` events at a time."""

    def __init__(
        self,
        conn: Connection,
        catalogue: Catalogue,
        stretch: Stretch,
        report: CycleReport,
        *,
        batch: int = BATCH,
        aside: Aside | None = None,
    ) -> None:
        self._conn = conn
        self._catalogue = catalogue
        self._stretch = stretch
        self._report = report
        self._batch = batch
        self._reader = LogReader(catalogue, min(CHUNK, batch))
        self._number = 0
        self._aside = Aside() if aside is None else aside

    def work(self) -> bool:
        """Apply a share that nobody has taken; whether there was one. Raises Moved when the stretch is no more."""
        with self._conn.transaction():
            share = take_share(self._conn)
        if share is None:
            return False
        try:
            self._apply(share)
        finally:
            if not self._conn.closed:
                with self._conn.transaction():
                    leave_share(self._conn, share.number)
        return True

    def _apply(self, share: Share) -> None:
        conn, stretch = self._conn, self._stretch
        with conn.transaction():
            forgotten = self._lock(share)
            arrivals = Arrivals(conn, self._catalogue, stretch.after)
            cache = InstanceCache(len(stretch.dealt))
            applying = Applying(self._catalogue, cache, arrivals, load_unjoined(conn), aside=self._aside)
        batch = self._begin(share, forgotten)
        passing = _Passing(arrivals, stretch)
        own = (one for one in stretch.arrivals() if one.share == share.number and one.seq > share.seq)
        while chunk := list(islice(own, self._reader.limit)):
            times = [one.received_at for one in chunk]
            events = self._reader.read_some(conn, [one.seq for one in chunk], min(times), max(times))
            with conn.transaction():
                applying.hold(instances_of(conn, unknown_keys(events, self._catalogue, cache)))
            for event in events:
                passing.to(event.seq)
                applying.take(batch, event)
                batch.seq, batch.received_at = event.seq, event.received_at
                if batch.crowded:
                    share = self._commit(share, batch, applying, done=False)
                    batch = self._begin(share, forgotten)
            if batch.count >= self._batch:
                share = self._commit(share, batch, applying, done=False)
                batch = self._begin(share, forgotten)
        self._commit(share, batch, applying, done=True)

    def _begin(self, share: Share, forgotten: int) -> Batch:
        self._number += 1
        return Batch(share.seq, Changes(self._number), forgotten=forgotten, seq=share.seq)

    def _lock(self, share: Share) -> int:
        """That nobody has changed what we go by, until the transaction ends; how often instances were deleted."""
        row = self._conn.execute(S["locked"], {"share": share.number}).fetchone()
        if row is None or (row[0], row[2], row[3]) != (self._stretch.after, share.seq, share.done):
            raise Moved(f"share {share.number} is no longer where it was")
        return int(row[1])

    def _commit(self, share: Share, batch: Batch, applying: Applying, *, done: bool) -> Share:
        """Write what was applied of a share, and take apart what has come to join too many (collector/relief.py)."""
        conn, place = self._conn, Place(batch.seq, batch.received_at)
        catch_up = partial(applying.catch_up, batch)
        prepared = batch.changes.prepare(self._catalogue, applying.unjoined, catch_up=catch_up)
        written = [prepared]
        with conn.transaction():
            if self._lock(share) != batch.forgotten:
                raise Moved("instances that finished long ago have been deleted")
            batch.duplicates.update(prepared.write(conn))
            for letter in batch.dead_letters:
                conn.execute(Q["dead_letter"], letter)
            written += Relief(conn, applying, self._reader, place, self._number).after(batch)
            duplicates = Counter(batch.duplicates.values())
            share = note_share(conn, share, batch.seq, duplicates, done=done)
        self._report.count(batch)
        for one in written:
            self._report.count_breaches(one)
        return share

    def finish(self) -> None:
        """Apply what is left, wait for what others have taken, and move the position past the stretch."""
        conn, stretch = self._conn, self._stretch
        while not self._all_done():
            if not self.work():
                time.sleep(_POLL_SECONDS)
        with conn.transaction():
            arrivals = Arrivals(conn, self._catalogue, stretch.after)
            nobodys = 0
            for one in stretch.arrivals():
                _note(arrivals, one)
                nobodys += one.share == NOBODY
            listened = bucket_parameters(arrivals.listened())
            sources, types = arrivals.take()
            row = conn.execute(Q["position"]).fetchone()
            if row is None or row[0] != stretch.after:
                raise Moved(f"at {row and row[0]} instead of {stretch.after}")
            duplicates: Counter[str] = Counter()
            for share in shares_of(conn):
                duplicates.update(share.duplicates)
            write_buckets(conn, listened)
            advance(conn, sources, types, duplicates, stretch.seq, stretch.received_at)
            close_stretch(conn)
        self._report.applied += nobodys
        self._report.unmatched += sum(source["unmatched"] for source in sources)

    def _all_done(self) -> bool:
        with self._conn.transaction():
            shares = shares_of(self._conn)
        if not shares:
            raise Moved("the stretch is no more")
        return all(share.done for share in shares)


class _Passing:
    """Notes the arrivals of a stretch up to one event after the other."""

    def __init__(self, arrivals: Arrivals, stretch: Stretch) -> None:
        self._arrivals = arrivals
        self._coming: Iterator[Arrival] = stretch.arrivals()
        self._seq = stretch.after

    def to(self, seq: int) -> None:
        """Everything up to this event has arrived."""
        while self._seq < seq:
            one = next(self._coming)
            _note(self._arrivals, one)
            self._seq = one.seq


def _note(arrivals: Arrivals, one: Arrival) -> None:
    event = Parsed(one.seq, one.source, one.received_at, one.occurred_at, [], None, one.type)
    tally = arrivals.note(event)
    if tally is None:
        # Only where what is expected of sources has changed since the stretch was divided.
        tally = arrivals.hear(event)
        tally.received += 1
    if one.matched:
        tally.matched += 1


class Hand:
    """A projector that stands by and takes shares of what another one divides."""

    def __init__(self, conn: Connection) -> None:
        self._conn = conn
        self._catalogue: Catalogue | None = None
        self._stretch: Stretch | None = None
        self._aside = Aside()
        with conn.transaction():
            conn.execute(Q["stage"])
            conn.execute(S["ready"], {"lock": HANDS_LOCK})

    def help(self, report: CycleReport) -> bool:
        """Apply a share, if there is one for us; whether there was."""
        with self._conn.transaction():
            row = self._conn.execute(S["waiting"]).fetchone()
            if row is None:
                return False
            if self._stretch is None or self._stretch.after != row[0]:
                self._stretch = open_stretch(self._conn)
        stretch = self._stretch
        if stretch is None:
            return False
        if self._catalogue is None or versions_of(self._catalogue) != stretch.versions:
            with self._conn.transaction():
                self._conn.execute("SELECT pg_advisory_xact_lock(%s)", (LOG_LOCK,))
                self._catalogue = load_catalogue(self._conn)
        try:
            return Sharer(self._conn, self._catalogue, stretch, report, aside=self._aside).work()
        except Unreadable as error:
            mend(self._conn, self._catalogue, error.ids, self._aside)
            return True
        except Moved as error:
            log.info("share_given_up", reason=str(error))
            return False
