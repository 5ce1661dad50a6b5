"""The database as a reader finds it: nothing is migrated, registered or written, and the service may be running."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from collector.sampling import READ_ONLY, holds_a_log
from collector.store.database import Connection, connect
from milepost.embedded import EmbeddedPostgres
from milepost.settings import Settings


class NoStoredData(Exception):
    """There is no database of Milepost's where the settings say; the message says where that is."""


@contextmanager
def open_stored_data(settings: Settings) -> Iterator[tuple[str, Connection]]:
    """The database's URL, and a connection to it that cannot write. Raises NoStoredData."""
    embedded = None if settings.database_url else EmbeddedPostgres(settings.data_dir)
    if embedded is not None and not (settings.data_dir / "postgres").is_dir():
        raise NoStoredData(
            f"There is no database in {settings.data_dir}: say where it is with --data-dir or --database-url."
        )
    try:
        url = embedded.start() if embedded is not None else settings.database_url or ""
        try:
            conn = connect(url, "reading", options=READ_ONLY)
        except psycopg.OperationalError as error:
            raise NoStoredData(f"The database cannot be reached: {error}") from error
        with conn:
            if not holds_a_log(conn):
                raise NoStoredData(
                    "This database holds nothing of Milepost's yet: nothing was ever served or imported."
                )
            yield url, conn
    finally:
        if embedded is not None:
            embedded.stop()
