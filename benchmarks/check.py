"""`python -m benchmarks.check`: whether the ratios of a small run are much worse than those of the newest results."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Collection, Sequence

from rich.console import Console
from rich.table import Table

from benchmarks import ratios, report
from benchmarks.load import load_generator
from benchmarks.measuring import Size, measure
from benchmarks.ratios import MARKS, NotComparable, Outcome
from benchmarks.server import postgres

SMALL = Size(
    events=60_000,
    rounds=2,
    span_requests=240,
    instances=0,
    deadline_seconds=0,
    asked=0,
    evaluated=25,
    items_a_day=300,
)
"""As little as ratios can be told by: two minutes on two cores."""


def _measured(parts: Collection[str]) -> dict[str, float]:
    with postgres() as server, load_generator() as load:
        return {figure.name: figure.value for figure in measure(server, load, SMALL, parts)}


def _show(outcomes: Sequence[Outcome], results: str) -> None:
    table = Table("Ratio", f"In {results}", "Now", "Bound", "", title="Ratios, each of two figures of one run")
    for outcome in outcomes:
        before = outcome.before
        known = ("–", "–") if before is None else (f"{before:.3g}", f"{outcome.mark.bound(before):.3g}")
        said = "new" if before is None else "passed" if outcome.passed else "WORSE"
        table.add_row(outcome.mark.figure, known[0], f"{outcome.now:.3g}", known[1], said)
    Console(width=None if os.isatty(1) else 120).print(table)


def main() -> None:
    """Measure, compare, measure once more what seems worse, and end with 1 if it is."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        results, before = ratios.newest(report.RESULTS)
        now = _measured({part for mark in MARKS for part in mark.parts})
        outcomes = ratios.compare(before, now)
        if parts := ratios.again(outcomes):
            outcomes = ratios.compare(before, ratios.better(now, _measured(parts)))
    except NotComparable as error:
        sys.exit(str(error))
    _show(outcomes, results)
    said = ratios.verdict(outcomes, results)
    if not all(outcome.passed for outcome in outcomes):
        sys.exit(said)
    print(said)


if __name__ == "__main__":
    main()
