"""Many instances that go stuck at once for few causes: how many are told of it, how often, and how soon."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import orjson

from benchmarks import orders
from benchmarks.deadlines import CONNECTIONS, LIMIT_SECONDS, delays
from benchmarks.load import LoadGenerator
from benchmarks.report import Figure, spread_of
from benchmarks.server import HOST, Postgres, Served, serve

CAUSES = 3
OPENING_PER_SECOND = 4_000
"""What is taken in on a small machine: so long before the first deadline the instances are opened."""

_WORKFLOW = """
apiVersion: milepost/v1
kind: Workflow
metadata: {{name: flow-{number}, domain: orders, owner: order-operations}}
spec:
  entity: order
  keys: {{order: data.order_id}}
  value: {{amount: data.amount, currency: data.currency}}
  milestones:
    - {{name: created, on: {{exact: {{source: crm, type: created-{number}}}}}, starts: true}}
    - {{name: accepted, on: {{exact: {{source: system-{number}, type: accepted}}}}, within: 4h, completes: true}}
"""
_ROUTE = """
apiVersion: milepost/v1
kind: Route
metadata: {{name: everything}}
spec: {{send_to: [{{webhook: {{url: "http://{host}:{port}/"}}}}]}}
"""
_TOLD_TOO_LITTLE = """
SELECT count(*)
FROM incident
JOIN incident_target ON incident_target.incident_id = incident.id
WHERE incident.count >= 2 * incident_target.told_count
"""
"""Those that know of less than half of what an incident holds."""


def measure(postgres: Postgres, load: LoadGenerator, instances: int, seconds: int) -> list[Figure]:
    """(o) The deadlines of `instances` pass evenly within `seconds`, a third of them for each of CAUSES.

    Until each incident holds all of its instances, whoever was told knows how many, and everything was sent that was
    to be.
    """
    postgres.track_commit_timestamps()
    with _receiver() as (port, heard):
        texts = [_WORKFLOW.format(number=number) for number in range(CAUSES)] + [_ROUTE.format(host=HOST, port=port)]
        database = postgres.database("causes")
        with serve(database, "---\n".join(texts), arguments=("--private-hosts", HOST)) as served:
            first = time.time() + 10 + instances / OPENING_PER_SECOND
            load.prepare(opened, instances, first, seconds)
            load.send(served.port, CONNECTIONS).result(LIMIT_SECONDS)
            served.wait_until_projected(LIMIT_SECONDS)
            if time.time() > first:
                raise TimeoutError("the deadlines began to pass before all instances were open")
            late = delays(served, instances, first + seconds + 60)
            _wait_until_told(served, instances)
            opened_incidents = served.number("SELECT count(*) FROM incident")
            sent = served.number("SELECT count(*) FROM outbox WHERE state = 'delivered'")
    if len(heard) != sent:
        raise AssertionError(f"{sent} messages were delivered, and {len(heard)} were received")
    postgres.drop("causes")
    told = f"(o) {instances:,} stuck within {seconds} s for {CAUSES} causes"
    return [
        Figure(f"{told}, incidents", opened_incidents, ""),
        Figure(f"{told}, messages", sent, ""),
        Figure(f"{told}, first breach to first message", heard[0] - first, "s"),
        Figure(f"{told}, first breach to the last message, which says how many", heard[-1] - first, "s"),
        *spread_of(f"{told}, deadline to recorded breach", late, "s"),
    ]


def opened(instances: int, first: float, seconds: int) -> list[bytes]:
    """Orders whose deadlines pass evenly from `first` (seconds since the epoch) on, as requests."""
    members = []
    for number in range(instances):
        at = first + seconds * number / max(1, instances - 1) - orders.ACCEPTED_WITHIN_SECONDS
        said = {
            "specversion": "1.0",
            "id": f"cause-{number}",
            "source": "crm",
            "type": f"created-{number % CAUSES}",
            "time": datetime.fromtimestamp(at, UTC).isoformat().replace("+00:00", "Z"),
            "data": {"order_id": f"SO-{number}", "amount": 1000 + number % 77, "currency": "USD"},
        }
        members.append(orjson.dumps(said))
    return orders.batched(members)


def _wait_until_told(served: Served, instances: int) -> None:
    until = time.monotonic() + LIMIT_SECONDS
    while (
        served.number("SELECT sum(count) FROM incident") < instances
        or served.number("SELECT count(*) FROM outbox") == 0
        or served.number(_TOLD_TOO_LITTLE)
        or served.number("SELECT count(*) FROM outbox WHERE state = 'pending'")
    ):
        if time.monotonic() > until:
            raise TimeoutError("not everything that was to be told was sent")
        time.sleep(0.5)


@contextmanager
def _receiver() -> Iterator[tuple[int, list[float]]]:
    """A webhook that takes everything: its port, and when (seconds since the epoch) each message came."""
    heard: list[float] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            heard.append(time.time())
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer((HOST, 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server.server_port, heard
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
