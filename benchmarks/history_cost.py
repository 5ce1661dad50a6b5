"""What ten times the history costs: events that arrive, a sweep of deadlines, objectives that are evaluated."""

from __future__ import annotations

import time
from collections.abc import Sequence
from statistics import median

from benchmarks import history, objectives
from benchmarks.load import LoadGenerator
from benchmarks.report import Figure, median_of
from benchmarks.server import Postgres, serve
from collector.catalogue import load_catalogue
from collector.projector import Projector
from collector.store.database import BY_INDEX, connect
from slo_rules.instants import to_micros

CONNECTIONS = 8
LIMIT_SECONDS = 300
SWEPT = 10_000
EVALUATED = 20
YEAR_DAYS = 365


class Costs:
    """What was measured beside each history, in order."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], list[list[float]]] = {}

    def measure(
        self, postgres: Postgres, load: LoadGenerator, url: str, instances: int, events: int, rounds: int
    ) -> None:
        """(h) Beside the history of this database; sends `events` in each of `rounds`."""
        # Before anything is sent: nothing else may be due.
        self._add(f"a sweep of {SWEPT:,}", "ms", _sweeping(url, rounds))
        rates, spent = _arriving(url, load, events, rounds)
        self._add("seconds for a million events until applied", "s", [1e6 / rate for rate in rates])
        self._add("processor time of Milepost and the database", "µs/event", spent)
        items = instances // YEAR_DAYS
        self._add(
            f"{EVALUATED} objectives evaluated",
            "ms",
            [objectives.evaluating(postgres, f"evaluate_year_{instances}", EVALUATED, items)],
        )

    def _add(self, name: str, unit: str, runs: list[float]) -> None:
        self._found.setdefault((name, unit), []).append(runs)

    def figures(self, sizes: Sequence[int]) -> list[Figure]:
        """Each beside each history, and how much dearer it is with the last than with the first."""
        figures = []
        for (name, unit), found in self._found.items():
            for size, runs in zip(sizes, found, strict=True):
                figures.append(median_of(f"(h) {name}, {size:,} instances", runs, unit))
            dearer = median(found[-1]) / median(found[0])
            figures.append(Figure(f"(h) {name}, with {sizes[-1] // sizes[0]} times the history", dearer, "times"))
        return figures


def _arriving(url: str, load: LoadGenerator, events: int, rounds: int) -> tuple[list[float], list[float]]:
    """Events per second until applied, and what all processes of Milepost and its database take per event, in µs.

    The first round warms up.
    """
    rates, spent = [], []
    with serve(url, history.DEFINITIONS) as served:
        for number in range(rounds + 1):
            load.prepare(history.requests, f"h{number}", events // history.PER_INSTANCE)
            before = served.processor_seconds_of_all()
            sent = load.send(served.port, CONNECTIONS).result(LIMIT_SECONDS)
            finished = served.wait_until_projected(LIMIT_SECONDS)
            taken = served.processor_seconds_of_all() - before
            if number:
                rates.append(events / (finished - sent.started))
                spent.append(taken / events * 1e6)
    return rates, spent


def _sweeping(url: str, rounds: int) -> list[float]:
    """Milliseconds of sweeps in each of which as many instances as SWEPT are due; the first warms up."""
    runs = []
    with connect(url, "bench", autocommit=True) as conn, connect(url, "projector", options=BY_INDEX) as projecting:
        projector = Projector(load_catalogue(conn))
        if not projector.acquire(projecting):
            raise RuntimeError("another projector is at work")
        while not projector.cycle(projecting).caught_up:
            pass
        for _ in range(rounds + 1):
            row = conn.execute(
                "WITH due AS (SELECT id FROM instance WHERE next_check_at IS NOT NULL ORDER BY next_check_at LIMIT %s) "
                "UPDATE instance i SET next_check_at = clock_timestamp() FROM due WHERE i.id = due.id "
                "RETURNING clock_timestamp()",
                (SWEPT,),
            ).fetchone()
            assert row is not None
            started = time.perf_counter()
            projector.sweep(projecting, to_micros(row[0]) + 1_000_000)
            runs.append((time.perf_counter() - started) * 1e3)
    return runs[1:]
