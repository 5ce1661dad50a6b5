"""With many instances open: how soon a passed deadline is on record, and how soon the worklist answers."""

from __future__ import annotations

import time

import httpx

from benchmarks import orders
from benchmarks.load import LoadGenerator
from benchmarks.report import Figure, spread_of
from benchmarks.server import Postgres, Served, serve

CONNECTIONS = 4
LIMIT_SECONDS = 300
AT_ONCE = 100_000
"""Instances that are opened by one run of the generator: it makes its requests beforehand."""
QUESTIONS = {
    "stuck by deadline": "/api/v1/instances?verdict=stuck&sort=deadline_at&limit=50",
    "stuck of one owner": "/api/v1/instances?verdict=stuck&owner=order-operations&sort=deadline_at&limit=50",
    "stuck with a word": "/api/v1/instances?verdict=stuck&q=SO-near-77&sort=deadline_at&limit=50",
    "overview": "/api/v1/overview",
}
WHY = "/api/v1/differences?verdict=stuck"


def measure(
    postgres: Postgres, load: LoadGenerator, piece: str, instances: int, per_second: int, seconds: int, asked: int
) -> list[Figure]:
    """`instances` open; the deadlines of `per_second` of them pass in each of `seconds`. Each question is put `asked`
    times, one after the other.

    The commit's time is PostgreSQL's own, taken where the commit is made durable; it is read from the rows, which
    nothing changes again.
    """
    postgres.track_commit_timestamps()
    near = per_second * seconds
    with serve(postgres.database(f"deadlines_{piece}"), orders.DEFINITIONS) as served:
        for start in range(0, instances - near, AT_ONCE):
            _send(served, load, "far", range(start, min(start + AT_ONCE, instances - near)), None)
        first = time.time() + 5 + near / 4_000
        _send(served, load, "near", range(near), (first, first + seconds))
        if time.time() > first:
            raise TimeoutError("the deadlines began to pass before all instances were open")
        late = delays(served, near, first + seconds + 30)
        told = f"({piece}) {instances:,} open, {per_second:,} due a second, deadline to recorded breach"
        figures = spread_of(told, late, "s")
        if not asked:
            return figures
        with httpx.Client(base_url=served.url, timeout=30) as client:
            for name, path in QUESTIONS.items():
                found = spread_of(f"({piece}) {name}, {near:,} stuck", _latencies(client, path, asked), "ms")
                figures += found[:2]
            # It reads every instance: fewer say enough.
            why = spread_of(
                f"({piece}) why, {near:,} stuck of {instances:,}", _latencies(client, WHY, max(2, asked // 10)), "ms"
            )
            figures += why[:2]
    return figures


def _send(
    served: Served, load: LoadGenerator, name: str, numbers: range, deadlines: tuple[float, float] | None
) -> None:
    load.prepare(orders.opened, name, numbers, deadlines)
    load.send(served.port, CONNECTIONS).result(LIMIT_SECONDS)
    served.wait_until_projected(LIMIT_SECONDS)


def delays(served: Served, near: int, until: float) -> list[float]:
    """Seconds from deadline to recorded breach of `near` that are stuck. TimeoutError `until` (since the epoch)."""
    while (stuck := served.number("SELECT count(*) FROM instance WHERE verdict = 'stuck'")) < near:
        if time.time() > until:
            raise TimeoutError(f"of {near} deadlines only {stuck} have been seen to pass")
        # Seldom enough not to disturb what is measured.
        time.sleep(1)
    rows = served.conn.execute(
        "SELECT extract(epoch FROM pg_xact_commit_timestamp(xmin) - deadline_at)::float8 FROM instance "
        "WHERE verdict = 'stuck'"
    )
    return [row[0] for row in rows]


def _latencies(client: httpx.Client, path: str, asked: int) -> list[float]:
    found = []
    client.get(path).raise_for_status()
    for _ in range(asked):
        started = time.perf_counter()
        client.get(path).raise_for_status()
        found.append((time.perf_counter() - started) * 1e3)
    return found
