"""The way to the database: connecting, migrating, and the time partitions of the log."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from typing import Any

import psycopg
import sqlalchemy as sa
import structlog
from alembic import command
from alembic.config import Config
from psycopg import sql as psql

from collector.store.online import LOCK_MILLISECONDS, HeldByOthers, patiently

log = structlog.get_logger("milepost.schema")

Connection = psycopg.Connection[tuple[Any, ...]]

BY_INDEX = "-c enable_seqscan=off -c plan_cache_mode=force_custom_plan"
"""For sessions that only ever look a batch up by its keys: without it, plans made while the tables were still empty
and without statistics read them whole until the next ANALYZE."""

PLANNED_ONCE = "-c enable_seqscan=off -c plan_cache_mode=force_generic_plan"
"""For sessions that send the same few statements all day: with the values of an array before it the planner weighs
each of them, which takes longer than finding them."""

MIGRATION_LOCK = 0x6D696C65_0001
LOG_LOCK = 0x6D696C65_0002
PROJECTION_LOCK = 0x6D696C65_0003
RETENTION_LOCK = 0x6D696C65_0010
BUCKETS_LOCK = 0x6D696C65_0011
"""Whoever adds to the buckets of objectives: two transactions would make the same new one."""
HANDS_LOCK = 0x6D696C65_0012
"""Held together by all that take shares of a stretch of the log."""
SHARE_LOCKS = 0x6D696C65_0100
"""With the number of the share added."""
PARTITION_LOCK = 0x6D696C65_0014

_KEEPALIVE_SECONDS = {"idle": 10, "interval": 5}
_KEEPALIVE_COUNT = 3
_UNANSWERED_MILLISECONDS = 25_000
"""After so long without an answer from the other machine it counts as gone, on either side."""

_ASK_AGAIN_SECONDS = 0.1

PARTITION_DAYS = 7
PARTITIONS_AHEAD = 4
_MONDAY = datetime(2024, 1, 1, tzinfo=UTC)


def sqlalchemy_url(database_url: str) -> sa.URL:
    """A `postgresql://` URL for SQLAlchemy with the psycopg driver."""
    return sa.make_url(database_url).set(drivername="postgresql+psycopg")


def session(name: str, options: str = "") -> dict[str, Any]:
    """What every connection is opened with: it speaks UTC and shows as `name` in pg_stat_activity.

    A machine that vanishes says nothing. Both ends ask after each other, so that the server frees the locks of a
    vanished process, and a process leaves a vanished server, within half a minute instead of hours.
    """
    server = {f"tcp_keepalives_{what}": seconds for what, seconds in _KEEPALIVE_SECONDS.items()}
    server |= {"tcp_keepalives_count": _KEEPALIVE_COUNT, "tcp_user_timeout": _UNANSWERED_MILLISECONDS}
    asked = " ".join(f"-c {setting}={value}" for setting, value in server.items())
    return {
        "application_name": f"milepost {name}",
        "connect_timeout": 10,
        "options": f"-c timezone=UTC -c jit=off {asked} {options}",
        **{f"keepalives_{what}": seconds for what, seconds in _KEEPALIVE_SECONDS.items()},
        "keepalives_count": _KEEPALIVE_COUNT,
        "tcp_user_timeout": _UNANSWERED_MILLISECONDS,
    }


def connect(database_url: str, name: str, *, autocommit: bool = False, options: str = "") -> Connection:
    """A connection with what every session has and these options. psycopg.OperationalError if down."""
    return psycopg.connect(
        sqlalchemy_url(database_url).set(drivername="postgresql").render_as_string(hide_password=False),
        autocommit=autocommit,
        **session(name, options),
    )


def migrate(database_url: str, *, to: str = "head") -> tuple[str | None, str | None]:
    """Bring the schema up to date beside whoever works with it; its versions before and after, None without one.

    TimescaleDB is taken into use on the first run where the server offers it. Several processes may do so at once: one
    works, the others wait. Raises SchemaBlocked.
    """
    engine = sa.create_engine(sqlalchemy_url(database_url), poolclass=sa.NullPool, connect_args=session("migration"))
    try:
        with engine.connect() as guard:
            _take_turn(guard)
            before = _version(guard)
            if before is None:
                _offer_timescale(guard)
            # Its session holds the lock. A transaction left open would hold up indexes that are made concurrently.
            guard.commit()
            patiently(lambda: _upgrade(engine, to), lambda: _long_open(guard))
            after = _version(guard)
    finally:
        engine.dispose()
    with connect(database_url, "partitions") as conn:
        try:
            ensure_partitions(conn, datetime.now(UTC))
        except psycopg.errors.LockNotAvailable:
            log.warning("partitions_postponed", reason="somebody reads the log for long; there are some for weeks")
    return before, after


def _version(connection: sa.Connection) -> str | None:
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.scalar(sa.text("SELECT max(version_num) FROM alembic_version"))
    connection.commit()
    return found


def _upgrade(engine: sa.Engine, to: str) -> None:
    """Run what is missing, each migration in its own transaction; those that were done stay done. HeldByOthers."""
    with engine.connect() as connection:
        # For transactions only: what is made concurrently, outside of one, waits for others and nobody waits for it.
        sa.event.listen(connection, "begin", _wait_briefly)
        try:
            command.upgrade(_alembic(connection), to)
        except sa.exc.DBAPIError as error:
            if not isinstance(error.orig, (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected)):
                raise
            raise HeldByOthers(" ".join((error.statement or "a statement").split())[:200]) from error


def _wait_briefly(connection: sa.Connection) -> None:
    connection.exec_driver_sql(f"SET LOCAL lock_timeout = {LOCK_MILLISECONDS}")


def _long_open(connection: sa.Connection) -> list[str]:
    """The transactions that have been open for longer than a change waits, the oldest first, for people."""
    rows = connection.execute(
        sa.text(
            "SELECT pid, coalesce(nullif(application_name, ''), usename, backend_type), state, "
            "round(extract(epoch FROM clock_timestamp() - xact_start)) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid() "
            "AND clock_timestamp() - xact_start > make_interval(secs => :seconds) ORDER BY xact_start LIMIT 5"
        ),
        {"seconds": LOCK_MILLISECONDS / 1000},
    ).fetchall()
    connection.commit()
    return [f"process {pid} ({name}, {state}) since {seconds:,} s" for pid, name, state, seconds in rows]


def _take_turn(guard: sa.Connection) -> None:
    """Wait for the lock of migrations, never in a statement: an index that is made beside writers waits for those."""
    while True:
        taken = guard.scalar(sa.text("SELECT pg_try_advisory_lock(:lock)"), {"lock": MIGRATION_LOCK})
        guard.commit()
        if taken:
            return
        time.sleep(_ASK_AGAIN_SECONDS)


def _alembic(connection: sa.Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(files("collector.store") / "migrations"))
    config.attributes["connection"] = connection
    return config


def _offer_timescale(connection: sa.Connection) -> None:
    available = connection.scalar(
        sa.text(
            "SELECT count(*) FROM pg_available_extensions WHERE name = 'timescaledb' "
            "AND current_setting('shared_preload_libraries') LIKE '%timescaledb%'"
        )
    )
    if available:
        try:
            connection.execute(sa.text("CREATE EXTENSION IF NOT EXISTS timescaledb"))
            connection.commit()
        except sa.exc.ProgrammingError:
            # Without the right to create extensions the native partitions do the same work.
            connection.rollback()


_NEVER_CHANGED = "autovacuum_vacuum_insert_threshold = -1, autovacuum_analyze_scale_factor = 1"
"""What is only added to and dropped whole needs no vacuum as it grows: that took a twentieth of the processors."""


def has_timescale(conn: Connection) -> bool:
    """Whether this database keeps the log in hypertables."""
    row = conn.execute("SELECT count(*) FROM pg_extension WHERE extname = 'timescaledb'").fetchone()
    return bool(row and row[0])


def ensure_partitions(conn: Connection, now: datetime) -> list[str]:
    """Make the native partitions of the coming weeks; returns the names of new ones. Does nothing under TimescaleDB.

    Nobody who writes waits for that. Who reads the default partition, as who reads the whole log does, holds it up:
    then psycopg.errors.LockNotAvailable is raised, after all has been made that could be.
    """
    week = _MONDAY + timedelta(days=(now - _MONDAY).days // PARTITION_DAYS * PARTITION_DAYS)
    starts = [week + timedelta(days=PARTITION_DAYS * number) for number in range(PARTITIONS_AHEAD + 1)]
    wanted = {f"{table}_{start:%Y%m%d}": (table, start) for table in ("event", "span") for start in starts}
    with conn.transaction():
        if has_timescale(conn):
            return []
        absent = conn.execute(
            "SELECT name FROM unnest(%s::text[]) WITH ORDINALITY AS wanted (name, place) "
            "WHERE to_regclass(name) IS NULL ORDER BY place",
            (list(wanted),),
        ).fetchall()
    made: list[str] = []
    held: dict[str, psycopg.errors.LockNotAvailable] = {}
    for (name,) in absent:
        table, start = wanted[name]
        if table in held:
            continue
        try:
            with conn.transaction():
                if _make_partition(conn, table, name, start):
                    made.append(name)
        except psycopg.errors.LockNotAvailable as error:
            held[table] = error
    if held:
        raise next(iter(held.values()))
    return made


def _make_partition(conn: Connection, table: str, name: str, start: datetime) -> bool:
    """Make one if there is none. To make it apart and attach it takes no lock that anybody who writes waits for."""
    conn.execute("SELECT set_config('lock_timeout', %s, true)", (f"{LOCK_MILLISECONDS}ms",))
    conn.execute("SELECT pg_advisory_xact_lock(%s)", (PARTITION_LOCK,))
    # Asked of the table: a name that was looked up before the wait would be remembered as absent (to_regclass).
    row = conn.execute("SELECT FROM pg_class WHERE relname = %s AND pg_table_is_visible(oid)", (name,)).fetchone()
    if row is not None:
        return False
    conn.execute(
        psql.SQL("CREATE TABLE {} (LIKE {} INCLUDING ALL) WITH ({})").format(
            psql.Identifier(name), psql.Identifier(table), psql.SQL(_NEVER_CHANGED)
        )
    )
    conn.execute(
        psql.SQL("ALTER TABLE {} ATTACH PARTITION {} FOR VALUES FROM ({}) TO ({})").format(
            psql.Identifier(table),
            psql.Identifier(name),
            psql.Literal(start.isoformat()),
            psql.Literal((start + timedelta(days=PARTITION_DAYS)).isoformat()),
        )
    )
    return True
