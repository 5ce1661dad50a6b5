"""What one transaction of the projection writes: set-based, whatever the number of events."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

import msgspec

from collector import copyformat as copying
from collector.catalogue import Catalogue
from collector.instances import Change, Held
from collector.store.database import Connection
from collector.store.sql import load
from slo_rules.contribution import Contributions, Counts, Place, contributions, difference
from slo_rules.judgement import VerdictKind
from slo_rules.progress import AMOUNT, CURRENCY, Progress

Q = load("projection")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_encode_progress = msgspec.msgpack.Encoder(order="deterministic").encode

INSTANCE_COLUMNS = (
    "id, workflow, workflow_version, entity, domain, title, words, verdict, reason, waiting_for, source_awaited, owner, "
    "due_at, deadline_at, since, stuck_since, started_at, updated_at, next_check_at, value_amount, value_currency, progress"
)


def moment(micros: int) -> datetime:
    """Micros as an aware datetime, exactly."""
    return _EPOCH + timedelta(microseconds=micros)


@dataclass(frozen=True, slots=True)
class Link:
    """An event that belongs to an instance."""

    held: Held
    event_key: bytes
    seq: int
    received_at: int
    milestone: str | None
    trace_id: bytes | None
    source: str


@dataclass(frozen=True, slots=True)
class Merge:
    """Two instances that an event has shown to be one."""

    merged: Held
    into: Held
    event_key: bytes
    seq: int
    at: int


@dataclass(slots=True)
class Changes:
    """Everything a batch of events or a sweep has changed, in the order it must be written."""

    dirty: dict[UUID, Held] = field(default_factory=dict)
    links: list[Link] = field(default_factory=list)
    verdicts: list[Change] = field(default_factory=list)
    merges: list[Merge] = field(default_factory=list)

    def write(self, conn: Connection, catalogue: Catalogue) -> dict[str, int]:
        """Write it in the caller's transaction; returns the duplicates found, by source."""
        stored = [held for held in self.dirty.values() if held.stored is not None and held.merged_into is None]
        fresh = [held for held in self.dirty.values() if held.stored is None and held.merged_into is None]
        self._write_instances(conn, fresh, stored)
        for merge in self.merges:
            if merge.merged.stored is not None:
                _write_merge(conn, merge)
            else:
                _record_merge(conn, merge)
        self._write_keys(conn, fresh + stored)
        duplicates = self._write_links(conn)
        self._write_verdicts(conn)
        _write_buckets(conn, self._contributed(catalogue, fresh + stored))
        for held in fresh + stored:
            held.stored = held.progress
        return duplicates

    def _write_instances(self, conn: Connection, fresh: list[Held], stored: list[Held]) -> None:
        if fresh:
            _copy(conn, f"COPY instance ({INSTANCE_COLUMNS}) FROM STDIN (FORMAT binary)", map(_instance_row, fresh))
        if stored:
            _copy(conn, f"COPY staged_instance ({INSTANCE_COLUMNS}) FROM STDIN (FORMAT binary)",
                  map(_instance_row, stored))
            conn.execute(Q["update_instances"])
            conn.execute("TRUNCATE staged_instance")

    def _write_keys(self, conn: Connection, changed: list[Held]) -> None:
        merged_keys: dict[UUID, set[str]] = {}
        for merge in self.merges:
            if merge.merged.stored is not None:
                merged_keys.setdefault(merge.into.last.id, set()).update(merge.merged.stored.keys)
        rows = []
        for held in changed:
            known = held.stored.keys if held.stored is not None else {}
            taken = merged_keys.get(held.id, ())
            workflow = held.matcher.workflow
            for word in held.progress.keys:
                if word in known or word in taken:
                    continue
                namespace, _, value = word.partition("=")
                rows.append(
                    copying.row(
                        workflow.name.encode(), namespace.encode(), copying.text(value),
                        copying.boolean(namespace in workflow.joining), held.id.bytes,
                    )
                )
        if rows:
            _copy(conn, "COPY instance_key (workflow, namespace, value, joins, instance_id) FROM STDIN (FORMAT binary)", rows)

    def _write_links(self, conn: Connection) -> dict[str, int]:
        if not self.links:
            return {}
        columns = "instance_id, event_key, seq, received_at, milestone, trace_id, source"
        _copy(
            conn,
            f"COPY staged_event ({columns}) FROM STDIN (FORMAT binary)",
            [
                copying.row(
                    link.held.last.id.bytes, link.event_key, copying.bigint(link.seq),
                    copying.instant(link.received_at), copying.text(link.milestone), link.trace_id,
                    link.source.encode(),
                )
                for link in self.links
            ],
        )
        inserted = conn.execute(Q["insert_events"]).rowcount
        if inserted == len(self.links):
            return {}
        return dict(conn.execute(Q["count_duplicates"]).fetchall())

    def _write_verdicts(self, conn: Connection) -> None:
        if not self.verdicts:
            return
        columns = "instance_id, at, verdict, verdict_from, reason, waiting_for"
        _copy(
            conn,
            f"COPY staged_change ({columns}) FROM STDIN (FORMAT binary)",
            [
                copying.row(
                    change.held.last.id.bytes, copying.instant(change.at), change.verdict.kind.encode(),
                    change.former.kind.encode() if change.former else None, change.verdict.reason.encode(),
                    copying.text(change.verdict.waiting_for),
                )
                for change in self.verdicts
            ],
        )
        conn.execute(Q["insert_changes"])

    def _contributed(self, catalogue: Catalogue, changed: list[Held]) -> Contributions:
        total: dict[Place, Counts] = {}

        def add(found: Contributions, sign: int) -> None:
            for place, (good, bad, step) in found.items():
                a = total.get(place, (0, 0, 0))
                total[place] = (a[0] + sign * good, a[1] + sign * bad, a[2] + sign * step)

        for held in changed:
            add(difference(_contributions(held, held.stored, catalogue), _contributions(held, held.progress, catalogue)), 1)
        for merge in self.merges:
            add(_contributions(merge.merged, merge.merged.stored, catalogue), -1)
        return {place: counts for place, counts in total.items() if counts != (0, 0, 0)}


