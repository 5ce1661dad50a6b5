"""The way to the database: connecting, migrating, and the time partitions of the log."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from importlib.resources import files
from typing import Any

import psycopg
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from psycopg import sql as psql

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

_KEEPALIVE_SECONDS = {"idle": 10, "interval": 5}
_KEEPALIVE_COUNT = 3
_UNANSWERED_MILLISECONDS = 25_000
"""After so long without an answer from the other machine it counts as gone, on either side."""

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


def migrate(database_url: str) -> None:
    """Bring the schema up to date; TimescaleDB is taken into use on the first run where the server offers it.

    Several processes may do so at once: one works, the others wait.
    """
    engine = sa.create_engine(sqlalchemy_url(database_url), poolclass=sa.NullPool, connect_args=session("migration"))
    try:
        with engine.connect() as guard:
            guard.execute(sa.text("SELECT pg_advisory_lock(:lock)"), {"lock": MIGRATION_LOCK})
            guard.commit()
            if not sa.inspect(guard).has_table("alembic_version"):
                _offer_timescale(guard)
            with engine.connect() as connection:
                command.upgrade(_alembic(connection), "head")
                connection.commit()
    finally:
        engine.dispose()
    with connect(database_url, "partitions") as conn:
        ensure_partitions(conn, datetime.now(UTC))


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
    """Make the native partitions of the coming weeks; returns the names of new ones. Does nothing under TimescaleDB."""
    made: list[str] = []
    with conn.transaction():
        if has_timescale(conn):
            return made
        conn.execute("SELECT pg_advisory_xact_lock(%s)", (LOG_LOCK,))
        week = _MONDAY + timedelta(days=(now - _MONDAY).days // PARTITION_DAYS * PARTITION_DAYS)
        for table in ("event", "span"):
            for number in range(PARTITIONS_AHEAD + 1):
                start = week + timedelta(days=PARTITION_DAYS * number)
                name = f"{table}_{start:%Y%m%d}"
                row = conn.execute("SELECT to_regclass(%s)", (name,)).fetchone()
                if row and row[0] is not None:
                    continue
                conn.execute(
                    psql.SQL("CREATE TABLE {} PARTITION OF {} FOR VALUES FROM ({}) TO ({}) WITH ({})").format(
                        psql.Identifier(name),
                        psql.Identifier(table),
                        psql.Literal(start.isoformat()),
                        psql.Literal((start + timedelta(days=PARTITION_DAYS)).isoformat()),
                        psql.SQL(_NEVER_CHANGED),
                    )
                )
                made.append(name)
    return made
