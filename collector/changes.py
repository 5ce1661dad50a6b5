"""What one transaction of the projection writes: set-based, whatever the number of events."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from uuid import UUID

import msgspec

from collector import copyformat as copying
from collector.catalogue import Catalogue
from collector.instances import Change, Held
from collector.store.database import Connection
from collector.store.sql import load
from slo_rules.contribution import Contributions, Counts, Place, contributions, difference
from slo_rules.instants import to_datetime
from slo_rules.judgement import VerdictKind
from slo_rules.progress import AMOUNT, CURRENCY, Progress

Q = load("projection")
_encode_progress = msgspec.msgpack.Encoder(order="deterministic").encode

INSTANCE_COLUMNS = (
    "id, workflow, workflow_version, entity, domain, title, words, verdict, reason, waiting_for, source_awaited, "
    "owner, due_at, deadline_at, since, stuck_since, started_at, updated_at, next_check_at, value_amount, "
    "value_currency, progress"
)


class Link(msgspec.Struct, frozen=True):
    """An event that belongs to an instance."""

    held: Held
    event_key: bytes
    seq: int
    received_at: int
    milestone: str | None
    trace_id: bytes | None
    source: str


class Merge(msgspec.Struct, frozen=True):
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

    def touch(self, held: Held) -> None:
        """It must be written."""
        self.dirty[held.id] = held

    def write(self, conn: Connection, catalogue: Catalogue) -> dict[str, int]:
        """Write it in the caller's transaction; returns the duplicates found, by source."""
        stored = [held for held in self.dirty.values() if held.stored is not None and held.merged_into is None]
        fresh = [held for held in self.dirty.values() if held.stored is None and held.merged_into is None]
        self._write_instances(conn, fresh, stored)
        _write_merges(conn, self.merges)
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
            _copy(
                conn,
                f"COPY staged_instance ({INSTANCE_COLUMNS}) FROM STDIN (FORMAT binary)",
                map(_instance_row, stored),
            )
            conn.execute(Q["update_instances"])
            conn.execute("TRUNCATE staged_instance")

    def _write_keys(self, conn: Connection, changed: list[Held]) -> None:
        merged_keys: dict[UUID, set[str]] = {}
        for merge in self.merges:
            merged_keys.setdefault(merge.into.last.id, set()).update(_stored_keys(merge.merged))
        rows = []
        for held in changed:
            known = _stored_keys(held)
            taken = merged_keys.get(held.id, ())
            workflow = held.matcher.workflow
            for word in held.progress.keys:
                if word in known or word in taken:
                    continue
                namespace, _, value = word.partition("=")
                head = copying.key_head(workflow.name, namespace, joins=namespace in workflow.joining)
                rows.append(head + copying.uuid_field(held.id.bytes) + copying.text_field(value))
        if rows:
            _copy(
                conn,
                copying.KEY_COPY,
                rows,
            )

    def _write_links(self, conn: Connection) -> dict[str, int]:
        if not self.links:
            return {}
        _copy(conn, copying.LINK_COPY, map(_link_row, self.links))
        inserted = conn.execute(Q["insert_events"]).rowcount
        duplicates: dict[str, int] = {}
        if inserted < len(self.links):
            duplicates = dict(conn.execute(Q["count_duplicates"]).fetchall())
        conn.execute("TRUNCATE staged_event")
        return duplicates

    def _write_verdicts(self, conn: Connection) -> None:
        if not self.verdicts:
            return
        columns = "instance_id, at, verdict, verdict_from, reason, waiting_for"
        _copy(
            conn,
            f"COPY staged_change ({columns}) FROM STDIN (FORMAT binary)",
            [
                copying.row(
                    copying.field(change.held.last.id.bytes),
                    copying.instant(change.at),
                    copying.known_field(change.verdict.kind),
                    copying.known_field(change.former.kind if change.former else None),
                    copying.known_field(change.verdict.reason),
                    copying.known_field(change.verdict.waiting_for),
                )
                for change in self.verdicts
            ],
        )
        conn.execute(Q["insert_changes"])
        conn.execute("TRUNCATE staged_change")

    def _contributed(self, catalogue: Catalogue, changed: list[Held]) -> Contributions:
        total: dict[Place, Counts] = {}

        def add(found: Contributions, sign: int) -> None:
            for place, (good, bad, step) in found.items():
                a = total.get(place, (0, 0, 0))
                total[place] = (a[0] + sign * good, a[1] + sign * bad, a[2] + sign * step)

        for held in changed:
            stored, progress = held.stored, held.progress
            if stored and stored.milestones is progress.milestones and stored.cancelled is progress.cancelled:
                continue
            add(
                difference(
                    _contributions(held, held.stored, catalogue), _contributions(held, held.progress, catalogue)
                ),
                1,
            )
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


