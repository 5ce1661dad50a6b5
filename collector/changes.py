"""What one transaction of the projection writes: set-based, whatever the number of events.

`Changes` collects what a batch of events or a sweep has changed, `prepare` turns that into rows for COPY and
parameters of statements, and `Prepared.write` sends them: the database writes one batch while the next is applied.

What may be in the database already goes through a staging table and ON CONFLICT; what is known to be new, which is
nearly everything, is copied straight to its table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any
from uuid import UUID

import msgspec

from collector import copyformat as copying
from collector.buckets import bucket_parameters, within_retention
from collector.catalogue import Catalogue
from collector.instances import Change, Held
from collector.store.database import BUCKETS_LOCK, Connection
from collector.store.sql import load
from collector.unjoined import Unjoined
from slo_rules.contribution import NOTHING, Contributions
from slo_rules.identity import split_key
from slo_rules.instants import to_datetime
from slo_rules.judgement import VerdictKind
from slo_rules.passing import began_at
from slo_rules.progress import Progress, Scalar, current_key
from slo_rules.workflow import AMOUNT, CURRENCY, Workflow

Q = load("projection")
_STUCK = VerdictKind.STUCK
_encode_progress = msgspec.msgpack.Encoder(order="deterministic").encode

_SEVERAL = 128
"""After how many instances something else gets its turn."""

Link = tuple[Held, bytes]
"""An instance and the rest of the row that links an event to it (copyformat.link_tail)."""


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
    """Everything that batch `number` of events or a sweep after it has changed, in the order it must be written."""

    number: int
    dirty: list[Held] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)
    verdicts: list[Change] = field(default_factory=list)
    merges: list[Merge] = field(default_factory=list)
    gone: list[Held] = field(default_factory=list)
    """Stored instances that are no more, without their like being in the merges."""

    def touch(self, held: Held) -> None:
        """It must be written."""
        held.touched = self.number
        self.dirty.append(held)

    def prepare(
        self,
        catalogue: Catalogue,
        unjoined: Unjoined,
        listened: Contributions | None = None,
        catch_up: Callable[[Held], None] | None = None,
        meanwhile: Callable[[], None] | None = None,
    ) -> Prepared:
        """Make the rows, and take them for written: the caller forgets everything if they are not.

        `listened` is what the batch adds to buckets that are not about instances. `catch_up` lets an instance hear the
        events that wait for it; what that brings about becomes part of these changes. `meanwhile` is called now and
        then: compiled, this lets no other thread run by itself.
        """
        fresh, stored = bytearray(), bytearray()
        keys = _KeyRows(self.merges, unjoined)
        recorded = _RecordRows({merge.into.last.id for merge in self.merges})
        total: Contributions = {}
        changed: list[Held] = []
        # All of one instance after the other, while it is in the processor's caches.
        for place, held in enumerate(dict.fromkeys(self.dirty)):
            if held.merged_into is not None:
                continue
            if meanwhile is not None and place % _SEVERAL == 0:
                meanwhile()
            if catch_up is not None:
                catch_up(held)
            recorded.take(self)
            progress, before = held.known, held.stored
            if progress is None:
                continue
            packed = _encode_progress(progress)
            rows = fresh if before is None else stored
            rows += _instance_row(held, progress, packed)
            keys.add(held, progress, before)
            _contribute(total, catalogue, held, progress, before)
            held.written(packed)
            changed.append(held)
        recorded.take(self)
        for held in (*(merge.merged for merge in self.merges), *self.gone):
            before = held.stored
            if before is not None:
                catalogue.counting_of(held.matcher.workflow).add(total, before, -1)
        contributed = {place: counts for place, counts in total.items() if counts != NOTHING}
        return Prepared(
            fresh=fresh,
            stored=stored,
            merges=_merge_parameters(self.merges),
            keys=keys.rows,
            links=recorded.links,
            suspect_links=recorded.suspect_links,
            verdicts=recorded.verdicts,
            suspect_verdicts=recorded.suspect_verdicts,
            buckets=bucket_parameters(contributed | (listened or {})),
            counted=_counted(changed, [*(merge.merged for merge in self.merges), *self.gone]),
            breaches=recorded.breaches,
        )


@dataclass(frozen=True, slots=True)
class Prepared:
    """Rows and parameters, ready to be sent. Of rows that may be there already it matters how many there are."""

    fresh: bytearray
    stored: bytearray
    merges: list[tuple[str, dict[str, Any]]]
    keys: bytearray
    links: bytearray
    suspect_links: list[bytes]
    verdicts: bytearray
    suspect_verdicts: list[bytes]
    buckets: dict[str, Any] | None
    counted: list[dict[str, Any]]
    breaches: dict[str, int]

    def write(self, conn: Connection) -> dict[int, str]:
        """Send them in the caller's transaction; returns the events found to be duplicates, with their sources."""
        _copy(conn, f"COPY instance ({INSTANCE_COLUMNS}) FROM STDIN (FORMAT binary)", self.fresh)
        if self.stored:
            _copy(conn, f"COPY staged_instance ({INSTANCE_COLUMNS}) FROM STDIN (FORMAT binary)", self.stored)
            conn.execute(Q["update_instances"])
            conn.execute("TRUNCATE staged_instance")
        for statement, parameters in self.merges:
            conn.execute(Q[statement], parameters)
        _copy(conn, copying.KEY_COPY, self.keys)
        _copy(conn, f"COPY instance_event {copying.LINK_COLUMNS} FROM STDIN (FORMAT binary)", self.links)
        duplicates: dict[int, str] = {}
        if self.suspect_links:
            rows = b"".join(self.suspect_links)
            _copy(conn, f"COPY staged_event {copying.LINK_COLUMNS} FROM STDIN (FORMAT binary)", rows)
            if conn.execute(Q["insert_events"]).rowcount < len(self.suspect_links):
                duplicates = dict(conn.execute(Q["duplicates"]).fetchall())
            conn.execute("TRUNCATE staged_event")
        _copy(conn, f"COPY verdict_change ({CHANGE_COLUMNS}) FROM STDIN (FORMAT binary)", self.verdicts)
        if self.suspect_verdicts:
            rows = b"".join(self.suspect_verdicts)
            _copy(conn, f"COPY staged_change ({CHANGE_COLUMNS}) FROM STDIN (FORMAT binary)", rows)
            conn.execute(Q["insert_changes"])
            conn.execute("TRUNCATE staged_change")
        write_buckets(conn, self.buckets)
        _write_counts(conn, self.counted)
        return duplicates