def _contributions(held: Held, progress: Progress | None, catalogue: Catalogue) -> Contributions:
    if progress is None:
        return {}
    workflow = held.matcher.workflow
    return contributions(progress, workflow, catalogue.objectives.get(workflow.name, ()))


def title_of(held: Held) -> str:
    """The name of an instance on screen: the value of the first title key it carries."""
    keys = held.progress.keys
    for namespace in held.matcher.workflow.title_keys:
        prefix = namespace + "="
        named = [(stamp.at, stamp.key, word) for word, stamp in keys.items() if word.startswith(prefix)]
        if named:
            return min(named)[2][len(prefix) :]
    return str(held.id)[:8]


def _words(title: str, progress: Progress) -> str:
    said = [stamp.value for name, stamp in sorted(progress.attributes.items()) if name not in (AMOUNT, CURRENCY)]
    return " ".join([title, *(value for value in said if isinstance(value, str))]).lower()[:500]


def _instance_row(held: Held) -> bytes:
    workflow, progress, verdict = held.matcher.workflow, held.progress, held.verdict
    assert verdict is not None
    starts = [progress.milestones[m.name].at for m in workflow.milestones if m.starts and m.name in progress.milestones]
    amount, currency = progress.attributes.get(AMOUNT), progress.attributes.get(CURRENCY)
    instant, text = copying.instant, copying.text
    title = title_of(held)
    return copying.row(
        held.id.bytes,
        workflow.name.encode(),
        copying.integer(workflow.version),
        text(workflow.entity),
        text(workflow.domain),
        text(title),
        text(_words(title, progress)),
        verdict.kind.encode(),
        verdict.reason.encode(),
        text(verdict.waiting_for),
        text(verdict.source),
        text(verdict.owner),
        instant(verdict.due_at),
        instant(verdict.deadline_at),
        instant(verdict.since),
        instant(verdict.since) if verdict.kind is VerdictKind.STUCK else None,
        instant(min(starts) if starts else progress.first_at),
        instant(progress.last_at),
        instant(verdict.next_check_at),
        copying.numeric(str(amount.value)) if amount else None,
        text(str(currency.value)) if currency else None,
        _encode_progress(progress),
    )


def _write_merge(conn: Connection, merge: Merge) -> None:
    assert merge.merged.stored is not None
    words = [word.partition("=") for word in merge.merged.stored.keys]
    at = {"into": merge.into.last.id, "merged": merge.merged.id}
    conn.execute(
        Q["merge_keys"],
        at
        | {
            "workflow": merge.merged.matcher.workflow.name,
            "namespaces": [word[0] for word in words],
            "values": [word[2] for word in words],
        },
    )
    for step in ("merge_events", "forget_events", "merge_changes", "forget_changes", "forget_instance"):
        conn.execute(Q[step], at)
    _record_merge(conn, merge)


def _record_merge(conn: Connection, merge: Merge) -> None:
    at = {"into": merge.into.last.id, "merged": merge.merged.id}
    conn.execute(Q["follow_merges"], at)
    conn.execute(Q["record_merge"], at | {"event_key": UUID(bytes=merge.event_key), "seq": merge.seq, "at": moment(merge.at)})


def _write_buckets(conn: Connection, total: Contributions) -> None:
    if not total:
        return
    places = sorted(total)
    parameters = {
        "objectives": [objective for objective, _ in places],
        "buckets": [moment(bucket) for _, bucket in places],
        "good": [total[place][0] for place in places],
        "bad": [total[place][1] for place in places],
        "steps": [total[place][2] for place in places],
    }
    # Differences may be negative, and a CHECK looks at a proposed row before ON CONFLICT does: hence two statements.
    if conn.execute(Q["add_to_buckets"], parameters).rowcount < len(places):
        conn.execute(Q["new_buckets"], parameters)


def _copy(conn: Connection, statement: str, rows: Iterable[bytes]) -> None:
    with conn.cursor().copy(statement) as copy:
        copy.write(copying.HEADER + b"".join(rows) + copying.TRAILER)
