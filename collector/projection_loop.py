"""The thread that keeps projecting: woken by the log writer of this process, and on its own for those of others."""

from __future__ import annotations

import threading

import psycopg
import structlog

from collector import metrics
from collector.catalogue import Catalogue
from collector.projector import Projector
from collector.store.database import BY_INDEX, Connection, connect

log = structlog.get_logger("milepost.projector")

IDLE_SECONDS = 0.1
STANDBY_SECONDS = 1.0
RETRY_SECONDS = 1.0


class ProjectionLoop:
    """Runs `Projector.cycle` until closed; survives the database and any error, and says so."""

    def __init__(self, database_url: str, catalogue: Catalogue, wake: threading.Event) -> None:
        self._url = database_url
        self._projector = Projector(catalogue)
        self._wake = wake
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="projector", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def close(self) -> None:
        """Finish the cycle, then stop."""
        self._closing.set()
        self._wake.set()
        self._thread.join(timeout=30)

    def _run(self) -> None:
        conn: Connection | None = None
        while not self._closing.is_set():
            try:
                if conn is None or conn.closed:
                    conn = connect(self._url, "projector", options=BY_INDEX)
                if not self._projector.acquire(conn):
                    self._closing.wait(STANDBY_SECONDS)
                    continue
                self._wake.clear()
                if not self._projector.cycle(conn):
                    self._wake.wait(IDLE_SECONDS)
            except psycopg.OperationalError as error:
                log.warning("projection_interrupted", error=str(error).strip())
                self._pause(conn)
                conn = None
            except Exception:
                log.exception("projection_failed")
                self._pause(conn)
                conn = None
        if conn is not None:
            conn.close()

    def _pause(self, conn: Connection | None) -> None:
        metrics.DUTY_FAILURES.labels("projector").inc()
        if conn is not None:
            conn.close()
        self._closing.wait(RETRY_SECONDS)
