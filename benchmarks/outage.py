"""`python -m benchmarks.outage`: the database is away for ten minutes while events arrive; what is lost and held."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psycopg

from benchmarks import orders, report
from benchmarks.report import Figure, spread_of
from benchmarks.server import HOST, Postgres, postgres, serve

PER_REQUEST = 50
BEFORE_SECONDS = 20.0
"""For how long events arrive before the database goes, and after all is written."""
DRAIN_SECONDS = 1_800.0
_PAGE = os.sysconf("SC_PAGE_SIZE")
_HEADERS = {"content-type": "application/cloudevents-batch+json"}


@dataclass(slots=True)
class Sent:
    """What became of the requests, and how long each waited for its answer (seconds), by part of the run."""

    accepted: int = 0
    refused: int = 0
    took: dict[str, list[float]] = field(default_factory=dict)


def measure(server: Postgres, seconds: float, rate: int, limit: str) -> list[Figure]:
    """Send `rate` events a second before, during and after an outage of so many seconds."""
    url = server.database("outage")
    with tempfile.TemporaryDirectory(prefix="milepost-bench-") as folder:
        arguments = ("--spool-dir", str(Path(folder) / "spool"), "--spool-limit", limit, "--otlp-grpc-port", "off")
        with serve(url, orders.DEFINITIONS, "collector", arguments) as served:
            part, sent, rss, held = "before", Sent(), [_rss(served.pid)], [0.0]

            def look() -> None:
                rss.append(_rss(served.pid))
                held.append(float(httpx.get(f"{served.url}/readyz", timeout=60).json()["buffer"]["bytes"]))

            with _sending(served.port, rate, sent, lambda: part):
                _spend(BEFORE_SECONDS, look)
                began_with, part = rss[-1], "during"
                server.stop()
                _spend(seconds, look)
                part = "while it is written"
                server.start()
                back = time.monotonic()
                while held[-1] > 0 or _is_active(served.url):
                    if time.monotonic() - back > DRAIN_SECONDS:
                        raise TimeoutError(f"not everything was written within {DRAIN_SECONDS:.0f} s")
                    _spend(1.0, look)
                drained, part = time.monotonic() - back, "after"
                _spend(BEFORE_SECONDS, look)
        with psycopg.connect(url) as conn:
            row = conn.execute("SELECT count(*), count(DISTINCT id) FROM event").fetchone()
            back_in_time = conn.execute(
                "SELECT count(*) FROM (SELECT received_at < lag(received_at) OVER (ORDER BY seq) AS back FROM event) e "
                "WHERE back"
            ).fetchone()
    assert row is not None
    assert back_in_time == (0,), "time went back in the log"
    stored, distinct = row
    if stored != sent.accepted or distinct != sent.accepted:
        raise AssertionError(f"{sent.accepted:,} events accepted, {stored:,} in the log, {distinct:,} different ones")
    told = f"{seconds:.0f} s without a database at {rate:,} events/s"
    return [
        Figure(f"{told}, accepted and in the log once", sent.accepted, "events"),
        Figure(f"{told}, refused", sent.refused, "requests"),
        Figure(f"{told}, most on the disk", max(held) / 2**20, "MiB"),
        Figure(f"{told}, until all was written", drained, "s"),
        Figure(f"{told}, RSS of the collector when it began", began_with, "MiB"),
        Figure(f"{told}, most RSS of the collector", max(rss), "MiB"),
        *(one for name, took in sent.took.items() for one in spread_of(f"answers {name}", took, "s")),
    ]


def _is_active(url: str) -> bool:
    return httpx.get(f"{url}/readyz", timeout=60).json()["buffer"]["state"] != "empty"


def _spend(seconds: float, look: Callable[[], None]) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        look()
        time.sleep(min(1.0, max(0.0, until - time.monotonic())))


def _rss(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1]) * _PAGE / 2**20


@contextmanager
def _sending(port: int, rate: int, sent: Sent, part: Callable[[], str]) -> Iterator[None]:
    """Send at that rate on another thread, as scheduled, come what may."""
    stop = threading.Event()
    sender = threading.Thread(target=lambda: asyncio.run(_send(port, rate, sent, part, stop)))
    sender.start()
    try:
        yield
    finally:
        stop.set()
        sender.join()


async def _send(port: int, rate: int, sent: Sent, part: Callable[[], str], stop: threading.Event) -> None:
    body = (
        b"["
        + b",".join(
            b'{"specversion":"1.0","id":"%%d-%d","source":"crm","type":"order.created","data":{"order_id":"%%d-%d",'
            b'"note":"%s"}}' % (number, number, b"x" * 400)
            for number in range(PER_REQUEST)
        )
        + b"]"
    )
    tasks: set[asyncio.Task[None]] = set()
    limits = httpx.Limits(max_connections=64, max_keepalive_connections=64)
    async with httpx.AsyncClient(base_url=f"http://{HOST}:{port}", timeout=120, limits=limits) as client:

        async def one(number: int) -> None:
            began, named = time.perf_counter(), part()
            answer = await client.post("/events", content=body % ((number,) * (2 * PER_REQUEST)), headers=_HEADERS)
            sent.took.setdefault(named, []).append(time.perf_counter() - began)
            if answer.status_code == httpx.codes.OK:
                sent.accepted += PER_REQUEST
            else:
                sent.refused += 1

        began, number = time.monotonic(), 0
        while not stop.is_set():
            task = asyncio.create_task(one(number))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
            number += 1
            await asyncio.sleep(max(0.0, began + number * PER_REQUEST / rate - time.monotonic()))
        await asyncio.gather(*tasks)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.outage", description=__doc__)
    parser.add_argument("--seconds", type=float, default=600, help="for how long the database is away")
    parser.add_argument("--rate", type=int, default=500, help="events a second")
    parser.add_argument("--limit", default="4GiB", help="how much the buffer may hold")
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with postgres() as server:
        on = report.machine(server.version)
        figures = measure(server, asked.seconds, asked.rate, asked.limit)
    on["load_average_after"] = report.load_average()
    report.show(figures, on)


if __name__ == "__main__":
    main()
