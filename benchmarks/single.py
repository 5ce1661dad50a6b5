"""On an idle system: how long one event takes from being sent to being seen; and what events leave on disk."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import httpx

from benchmarks import orders
from benchmarks.load import LoadGenerator
from benchmarks.report import Figure, spread_of
from benchmarks.server import Postgres, Served, serve

CONNECTIONS = 4
LIMIT_SECONDS = 300
MILLION = 1_000_000
# What is derived of one class is told together.
CLASSES = {
    "the log": ("event",),
    "instances": ("instance", "instance_key", "instance_event", "verdict_change"),
}


def measure(postgres: Postgres, load: LoadGenerator, events: int, asked: int) -> list[Figure]:
    """(f) `asked` events one after the other, each looked for until it is there; then the size of `events` of them."""
    with serve(postgres.database("single"), orders.DEFINITIONS) as served:
        load.prepare(orders.requests, "sizes", events // orders.PER_ORDER, 0.0)
        load.send(served.port, CONNECTIONS).result(LIMIT_SECONDS)
        served.wait_until_projected(LIMIT_SECONDS)
        figures = [_size(served, name, tables) for name, tables in CLASSES.items()]
        with httpx.Client(base_url=served.url, timeout=30) as client:
            delays = [_seen_after(client, number) for number in range(asked + 1)]
        # The first opens connections.
        return [*spread_of("(f) one event, sent to seen in the API", delays[1:], "ms"), *figures]


def _seen_after(client: httpx.Client, number: int) -> float:
    """Milliseconds from before the event is sent until a question for its key finds the instance."""
    key = f"SO-single-{number}"
    event = {
        "specversion": "1.0",
        "id": key,
        "source": "crm",
        "type": "order.created",
        "time": datetime.now(UTC).isoformat(),
        "data": {"order_id": key},
    }
    started = time.monotonic()
    client.post("/events", json=event, headers={"Content-Type": "application/cloudevents+json"}).raise_for_status()
    while time.monotonic() - started < LIMIT_SECONDS:
        if client.get("/api/v1/instances", params={"key": f"order={key}", "limit": 1}).json()["items"]:
            return (time.monotonic() - started) * 1000
    raise TimeoutError(f"{key} was not seen within {LIMIT_SECONDS} s")


def _size(served: Served, name: str, tables: tuple[str, ...]) -> Figure:
    """Megabytes of a class with its indexes, for a million events."""
    counted = served.number("SELECT count(*) FROM event")
    used = served.number(
        "SELECT sum(pg_total_relation_size(c.oid)) FROM pg_class c LEFT JOIN pg_inherits i ON i.inhrelid = c.oid "
        "WHERE c.relkind = 'r' AND coalesce(i.inhparent, c.oid) = ANY (%s::regclass[])",
        list(tables),
    )
    return Figure(f"(f) {name} on disk, a million events", used / counted * MILLION / 2**20, "MiB")
