"""What the database holds, how old and how large that is, and what retention will drop when: read, nothing written."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from psycopg import sql as psql

from collector.retention.compression import ORDER, can_compress
from collector.retention.counted import first_kept, old_places
from collector.retention.duty import REST
from collector.retention.finished import begun_before
from collector.retention.parts import Part, parts_of
from collector.retention.policy import Kept, Retention
from collector.store.database import Connection, has_timescale
from collector.store.sql import load
from slo_rules.instants import to_datetime

Q = load("status")

TABLES = {
    Kept.EVENTS: ("event", "dead_letter", "source_request"),
    Kept.SPANS: ("span",),
    Kept.INSTANCES: (
        "instance",
        "instance_count",
        "instance_key",
        "instance_event",
        "verdict_change",
        "instance_merge",
        "instance_split",
    ),
    Kept.BUCKETS: ("sli_bucket",),
    Kept.AUDIT: ("incident", "incident_event", "incident_target", "outbox", "delivery", "rejected_join"),
}
"""Where each class lies. What people did is in the log besides."""
LOG = {Kept.EVENTS: "event", Kept.SPANS: "span"}


@dataclass(frozen=True, slots=True)
class TableStatus:
    """One table with its partitions or chunks; `rows` and `dead_rows` are the server's estimates."""

    name: str
    table_bytes: int
    index_bytes: int
    rows: int
    dead_rows: int
    vacuumed_at: datetime | None

    @property
    def bytes(self) -> int:
        """With its indexes."""
        return self.table_bytes + self.index_bytes


@dataclass(frozen=True, slots=True)
class Compression:
    """The compressed chunks of a class: how many, and how large they were and are."""

    chunks: int
    before_bytes: int
    after_bytes: int


@dataclass(slots=True)
class ClassStatus:
    """One class of what is kept.

    `keep` is for how long (micros; None: for good). `due_bytes` and `due_rows` are what the next run may drop, at most:
    of events it keeps what open instances need. `next_run_at` is when that may be at the earliest, and `next_due_at`
    when a part of the log comes to be due that is not yet, of `next_due_bytes`.
    """

    kept: Kept
    keep: int | None
    kept_since: datetime | None
    ran_at: datetime | None
    dropped_rows: int
    freed_bytes: int
    tables: list[TableStatus]
    oldest: datetime | None = None
    newest: datetime | None = None
    parts: list[Part] = field(default_factory=list)
    compression: Compression | None = None
    due_rows: int = 0
    due_bytes: int = 0
    next_run_at: datetime | None = None
    next_due_at: datetime | None = None
    next_due_bytes: int = 0

    @property
    def bytes(self) -> int:
        """All its tables with their indexes."""
        return sum(table.bytes for table in self.tables)


@dataclass(frozen=True, slots=True)
class Status:
    """A database at an instant; `others` are the tables that grow with the definitions and not with what arrives."""

    at: datetime
    version: str
    migration: str
    bytes: int
    extensions: dict[str, str]
    compresses: bool
    classes: list[ClassStatus]
    others: list[TableStatus]


def read_status(conn: Connection, retention: Retention) -> Status:
    """The status, in one transaction of its own that may be read-only.

    What the service has said of how long it keeps goes before `retention`, which holds until it has said anything.
    """
    with conn.transaction():
        row = conn.execute(Q["database"]).fetchone()
        assert row is not None
        version, size, migration, now = row
        tables = {one.name: one for one in (TableStatus(*row) for row in conn.execute(Q["tables"]).fetchall())}
        said = {row[0]: row[1:] for row in conn.execute(Q["retention"]).fetchall()}
        compresses = can_compress(conn)
        classes = []
        for kept in Kept:
            record = said.get(kept, (retention.of(kept), None, None, 0, 0))
            keep, kept_since, ran_at, rows, freed = record
            of_class = [tables[name] for name in TABLES[kept] if name in tables]
            one = ClassStatus(kept, keep, kept_since, ran_at, rows, freed, of_class)
            if kept in LOG:
                _look_at_log(conn, one, LOG[kept], now, compresses=compresses)
            else:
                _look_at_rows(conn, one, now)
            if one.keep is not None:
                one.next_run_at = now if one.ran_at is None else max(now, one.ran_at + REST)
            classes.append(one)
        extensions: dict[str, str] = dict(conn.execute(Q["extensions"]).fetchall())
    known = {name for names in TABLES.values() for name in names}
    others = [one for one in tables.values() if one.name not in known]
    return Status(now, version, migration, size, extensions, compresses, classes, others)


