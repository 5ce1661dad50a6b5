"""How much memory the processes of `milepost serve` hold with very many instances open, while events arrive."""

from __future__ import annotations

from benchmarks import orders
from benchmarks.load import LoadGenerator
from benchmarks.processes import Memory, watched
from benchmarks.report import Figure
from benchmarks.server import Postgres, serve

CONNECTIONS = 8
LIMIT_SECONDS = 600
AT_ONCE = 100_000
"""Instances that are opened by one run of the generator: it makes its requests beforehand."""


def measure(postgres: Postgres, load: LoadGenerator, instances: int, events: int) -> list[Figure]:
    """(j) Open `instances`, then send `events` of other orders; the most that each process held, from the start on."""
    name = "memory"
    with serve(postgres.database(name), orders.DEFINITIONS) as served, watched(served.pid) as memory:
        for first in range(0, instances, AT_ONCE):
            load.prepare(orders.opened, "open", range(first, min(first + AT_ONCE, instances)), None)
            load.send(served.port, CONNECTIONS).result(LIMIT_SECONDS)
        served.wait_until_projected(LIMIT_SECONDS)
        load.prepare(orders.requests, "load", events // orders.PER_ORDER, 0.05)
        load.send(served.port, CONNECTIONS).result(LIMIT_SECONDS)
        served.wait_until_projected(LIMIT_SECONDS)
        still_open = served.number("SELECT count(*) FROM instance WHERE verdict <> 'completed'")
    postgres.drop(name)
    return figures_of(memory, f"(j) {still_open:,} open, under load")


def figures_of(memory: Memory, told: str) -> list[Figure]:
    """The most that each process held."""
    return [
        Figure(f"{told}, {what} of {part}", held[part], "MiB")
        for part in sorted(memory.rss)
        for what, held in (("RSS", memory.rss), ("PSS", memory.pss))
    ]
