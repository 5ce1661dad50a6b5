"""Putting histories through the real log and projector."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import msgspec

from collector.catalogue import Catalogue, register
from collector.copyformat import act_row, event_row
from collector.dividing import DividingProcess
from collector.log import append
from collector.projector import Helpers, Projector
from collector.reading_ahead import ReadingProcess
from collector.rebuild import fingerprints, keep_objectives
from collector.store.database import BY_INDEX, PLANNED_ONCE, Connection, connect, ensure_partitions
from slo_rules.acts import ACT_SOURCE
from slo_rules.event import Event
from slo_rules.identity import Key
from slo_rules.instants import to_datetime, to_micros
from slo_rules.progress import Progress
from slo_rules.rehearsal import Rehearsal
from slo_rules.workflow import Definitions

decode_progress = msgspec.msgpack.Decoder(Progress).decode


def log_row(event: Event) -> bytes:
    """The event as a door would log it."""
    body = msgspec.json.encode(event.document)
    id_ = event.document["id"]
    if event.source == ACT_SOURCE:
        return act_row(event.occurred_at, id_.encode(), event.type.encode(), body)
    return event_row(
        event.occurred_at, event.source.encode(), id_.encode(), event.type.encode(), None, event.trace_id, None, body
    )


def log_events(conn: Connection, events: Iterable[Event]) -> None:
    """Append events to the log, in one commit."""
    with conn.transaction():
        append(conn, [log_row(event) for event in events], [], [])


def receive(conn: Connection, events: Iterable[Event]) -> None:
    """Append events to the log as if each had arrived when it says, which must be in their order."""
    with conn.transaction():
        for event in events:
            ensure_partitions(conn, to_datetime(event.received_at))
            conn.execute(
                "INSERT INTO event (received_at, occurred_at, source, id, type, body) VALUES (%s, %s, %s, %s, %s, %s)",
                (
                    to_datetime(event.received_at),
                    to_datetime(event.occurred_at),
                    event.source,
                    event.document["id"],
                    event.type,
                    msgspec.json.encode(event.document),
                ),
            )


def projecting(url: str) -> Connection:
    """A connection like the projector's own."""
    return connect(url, "test projector", options=BY_INDEX)


@contextmanager
def helping(url: str, *, dividing: bool = False) -> Iterator[Helpers]:
    """What a projector needs to read in another process and to write on another thread, and to share with others."""
    lookups = connect(url, "test lookups", autocommit=True, options=PLANNED_ONCE)
    helpers = Helpers(lookups, ReadingProcess(url, _prepare), DividingProcess(url, _prepare) if dividing else None)
    try:
        yield helpers
    finally:
        helpers.close()


def _prepare() -> None:
    """The process needs no logging."""


def project(conn: Connection, catalogue: Catalogue, *, batch: int = 5000) -> Projector:
    """Apply the log with a fresh projector and sweep."""
    projector = Projector(catalogue, batch=batch)
    assert projector.acquire(conn)
    while not projector.cycle(conn).caught_up:
        pass
    return projector


def live(conn: Connection, catalogue: Catalogue, history: Iterable[Event], end: int) -> None:
    """Project as it happens until `end`: between two arrivals time passes, and each is applied when it comes."""
    projector = Projector(catalogue)
    assert projector.acquire(conn)
    projector.apply_batch(conn)
    for event in history:
        projector.sweep(conn, event.received_at - 1)
        receive(conn, [event])
        projector.apply_batch(conn)
    projector.sweep(conn, end)


def enroll(conn: Connection, definitions: Definitions) -> Catalogue:
    """The catalogue with these definitions in force."""
    catalogue = register(conn, definitions)
    keep_objectives(conn, catalogue)
    return catalogue


def stored(conn: Connection) -> list[dict[str, Any]]:
    """All instances, with their progress."""
    columns = "id, workflow, verdict, reason, waiting_for, deadline_at, stuck_since, title, progress"
    rows = conn.execute(f"SELECT {columns} FROM instance ORDER BY id").fetchall()
    conn.commit()
    names = columns.split(", ")
    return [dict(zip(names, row, strict=True)) | {"progress": decode_progress(row[-1])} for row in rows]


Standing = dict[tuple[str, frozenset[Key]], tuple[Any, ...]]
"""Progress and verdict of each instance, by its workflow and keys."""


def standing_in_store(conn: Connection) -> Standing:
    """How the instances stand by what the projector wrote."""
    rows = conn.execute(
        "SELECT workflow, progress, verdict, reason, waiting_for, source_awaited, owner, since, due_at, deadline_at "
        "FROM instance"
    ).fetchall()
    conn.commit()
    standing: Standing = {}
    for workflow, packed, *words, since, due_at, deadline_at in rows:
        progress = decode_progress(packed)
        times = [None if at is None else to_micros(at) for at in (since, due_at, deadline_at)]
        assert (workflow, frozenset(progress.keys)) not in standing
        standing[workflow, frozenset(progress.keys)] = (progress, *words, *times)
    return standing


def standing_in_rehearsal(rehearsal: Rehearsal, definitions: Definitions) -> Standing:
    """How the instances stand where a rehearsal has come to."""
    standing: Standing = {}
    for workflow in definitions.workflows:
        for held in rehearsal.instances(workflow):
            one = held.verdict
            words = (one.kind.value, one.reason.value, one.waiting_for, one.source, one.owner)
            place = workflow, frozenset(held.progress.keys)
            assert place not in standing
            standing[place] = (held.progress, *words, one.since, one.due_at, one.deadline_at)
    return standing


def derived(conn: Connection) -> dict[str, str]:
    """Fingerprints of what a rebuild has to make again.

    Without the counts of duplicates, which may differ where different things are said under one id (ADR 4).
    """
    assert_that_instances_are_counted(conn)
    return {table: digest for table, digest in fingerprints(conn).items() if table != "source_state"}


def assert_that_instances_are_counted(conn: Connection) -> None:
    """What is kept of how many there are is what counting them says."""
    kept = conn.execute("SELECT workflow, verdict, count FROM instance_count ORDER BY 1, 2").fetchall()
    counted = conn.execute("SELECT workflow, verdict, count(*) FROM instance GROUP BY 1, 2 ORDER BY 1, 2").fetchall()
    conn.commit()
    assert kept == counted


def wipe(conn: Connection) -> None:
    """Forget the log and everything derived from it."""
    tables = (
        "event, span, instance, instance_count, instance_key, instance_event, instance_merge, instance_split, hub_key, rejected_join, "
        "verdict_change, sli_bucket, source_state, source_type_state, source_sample, dead_letter, projection, definition, "
        "current_definition, objective_state, shared_stretch, stretch_share, instance_handling, instance_note, saved_view, source_poll, receiver_spool, rate_limited"
    )
    with conn.transaction():
        conn.execute(f"TRUNCATE {tables}")