def write_buckets(conn: Connection, buckets: dict[str, Any] | None) -> None:
    """Add what these parameters say (collector/buckets.py); others wait until the caller's transaction ends."""
    if buckets is None:
        return
    conn.execute("SELECT pg_advisory_xact_lock(%s)", (BUCKETS_LOCK,))
    row = conn.execute(Q["buckets_kept_since"]).fetchone()
    if row is not None:
        buckets = within_retention(buckets, row[0])
    # Differences may be negative, and a CHECK looks at a proposed row before ON CONFLICT does: hence two statements.
    conn.execute(Q["add_to_buckets"], buckets)
    conn.execute(Q["new_buckets"], buckets)
    conn.execute(Q["forget_empty_buckets"], buckets)


def _write_counts(conn: Connection, counted: list[dict[str, Any]]) -> None:
    """Add what these say; who adds to the buckets adds here too, so that nobody waits for one who waits for him."""
    if not counted:
        return
    conn.execute("SELECT pg_advisory_xact_lock(%s)", (BUCKETS_LOCK,))
    for one in counted:
        conn.execute(Q["count_instances"], one)
    if any(one["more"] < 0 for one in counted):
        conn.execute(Q["forget_counts_of_none"])


INSTANCE_COLUMNS = (
    "id, workflow, workflow_version, entity, domain, title, words, verdict, reason, waiting_for, source_awaited, "
    "owner, due_at, deadline_at, since, stuck_since, started_at, updated_at, next_check_at, value_amount, "
    "value_currency, progress"
)
CHANGE_COLUMNS = "instance_id, at, verdict, verdict_from, reason, waiting_for"


def _copy(conn: Connection, statement: str, rows: bytes | bytearray) -> None:
    if rows:
        with conn.cursor().copy(statement) as copy:
            copy.write(copying.HEADER)
            copy.write(rows)
            copy.write(copying.TRAILER)


