"""`python -m benchmarks.soak --minutes N`: hours of load, and whether anything is held that was not held before.

A real `milepost serve` is sent orders at a steady rate and asked what pages ask, while memory, file handles, threads,
connections, dead rows and WAL are looked at. All orders come to their end, so that what is open stays as much; the log
grows with what arrives, and is told by the event.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import httpx

from benchmarks import orders, report
from benchmarks.load import LoadGenerator, load_generator
from benchmarks.processes import PARTS, Memory, anonymous, files_of, threads_of, tree
from benchmarks.report import Figure
from benchmarks.server import Served, postgres, serve
from benchmarks.slopes import Growth, growth

WARM_UP_SHARE = 0.2
"""Of the samples, not looked at: caches fill, pools open their connections, modules are read."""
PER_REQUEST = 20
SLICE_SECONDS = 30.0
FILLING_ORDERS = 40_000
"""Sent first, as fast as they are taken: what caches hold is then no growth."""
CONNECTIONS = 4
LIMIT_SECONDS = 600
ASKED = (
    "/readyz", "/metrics", "/api/v1/overview", "/api/v1/instances?limit=50", "/api/v1/objectives", "/api/v1/sources",
    "/api/v1/incidents", "/dashboard/",
)  # fmt: skip
DEFINITIONS = (
    orders.DEFINITIONS
    + """---
