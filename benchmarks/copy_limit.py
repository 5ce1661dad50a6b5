"""The server's own limit: the same rows by binary COPY into the same table, on one connection, nothing else done."""

from __future__ import annotations

import time

import psycopg

from collector.copyformat import HEADER, TRAILER

ROWS_PER_COMMIT = 5_000


def rows_per_second(database_url: str, statement: str, rows: list[bytes]) -> float:
    """Commits of ROWS_PER_COMMIT rows, each durable before the next begins."""
    commits = [
        HEADER + b"".join(rows[at : at + ROWS_PER_COMMIT]) + TRAILER for at in range(0, len(rows), ROWS_PER_COMMIT)
    ]
    with psycopg.connect(database_url) as conn:
        started = time.monotonic()
        for data in commits:
            with conn.transaction(), conn.cursor().copy(statement) as copy:
                copy.write(data)
        return len(rows) / (time.monotonic() - started)