class _RecordRows:
    """The rows of links and verdict changes: those that are new for sure, and those that may be there already.

    `joined` are the instances that took others in, whose rows become theirs.
    """

    def __init__(self, joined: set[bytes]) -> None:
        self._joined = joined
        self.links = bytearray()
        self.suspect_links: list[bytes] = []
        self.verdicts = bytearray()
        self.suspect_verdicts: list[bytes] = []
        self.breaches: dict[str, int] = {}

    def take(self, changes: Changes) -> None:
        """Make rows of what is there so far, and let it go."""
        joined, head = self._joined, copying.LINK_HEAD
        if changes.links:
            rows = self.links
            for held, tail in changes.links:
                if held.merged_into is None and held.events is not None and held.id not in joined:
                    rows += head
                    rows += held.id
                    rows += tail
                else:
                    self.suspect_links.append(head + held.last.id + tail)
            changes.links.clear()
        if changes.verdicts:
            for change in changes.verdicts:
                self._add_verdict(change)
            changes.verdicts.clear()

    def _add_verdict(self, change: Change) -> None:
        held, verdict, former = change.held.last, change.verdict, change.former
        kind = verdict.kind
        words = _change_fields(kind, None if former is None else former.kind, verdict.reason, verdict.waiting_for)
        row = b"\x00\x06\x00\x00\x00\x10" + held.id + copying.instant(change.at) + words
        if change.fresh and held.id not in self._joined:
            rows = self.verdicts
            rows += row
        else:
            self.suspect_verdicts.append(row)
        if kind is _STUCK:
            name = change.held.matcher.workflow.name
            self.breaches[name] = self.breaches.get(name, 0) + 1


@lru_cache(maxsize=4096)
def _change_fields(kind: str, former: str | None, reason: str, waiting_for: str | None) -> bytes:
    return b"".join(map(copying.text_field, (kind, former, reason, waiting_for)))


def _counted(changed: list[Held], gone: list[Held]) -> list[dict[str, Any]]:
    """By workflow and verdict how many more instances there are; takes them for counted."""
    found: dict[tuple[str, VerdictKind], int] = {}
    for held in changed:
        verdict, counted = held.verdict, held.counted
        assert verdict is not None
        kind = verdict.kind
        if kind is not counted:
            name = held.matcher.workflow.name
            found[name, kind] = found.get((name, kind), 0) + 1
            if counted is not None:
                found[name, counted] = found.get((name, counted), 0) - 1
            held.counted = kind
    for held in gone:
        if held.counted is not None:
            place = (held.matcher.workflow.name, held.counted)
            found[place] = found.get(place, 0) - 1
    return [
        {"workflow": workflow, "verdict": verdict, "more": more} for (workflow, verdict), more in found.items() if more
    ]


class _KeyRows:
    """The rows of keys that are not stored yet; those of merged instances are moved, not written."""

    def __init__(self, merges: list[Merge], unjoined: Unjoined) -> None:
        self.rows = bytearray()
        self._unjoined = unjoined
        self._moved: dict[bytes, set[str]] = {}
        self._heads: dict[int, dict[str, bytes]] = {}
        for merge in merges:
            self._moved.setdefault(merge.into.last.id, set()).update(_stored_keys(merge.merged))

    def add(self, held: Held, progress: Progress, stored: Progress | None) -> None:
        """Make those of an instance."""
        keys = progress.keys
        known = None if stored is None else stored.keys
        if keys is known:
            return
        rows, text, id_ = self.rows, copying.text_field, held.id
        heads = self._heads.setdefault(id(held.matcher), {})
        taken = self._moved.get(id_) if self._moved else None
        workflow = held.matcher.workflow
        hubs = self._unjoined.of(workflow.name) if self._unjoined else None
        for key in keys:
            if (known is not None and key in known) or (taken is not None and key in taken):
                continue
            namespace, value = split_key(key)
            head = heads.get(namespace)
            if head is None:
                head = copying.key_head(workflow.name, namespace, joins=namespace in workflow.joining)
                heads[namespace] = head
            if hubs is not None and key in hubs:
                head = copying.key_head(workflow.name, namespace, joins=False)
            rows += head
            rows += id_
            rows += text(value)


def _stored_keys(held: Held) -> Iterable[str]:
    stored = held.stored
    return () if stored is None else stored.keys


def _contribute(
    total: Contributions, catalogue: Catalogue, held: Held, progress: Progress, stored: Progress | None
) -> None:
    workflow = held.matcher.workflow
    if stored is None:
        catalogue.counting_of(workflow).add(total, progress, 1)
    elif not _counts_the_same(stored, progress, workflow, catalogue):
        catalogue.counting_of(workflow).add_difference(total, stored, progress)


def _counts_the_same(a: Progress, b: Progress, workflow: Workflow, catalogue: Catalogue) -> bool:
    """Whether nothing has changed that contributions depend on."""
    return (
        workflow.name not in catalogue.settling
        and a.milestones is b.milestones
        and a.cancelled is b.cancelled
        and a.clock is b.clock
        and a.occurrences is b.occurrences
        and a.restarted is b.restarted
        and a.waiver is b.waiver
        and (not workflow.each or (a.keys is b.keys and a.aliases is b.aliases))
        and (not (workflow.tiered or workflow.name in catalogue.told_apart) or a.attributes == b.attributes)
    )


