"""Forgetting one person: what was sent and said of him goes, what was counted stays (ADR 28).

All of it is one transaction, in which nobody projects. The log keeps a pseudonym in the place of the key, so that its
events join as they did, and what is derived is changed to what a rebuild would make of the log as it is then.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from collector.access import audit
from collector.access.principal import acting
from collector.catalogue import Catalogue
from collector.erasure import derived, logged, texts
from collector.erasure.buffers import Buffer, Buffered, buffers_of
from collector.erasure.logged import Waits
from collector.erasure.needed import attributes_needed, paths_needed
from collector.erasure.subject import Subject, subject_of
from collector.retention.parts import NotCurrent, lock_projection
from collector.store.database import RETENTION_LOCK, Connection, has_timescale
from collector.store.sql import load
from collector.stored_progress import readable

__all__ = ("Buffered", "Forgotten", "NotCurrent", "Waits", "forget")

Q = load("erasure")
_IN_MEMORY = load("retention")["forget_in_memory"]


@dataclass(slots=True)
class Forgotten:
    """What was changed, or would be: how many rows by what they are.

    `besides` are other keys of the instances, by which he may be known as well. `unreadable` are numbers of events that
    are no JSON, of which nothing is left. Without `sought` the value is so short that it is replaced where keys are
    read and nowhere else. What lies in `buffers` was not reached.
    """

    subject: Subject
    counts: dict[str, int] = field(default_factory=dict)
    besides: list[str] = field(default_factory=list)
    unreadable: list[int] = field(default_factory=list)
    buffers: list[Buffer] = field(default_factory=list)
    dry_run: bool = False

    @property
    def sought(self) -> bool:
        """Whether texts were searched for the value."""
        return self.subject.is_sought


def forget(
    conn: Connection, catalogue: Catalogue, namespace: str, value: str, now: datetime, *, dry_run: bool,
    leave_buffers: bool = False,
) -> Forgotten:  # fmt: skip
    """Forget whoever has this key, in one transaction; a dry run says what that would change, and changes nothing.

    Raises NotCurrent where not everything received has been applied, Waits, and Buffered where receivers say that they
    have something on their disks; with `leave_buffers` that is left for another time.
    """
    rules = [rule for version in catalogue.versions.values() for rule in version.workflow.keys]
    subject = subject_of(namespace, value, rules)
    refused = not (dry_run or leave_buffers)
    with conn.transaction():
        _buffers(conn, refused=refused)
        # The log is read before anybody waits for it.
        found, subject = logged.find(conn, subject, _carriers(conn, subject))
    report = Forgotten(subject, dry_run=dry_run)
    with conn.transaction(force_rollback=dry_run):
        conn.execute("SELECT pg_advisory_xact_lock(%s)", (RETENTION_LOCK,))
        if has_timescale(conn):
            # What is compressed is changed like all else; by itself that is bounded.
            conn.execute("SELECT set_config('timescaledb.max_tuples_decompressed_per_dml_transaction', '0', true)")
        report.buffers = _buffers(conn, refused=refused)
        if not dry_run:
            lock_projection(conn, now)
            conn.execute("SET LOCAL lock_timeout = '10s'")
        own = {*_carriers(conn, subject)}
        report.subject = subject = logged.find_more(conn, subject, found, own)
        linked = conn.execute(Q["instances_of_events"], {"seqs": [*found.own, *found.others]}).fetchall()
        others = {row[0] for row in linked} - own
        report.besides = _keys_besides(conn, subject, own)
        event_keys, report.unreadable = logged.change_events(conn, subject, found, _paths(catalogue))
        spans = logged.change_spans(conn, subject, found.traces)
        requests = logged.empty_requests(conn, subject)
        who = acting.get()
        letters = logged.change_letters(conn, subject, found, requests, who.name if who else "")
        noted = {row[0] for row in conn.execute(Q["ids_of_instances"], {"ids": list(own)}).fetchall()}
        derived.change_hubs(conn, subject)
        ids = derived.change_instances(conn, catalogue, subject, own, others, event_keys)
        groups = derived.change_groups(conn, subject)
        known_now = {ids.get(id_, id_) for id_ in noted}
        counts = {
            "own events": len(found.own),
            "other events": len(found.others),
            "spans": spans,
            "requests of sources": len(requests),
            "dead letters": letters,
            "own instances": len(own),
            "other instances": len(others),
            "groups of objectives": groups,
            **texts.change_texts(conn, subject, known_now, ids),
        }
        report.counts = {what: count for what, count in counts.items() if count}
        if report.counts:
            conn.execute(_IN_MEMORY)
            said = {"namespace": namespace, "changed": report.counts}
            audit.record(conn, [audit.entry("subject.forgotten", f"key sha256:{subject.digest}", {}, said)])
    return report


def _buffers(conn: Connection, *, refused: bool) -> list[Buffer]:
    found = buffers_of(conn)
    if refused and (waiting := [one for one in found if one.waits_since is not None]):
        raise Buffered(waiting)
    return found


def _carriers(conn: Connection, subject: Subject) -> list[UUID]:
    asked = {"namespace": subject.namespace, "values": sorted(subject.spelled)}
    return [row[0] for row in conn.execute(Q["instances_of_key"], asked).fetchall()]


def _keys_besides(conn: Connection, subject: Subject, own: set[UUID]) -> list[str]:
    found: set[str] = set()
    for id_, _, _, _, packed in conn.execute(Q["instances"], {"ids": list(own)}).fetchall():
        if (progress := readable(packed, id_)) is not None:
            found |= set(progress.keys)
    return sorted(key for key in found if subject.key(key) == key)


def _paths(catalogue: Catalogue) -> frozenset[str]:
    """What any version of any workflow reads and needs."""
    found: set[str] = set()
    for (name, version), one in catalogue.versions.items():
        attributes = attributes_needed(one.workflow, catalogue.objectives.get(name, ()))
        found |= paths_needed(one.workflow, attributes, catalogue.matcher_of(name, version).filters)
    return frozenset(found)
