"""What is measured: a PostgreSQL of our own in a temporary folder, and the real `milepost serve` process before it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psycopg
from psycopg import sql

from collector.store.database import Connection, migrate, sqlalchemy_url
from milepost.embedded import EmbeddedPostgres
from slo_rules.compiled import INTERPRETED

HOST = "127.0.0.1"
START_SECONDS = 60
STOP_SECONDS = 30


class Postgres:
    """The embedded PostgreSQL with the settings Milepost gives it; one migrated database per measurement."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._embedded = EmbeddedPostgres(folder)
        self._url = self._embedded.start()

    def track_commit_timestamps(self) -> None:
        """Restart it so that it remembers when each transaction committed."""
        with psycopg.connect(self._url, autocommit=True) as conn:
            conn.execute("ALTER SYSTEM SET track_commit_timestamp = on")
        self._embedded.stop()
        self._embedded = EmbeddedPostgres(self._folder)
        self._url = self._embedded.start()

    def database(self, name: str) -> str:
        """The URL of a new database with Milepost's schema."""
        with psycopg.connect(self._url, autocommit=True) as conn:
            conn.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        made = sqlalchemy_url(self._url).set(drivername="postgresql", database=name)
        url = made.render_as_string(hide_password=False)
        migrate(url)
        return url

    @property
    def version(self) -> str:
        """As the server says it, in short."""
        with psycopg.connect(self._url) as conn:
            return str(conn.info.parameter_status("server_version")).split(" ", maxsplit=1)[0]

    def stop(self) -> None:
        """Stop it."""
        self._embedded.stop()


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

    def processor_seconds(self) -> tuple[float, float]:
        """What Milepost and its database sessions have taken so far: meaningful on a busy machine too."""
        rows = self.conn.execute("SELECT pid FROM pg_stat_activity WHERE datname = current_database()").fetchall()
        return _processor_seconds(self.pid), sum(_processor_seconds(pid) for (pid,) in rows)

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


def _processor_seconds(pid: int) -> float:
    """User and system time of all threads of a process (proc(5)); 0 once it is gone."""
    try:
        said = Path(f"/proc/{pid}/stat").read_text("utf-8")
    except FileNotFoundError:
        return 0
    ticks = said.rpartition(")")[2].split()[11:13]
    return sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")


@contextmanager
def serve(database_url: str, definitions: str) -> Iterator[Served]:
    """`milepost serve` on this database; stopped as an operator would, by SIGTERM."""
    with tempfile.TemporaryDirectory(prefix="milepost-bench-") as folder:
        file, log = Path(folder) / "definitions.yaml", Path(folder) / "log"
        file.write_text(definitions, "utf-8")
        port = _free_port()
        command = [sys.executable, "-m", "milepost.cli", "serve", "--database-url", database_url]
        command += ["--definitions", str(file), "--host", HOST, "--port", str(port), "--log-level", "warning"]
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


def _free_port() -> int:
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
    raise RuntimeError(f"milepost serve does not come up:\n{log.read_text('utf-8', 'replace')[-4000:]}")
