"""The parts of the log: native partitions, or chunks where TimescaleDB is there. They go whole, and never by DELETE.

A part of events is dropped together with all that nobody needs; the rest takes its place under its name, so that
whoever reads the log finds it where it was, with its number and its time of arrival (ADR 15).

What is slow is done first and holds nobody up. Then the position of the projection is locked, and then the table of the
log for the moment in which the catalogue changes. Whoever waits for that longer than LOCK_MILLISECONDS gives up, so
that writers queue no longer than that behind somebody who reads the log for minutes.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import psycopg
from psycopg import sql as psql

from collector.retention.policy import Kept
from collector.store.database import Connection, has_timescale
from collector.store.sql import load
from slo_rules.acts import ACT_SOURCE

Q = load("retention")
LOCK_MILLISECONDS = 500
POSITION_MILLISECONDS = 10_000
"""How long to wait for the projector to end its transaction; nobody else waits meanwhile."""
BEHIND = timedelta(minutes=1)


class NotCurrent(Exception):
    """Not everything received has been applied: a backlog or a rebuild is under way, and who needs what is unknown."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part of `event` or `span`: what was received from `since` on and before `until`; `rows` are estimated."""

    table: str
    schema: str
    name: str
    since: datetime
    until: datetime
    bytes: int
    rows: int
    compressed: bool

    @property
    def sql(self) -> psql.Identifier:
        """Its name in statements."""
        return psql.Identifier(self.schema, self.name)


@dataclass(frozen=True, slots=True)
class Dropped:
    """How many rows are gone, and how many bytes of disk with them."""

    rows: int
    bytes: int


def parts_of(conn: Connection, table: str) -> list[Part]:
    """The parts of `event` or `span`, the oldest first, in the caller's transaction, maybe read-only."""
    found = conn.execute(Q["chunks" if has_timescale(conn) else "partitions"], {"table": table}).fetchall()
    return [Part(table, *row) for row in found]


def lock_projection(conn: Connection, now: datetime) -> None:
    """Keep the projection where it is until the transaction ends. Raises NotCurrent."""
    _wait_at_most(conn, POSITION_MILLISECONDS)
    row = conn.execute(Q["projected"]).fetchone()
    if row is None or row[0] is None or row[0] < now - BEHIND:
        raise NotCurrent
    _wait_at_most(conn, LOCK_MILLISECONDS)


def _wait_at_most(conn: Connection, milliseconds: int) -> None:
    conn.execute("SELECT set_config('lock_timeout', %s, true)", (f"{milliseconds}ms",))


def record(conn: Connection, kept: Kept, kept_since: datetime, dropped: Dropped) -> None:
    """Write down what the caller's transaction drops, and since when nothing is missing after it."""
    said: dict[str, Any] = {"class": kept, "kept_since": kept_since, "rows": dropped.rows, "bytes": dropped.bytes}
    conn.execute(Q["record_dropped"], said)


def drop(conn: Connection, part: Part) -> Dropped:
    """Drop a part of the spans, in one transaction. psycopg.errors.LockNotAvailable where it is held too long."""
    with conn.transaction():
        _wait_at_most(conn, LOCK_MILLISECONDS)
        _take_away(conn, part)
        dropped = Dropped(part.rows, part.bytes)
        record(conn, Kept.SPANS, part.until, dropped)
    return dropped


def _take_away(conn: Connection, part: Part) -> None:
    if has_timescale(conn):
        within = {"table": part.table, "since": part.since, "until": part.until}
        conn.execute(
            "SELECT drop_chunks(%(table)s::regclass, older_than => %(until)s::timestamptz, "
            "newer_than => %(since)s::timestamptz)",
            within,
        )
    else:
        conn.execute(psql.SQL("DROP TABLE {}").format(part.sql))


def find_needed(conn: Connection, until: datetime, audit_since: datetime) -> None:
    """Find the events received before `until` that instances need, for `thin`; `forget_needed` ends it.

    Those that come to be needed while this runs are like those that come to be needed a moment later.
    """
    with conn.transaction():
        conn.execute(Q["forget_needed"])
        conn.execute(Q["make_needed"])
        conn.execute(Q["find_needed"], {"until": until, "audit_since": audit_since})
        conn.execute(Q["analyze_needed"])


def forget_needed(conn: Connection) -> None:
    """Forget what `find_needed` found."""
    with conn.transaction():
        conn.execute(Q["forget_needed"])


def thin(conn: Connection, part: Part, audit_since: datetime, now: datetime) -> Dropped | None:
    """Drop what is not needed of a part of the events, in one transaction; None where all of it is.

    What people did since `audit_since` stays. Raises NotCurrent, and psycopg.errors.LockNotAvailable where something is
    held too long.
    """
    found: Dropped | None = None
    with conn.transaction():
        in_chunks = has_timescale(conn)
        rest = psql.Identifier("needed_rest") if in_chunks else psql.Identifier(part.schema, f"{part.name}_rest")
        conn.execute(psql.SQL(_IN_CHUNKS if in_chunks else _IN_PARTITIONS).format(rest))
        # A partition is read by itself: who reads the whole log holds up the making of new partitions meanwhile.
        whole = psql.Identifier(part.table) if in_chunks else part.sql
        asked = {"since": part.since, "until": part.until, "audit_since": audit_since, "acts": ACT_SOURCE}
        kept = conn.execute(psql.SQL(_KEEP).format(rest, whole), asked).rowcount
        gone = conn.execute(psql.SQL(_COUNT).format(whole), asked).fetchall()[0][0] - kept
        if kept and not gone:
            raise psycopg.Rollback
        lock_projection(conn, now)
        _take_away(conn, part)
        if in_chunks:
            conn.execute("INSERT INTO event SELECT * FROM needed_rest ORDER BY seq")
        elif kept:
            _put_in_place(conn, part, rest)
        else:
            conn.execute(psql.SQL("DROP TABLE {}").format(rest))
        if gone:
            left = sum(one.bytes for one in parts_of(conn, part.table) if one.since == part.since)
            found = Dropped(gone, max(0, part.bytes - left))
            record(conn, Kept.EVENTS, part.until, found)
    return found


_IN_CHUNKS = "CREATE TEMPORARY TABLE {} ON COMMIT DROP AS SELECT * FROM event WHERE false"
_IN_PARTITIONS = "CREATE TABLE {} (LIKE event INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING INDEXES)"
_KEEP = """
INSERT INTO {} SELECT e.* FROM {} e
WHERE e.received_at >= %(since)s AND e.received_at < %(until)s
  AND (EXISTS (SELECT FROM needed_event n WHERE n.seq = e.seq AND n.received_at = e.received_at)
       OR (e.source = %(acts)s AND e.received_at >= %(audit_since)s))
"""
_COUNT = "SELECT count(*) FROM {} e WHERE e.received_at >= %(since)s AND e.received_at < %(until)s"


def _put_in_place(conn: Connection, part: Part, rest: psql.Identifier) -> None:
    """Let a table be the part that has been dropped."""
    conn.execute(psql.SQL("ALTER TABLE {} RENAME TO {}").format(rest, psql.Identifier(part.name)))
    conn.execute(
        psql.SQL("ALTER TABLE {} ATTACH PARTITION {} FOR VALUES FROM ({}) TO ({})").format(
            psql.Identifier(part.table),
            part.sql,
            psql.Literal(part.since.isoformat()),
            psql.Literal(part.until.isoformat()),
        )
    )
