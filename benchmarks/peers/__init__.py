"""The same OTLP spans by other programs on the same machine in the same run, until they are durable or can be found.

None of them is part of Milepost or comes with it: each is found by an environment variable, and skipped without it.

- MILEPOST_BENCH_PHOENIX: a virtual environment with `arize-phoenix[pg]` of PyPI, which stores in our PostgreSQL.
- MILEPOST_BENCH_JAEGER: the program `jaeger` (version 2), built from its sources, which stores in badger.
"""

from __future__ import annotations

import os
from pathlib import Path

from benchmarks import spans
from benchmarks.load import LoadGenerator
from benchmarks.peers import jaeger, phoenix
from benchmarks.report import Figure
from benchmarks.server import Postgres, serve

PHOENIX, JAEGER = "MILEPOST_BENCH_PHOENIX", "MILEPOST_BENCH_JAEGER"
CONNECTIONS = 8
LIMIT_SECONDS = 300
MORE = 5
"""Milepost and Jaeger are sent so many times what Phoenix is sent: it would not be measurable."""


def measure(postgres: Postgres, load: LoadGenerator, requests: int) -> list[Figure]:
    """(l) Spans per second of `requests` requests, MORE times as many where they are taken fast; after a warm-up."""
    ours = _milepost(postgres, load, requests * MORE)
    figures = [Figure("(l) Milepost, spans until committed", ours, "spans/s")]
    if (folder := os.environ.get(PHOENIX)) is not None:
        theirs = phoenix.measure(postgres, load, Path(folder), requests)
        figures.append(Figure("(l) Phoenix, spans until committed", theirs, "spans/s"))
        figures.append(Figure("(l) Milepost is faster than Phoenix", ours / theirs, "times"))
    else:
        print(f"(l) without Phoenix: set {PHOENIX} to a virtual environment that has arize-phoenix")
    if (program := os.environ.get(JAEGER)) is not None:
        theirs = jaeger.measure(load, Path(program), requests * MORE)
        figures.append(Figure("(l) Jaeger with badger, spans until they can be found", theirs, "spans/s"))
        figures.append(Figure("(l) Milepost is faster than Jaeger", ours / theirs, "times"))
    else:
        print(f"(l) without Jaeger: set {JAEGER} to the program jaeger, version 2")
    return figures


def _milepost(postgres: Postgres, load: LoadGenerator, requests: int) -> float:
    with serve(postgres.database("peers"), spans.DEFINITIONS) as served:
        load.prepare(spans.requests, "warm", requests)
        load.send(served.port, CONNECTIONS).result(LIMIT_SECONDS)
        load.prepare(spans.requests, "peer", requests)
        sent = load.send(served.port, CONNECTIONS).result(LIMIT_SECONDS)
        # What is acknowledged is committed, and what is committed can be found.
        stored = served.number("SELECT count(*) FROM span")
    postgres.drop("peers")
    if stored != 2 * requests * spans.PER_REQUEST:
        raise AssertionError(f"{stored} spans are stored")
    return requests * spans.PER_REQUEST / (sent.acknowledged - sent.started)
