"""What objectives cost: to maintain while events are applied, and to evaluate, beside ten times as many items."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from random import Random
from statistics import median

from benchmarks import orders
from benchmarks.report import Figure, median_of
from benchmarks.server import Postgres
from collector.buckets import bucket_parameters
from collector.catalogue import Catalogue, register
from collector.changes import Q
from collector.copyformat import EVENT_COPY, HEADER, TRAILER
from collector.ingest import cloudevents
from collector.projector import Projector
from collector.query.objectives import list_objectives
from collector.query.reader import Reader
from collector.store.database import BY_INDEX, Connection, connect
from slo_rules.buckets import BUCKET
from slo_rules.contribution import ITEMS, Contributions, add
from slo_rules.definitions import load
from slo_rules.durations import DAY
from slo_rules.instants import to_micros
from slo_rules.objective import ALL

MAINTAINED = 10
ASKED = 15
DAYS = 30
_KINDS = ("latency", "freshness", "latency", "success", "latency")
_STEPS = ("won", "created", "accepted", "shipped", "invoiced", "paid")


def definitions(objectives: int) -> str:
    """The orders with so many objectives: six of ten about latency, two about freshness and two about success."""
    documents = [orders.DEFINITIONS]
    for number in range(objectives):
        kind, start = _KINDS[number % len(_KINDS)], number % (len(_STEPS) - 1)
        rule = (
            "{}" if kind == "success" else f"{{from: {_STEPS[start]}, to: {_STEPS[start + 1]}, within: {number + 1}h}}"
        )
        documents.append(
            f"apiVersion: milepost/v1\nkind: Objective\nmetadata: {{name: o-{number}}}\n"
            f"spec: {{workflow: order-to-cash, {kind}: {rule}, target: 0.99, missing_data: bad}}\n"
        )
    return "---\n".join(documents)


def measure(postgres: Postgres, count: int, rounds: int, evaluated: int, items_a_day: int) -> list[Figure]:
    """(e) The cost of maintaining, and of evaluating so many."""
    return [*_maintaining(postgres, count, rounds), *_evaluating(postgres, evaluated, items_a_day)]


def _maintaining(postgres: Postgres, count: int, rounds: int) -> list[Figure]:
    """Applying the same events with objectives and without, one after the other; the first round warms up."""
    rates: dict[int, list[float]] = {0: [], MAINTAINED: []}
    for number in range(rounds + 1):
        for objectives, runs in rates.items():
            url = postgres.database(f"maintain_{number}_{objectives}")
            with connect(url, "bench") as conn, connect(url, "projector", options=BY_INDEX) as projecting:
                catalogue = register(conn, load({"orders.yaml": definitions(objectives)}))
                rate = _applied(conn, projecting, catalogue, f"m{number}", count)
            if number:
                runs.append(rate)
    without, with_ = (
        median_of(f"(e) applied with {objectives} objectives, one process", runs, "events/s")
        for objectives, runs in rates.items()
    )
    return [without, with_, Figure("(e) share that objectives cost", 1 - with_.value / without.value, "")]


def _applied(conn: Connection, projecting: Connection, catalogue: Catalogue, name: str, count: int) -> float:
    rows, _ = cloudevents.decode(orders.events(name, count // orders.PER_ORDER, 0.05), time.time_ns() // 1000)
    with conn.transaction(), conn.cursor().copy(EVENT_COPY) as copy:
        copy.write(b"".join((HEADER, *rows, TRAILER)))
    projector = Projector(catalogue)
    if not projector.acquire(projecting):
        raise RuntimeError("another projector is at work")
    started = time.perf_counter()
    while not projector.cycle(projecting).caught_up:
        pass
    return count / (time.perf_counter() - started)


def _evaluating(postgres: Postgres, evaluated: int, items_a_day: int) -> list[Figure]:
    """All objectives over 30 days, as the page of objectives asks for them."""
    found = [evaluating(postgres, f"evaluate_{times}", evaluated, items_a_day * times) for times in (1, 10)]
    name = f"(e) {evaluated} objectives over {DAYS} days, p50"
    return [
        Figure(f"{name}, {items_a_day:,} items a day each", found[0], "ms"),
        Figure(f"{name}, {items_a_day * 10:,} items a day each", found[1], "ms"),
        Figure("(e) growth with ten times the items", found[1] / found[0], ""),
    ]


def evaluating(postgres: Postgres, database: str, objectives: int, items_a_day: int) -> float:
    """Milliseconds (p50) to evaluate so many objectives, each with so many items a day for DAYS."""
    url = postgres.database(database)
    with connect(url, "bench") as conn:
        catalogue = register(conn, load({"orders.yaml": definitions(objectives)}))
        _fill(conn, catalogue, items_a_day)
    return asyncio.run(_asked(url, catalogue)) * 1000


def _fill(conn: Connection, catalogue: Catalogue, items_a_day: int) -> None:
    """Buckets as so many items a day leave them, of which one in a hundred is bad and stale for two hours."""
    chance = Random(1)
    now = to_micros(datetime.now(UTC))
    for objective in catalogue.objectives["order-to-cash"]:
        total: Contributions = {}
        for _ in range(items_a_day * DAYS):
            at = now - chance.randrange(DAYS * DAY)
            bad = chance.random() < 0.01
            stale = int(bad and objective.kind == "freshness")
            place = (objective.name, ALL, ITEMS, at - at % BUCKET)
            add(total, {place: (int(not bad), int(bad), 0, 0, stale)}, 1)
            if stale:
                later = at - at % BUCKET + 24 * BUCKET
                add(total, {(objective.name, ALL, ITEMS, later): (0, 0, 0, 0, -1)}, 1)
        with conn.transaction():
            conn.execute(Q["new_buckets"], bucket_parameters(total))
    with conn.transaction():
        conn.execute("ANALYZE sli_bucket")


async def _asked(url: str, catalogue: Catalogue) -> float:
    reader = Reader(url)
    await reader.open()
    try:
        runs = []
        for _ in range(ASKED + 1):
            started = time.perf_counter()
            await list_objectives(reader, catalogue)
            runs.append(time.perf_counter() - started)
        return median(runs[1:])
    finally:
        await reader.close()
