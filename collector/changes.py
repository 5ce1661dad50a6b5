"""What one transaction of the projection writes: set-based, whatever the number of events.

`Changes` collects what a batch of events or a sweep has changed, `prepare` turns that into rows for COPY and
parameters of statements, and `Prepared.write` sends them: the database writes one batch while the next is applied.

What may be in the database already goes through a staging table and ON CONFLICT; what is known to be new, which is
nearly everything, is copied straight to its table.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any
from uuid import UUID

import msgspec

from collector import copyformat as copying
from collector.catalogue import Catalogue
from collector.instances import Change, Held
from collector.store.database import Connection
from collector.store.sql import load
from slo_rules.contribution import Contributions, Counts, Place, contributions, difference
from slo_rules.identity import split_key
from slo_rules.instants import to_datetime
from slo_rules.judgement import VerdictKind
from slo_rules.progress import Progress
from slo_rules.workflow import AMOUNT, CURRENCY

Q = load("projection")
_encode_progress = msgspec.msgpack.Encoder(order="deterministic").encode

Link = tuple[Held, bytes]
"""An instance and the rest of the row that links an event to it (copyformat.link_tail)."""


class Merge(msgspec.Struct, frozen=True):
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

    def touch(self, held: Held) -> None:
        """It must be written."""
        held.touched = self.number
        self.dirty.append(held)

    def prepare(self, catalogue: Catalogue) -> Prepared:
        """Make the rows, and take them for written: the caller forgets everything if they are not."""
        changed = [held for held in dict.fromkeys(self.dirty) if held.merged_into is None]
        fresh = [held for held in changed if held.stored is None]
        stored = [held for held in changed if held.stored is not None]
        joined = {merge.into.last.id for merge in self.merges}
        links, suspect_links = _link_rows(self.links, joined)
        verdicts, suspect_verdicts = _verdict_rows(self.verdicts, joined)
        prepared = Prepared(
            fresh=list(map(_instance_row, fresh)),
            stored=list(map(_instance_row, stored)),
            merges=_merge_parameters(self.merges),
            keys=_key_rows(changed, self.merges),
            links=links,
            suspect_links=suspect_links,
            verdicts=verdicts,
            suspect_verdicts=suspect_verdicts,
            buckets=_bucket_parameters(_contributed(catalogue, changed, self.merges)),
            breaches=_breaches(self.verdicts),
        )
        for held in changed:
            held.stored = held.progress
        return prepared


class Prepared(msgspec.Struct, frozen=True):
    """Rows and parameters, ready to be sent."""

    fresh: list[bytes]
    stored: list[bytes]
    merges: list[tuple[str, dict[str, Any]]]
    keys: list[bytes]
    links: list[bytes]
    suspect_links: list[bytes]
    verdicts: list[bytes]
    suspect_verdicts: list[bytes]
    buckets: dict[str, Any] | None
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
            _copy(conn, f"COPY staged_event {copying.LINK_COLUMNS} FROM STDIN (FORMAT binary)", self.suspect_links)
            if conn.execute(Q["insert_events"]).rowcount < len(self.suspect_links):
                duplicates = dict(conn.execute(Q["duplicates"]).fetchall())
            conn.execute("TRUNCATE staged_event")
        _copy(conn, f"COPY verdict_change ({CHANGE_COLUMNS}) FROM STDIN (FORMAT binary)", self.verdicts)
        if self.suspect_verdicts:
            _copy(conn, f"COPY staged_change ({CHANGE_COLUMNS}) FROM STDIN (FORMAT binary)", self.suspect_verdicts)
            conn.execute(Q["insert_changes"])
            conn.execute("TRUNCATE staged_change")
        if self.buckets is not None:
            # Differences may be negative, and a CHECK looks at a proposed row before ON CONFLICT does: hence two
            # statements.
            conn.execute(Q["add_to_buckets"], self.buckets)
            conn.execute(Q["new_buckets"], self.buckets)
            conn.execute(Q["forget_empty_buckets"], self.buckets)
        return duplicates


INSTANCE_COLUMNS = (
    "id, workflow, workflow_version, entity, domain, title, words, verdict, reason, waiting_for, source_awaited, "
    "owner, due_at, deadline_at, since, stuck_since, started_at, updated_at, next_check_at, value_amount, "
    "value_currency, progress"
)
CHANGE_COLUMNS = "instance_id, at, verdict, verdict_from, reason, waiting_for"


def _copy(conn: Connection, statement: str, rows: list[bytes]) -> None:
    if rows:
        with conn.cursor().copy(statement) as copy:
            copy.write(b"".join((copying.HEADER, *rows, copying.TRAILER)))


def _link_rows(links: list[Link], joined: set[bytes]) -> tuple[list[bytes], list[bytes]]:
    """The rows that are new for sure, and those that may be there already."""
    head = copying.LINK_HEAD
    sure: list[bytes] = []
    suspect: list[bytes] = []
    for held, tail in links:
        if held.merged_into is None and held.events is not None and held.id not in joined:
            sure.append(head + held.id + tail)
        else:
            suspect.append(head + held.last.id + tail)
    return sure, suspect


def _verdict_rows(verdicts: list[Change], joined: set[bytes]) -> tuple[list[bytes], list[bytes]]:
    sure: list[bytes] = []
    suspect: list[bytes] = []
    for change in verdicts:
        held, verdict = change.held.last, change.verdict
        row = copying.row(
            copying.uuid_field(held.id),
            copying.instant(change.at),
            copying.known_field(verdict.kind),
            copying.known_field(change.former.kind if change.former else None),
            copying.known_field(verdict.reason),
            copying.known_field(verdict.waiting_for),
        )
        (sure if change.fresh and held.id not in joined else suspect).append(row)
    return sure, suspect


def _breaches(verdicts: list[Change]) -> dict[str, int]:
    found: dict[str, int] = {}
    for change in verdicts:
        if change.verdict.kind is VerdictKind.STUCK:
            name = change.held.matcher.workflow.name
            found[name] = found.get(name, 0) + 1
    return found


def _key_rows(changed: list[Held], merges: list[Merge]) -> list[bytes]:
    """The keys that are not stored yet; those of merged instances are moved, not written."""
    moved: dict[bytes, set[str]] = {}
    for merge in merges:
        moved.setdefault(merge.into.last.id, set()).update(_stored_keys(merge.merged))
    rows = []
    for held in changed:
        keys, known = held.progress.keys, _stored_keys(held)
        if keys is known:
            continue
        taken = moved.get(held.id, ())
        workflow = held.matcher.workflow
        for key in keys:
            if key in known or key in taken:
                continue
            namespace, value = split_key(key)
            head = copying.key_head(workflow.name, namespace, joins=namespace in workflow.joining)
            rows.append(head + held.id + copying.text_field(value))
    return rows


def _stored_keys(held: Held) -> Iterable[str]:
    return held.stored.keys if held.stored is not None else ()


def _contributed(catalogue: Catalogue, changed: list[Held], merges: list[Merge]) -> Contributions:
    total: dict[Place, Counts] = {}

    def add(found: Contributions, sign: int) -> None:
        for place, (good, bad, step) in found.items():
            a = total.get(place, (0, 0, 0))
            total[place] = (a[0] + sign * good, a[1] + sign * bad, a[2] + sign * step)

    for held in changed:
        stored, progress = held.stored, held.progress
        if stored and stored.milestones is progress.milestones and stored.cancelled is progress.cancelled:
            continue
        former = {} if stored is None else _contributions(held, stored, catalogue)
        add(difference(former, _contributions(held, progress, catalogue)), 1)
    for merge in merges:
        if merge.merged.stored is not None:
            add(_contributions(merge.merged, merge.merged.stored, catalogue), -1)
    return {place: counts for place, counts in total.items() if counts != (0, 0, 0)}


def _contributions(held: Held, progress: Progress, catalogue: Catalogue) -> Contributions:
    workflow = held.matcher.workflow
    return contributions(progress, workflow, catalogue.objectives.get(workflow.name, ()))


def _bucket_parameters(total: Contributions) -> dict[str, Any] | None:
    if not total:
        return None
    places = sorted(total)
    return {
        "objectives": [objective for objective, _ in places],
        "buckets": [to_datetime(bucket) for _, bucket in places],
        "good": [total[place][0] for place in places],
        "bad": [total[place][1] for place in places],
        "steps": [total[place][2] for place in places],
    }


def _merge_parameters(merges: list[Merge]) -> list[tuple[str, dict[str, Any]]]:
    """What moves the stored parts of merged instances to those that stay, and records which event joined them."""
    if not merges:
        return []
    steps: list[tuple[str, dict[str, Any]]] = []
    ids = [(UUID(bytes=merge.merged.id), UUID(bytes=merge.into.last.id)) for merge in merges]
    stored = [(merge, *pair) for merge, pair in zip(merges, ids, strict=True) if merge.merged.stored is not None]
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


def title_of(held: Held) -> str:
    """The name of an instance on screen: the value of the first title key it carries."""
    keys = held.progress.keys
    for namespace in held.matcher.workflow.title_keys:
        prefix = namespace + "="
        named = [key for key in keys if key.startswith(prefix)]
        if named:
            first = named[0] if len(named) == 1 else min(named, key=lambda key: (keys[key].at, keys[key].key, key))
            return first[len(prefix) :]
    return held.id.hex()[-8:]


def _words(title: str, progress: Progress, names: tuple[str, ...]) -> str:
    words = [title]
    for name in names:
        stamp = progress.attributes.get(name)
        if stamp is not None and isinstance(stamp.value, str):
            words.append(stamp.value)
    return " ".join(words).lower()[:500]


@lru_cache(maxsize=4096)
def _workflow_fields(name: str, version: int, entity: str, domain: str) -> bytes:
    text = copying.text_field
    return text(name) + copying.field(copying.integer(version)) + text(entity) + text(domain)


def _instance_row(held: Held) -> bytes:
    workflow, progress, verdict = held.matcher.workflow, held.progress, held.verdict
    assert verdict is not None
    reached = progress.milestones
    starts = [reached[name].at for name in workflow.starting if name in reached]
    amount, currency = progress.attributes.get(AMOUNT), progress.attributes.get(CURRENCY)
    instant, text, known = copying.instant, copying.text_field, copying.known_field
    title = title_of(held)
    since = instant(verdict.since)
    return b"".join(
        (
            b"\x00\x16\x00\x00\x00\x10",
            held.id,
            _workflow_fields(workflow.name, workflow.version, workflow.entity, workflow.domain),
            text(title),
            text(_words(title, progress, workflow.attribute_names)),
            known(verdict.kind),
            known(verdict.reason),
            known(verdict.waiting_for),
            known(verdict.source),
            known(verdict.owner),
            instant(verdict.due_at),
            instant(verdict.deadline_at),
            since,
            since if verdict.kind is VerdictKind.STUCK else copying.NULL,
            instant(min(starts) if starts else progress.first_at),
            instant(progress.last_at),
            instant(verdict.next_check_at),
            copying.field(copying.numeric(str(amount.value))) if amount else copying.NULL,
            known(str(currency.value)) if currency else copying.NULL,
            copying.field(_encode_progress(progress)),
        )
    )
