"""Events per second from the HTTP socket to committed and projected, beside what the server could take at best."""

from __future__ import annotations

import os
import time
from contextlib import ExitStack

from benchmarks import orders
from benchmarks.copy_limit import copied
from benchmarks.load import LoadGenerator, Sent
from benchmarks.report import Figure, median_of
from benchmarks.server import Postgres, Served, serve
from collector.copyformat import EVENT_COPY
from collector.ingest import cloudevents

CONNECTIONS = 32
"""So many that requests wait at each collector while it commits: senders wait for commits, processors need not."""
LIMIT_SECONDS = 300


def copy_limit(postgres: Postgres, count: int, rounds: int) -> list[Figure]:
    """(a) Rows per second into `event` by COPY, and what a row takes of a processor there."""
    url = postgres.database("copy_events")
    runs = []
    for number in range(rounds + 1):
        members = orders.events(f"c{number}", count // orders.PER_ORDER, 0)
        rows, refused = cloudevents.decode(members, time.time_ns() // 1000)
        assert not refused
        runs.append(copied(url, EVENT_COPY, rows))
    return [
        median_of("(a) event rows by COPY alone", [one.rate for one in runs[1:]], "rows/s"),
        median_of("(a) processor time of COPY", [one.micros for one in runs[1:]], "µs/row"),
    ]


def measure(
    postgres: Postgres, load: LoadGenerator, limit: Figure | None, count: int, rounds: int, shuffled: float
) -> list[Figure]:
    """(b) Events per second, acknowledged and projected; the first round warms up and does not count."""
    acknowledged, projected = [], []
    spent: dict[str, list[float]] = {}
    made = count // orders.PER_ORDER
    with serve(postgres.database("events"), orders.DEFINITIONS) as served:
        for number in range(rounds + 1):
            name = f"r{number}"
            load.prepare(orders.requests, name, made, shuffled)
            before = served.processor_seconds()
            sent, finished = _round(served, load)
            taken = {who: seconds - before[who] for who, seconds in served.processor_seconds().items()}
            taken["the load generator"] = sent.processor_seconds
            _nothing_lost(served, name, made)
            if number:
                total = made * orders.PER_ORDER
                acknowledged.append(total / (sent.acknowledged - sent.started))
                projected.append(total / (finished - sent.started))
                for who, seconds in taken.items():
                    spent.setdefault(who, []).append(seconds * 1e6 / total)
    figures = [
        median_of("(b) events over HTTP, acknowledged", acknowledged, "events/s"),
        median_of("(b) events over HTTP, committed and projected", projected, "events/s"),
        *(median_of(f"(b) processor time of {who}", runs, "µs/event") for who, runs in spent.items()),
    ]
    if limit is not None:
        figures.append(Figure("(b) projected, share of (a)", figures[1].value / limit.value, ""))
    return figures


def measure_collectors(
    postgres: Postgres, load: LoadGenerator, limit: Figure | None, count: int, rounds: int
) -> list[Figure]:
    """(n) Events per second acknowledged where nothing is projected yet, by a collector for each core."""
    url, rates, made = postgres.database("collectors"), [], count // orders.PER_ORDER
    with ExitStack() as running:
        served = [
            running.enter_context(serve(url, orders.DEFINITIONS, "collector")) for _ in range(os.cpu_count() or 1)
        ]
        for number in range(rounds + 1):
            load.prepare(orders.requests, f"n{number}", made, 0)
            sent = load.send_to([one.port for one in served], CONNECTIONS).result(LIMIT_SECONDS)
            stored = served[0].number("SELECT count(*) FROM event WHERE id LIKE %s", f"n{number}-%")
            if stored != made * orders.PER_ORDER:
                raise AssertionError(f"of {made * orders.PER_ORDER} events {stored} are in the log")
            if number:
                rates.append(stored / (sent.acknowledged - sent.started))
    figures = [median_of("(n) events over HTTP, acknowledged by collectors alone", rates, "events/s")]
    if limit is not None:
        figures.append(Figure("(n) acknowledged, share of (a)", figures[0].value / limit.value, ""))
    return figures


def _round(served: Served, load: LoadGenerator) -> tuple[Sent, float]:
    sent = load.send(served.port, CONNECTIONS).result(LIMIT_SECONDS)
    return sent, served.wait_until_projected(LIMIT_SECONDS)


def _nothing_lost(served: Served, name: str, made: int) -> None:
    """Every order is one instance, and has completed."""
    mine = "FROM instance WHERE title LIKE %s"
    found = served.number(f"SELECT count(*) {mine}", f"OPP-{name}-%")
    completed = served.number(f"SELECT count(*) {mine} AND verdict = 'completed'", f"OPP-{name}-%")
    stored = served.number("SELECT count(*) FROM event WHERE id LIKE %s", f"{name}-%")
    if (stored, found, completed) != (made * orders.PER_ORDER, made, made):
        raise AssertionError(f"of {made} orders {found} are there and {completed} completed, of {stored} events")