def _link_row(link: Link) -> bytes:
    return copying.link_row(
        link.held.last.id.bytes, link.event_key, link.seq, link.received_at, link.milestone, link.trace_id, link.source
    )


def _words(title: str, progress: Progress) -> str:
    said = [stamp.value for name, stamp in sorted(progress.attributes.items()) if name not in (AMOUNT, CURRENCY)]
    return " ".join([title, *(value for value in said if isinstance(value, str))]).lower()[:500]


def _instance_row(held: Held) -> bytes:
    workflow, progress, verdict = held.matcher.workflow, held.progress, held.verdict
    assert verdict is not None
    starts = [progress.milestones[name].at for name in workflow.starting if name in progress.milestones]
    amount, currency = progress.attributes.get(AMOUNT), progress.attributes.get(CURRENCY)
    instant, text, known = copying.instant, copying.text_field, copying.known_field
    title = title_of(held)
    return b"".join(
        (
            b"\x00\x16\x00\x00\x00\x10",
            held.id.bytes,
            known(workflow.name),
            copying.field(copying.integer(workflow.version)),
            known(workflow.entity),
            known(workflow.domain),
            text(title),
            text(_words(title, progress)),
            known(verdict.kind),
            known(verdict.reason),
            known(verdict.waiting_for),
            known(verdict.source),
            known(verdict.owner),
            instant(verdict.due_at),
            instant(verdict.deadline_at),
            instant(verdict.since),
            instant(verdict.since if verdict.kind is VerdictKind.STUCK else None),
            instant(min(starts) if starts else progress.first_at),
            instant(progress.last_at),
            instant(verdict.next_check_at),
            copying.field(copying.numeric(str(amount.value)) if amount else None),
            text(str(currency.value) if currency else None),
            copying.field(_encode_progress(progress)),
        )
    )


def _write_merges(conn: Connection, merges: list[Merge]) -> None:
    """Move what is stored of merged instances to those that stay, and record which event joined them."""
    if not merges:
        return
    stored = [merge for merge in merges if merge.merged.stored is not None]
    if stored:
        words = [(merge, word.partition("=")) for merge in stored for word in _stored_keys(merge.merged)]
        keys = {
            "workflows": [merge.merged.matcher.workflow.name for merge, _ in words],
            "namespaces": [word[0] for _, word in words],
            "values": [word[2] for _, word in words],
            "merged": [merge.merged.id for merge, _ in words],
            "stays": [merge.into.last.id for merge, _ in words],
        }
        conn.execute(Q["merge_keys"], keys)
        conn.execute(Q["forget_doubled_keys"], keys)
        at = {"merged": [merge.merged.id for merge in stored], "stays": [merge.into.last.id for merge in stored]}
        for step in ("merge_events", "forget_events", "merge_changes", "forget_changes", "forget_instances"):
            conn.execute(Q[step], at)
    parameters = {
        "merged": [merge.merged.id for merge in merges],
        "stays": [merge.into.last.id for merge in merges],
        "event_keys": [UUID(bytes=merge.event_key) for merge in merges],
        "seqs": [merge.seq for merge in merges],
        "at": [to_datetime(merge.at) for merge in merges],
    }
    conn.execute(Q["follow_merges"], parameters)
    conn.execute(Q["record_merges"], parameters)


def _stored_keys(held: Held) -> Iterable[str]:
    return held.stored.keys if held.stored is not None else ()


def _write_buckets(conn: Connection, total: Contributions) -> None:
    if not total:
        return
    places = sorted(total)
    parameters = {
        "objectives": [objective for objective, _ in places],
        "buckets": [to_datetime(bucket) for _, bucket in places],
        "good": [total[place][0] for place in places],
        "bad": [total[place][1] for place in places],
        "steps": [total[place][2] for place in places],
    }
    # Differences may be negative, and a CHECK looks at a proposed row before ON CONFLICT does: hence two statements.
    if conn.execute(Q["add_to_buckets"], parameters).rowcount < len(places):
        conn.execute(Q["new_buckets"], parameters)
    if any(min(counts) < 0 for counts in total.values()):
        conn.execute(Q["forget_empty_buckets"], parameters)


def _copy(conn: Connection, statement: str, rows: Iterable[bytes]) -> None:
    with conn.cursor().copy(statement) as copy:
        copy.write(copying.HEADER + b"".join(rows) + copying.TRAILER)
