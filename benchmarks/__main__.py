"""`python -m benchmarks`: what this machine does, beside what its PostgreSQL could do at best, measured in one run."""

from __future__ import annotations

import argparse
import signal
import sys

from benchmarks import at_scale, report
from benchmarks.load import load_generator
from benchmarks.measuring import FULL, PARTS, QUICK, SHUFFLED, measure
from benchmarks.server import postgres


def main() -> None:
    """Measure, print, and on request write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small sizes: does it run, not how fast is it")
    parser.add_argument(
        "--only",
        default=PARTS,
        help="a COPY of events, b events, n collectors alone, c spans, d deadlines, e objectives, f one event, "
        "and sizes; at scale, by name only: g growth of queries and h of costs with ten times the history "
        "(25 GB of disk), i deadlines and j memory with a million open, k a burst, l peers, m disk with compression, "
        "o many stuck at once for few causes, p the pages of the dashboard in a browser and their queries",
    )
    parser.add_argument(
        "--instances",
        type=lambda said: tuple(int(one) for one in said.split(",")),
        help="of g, h and p: how many there are, one database after the other, such as 1000000,10000000",
    )
    parser.add_argument("--full", action="store_true", help="all of them: more than an hour, and 25 GB of disk")
    parser.add_argument(
        "--shuffled", type=float, default=SHUFFLED, help="share of orders whose events come in any order"
    )
    parser.add_argument("--write", action="store_true", help="write the figures to benchmarks/results/<date>.json")
    asked = parser.parse_args()
    only = (f"{PARTS},{at_scale.PARTS}" if asked.full else asked.only).split(",")
    # So that the servers are stopped and the folders removed when it is.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with postgres() as server, load_generator() as load:
        on = report.machine(server.version)
        figures = measure(server, load, QUICK if asked.quick else FULL, only, asked.shuffled)
        size = at_scale.QUICK if asked.quick else at_scale.FULL
        figures += at_scale.measure(server, load, size.of(asked.instances) if asked.instances else size, only)
    on["load_average_after"] = report.load_average()
    report.show(figures, on)
    if asked.write:
        print(report.write(figures, on, quick=asked.quick))


if __name__ == "__main__":
    main()
