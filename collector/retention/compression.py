"""Compression of the older chunks of the log, where TimescaleDB can do that.

It is done by the duty and not by a policy of TimescaleDB's: those need its background workers, and what is dropped and
what is compressed would be decided in two places.
"""

from __future__ import annotations

from datetime import datetime

import psycopg
from psycopg import sql as psql

from collector.retention.parts import LOCK_MILLISECONDS, Part, parts_of
from collector.store.database import Connection, has_timescale

ORDER = {"event": "seq", "span": "trace_id, start_ns"}
"""Rows that lie together compressed, by table: those that are looked up together."""


def can_compress(conn: Connection) -> bool:
    """Whether chunks can be compressed: not without TimescaleDB, and not by what it offers under the Apache licence."""
    if not has_timescale(conn):
        return False
    row = conn.execute("SELECT current_setting('timescaledb.license', true)").fetchone()
    return row is not None and row[0] == "timescale"


def compress_old(conn: Connection, until: datetime, postponed: dict[str, str]) -> int:
    """Compress the chunks of what was received before `until`, each in one transaction; how many were compressed.

    Nobody else writes to those, and who reads them goes on; where somebody was forgotten, what was changed lies beside
    what is compressed, and the chunk is compressed again. What somebody holds is told in `postponed`.
    """
    done = 0
    with conn.transaction():
        if not can_compress(conn):
            return 0
        old = [part for table in ORDER for part in parts_of(conn, table) if part.until <= until]
        due = [part for part in old if not part.compressed or _holds_loose_rows(conn, part)]
    for table in {part.table for part in due}:
        _prepare(conn, table)
    for part in due:
        try:
            with conn.transaction():
                conn.execute("SELECT set_config('lock_timeout', %s, true)", (f"{LOCK_MILLISECONDS}ms",))
                conn.execute(psql.SQL("SELECT compress_chunk({}::regclass)").format(_named(part.schema, part.name)))
        except psycopg.errors.LockNotAvailable:
            postponed["compression"] = "somebody else holds a chunk"
        else:
            done += 1
    return done


def _holds_loose_rows(conn: Connection, part: Part) -> bool:
    """Whether rows of a compressed chunk lie beside what is compressed: changed since, and called compressed still."""
    row = conn.execute(psql.SQL("SELECT EXISTS (SELECT FROM ONLY {})").format(part.sql)).fetchone()
    return row is not None and bool(row[0])


def _prepare(conn: Connection, table: str) -> None:
    """Say how a table is compressed, if nobody has said so yet."""
    with conn.transaction():
        row = conn.execute(
            "SELECT compression_enabled FROM timescaledb_information.hypertables "
            "WHERE hypertable_name = %s AND hypertable_schema = current_schema()",
            (table,),
        ).fetchone()
        if row and not row[0]:
            conn.execute("SELECT set_config('lock_timeout', %s, true)", (f"{LOCK_MILLISECONDS}ms",))
            conn.execute(
                psql.SQL(
                    "ALTER TABLE {} SET (timescaledb.compress, timescaledb.compress_segmentby = '', "
                    "timescaledb.compress_orderby = {})"
                ).format(psql.Identifier(table), psql.Literal(ORDER[table]))
            )


def _named(schema: str, name: str) -> psql.Literal:
    return psql.Literal(f'"{schema}"."{name}"')
