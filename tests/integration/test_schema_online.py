"""The schema changes while others work: who writes never waits for long, and what is blocked is tried again."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
import structlog

from collector.store import database, online
from collector.store.database import Connection, connect, ensure_partitions, migrate
from collector.store.online import LOCK_MILLISECONDS, SchemaBlocked
from milepost import cli
from tests.acceptance.process import COMMAND, environment
from tests.fix_postgres import Server
from tests.fix_replica import until
from tests.online_rules import faults_of

pytestmark = pytest.mark.slow

FIRST_CHECKED = "0011"
"""Migrations after this one are held to the rules of CONTRIBUTING.md."""
PATIENCE = LOCK_MILLISECONDS + 10_000
"""What a writer here bears before it fails: the longest a change may wait, and what a busy machine adds."""


@contextmanager
def writing(url: str) -> Iterator[list[int]]:
    """Somebody who writes into the hot tables all the time and fails rather than wait longer than PATIENCE."""
    done, failed, end = [0], list[BaseException](), threading.Event()

    def write() -> None:
        try:
            with connect(url, "writer", options=f"-c lock_timeout={PATIENCE}") as conn:
                while not end.is_set():
                    with conn.transaction():
                        conn.execute(
                            "INSERT INTO event (occurred_at, source, id, type, body) VALUES (now(), 's', %s, 't', '')",
                            (str(done[0]),),
                        )
                        conn.execute(
                            "INSERT INTO instance_event (instance_id, event_key, seq, received_at) "
                            "VALUES (gen_random_uuid(), gen_random_uuid(), %s, now())",
                            (done[0],),
                        )
                    done[0] += 1
        except BaseException as error:  # noqa: BLE001 - told by the test
            failed.append(error)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        until(lambda: done[0] or failed)
        yield done
        before = done[0]
        until(lambda: done[0] > before or failed)
    finally:
        end.set()
        thread.join()
    assert not failed, failed


@contextmanager
def reading(url: str, table: str) -> Iterator[None]:
    """Somebody who reads a table for as long as this lasts."""
    with connect(url, "long reader") as conn:
        conn.execute(f"SELECT count(*) FROM {table}")  # type: ignore[arg-type]
        yield
        conn.rollback()


def waits(url: str, table: str) -> bool:
    """Whether anybody waits for a lock on a table."""
    with connect(url, "looking") as conn:
        row = conn.execute(
            "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = to_regclass(%s)", (table,)
        ).fetchone()
    assert row is not None
    return bool(row[0])


def beside(work: Callable[[], Any]) -> tuple[threading.Thread, list[Any]]:
    """Work that goes on beside the test, and what becomes of it."""
    came: list[Any] = []

    def run() -> None:
        try:
            came.append(work())
        except Exception as error:  # noqa: BLE001 - looked at by the test
            came.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, came


def test_no_migration_rewrites_or_locks_a_hot_table_for_long(either_server: Server) -> None:
    url = either_server.empty()
    migrate(url, to=FIRST_CHECKED)
    said: list[str] = []

    def note(_conn: Any, _cursor: Any, statement: str, *_: Any) -> None:
        said.append(statement)

    sa.event.listen(sa.Engine, "before_cursor_execute", note)
    try:
        migrate(url)
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", note)
        either_server.drop(url)
    assert any("SELECT" in statement for statement in said)
    assert faults_of(said) == []


@pytest.mark.slow
def test_who_writes_while_the_schema_is_brought_up_to_date_never_waits_for_long(postgres: Server) -> None:
    url = postgres.empty()
    migrate(url, to=FIRST_CHECKED)
    try:
        with writing(url):
            assert migrate(url)[0] == FIRST_CHECKED
    finally:
        postgres.drop(url)


MIGRATION = """
from alembic import op
revision, down_revision = "later", {before!r}

def upgrade():
    {body}
