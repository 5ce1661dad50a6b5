"""Arize Phoenix on our PostgreSQL. It answers before it stores: the clock stops when its rows are committed."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

import psycopg

from benchmarks import spans
from benchmarks.load import LoadGenerator
from benchmarks.peers.process import running
from benchmarks.server import HOST, Postgres, free_port

CONNECTIONS = 2
LIMIT_SECONDS = 900
DATABASE = "phoenix"


def measure(postgres: Postgres, load: LoadGenerator, folder: Path, requests: int) -> float:
    """Spans per second; a few requests warm it up."""
    url = postgres.empty(DATABASE)
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="milepost-bench-") as work:
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": work,
            "PHOENIX_WORKING_DIR": work,
            "PHOENIX_HOST": HOST,
            "PHOENIX_PORT": str(port),
            "PHOENIX_GRPC_PORT": str(free_port()),
            "PHOENIX_SQL_DATABASE_URL": url,
            "PHOENIX_TELEMETRY_ENABLED": "false",
        }
        command = [str(folder / "bin" / "phoenix"), "serve"]
        with (
            running(command, environment, Path(work), f"http://{HOST}:{port}/healthz"),
            psycopg.connect(url, autocommit=True) as conn,
        ):
            warm = max(1, requests // 10)
            _until_stored(conn, load, port, "warm", warm, 0)
            seconds = _until_stored(conn, load, port, "peer", requests, warm * spans.PER_REQUEST)
    postgres.drop(DATABASE)
    return requests * spans.PER_REQUEST / seconds


def _until_stored(
    conn: psycopg.Connection[tuple[int]], load: LoadGenerator, port: int, name: str, requests: int, before: int
) -> float:
    load.prepare(spans.requests, name, requests)
    sent = load.send(port, CONNECTIONS).result(LIMIT_SECONDS)
    wanted, until = before + requests * spans.PER_REQUEST, time.monotonic() + LIMIT_SECONDS
    while True:
        row = conn.execute("SELECT count(*) FROM spans").fetchone()
        if row is not None and row[0] >= wanted:
            return time.monotonic() - sent.started
        if time.monotonic() > until:
            raise TimeoutError(f"of {wanted} spans Phoenix has stored {row and row[0]}")
        time.sleep(0.1)