apiVersion: milepost/v1
kind: Objective
metadata: {name: accepted-in-time}
spec: {workflow: order-to-cash, latency: {from: created, to: accepted, within: 4h}, target: 0.99, missing_data: bad}
"""
)
_DEAD = "SELECT sum(n_dead_tup) * 100.0 / greatest(sum(n_live_tup + n_dead_tup), 1) FROM pg_stat_user_tables"
_APPLIED = "SELECT seq FROM projection WHERE name = 'instances'"
_WAL = "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0'), (SELECT sum(size) FROM pg_ls_waldir()) / 1048576"
_SESSIONS = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
_HEADERS = {"content-type": "application/cloudevents-batch+json"}


@dataclass(slots=True)
class Samples:
    """What was seen, by measure: seconds since the beginning, and the value in its unit."""

    units: dict[str, str] = field(default_factory=dict)
    series: dict[str, list[tuple[float, float]]] = field(default_factory=dict)

    def add(self, at: float, measure: str, value: float, unit: str) -> None:
        """Keep one."""
        self.units[measure] = unit
        self.series.setdefault(measure, []).append((at, value))

    def grown(self) -> dict[str, Growth]:
        """Of each measure of which there are enough, after warming up."""
        return {
            measure: growth(kept)
            for measure, series in self.series.items()
            if len(kept := series[int(len(series) * WARM_UP_SHARE) :]) >= 3
        }


@dataclass(slots=True)
class Load:
    """What was sent and asked, and what went wrong with it."""

    accepted: int = 0
    refused: int = 0
    asked: int = 0
    faults: list[str] = field(default_factory=list)


def look(served: Served, at: float, samples: Samples) -> None:
    """One sample of everything."""
    memory, parts = Memory(), tree(served.pid)
    memory.look(served.pid)
    for part in sorted(set(parts.values()) & set(PARTS)):
        samples.add(at, f"memory of {part}", memory.rss.get(part, 0.0), "MiB")
        of_part = [pid for pid, named in parts.items() if named == part]
        samples.add(at, f"files of {part}", sum(map(files_of, of_part)), "files")
        samples.add(at, f"threads of {part}", sum(map(threads_of, of_part)), "threads")
    sessions = [pid for (pid,) in served.conn.execute(_SESSIONS).fetchall()]
    samples.add(at, "connections", len(sessions), "connections")
    held = [anonymous(pid) for pid in sessions]
    samples.add(at, "memory of the largest session of the database", max(held, default=0.0), "MiB")
    dead = served.conn.execute(_DEAD).fetchone()
    wal = served.conn.execute(_WAL).fetchone()
    assert dead is not None
    assert wal is not None
    samples.add(at, "dead rows", float(dead[0]), "%")
    samples.add(at, "WAL on the disk", float(wal[1]), "MiB")
    samples.add(at, "events not yet applied", served.head() - served.number(_APPLIED), "events")


def _members(run: int, rate: int) -> list[bytes]:
    return orders.events(f"soak-{run}", max(1, int(rate * SLICE_SECONDS / orders.PER_ORDER)), 0.05)


@contextmanager
def _loaded(served: Served, rate: int, load: Load) -> Iterator[None]:
    stop = threading.Event()
    threads = [
        threading.Thread(target=_guarded, args=(work, load, stop))
        for work in (lambda: _send(served.url, rate, load, stop), lambda: _ask(served.url, load, stop))
    ]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def _guarded(work: Callable[[], None], load: Load, stop: threading.Event) -> None:
    try:
        work()
    except Exception as error:  # noqa: BLE001 — told with the result, whatever it is
        load.faults.append(repr(error))
        stop.set()


def _send(url: str, rate: int, load: Load, stop: threading.Event) -> None:
    began, sent, run = time.monotonic(), 0, 0
    with httpx.Client(base_url=url, timeout=120) as client:
        while not stop.is_set():
            members = _members(run, rate)
            run += 1
            for at in range(0, len(members), PER_REQUEST):
                some = members[at : at + PER_REQUEST]
                answer = client.post("/events", content=b"[" + b",".join(some) + b"]", headers=_HEADERS)
                # What is asked to come again comes again: that is no fault, but is told.
                while answer.status_code == httpx.codes.SERVICE_UNAVAILABLE and not stop.wait(1.0):
                    load.refused += 1
                    answer = client.post("/events", content=b"[" + b",".join(some) + b"]", headers=_HEADERS)
                if answer.status_code == httpx.codes.OK:
                    load.accepted += len(some)
                elif answer.status_code == httpx.codes.SERVICE_UNAVAILABLE:
                    return
                else:
                    load.faults.append(f"POST /events: {answer.status_code}")
                sent += len(some)
                if stop.wait(max(0.0, began + sent / rate - time.monotonic())):
                    return


def _ask(url: str, load: Load, stop: threading.Event) -> None:
    number = 0
    with httpx.Client(base_url=url, timeout=120) as client:
        while not stop.wait(1.0):
            path = ASKED[number % len(ASKED)]
            number += 1
            answer = client.get(path)
            load.asked += 1
            if answer.status_code != httpx.codes.OK:
                load.faults.append(f"GET {path}: {answer.status_code}")


def fill(served: Served, load: LoadGenerator) -> None:
    """Send so much at first that caches are full."""
    load.prepare(orders.requests, "filling", FILLING_ORDERS, 0.05)
    load.send(served.port, CONNECTIONS).result(LIMIT_SECONDS)
    served.wait_until_projected(LIMIT_SECONDS)


def soak(served: Served, minutes: float, every: float, rate: int) -> tuple[Samples, Load, list[Figure]]:
    """Load it for so long and look every so many seconds. AssertionError where something accepted is not there."""
    samples, load, before = Samples(), Load(), served.number("SELECT count(*) FROM event")
    began = time.monotonic()
    wal = served.number("SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint")
    with _loaded(served, rate, load):
        for number in range(1, int(minutes * 60 / every) + 1):
            time.sleep(max(0.0, began + number * every - time.monotonic()))
            look(served, time.monotonic() - began, samples)
            if load.faults:
                break
    served.wait_until_projected(120)
    wal = served.number("SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint") - wal
    stored = served.number("SELECT count(*) FROM event") - before
    if stored != load.accepted:
        raise AssertionError(f"{load.accepted:,} events accepted, {stored:,} in the log")
    size = served.number("SELECT pg_database_size(current_database())")
    told = f"{minutes:g} min at {rate:,} events/s"
    return (
        samples,
        load,
        [
            Figure(f"{told}, accepted and in the log", load.accepted, "events"),
            Figure(f"{told}, asked", load.asked, "requests"),
            Figure(f"{told}, asked to come again", load.refused, "requests"),
            Figure(f"{told}, faults", len(load.faults), "requests"),
            Figure(f"{told}, WAL for an event", wal / max(1, load.accepted) / 1024, "KiB"),
            Figure(f"{told}, the database for an event", size / max(1, load.accepted + before) / 1024, "KiB"),
        ],
    )


def show(samples: Samples) -> str:
    """What grew, as lines."""
    lines = [f"{'':48} {'first':>10} {'last':>10} {'an hour':>10}   95 %"]
    for measure, one in samples.grown().items():
        bounds = f"{one.low:+,.2f} … {one.high:+,.2f}"
        lines.append(
            f"{measure:48} {one.first:>10,.1f} {one.last:>10,.1f} {one.an_hour:>+10,.2f}   "
            f"{bounds} {samples.units[measure]}{'  grows' if one.is_told else ''}"
        )
    return "\n".join(lines)


def as_document(samples: Samples, figures: list[Figure], on: dict[str, object]) -> dict[str, object]:
    """The same for programs, with every sample."""
    grown = samples.grown()
    return {
        "at": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        "machine": on,
        "figures": [asdict(one) for one in figures],
        "growth": {
            name: {"unit": samples.units[name], "grows": one.is_told, **asdict(one)} for name, one in grown.items()
        },
        "samples": samples.series,
    }


def main() -> None:
    """Load, print, write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=240)
    parser.add_argument("--rate", type=int, default=200, help="events a second")
    parser.add_argument("--every", type=float, default=5, help="seconds between two looks")
    parser.add_argument("--json", type=Path, help="where to write the result with every sample")
    asked = parser.parse_args()
    if asked.minutes * 60 < asked.every * 10:
        parser.error("ten looks at least: more --minutes, or less --every")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with postgres() as server:
        on = report.machine(server.version)
        with serve(server.database("soak"), DEFINITIONS) as served, load_generator() as generator:
            fill(served, generator)
            samples, load, figures = soak(served, asked.minutes, asked.every, asked.rate)
    on["load_average_after"] = report.load_average()
    report.show(figures, on)
    print(show(samples))
    if asked.json:
        asked.json.write_text(json.dumps(as_document(samples, figures, on)) + "\n", "utf-8")
    for fault in load.faults[:10]:
        print(fault, file=sys.stderr)
    sys.exit(1 if load.faults else 0)


if __name__ == "__main__":
    main()
