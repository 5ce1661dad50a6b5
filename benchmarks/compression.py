"""What a million events and spans leave on disk: plain, and with TimescaleDB before and after it compresses."""

from __future__ import annotations

import os
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks import orders, spans
from benchmarks.load import LoadGenerator
from benchmarks.report import Figure
from benchmarks.server import Postgres, Served, serve
from collector.retention.compression import compress_old
from collector.store.database import connect, has_timescale

BUILD = "MILEPOST_TEST_PG_BIN"
"""Names the `bin` folder of a PostgreSQL with TimescaleDB, as for the tests."""
CONNECTIONS = 4
LIMIT_SECONDS = 600
AT_ONCE = 240_000
LOG = ("event", "span")
MILLION = 1_000_000


def measure(postgres: Postgres, load: LoadGenerator, events: int, requests: int) -> list[Figure]:
    """(m) Bytes of the log after `events`, and of spans after so many requests; skipped in part without TimescaleDB."""
    figures = _plain(postgres, load, events, requests)
    bin_path = os.environ.get(BUILD)
    if bin_path is None:
        print(f"(m) without TimescaleDB only: set {BUILD} to the bin folder of a PostgreSQL that has it")
        return figures
    with tempfile.TemporaryDirectory(prefix="milepost-bench-", ignore_cleanup_errors=True) as folder:
        other = Postgres(Path(folder), bin_path=Path(bin_path))
        try:
            return figures + _with_timescale(other, load, events, requests)
        finally:
            other.stop()


def _plain(postgres: Postgres, load: LoadGenerator, events: int, requests: int) -> list[Figure]:
    with serve(postgres.database("plain"), orders.DEFINITIONS + spans.MORE_DEFINITIONS) as served:
        _fill(served, load, events, requests)
        sizes = {table: _size(served, table) for table in LOG}
    postgres.drop("plain")
    return [_told(f"(m) {table}, plain partitions", size) for table, size in sizes.items()]


def _with_timescale(postgres: Postgres, load: LoadGenerator, events: int, requests: int) -> list[Figure]:
    url = postgres.database("compressed")
    with serve(url, orders.DEFINITIONS + spans.MORE_DEFINITIONS) as served:
        _fill(served, load, events, requests)
        if not has_timescale(served.conn):
            raise RuntimeError(f"{BUILD} names a PostgreSQL without TimescaleDB")
        before = {table: _size(served, table) for table in LOG}
        with connect(url, "bench") as conn:
            # Later than the chunk of this week ends.
            compress_old(conn, datetime.now(UTC) + timedelta(days=14), {})
        after = {table: _size(served, table) for table in LOG}
    postgres.drop("compressed")
    figures = []
    for table in LOG:
        figures += [
            _told(f"(m) {table}, TimescaleDB, not compressed", before[table]),
            _told(f"(m) {table}, TimescaleDB, compressed", after[table]),
            Figure(f"(m) {table}, compressed", before[table] / after[table], "times smaller"),
        ]
    return figures


def _fill(served: Served, load: LoadGenerator, events: int, requests: int) -> None:
    for first in range(0, events, AT_ONCE):
        load.prepare(orders.requests, f"disk{first}", min(AT_ONCE, events - first) // orders.PER_ORDER, 0.0)
        load.send(served.port, CONNECTIONS).result(LIMIT_SECONDS)
    load.prepare(spans.requests, "disk", requests)
    load.send(served.port, CONNECTIONS).result(LIMIT_SECONDS)
    served.wait_until_projected(LIMIT_SECONDS)


def _size(served: Served, table: str) -> float:
    """Bytes of a table of the log with its indexes, for each row."""
    if has_timescale(served.conn):
        size = served.number("SELECT hypertable_size(%s::regclass)", table)
    else:
        size = served.number(
            "SELECT sum(pg_total_relation_size(inhrelid)) FROM pg_inherits WHERE inhparent = %s::regclass", table
        )
    # The table's name is one of LOG.
    return size / served.number(f"SELECT count(*) FROM {table}")


def _told(name: str, size: float) -> Figure:
    return Figure(f"{name}, a million rows", size * MILLION / 2**20, "MiB")
