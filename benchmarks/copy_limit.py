"""The server's own limit: the same rows by binary COPY into the same table, on one connection, nothing else done."""

from __future__ import annotations

import time
from typing import NamedTuple

import psycopg

from benchmarks.processes import processor_seconds
from collector.copyformat import HEADER, TRAILER

ROWS_PER_COMMIT = 5_000


class Copied(NamedTuple):
    """Rows per second, and what each has taken of a processor in the database, in microseconds."""

    rate: float
    micros: float


def copied(database_url: str, statement: str, rows: list[bytes]) -> Copied:
    """Commits of ROWS_PER_COMMIT rows, each durable before the next begins."""
    commits = [
        HEADER + b"".join(rows[at : at + ROWS_PER_COMMIT]) + TRAILER for at in range(0, len(rows), ROWS_PER_COMMIT)
    ]
    with psycopg.connect(database_url) as conn:
        session = conn.info.backend_pid
        before, started = processor_seconds(session), time.monotonic()
        for data in commits:
            with conn.transaction(), conn.cursor().copy(statement) as copy:
                copy.write(data)
        rate = len(rows) / (time.monotonic() - started)
        return Copied(rate, (processor_seconds(session) - before) / len(rows) * 1e6)