"""


@pytest.fixture
def later(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Adds a migration with this body after the newest."""
    with connect(database_url, "test") as conn:
        row = conn.execute("SELECT version_num FROM alembic_version").fetchone()
    assert row is not None
    plain = database._alembic

    def config(connection: sa.Connection) -> Any:
        made = plain(connection)
        shipped = Path(str(made.get_main_option("script_location"))) / "versions"
        made.set_main_option("version_locations", f"{shipped}\n{tmp_path}")
        made.set_main_option("path_separator", "newline")
        return made

    def add(*statements: str) -> None:
        (tmp_path / "later.py").write_text(MIGRATION.format(before=row[0], body="\n    ".join(statements)))

    monkeypatch.setattr(database, "_alembic", config)
    monkeypatch.setattr(online, "PAUSE_SECONDS", 0.05)
    return add


def test_a_change_that_does_not_get_its_lock_lets_others_pass_and_is_tried_again(
    database_url: str, later: Callable[..., None]
) -> None:
    later('op.execute("ALTER TABLE instance_event ADD COLUMN more bigint")')
    with writing(database_url) as done, structlog.testing.capture_logs() as said:
        with reading(database_url, "instance_event"):
            thread, came = beside(lambda: migrate(database_url))
            until(lambda: waits(database_url, "instance_event"))
            # It has given up at least once, and the writer has gone on meanwhile.
            until(lambda: any(one["event"] == "schema_waits" for one in said))
            at = done[0]
            until(lambda: done[0] > at)
        thread.join()
    ((before, after),) = came
    assert (before != after, after) == (True, "later")
    (told, *_) = (one for one in said if one["event"] == "schema_waits")
    assert "ALTER TABLE instance_event ADD COLUMN more" in told["statement"]
    assert any("milepost long reader" in one for one in told["holders"])


