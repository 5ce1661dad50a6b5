"""Figures: as a table for people and as JSON to compare later runs with."""

from __future__ import annotations

import json
import os
import platform
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median, quantiles

from rich.console import Console
from rich.table import Table

from slo_rules import compiled

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured number; `runs` are the single rounds where it is their median."""

    name: str
    value: float
    unit: str
    runs: tuple[float, ...] = ()


def median_of(name: str, runs: list[float], unit: str) -> Figure:
    """The median of several rounds."""
    return Figure(name, median(runs), unit, tuple(runs))


def spread_of(name: str, values: list[float], unit: str) -> list[Figure]:
    """p50, p95, p99 and the largest."""
    cuts = quantiles(values, n=100, method="inclusive")
    found = (("p50", cuts[49]), ("p95", cuts[94]), ("p99", cuts[98]), ("max", max(values)))
    return [Figure(f"{name}, {which}", value, unit) for which, value in found]


def machine(postgres_version: str) -> dict[str, object]:
    """What the figures were measured on."""
    pages, page = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    return {
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(pages * page / 2**30, 1),
        "architecture": platform.machine(),
        "python": platform.python_version(),
        "postgresql": postgres_version,
        "compiled core": compiled.SAID,
        "load_average_before": load_average(),
    }


def load_average() -> float:
    """Of the last minute. What others do on the machine falsifies the figures: before a run it should be near 0."""
    return round(os.getloadavg()[0], 2)


def show(figures: list[Figure], on: dict[str, object]) -> None:
    """Print the table."""
    table = Table("Figure", "Value", "Unit", "Rounds", title=", ".join(f"{name} {value}" for name, value in on.items()))
    for column, justify in ((1, "right"), (3, "right")):
        table.columns[column].justify = justify  # type: ignore[assignment]
    for figure in figures:
        table.add_row(figure.name, _number(figure.value), figure.unit, " ".join(map(_number, figure.runs)))
    Console(width=None if os.isatty(1) else 140).print(table)


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def write(figures: list[Figure], on: dict[str, object], *, quick: bool) -> Path:
    """Write `results/<date>.json`; what was measured earlier that day and not again stays, if it was of this size."""
    now = datetime.now(UTC)
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{now:%Y-%m-%d}.json"
    measured = [asdict(figure) for figure in figures]
    names = {figure.name for figure in figures}
    before = json.loads(path.read_text("utf-8")) if path.exists() else {"quick": quick, "figures": []}
    kept = [one for one in before["figures"] if one["name"] not in names] if before["quick"] == quick else []
    said = {"at": f"{now:%Y-%m-%dT%H:%M:%SZ}", "quick": quick, "machine": on, "figures": kept + measured}
    path.write_text(json.dumps(said, indent=2) + "\n", "utf-8")
    return path