def _merge_parameters(merges: list[Merge]) -> list[tuple[str, dict[str, Any]]]:
    """What moves the stored parts of merged instances to those that stay, and records which event joined them."""
    if not merges:
        return []
    steps: list[tuple[str, dict[str, Any]]] = []
    ids = [(UUID(bytes=merge.merged.id), UUID(bytes=merge.into.last.id)) for merge in merges]
    stored = [(merge, *pair) for merge, pair in zip(merges, ids, strict=True) if merge.merged.packed is not None]
    if stored:
        keys = [
            (merge, merged, stays, split_key(key))
            for merge, merged, stays in stored
            for key in _stored_keys(merge.merged)
        ]
        of_keys = {
            "workflows": [merge.merged.matcher.workflow.name for merge, _, _, _ in keys],
            "namespaces": [key[0] for _, _, _, key in keys],
            "values": [key[1] for _, _, _, key in keys],
            "merged": [merged for _, merged, _, _ in keys],
            "stays": [stays for _, _, stays, _ in keys],
        }
        steps += [(step, of_keys) for step in ("merge_joining_keys", "merge_search_keys", "forget_doubled_keys")]
        of_ids = {"merged": [merged for _, merged, _ in stored], "stays": [stays for _, _, stays in stored]}
        names = ("merge_events", "forget_events", "merge_changes", "forget_changes", "forget_instances")
        steps += [(step, of_ids) for step in names]
    parameters = {
        "merged": [merged for merged, _ in ids],
        "stays": [stays for _, stays in ids],
        "event_keys": [UUID(bytes=merge.event_key) for merge in merges],
        "seqs": [merge.seq for merge in merges],
        "at": [to_datetime(merge.at) for merge in merges],
    }
    return [*steps, ("follow_merges", parameters), ("record_merges", parameters)]


def title_of(id_: bytes, progress: Progress, workflow: Workflow) -> str:
    """The name of an instance on screen: the value of the first title key it carries."""
    keys = progress.keys
    for namespace in workflow.title_keys:
        prefix = namespace + "="
        named = [key for key in keys if key.startswith(prefix)]
        if named:
            first = named[0] if len(named) == 1 else min(named, key=lambda key: (keys[key].at, keys[key].key, key))
            return (current_key(progress, first) if progress.aliases else first)[len(prefix) :]
    return id_.hex()[-8:]


def words_of(title: str, attributes: dict[str, Scalar], names: tuple[str, ...]) -> str:
    """What free text is looked for in: the title and the attributes that are text, in lower case."""
    words = [title, *[value for name in names if isinstance(value := attributes.get(name), str)]]
    return " ".join(words).lower()[:500]


@lru_cache(maxsize=4096)
def _workflow_fields(name: str, version: int, entity: str, domain: str) -> bytes:
    text = copying.text_field
    return text(name) + copying.field(copying.integer(version)) + text(entity) + text(domain)


def _instance_row(held: Held, progress: Progress, packed: bytes) -> bytes:
    workflow, verdict = held.matcher.workflow, held.verdict
    assert verdict is not None
    said = progress.said
    attributes = said[0].values if len(said) == 1 else progress.attributes
    amount, currency = attributes.get(AMOUNT), attributes.get(CURRENCY)
    instant, text = copying.instant, copying.text_field
    title = title_of(held.id, progress, workflow)
    since = instant(verdict.since)
    return b"".join(
        (
            b"\x00\x16\x00\x00\x00\x10",
            held.id,
            _workflow_fields(workflow.name, workflow.version, workflow.entity, workflow.domain),
            text(title),
            text(words_of(title, attributes, workflow.attribute_names)),
            _verdict_fields(verdict.kind, verdict.reason, verdict.waiting_for, verdict.source, verdict.owner),
            copying.NULL if verdict.due_at is None else instant(verdict.due_at),
            copying.NULL if verdict.deadline_at is None else instant(verdict.deadline_at),
            since,
            since if verdict.kind is _STUCK else copying.NULL,
            instant(began_at(progress, workflow)),
            instant(progress.last_at),
            copying.NULL if verdict.next_check_at is None else instant(verdict.next_check_at),
            copying.NULL if amount is None else copying.field(copying.numeric(str(amount))),
            copying.NULL if currency is None else copying.known_field(str(currency)),
            copying.length(len(packed)),
            packed,
        )
    )


@lru_cache(maxsize=4096)
def _verdict_fields(kind: str, reason: str, waiting_for: str | None, source: str | None, owner: str | None) -> bytes:
    return b"".join(map(copying.text_field, (kind, reason, waiting_for, source, owner)))
