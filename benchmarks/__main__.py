"""`python -m benchmarks`: what this machine does, beside what its PostgreSQL could do at best, measured in one run."""

from __future__ import annotations

import argparse
import signal
import sys
from dataclasses import dataclass

from benchmarks import deadlines, events, objectives, report, single, spans
from benchmarks.load import load_generator
from benchmarks.server import postgres


@dataclass(frozen=True, slots=True)
class Size:
    """How much is sent."""

    events: int
    rounds: int
    span_requests: int
    instances: int
    deadline_seconds: int
    asked: int
    items_a_day: int


FULL = Size(
    events=240_000, rounds=3, span_requests=120, instances=100_000, deadline_seconds=20, asked=100, items_a_day=300
)
QUICK = Size(events=12_000, rounds=1, span_requests=12, instances=8_000, deadline_seconds=3, asked=10, items_a_day=20)


def main() -> None:
    """Measure, print, and on request write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small sizes: does it run, not how fast is it")
    parser.add_argument(
        "--only",
        default="a,b,c,d,e,f",
        help="a COPY of events, b events, c spans, d deadlines, e objectives, f one event, and sizes",
    )
    parser.add_argument("--shuffled", type=float, default=0.05, help="share of orders whose events come in any order")
    parser.add_argument("--write", action="store_true", help="write the figures to benchmarks/results/<date>.json")
    asked = parser.parse_args()
    size, only = (QUICK if asked.quick else FULL), set(asked.only.split(","))
    # So that the servers are stopped and the folders removed when it is.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with postgres() as server, load_generator() as load:
        on = report.machine(server.version)
        figures = []
        limit = events.copy_limit(server, size.events, size.rounds) if "a" in only else None
        if limit is not None:
            figures.append(limit)
        if "b" in only:
            figures += events.measure(server, load, limit, size.events, size.rounds, asked.shuffled)
        if "c" in only:
            figures += spans.measure(server, load, size.span_requests, size.rounds)
        if "d" in only:
            figures += deadlines.measure(server, load, size.instances, size.deadline_seconds, size.asked)
        if "e" in only:
            figures += objectives.measure(server, size.events // 2, size.rounds, size.items_a_day)
        if "f" in only:
            figures += single.measure(server, load, size.events // 2, size.asked)
    on["load_average_after"] = report.load_average()
    report.show(figures, on)
    if asked.write:
        print(report.write(figures, on, quick=asked.quick))


if __name__ == "__main__":
    main()