def _look_at_log(conn: Connection, one: ClassStatus, table: str, now: datetime, *, compresses: bool) -> None:
    one.parts = parts_of(conn, table)
    if has_timescale(conn):
        # The server knows nothing of the rows and the size of what is compressed.
        said = next(found for found in one.tables if found.name == table)
        rows, size = sum(part.rows for part in one.parts), sum(part.bytes for part in one.parts)
        one.tables[one.tables.index(said)] = TableStatus(
            table, max(0, size - said.index_bytes), min(size, said.index_bytes), rows, said.dead_rows, said.vacuumed_at
        )
        if compresses and table in ORDER and any(part.compressed for part in one.parts):
            row = conn.execute(Q["compression"], {"table": table}).fetchone()
            one.compression = None if row is None else Compression(*row)
    if one.kept is Kept.EVENTS:
        one.oldest, one.newest = _one(conn, "ends_of_events")
    else:
        one.oldest, one.newest = _ends_of_spans(conn, one.parts)
    if one.keep is not None:
        length = timedelta(microseconds=one.keep)
        due = [
            part for part in one.parts
            if part.until <= now - length and (one.kept_since is None or part.until > one.kept_since)
        ]  # fmt: skip
        one.due_rows, one.due_bytes = sum(part.rows for part in due), sum(part.bytes for part in due)
        ahead = next((part for part in one.parts if part.until > now - length), None)
        if ahead is not None:
            one.next_due_at, one.next_due_bytes = ahead.until + length, ahead.bytes


def _ends_of_spans(conn: Connection, parts: list[Part]) -> tuple[datetime | None, datetime | None]:
    """When the first and the last span arrived. They have no index by that, but lie in the order of their arrival."""
    if has_timescale(conn):
        oldest, newest = conn.execute("SELECT min(received_at), max(received_at) FROM span").fetchall()[0]
        return oldest, newest
    first = _first_found(conn, "SELECT received_at FROM {} LIMIT 1", parts)
    last = _first_found(
        conn,
        "SELECT max(received_at) FROM {0} "
        "WHERE ctid >= format('(%%s,0)', greatest(pg_relation_size({1}::regclass) / 8192 - 1, 0))::tid",
        parts[::-1],
    )
    return first, last


def _first_found(conn: Connection, statement: str, parts: list[Part]) -> datetime | None:
    for part in parts:
        named = psql.Literal(f'"{part.schema}"."{part.name}"')
        row = conn.execute(psql.SQL(statement).format(part.sql, named), {}).fetchone()
        if row is not None and row[0] is not None:
            found: datetime = row[0]
            return found
    return None


def _look_at_rows(conn: Connection, one: ClassStatus, now: datetime) -> None:
    oldest, newest = _one(conn, f"ends_of_{one.kept}")
    one.oldest, one.newest = _begun(oldest), _begun(newest)
    if one.keep is None:
        return
    until = now - timedelta(microseconds=one.keep)
    match one.kept:
        case Kept.INSTANCES:
            one.due_rows = _one(conn, "due_instances", before=begun_before(until))[0]
        case Kept.BUCKETS:
            one.due_rows = _count_old(conn, first_kept(until))
        case Kept.AUDIT:
            one.due_rows = _one(conn, "due_audit", until=until)[0]


def _begun(end: datetime | UUID | None) -> datetime | None:
    """The time that an id begins with."""
    return to_datetime(int.from_bytes(end.bytes[:6], "big") * 1000) if isinstance(end, UUID) else end


def _count_old(conn: Connection, until: datetime) -> int:
    places = old_places(conn, until)
    if not places:
        return 0
    asked = {"until": until, "objectives": [one for one, _ in places], "groups": [group for _, group in places]}
    found: int = _one(conn, "due_buckets", **asked)[0]
    return found


def _one(conn: Connection, name: str, **asked: Any) -> tuple[Any, ...]:
    row = conn.execute(Q[name], asked).fetchone()
    assert row is not None
    return row
