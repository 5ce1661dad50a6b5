"""From the log to the instances: read in order of commit, apply, and move the position, in one transaction.

Theory of operation
-------------------
One projector works at a time (a session advisory lock; others stand by). Each cycle

1. takes the *horizon*: with the log writers' lock held for a moment, the database's clock says an instant T of which
   it is true that everything received before T is in the log and visible;
2. applies the next batch of the log;
3. sweeps: instances whose `next_check_at` is not after T are judged, found by their index. With a backlog behind the
   batch, T is the arrival of the last event applied instead: everything received before that has been applied.

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

from collector.arrivals import Arrivals
from collector.catalogue import Catalogue
from collector.changes import Changes, Link, Merge, Q
from collector.instances import Held, InstanceCache, instance_id
from collector.reading_ahead import Found, LogReader, Parsed, Row
from collector.store.database import LOG_LOCK, PROJECTION_LOCK, Connection
from slo_rules.durations import HOUR
from slo_rules.event import Event
from slo_rules.identity import JoiningKey
from slo_rules.instants import to_datetime, to_micros
from slo_rules.judgement import Reason, Verdict, VerdictKind, Watermark
from slo_rules.matching import Match, WorkflowMatcher
from slo_rules.progress import Progress

log = structlog.get_logger("milepost.projector")

BATCH = 20_000
"""Large where there is a backlog: an instance that several events of a batch concern is written once."""
SWEEP_BATCH = 20_000
"""Large where there is a backlog: an instance that several events of a batch concern is written once."""

_decode_progress = msgspec.msgpack.Decoder(Progress).decode


class CycleReport(msgspec.Struct):
    """What one cycle did, for the log and the metrics; seconds are None for what was not done."""

    applied: int = 0
    caught_up: bool = False
    duplicates: int = 0
    unmatched: int = 0
    failures: int = 0
    dead_letters: dict[str, int] = {}
    breaches: dict[str, int] = {}
    batch_seconds: float | None = None
    sweep_seconds: float | None = None

    @property
    def did_something(self) -> bool:
        """Whether there is anything to tell."""
        return bool(self.applied or self.failures or self.breaches)


@dataclass(slots=True)
class Batch:
    """One batch while it is applied."""

    changes: Changes = field(default_factory=Changes)
    dead_letters: list[dict[str, Any]] = field(default_factory=list)


class Projector:
    """Applies the log to the instances of one database."""

    _arrivals: Arrivals

    def __init__(self, catalogue: Catalogue, *, batch: int = BATCH, ahead: Connection | None = None) -> None:
        self._catalogue = catalogue
        self._reader = LogReader(catalogue.matcher, batch, ahead)
        self._batch = batch
        self._cache = InstanceCache()
        self._seq = -1
        self._received_at = 0
        self._report = CycleReport()
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
        self._reader.forget()
        self._seq = -1

    def cycle(self, conn: Connection) -> CycleReport:
        """Apply the next batch of what was received before now; judge what time has changed as far as that reaches."""
        self._report = report = CycleReport()
        with conn.transaction():
            conn.execute("SELECT pg_advisory_xact_lock(%s)", (LOG_LOCK,))
            row = conn.execute(Q["horizon"]).fetchone()
        assert row is not None
        report.caught_up = self.apply_batch(conn) < self._batch
        self.sweep(conn, to_micros(row[0]) if report.caught_up else self._received_at)
        return report

    # Applying

    def apply_batch(self, conn: Connection) -> int:
        """Apply the next batch of the log; the number of events read."""
        started = time.perf_counter()
        try:
            with conn.transaction():
                events = self._read(conn)
                if events:
                    self._finish(conn, self._apply(conn, events), events[-1].row)
        except BaseException:
            self._forget()
            raise
        if events:
            self._seq, self._received_at = events[-1].row[:2]
            self._cache.trim()
            self._report.applied += len(events)
            self._report.batch_seconds = time.perf_counter() - started
        return len(events)

    def _read(self, conn: Connection) -> list[Parsed]:
        row = conn.execute(Q["position"]).fetchone()
        assert row is not None
        seq, received_at = row
        if seq != self._seq:
            self._forget()
            self._seq = seq
            self._arrivals = Arrivals(conn, self._catalogue)
        since = "-infinity" if received_at is None else to_datetime(to_micros(received_at) - HOUR)
        return self._reader.read(conn, seq, since)

    def _apply(self, conn: Connection, events: list[Parsed]) -> Batch:
        batch = Batch()
        self._fetch(conn, events)
        arrivals = self._arrivals
        for parsed in events:
            row, event = parsed.row, parsed.event
            following = arrivals.following(event)
            if arrivals.resumes(event, following):
                self._resume(conn, batch, event, following)
            arrivals.note(event, following, matched=bool(parsed.found))
            if parsed.error is not None:
                batch.dead_letters.append(_set_aside(row, "", parsed.error))
            for matcher, match in self._in_force(row[0], parsed.found):
                try:
                    self._apply_event(batch, row, event, matcher, match)
                except Exception as error:
                    log.exception("event_set_aside", seq=row[0])
                    batch.dead_letters.append(_set_aside(row, matcher.workflow.name, error))
        return batch

    def _resume(self, conn: Connection, batch: Batch, event: Event, following: Watermark) -> None:
        """A source can be seen again: first judge what fell due before, by what was known then, then what is overdue.

        What the batch has changed so far is written first, so that both find it.
        """
        self._write(conn, batch.changes)
        batch.changes = Changes()
        while self._sweep_some(conn, event.received_at):
            pass
        self._arrivals.marks[event.source] = following
        self._judge_overdue(conn, event.source, event.received_at)

    def _fetch(self, conn: Connection, events: list[Parsed]) -> None:
        """Bring what the batch's keys belong to into the cache: two queries for the whole batch."""
        cache = self._cache
        asked: set[JoiningKey] = set()
        for parsed in events:
            for _, match in parsed.found:
                for key in match.joining:
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

    def _in_force(self, seq: int, found: Found) -> Found:
        """For each workflow the version that decides: the instance's own, else the one in force when the event came."""
        if len(found) == 1 and found[0][0].workflow.name in self._catalogue.unversioned:
            return found
        chosen: dict[str, tuple[WorkflowMatcher, Match]] = {}
        for matcher, match in found:
            workflow = matcher.workflow
            held = next((held for key in match.joining if (held := self._cache.of_key(key)) is not None), None)
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
        for key in match.joining:
            held = cache.of_key(key)
            if held is None:
                unknown.append(key)
            elif held not in found:
                found.append(held)
        changes = batch.changes
        if found:
            held = found[0] if len(found) == 1 else self._merge(batch, row, event, found)
            held.advance(event.received_at, self._arrivals.marks, changes.verdicts)
            held.observe(matcher.observe(event, match), event.received_at, self._arrivals.marks, changes.verdicts)
        elif unknown:
            if not self._catalogue.versions[workflow.name, workflow.version].in_force(row[0]):
                return
            progress = matcher.observe(event, match)
            held = Held(instance_id(unknown[0]), matcher, progress, None, None)
            held.judge(event.received_at, self._arrivals.marks, changes.verdicts)
            cache.add(held)
        else:
            if match.milestones or match.fails or match.cancels:
                batch.dead_letters.append(_no_key(row, workflow.name, match, sorted(workflow.joining)))
            return
        for key in unknown:
            cache.assign(key, held)
        changes.touch(held)
        milestone = match.milestones[0] if match.milestones else None
        changes.links.append(Link(held, event.key, row[0], event.received_at, milestone, event.trace_id, event.source))

    def _merge(self, batch: Batch, row: Row, event: Event, found: list[Held]) -> Held:
        """Join instances that one event shows to be the same; the one with the earliest event stays."""
        found.sort(key=lambda held: (held.progress.first_at, held.id))
        into = found[0]
        for other in found[1:]:
            other.advance(event.received_at, self._arrivals.marks, batch.changes.verdicts)
            into.observe(other.progress, event.received_at, self._arrivals.marks, batch.changes.verdicts)
            other.merged_into = into
            batch.changes.touch(other)
            self._cache.drop(other)
            batch.changes.merges.append(Merge(other, into, event.key, row[0], event.received_at))
        self._cache.add(into)
        return into

    def _write(self, conn: Connection, changes: Changes) -> None:
        """Write changes in the caller's transaction and count what they show."""
        for source, count in changes.write(conn, self._catalogue).items():
            self._arrivals.tallies[source].duplicates += count
            self._report.duplicates += count
        for change in changes.verdicts:
            if change.verdict.kind is VerdictKind.STUCK:
                name = change.held.matcher.workflow.name
                self._report.breaches[name] = self._report.breaches.get(name, 0) + 1

    def _finish(self, conn: Connection, batch: Batch, last: Row) -> None:
        self._write(conn, batch.changes)
        for letter in batch.dead_letters:
            conn.execute(Q["dead_letter"], letter)
            reasons = self._report.dead_letters
            reasons[letter["reason"]] = reasons.get(letter["reason"], 0) + 1
        for tally in self._arrivals.write(conn).values():
            self._report.unmatched += tally.unmatched
        conn.execute(Q["advance"], {"seq": last[0], "received_at": to_datetime(last[1])})

    def _judge_overdue(self, conn: Connection, source: str, now: int) -> None:
        """Judge anew what is overdue on a source of which more is known now."""
        changes = Changes()
        for held in self._load(conn, [row[0] for row in conn.execute(Q["overdue_on"], {"source": source})]):
            held.judge(now, self._arrivals.marks, changes.verdicts)
            changes.touch(held)
        self._write(conn, changes)

    # Sweeping

    def sweep(self, conn: Connection, now: int) -> None:
        """Judge every instance whose verdict may have changed by `now`."""
        started = time.perf_counter()
        more = True
        while more:
            try:
                with conn.transaction():
                    row = conn.execute(Q["position"]).fetchone()
                    if row is None or row[0] != self._seq:
                        return
                    more = self._sweep_some(conn, now)
                    if not more:
                        conn.execute(Q["swept"], {"at": to_datetime(now)})
            except BaseException:
                self._forget()
                raise
            self._cache.trim()
        self._report.sweep_seconds = time.perf_counter() - started

    def _sweep_some(self, conn: Connection, now: int) -> bool:
        """Judge the most overdue in the caller's transaction; whether there may be more."""
        due = conn.execute(Q["due"], {"now": to_datetime(now), "limit": SWEEP_BATCH}).fetchall()
        changes = Changes()
        for held in self._load(conn, [row[0] for row in due]):
            held.advance(now, self._arrivals.marks, changes.verdicts)
            changes.touch(held)
        self._write(conn, changes)
        return len(due) == SWEEP_BATCH


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
