"""From the log to the instances: read in order of commit, apply, and move the position, in one transaction.

Theory of operation
-------------------
One projector works at a time (a session advisory lock; others stand by). Each cycle

1. takes the *horizon*: with the log writers' lock held for a moment, the database's clock says an instant T of which
   it is true that everything received before T is in the log and visible;
2. applies the log batch by batch until it has seen all of that;
3. sweeps: instances whose `next_check_at` is not after T are judged, found by their index.

Because the sweep never runs ahead of the log, and because an event that arrives at R first lets time pass for its
instance up to R, the recorded verdict changes depend on what was received when, not on when this loop ran. Replaying
the log gives the same.

Every statement is per batch, not per instance. What a batch needs and the cache does not hold is read with two
queries; what changed is written with one statement per table (collector/changes.py).
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import msgspec
import structlog

from collector import metrics
from collector.catalogue import Catalogue
from collector.changes import Changes, Link, Merge, Q
from collector.instances import Held, InstanceCache, JoiningKey, instance_id
from collector.store.database import LOG_LOCK, PROJECTION_LOCK, Connection
from slo_rules.durations import HOUR
from slo_rules.event import Event, event_key
from slo_rules.instants import to_datetime, to_micros
from slo_rules.judgement import Reason, Verdict, VerdictKind, Watermark
from slo_rules.matching import Match, WorkflowMatcher
from slo_rules.progress import Progress

log = structlog.get_logger("milepost.projector")

BATCH = 5_000
SWEEP_BATCH = 5_000

_decode_body = msgspec.json.Decoder().decode
_decode_progress = msgspec.msgpack.Decoder(Progress).decode

Row = tuple[int, int, int, str, str, str, bytes | None, bytes]
Found = list[tuple[WorkflowMatcher, Match]]


@dataclass(slots=True)
class SourceTally:
    """What a batch says of one source."""

    received: int = 0
    unmatched: int = 0
    last_received_at: int = 0
    last_occurred_at: int = -(2**62)


@dataclass(slots=True)
class Batch:
    """One batch while it is applied."""

    changes: Changes = field(default_factory=Changes)
    tallies: dict[str, SourceTally] = field(default_factory=dict)
    dead_letters: list[dict[str, Any]] = field(default_factory=list)
    returned: set[str] = field(default_factory=set)
    """Sources that were heard for the first time, after silence, or that have caught up."""

    def touch(self, held: Held) -> None:
        """It must be written."""
        self.changes.dirty[held.id] = held


class Projector:
    """Applies the log to the instances of one database."""

    def __init__(self, catalogue: Catalogue, *, batch: int = BATCH) -> None:
        self._catalogue = catalogue
        self._batch = batch
        self._cache = InstanceCache()
        self._marks: dict[str, Watermark] = {}
        self._seq = -1
        self._conn: Connection | None = None

    def acquire(self, conn: Connection) -> bool:
        """Become the projector on this connection, if nobody is; idempotent. Forgets what a former connection knew."""
        if self._conn is conn:
            return True
        row = conn.execute("SELECT pg_try_advisory_lock(%s)", (PROJECTION_LOCK,)).fetchone()
        conn.commit()
        if not (row and row[0]):
            return False
        with conn.transaction():
            conn.execute(Q["stage"])
            conn.execute(Q["begin"])
        self._conn = conn
        self._forget()
        return True

    def _forget(self) -> None:
        self._cache.clear()
        self._marks.clear()
        self._seq = -1

    def cycle(self, conn: Connection) -> int:
        """Apply everything received before now and judge what time has changed; the number of events applied."""
        with conn.transaction():
            conn.execute("SELECT pg_advisory_xact_lock(%s)", (LOG_LOCK,))
            row = conn.execute(Q["horizon"]).fetchone()
        assert row is not None
        horizon = row[0]
        applied = 0
        while True:
            count = self.apply_batch(conn)
            applied += count
            if count < self._batch:
                break
            metrics.LAG.set((horizon - to_datetime(self._received_at)).total_seconds())
        metrics.LAG.set(0)
        self.sweep(conn, to_micros(horizon))
        return applied

    # Applying

    def apply_batch(self, conn: Connection) -> int:
        """Apply the next batch of the log; the number of events read."""
        started = time.perf_counter()
        try:
            with conn.transaction():
                rows = self._read(conn)
                if rows:
                    batch = self._apply(conn, rows)
                    self._finish(conn, batch, rows[-1])
        except BaseException:
            self._forget()
            raise
        if rows:
            self._seq = rows[-1][0]
            self._received_at = rows[-1][1]
            self._cache.trim()
            metrics.PROJECTED.inc(len(rows))
            metrics.PROJECTION.observe(time.perf_counter() - started)
        return len(rows)

    def _read(self, conn: Connection) -> list[Row]:
        row = conn.execute(Q["position"]).fetchone()
        assert row is not None
        seq, received_at = row
        if seq != self._seq:
            self._forget()
            self._seq = seq
            self._received_at = -(2**62)
            self._marks = _marks(conn, self._catalogue)
        since = "-infinity" if received_at is None else to_datetime(to_micros(received_at) - HOUR)
        cursor = conn.cursor(binary=True)
        cursor.execute(Q["read"], {"after": seq, "since": since, "limit": self._batch})
        return cursor.fetchall()

    def _apply(self, conn: Connection, rows: list[Row]) -> Batch:
        batch = Batch()
        parsed = [(row, *self._parse(batch, row)) for row in rows]
        self._fetch(conn, [found for _, _, found in parsed])
        for row, event, found in parsed:
            self._note_arrival(batch, event)
            if not found:
                batch.tallies[event.source].unmatched += 1
                continue
            for matcher, match in self._in_force(row[0], found):
                try:
                    self._apply_event(batch, row, event, matcher, match)
                except Exception as error:
                    log.exception("event_set_aside", seq=row[0])
                    batch.dead_letters.append(_set_aside(row, matcher.workflow.name, error))
        return batch

    def _parse(self, batch: Batch, row: Row) -> tuple[Event, Found]:
        """An event that cannot be read or matched must not stop those behind it: it is set aside with the reason."""
        _seq, received_at, occurred_at, source, id_, type_, trace_id, body = row
        key = event_key(source, id_)
        try:
            event = Event(source, type_, occurred_at, received_at, key, _decode_body(body), trace_id)
            return event, self._catalogue.matcher.matches(event)
        except Exception as error:
            log.exception("event_set_aside", seq=row[0])
            batch.dead_letters.append(_set_aside(row, "", error))
            return Event(source, type_, occurred_at, received_at, key, {}, trace_id), []

    def _fetch(self, conn: Connection, batch_found: list[Found]) -> None:
        """Bring what the batch's keys belong to into the cache: two queries for the whole batch."""
        cache = self._cache
        asked: set[JoiningKey] = set()
        for found in batch_found:
            for matcher, match in found:
                workflow = matcher.workflow
                for namespace, value in match.keys:
                    if namespace in workflow.joining:
                        key = (workflow.name, namespace, value)
                        held = cache.of_key(key)
                        if held is None:
                            asked.add(key)
                        else:
                            cache.touch(held)
        if not asked:
            return
        keys = list(asked)
        columns = {
            "workflows": [k[0] for k in keys],
            "namespaces": [k[1] for k in keys],
            "values": [k[2] for k in keys],
        }
        stored = conn.execute(Q["instances_of_keys"], columns).fetchall()
        self._load(conn, [row[3] for row in stored])

    def _load(self, conn: Connection, ids: list[UUID]) -> list[Held]:
        """The instances with these ids, through the cache."""
        absent = list({id_ for id_ in ids if self._cache.get(id_) is None})
        if absent:
            cursor = conn.cursor(binary=True)
            for row in cursor.execute(Q["load"], {"ids": absent}):
                progress = _decode_progress(row[3])
                due_at, deadline_at, since, next_check_at = row[9:13]
                verdict = Verdict(
                    VerdictKind(row[4]),
                    Reason(row[5]),
                    since,
                    row[6],
                    row[7],
                    row[8],
                    due_at,
                    deadline_at,
                    next_check_at,
                )
                matcher = self._catalogue.matcher_of(row[1], row[2])
                self._cache.add(Held(row[0], matcher, progress, progress, verdict))
        return [held for id_ in dict.fromkeys(ids) if (held := self._cache.get(id_)) is not None]

    def _note_arrival(self, batch: Batch, event: Event) -> None:
        tally = batch.tallies.get(event.source)
        if tally is None:
            tally = batch.tallies[event.source] = SourceTally()
        tally.received += 1
        tally.last_received_at = event.received_at
        seen = min(event.received_at, event.occurred_at)
        tally.last_occurred_at = max(tally.last_occurred_at, seen)
        mark = self._marks.get(event.source)
        if mark is None:
            source = self._catalogue.sources.get(event.source)
            self._marks[event.source] = Watermark(event.received_at, seen, source.silent_after if source else None)
            batch.returned.add(event.source)
            return
        following = Watermark(
            max(event.received_at, mark.last_received_at), max(seen, mark.last_occurred_at), mark.silent_after
        )
        self._marks[event.source] = following
        was_silent = mark.silent_after is not None and event.received_at - mark.last_received_at >= mark.silent_after
        if was_silent or (mark.lags and not following.lags):
            batch.returned.add(event.source)

    def _in_force(self, seq: int, found: Found) -> Found:
        """For each workflow the version that decides: the instance's own, else the one in force when the event came."""
        if len(found) == 1 and found[0][0].workflow.name in self._catalogue.unversioned:
            return found
        chosen: dict[str, tuple[WorkflowMatcher, Match]] = {}
        for matcher, match in found:
            workflow = matcher.workflow
            held = next(
                (
                    held
                    for namespace, value in match.keys
                    if namespace in workflow.joining
                    and (held := self._cache.of_key((workflow.name, namespace, value))) is not None
                ),
                None,
            )
            if held is not None:
                if held.matcher is matcher:
                    chosen[workflow.name] = (matcher, match)
            elif self._catalogue.versions[workflow.name, workflow.version].in_force(seq):
                chosen.setdefault(workflow.name, (matcher, match))
        return list(chosen.values())

    def _apply_event(self, batch: Batch, row: Row, event: Event, matcher: WorkflowMatcher, match: Match) -> None:
        workflow = matcher.workflow
        cache = self._cache
        found: list[Held] = []
        unknown: list[JoiningKey] = []
        for namespace, value in match.keys:
            if namespace in workflow.joining:
                key = (workflow.name, namespace, value)
                held = cache.of_key(key)
                if held is None:
                    unknown.append(key)
                elif held not in found:
                    found.append(held)
        changes = batch.changes
        if found:
            held = found[0] if len(found) == 1 else self._merge(batch, row, event, found)
            held.advance(event.received_at, self._marks, changes.verdicts)
            held.observe(matcher.observe(event, match), event.received_at, self._marks, changes.verdicts)
        elif unknown:
            if not self._catalogue.versions[workflow.name, workflow.version].in_force(row[0]):
                return
            progress = matcher.observe(event, match)
            held = Held(instance_id(unknown[0]), matcher, progress, None, None)
            held.judge(event.received_at, self._marks, changes.verdicts)
            cache.add(held)
        else:
            if match.milestones or match.fails or match.cancels:
                batch.dead_letters.append(_no_key(row, workflow.name, match, sorted(workflow.joining)))
            return
        for key in unknown:
            cache.assign(key, held)
        batch.touch(held)
        milestone = match.milestones[0] if match.milestones else None
        changes.links.append(Link(held, event.key, row[0], event.received_at, milestone, event.trace_id, event.source))

    def _merge(self, batch: Batch, row: Row, event: Event, found: list[Held]) -> Held:
        """Join instances that one event shows to be the same; the one with the earliest event stays."""
        found.sort(key=lambda held: (held.progress.first_at, held.id))
        into = found[0]
        for other in found[1:]:
            other.advance(event.received_at, self._marks, batch.changes.verdicts)
            into.observe(other.progress, event.received_at, self._marks, batch.changes.verdicts)
            other.merged_into = into
            batch.touch(other)
            self._cache.drop(other)
            batch.changes.merges.append(Merge(other, into, event.key, row[0], event.received_at))
        self._cache.add(into)
        return into

    def _finish(self, conn: Connection, batch: Batch, last: Row) -> None:
        duplicates = batch.changes.write(conn, self._catalogue)
        if batch.returned:
            overdue = conn.execute(Q["overdue_on"], {"sources": sorted(batch.returned)}).fetchall()
            again = Changes()
            for held in self._load(conn, [row[0] for row in overdue]):
                held.judge(last[1], self._marks, again.verdicts)
                again.dirty[held.id] = held
            again.write(conn, self._catalogue)
        for letter in batch.dead_letters:
            conn.execute(Q["dead_letter"], letter)
            metrics.DEAD_LETTERS.labels(letter["reason"]).inc()
        for source in sorted(batch.tallies):
            tally = batch.tallies[source]
            conn.execute(
                Q["add_to_source"],
                {
                    "source": source,
                    "last_received_at": to_datetime(tally.last_received_at),
                    "last_occurred_at": to_datetime(tally.last_occurred_at),
                    "received": tally.received,
                    "duplicates": duplicates.get(source, 0),
                    "unmatched": tally.unmatched,
                },
            )
            metrics.UNMATCHED.inc(tally.unmatched)
        metrics.DUPLICATES.inc(sum(duplicates.values()))
        conn.execute(Q["advance"], {"seq": last[0], "received_at": to_datetime(last[1])})

    # Sweeping

    def sweep(self, conn: Connection, now: int) -> int:
        """Judge every instance whose verdict may have changed by `now`; the number judged."""
        started = time.perf_counter()
        total = 0
        while True:
            try:
                with conn.transaction():
                    row = conn.execute(Q["position"]).fetchone()
                    if row is None or row[0] != self._seq:
                        return total
                    ids = [
                        found[0] for found in conn.execute(Q["due"], {"now": to_datetime(now), "limit": SWEEP_BATCH})
                    ]
                    changes = Changes()
                    for held in self._load(conn, ids):
                        held.advance(now, self._marks, changes.verdicts)
                        changes.dirty[held.id] = held
                    changes.write(conn, self._catalogue)
                    if len(ids) < SWEEP_BATCH:
                        conn.execute(Q["swept"], {"at": to_datetime(now)})
            except BaseException:
                self._forget()
                raise
            for change in changes.verdicts:
                if change.verdict.kind in (VerdictKind.STUCK, VerdictKind.BLIND):
                    metrics.BREACHES.labels(change.held.matcher.workflow.name).inc()
            self._cache.trim()
            total += len(ids)
            if len(ids) < SWEEP_BATCH:
                break
        metrics.EVALUATION.observe(time.perf_counter() - started)
        return total


def _set_aside(row: Row, workflow: str, error: Exception) -> dict[str, Any]:
    return {
        "received_at": to_datetime(row[1]),
        "source": row[3],
        "reason": "cannot_be_applied",
        "detail": f"{type(error).__name__}: {str(error)[:300]}",
        "event_id": row[4],
        "type": row[5],
        "workflow": workflow,
        "seq": row[0],
    }


def _no_key(row: Row, workflow: str, match: Match, joining: list[str]) -> dict[str, Any]:
    meant = ", ".join(match.milestones) or ("a failure" if match.fails else "a cancellation")
    return {
        "received_at": to_datetime(row[1]),
        "source": row[3],
        "reason": "no_usable_key",
        "detail": f"it means {meant} of {workflow}, but carries no usable value of any key: {', '.join(joining)}",
        "event_id": row[4],
        "type": row[5],
        "workflow": workflow,
        "seq": row[0],
    }


def _marks(conn: Connection, catalogue: Catalogue) -> dict[str, Watermark]:
    found = {}
    for source, received_at, occurred_at in conn.execute(Q["sources"]).fetchall():
        known = catalogue.sources.get(source)
        found[source] = Watermark(received_at, occurred_at, known.silent_after if known else None)
    return found