def test_a_change_that_never_gets_its_lock_says_who_holds_it_and_leaves_nothing(
    database_url: str, later: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    later('op.create_table("half")', 'op.execute("ALTER TABLE instance ADD COLUMN more bigint")')
    patiently = online.patiently
    monkeypatch.setattr(database, "patiently", lambda attempt, holders: patiently(attempt, holders, 0.0))
    with reading(database_url, "instance"), pytest.raises(SchemaBlocked) as blocked:
        migrate(database_url)
    assert "ALTER TABLE instance ADD COLUMN more" in str(blocked.value)
    assert "milepost long reader" in str(blocked.value)
    with connect(database_url, "test") as conn:
        assert conn.execute("SELECT to_regclass('half') IS NULL").fetchone() == (True,)


def test_an_index_is_made_concurrently_outside_of_a_transaction_however_long_it_waits(
    database_url: str, later: Callable[..., None]
) -> None:
    # As CONTRIBUTING.md has it, and something after it that is in a transaction again.
    later(
        "with op.get_context().autocommit_block():",
        '    op.execute("DROP INDEX CONCURRENTLY IF EXISTS ix_more")',
        '    op.execute("CREATE INDEX CONCURRENTLY ix_more ON instance_event (received_at)")',
        "op.execute(\"SELECT set_config('milepost.waits', current_setting('lock_timeout'), false)\")",
        "op.execute(\"CREATE TABLE waits AS SELECT current_setting('milepost.waits') AS most\")",
    )
    with writing(database_url), connect(database_url, "in the way") as conn:
        conn.execute("LOCK TABLE instance_event IN ROW EXCLUSIVE MODE")
        thread, came = beside(lambda: migrate(database_url))
        # Longer than a change in a transaction would wait.
        until(lambda: waited(database_url) > LOCK_MILLISECONDS)
        conn.rollback()
        thread.join()
    assert came[0][1] == "later"
    with connect(database_url, "test") as conn:
        row = conn.execute("SELECT indisvalid FROM pg_index WHERE indexrelid = 'ix_more'::regclass").fetchone()
        assert row == (True,)
        assert conn.execute("SELECT most FROM waits").fetchone() == ("1s",)


def waited(url: str) -> float:
    """How long (milliseconds) the change of the schema has been waiting for a lock."""
    with connect(url, "looking") as conn:
        row = conn.execute(
            "SELECT extract(epoch FROM clock_timestamp() - max(l.waitstart)) * 1000 FROM pg_locks l "
            "JOIN pg_stat_activity a USING (pid) WHERE NOT l.granted AND a.application_name = 'milepost migration'"
        ).fetchone()
    return float(row[0] or 0) if row else 0.0


def test_the_next_partitions_are_made_without_holding_up_who_writes(database_url: str) -> None:
    later = datetime.now(UTC) + timedelta(days=70)
    with writing(database_url) as done:
        with reading(database_url, "event"):
            thread, came = beside(lambda: _made(database_url, later))
            until(lambda: waits(database_url, "event_default"))
            at = done[0]
            # It is still waiting for the reader while others write.
            until(lambda: done[0] > at)
            thread.join()
        (held,) = came
        assert isinstance(held, psycopg.errors.LockNotAvailable)
        made = _made(database_url, later)
    # Those of the spans, which nobody read, had been made before.
    assert {name.partition("_")[0] for name in made} == {"event"}
    assert len(made) == database.PARTITIONS_AHEAD + 1
    assert _made(database_url, later) == []


def test_who_waited_while_another_made_the_partitions_sees_them(database_url: str) -> None:
    soon, later = (datetime.now(UTC) + timedelta(days=days) for days in (70, 140))
    with connect(database_url, "partitions") as second, connect(database_url, "test") as first:
        # A session that has made some knows all functions and asks no table for them: it looks for nothing new.
        assert ensure_partitions(second, soon)
        with first.transaction():
            first.execute("SELECT pg_advisory_xact_lock(%s)", (database.PARTITION_LOCK,))
            thread, came = beside(lambda: ensure_partitions(second, later))
            until(lambda: _waits_for_its_turn(first))
            made = ensure_partitions(first, later)
        thread.join()
    assert len(made) == 2 * (database.PARTITIONS_AHEAD + 1)
    assert came == [[]]


def test_partitions_made_apart_are_like_those_made_in_place(database_url: str) -> None:
    with connect(database_url, "test") as conn:
        conn.execute("CREATE TABLE event_inplace PARTITION OF event FOR VALUES FROM ('2001-01-01') TO ('2001-01-08')")
        ensure_partitions(conn, datetime(2002, 1, 1, tzinfo=UTC))

        def looks(name: str) -> list[Any]:
            found = conn.execute(
                "SELECT attname, atttypid, attnotnull, attstorage, attcompression, pg_get_expr(adbin, adrelid) "
                "FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum "
                "WHERE attrelid = %s::regclass AND attnum > 0 ORDER BY attnum",
                (name,),
            ).fetchall()
            keys = conn.execute(
                "SELECT pg_get_constraintdef(oid), conparentid <> 0 FROM pg_constraint WHERE conrelid = %s::regclass "
                "AND contype = 'p'",
                (name,),
            ).fetchall()
            return [*found, *keys]

        assert looks("event_20011231") == looks("event_inplace")


def test_the_schema_can_be_brought_up_to_date_by_a_command_of_its_own(postgres: Server) -> None:
    url = postgres.empty()
    try:

        def upgrade() -> str:
            command = [*COMMAND, "db", "upgrade", "--database-url", url]
            return subprocess.run(command, check=True, capture_output=True, text=True, env=environment()).stdout

        assert "was not there and is of version" in upgrade()
        assert upgrade().endswith("and up to date.\n")
    finally:
        postgres.drop(url)


def test_a_command_that_cannot_change_the_schema_ends_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def blocked() -> None:
        raise SchemaBlocked("somebody holds it")

    monkeypatch.setattr(cli, "app", blocked)
    with pytest.raises(SystemExit, match="somebody holds it"):
        cli.main()


def _waits_for_its_turn(conn: Connection) -> bool:
    row = conn.execute(
        "SELECT count(*) FROM pg_locks JOIN pg_database d ON d.oid = database "
        "WHERE datname = current_database() AND locktype = 'advisory' AND NOT granted"
    ).fetchone()
    return bool(row and row[0])


def _made(url: str, now: datetime) -> list[str]:
    with connect(url, "partitions") as conn:
        return ensure_partitions(conn, now)
