"""What is measured in one run, and how much is sent for it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from benchmarks import deadlines, events, objectives, single, spans
from benchmarks.load import LoadGenerator
from benchmarks.report import Figure
from benchmarks.server import Postgres

PARTS = "a,b,n,c,d,e,f"
SHUFFLED = 0.05
"""The share of orders whose events come in any order."""


@dataclass(frozen=True, slots=True)
class Size:
    """How much is sent."""

    events: int
    rounds: int
    span_requests: int
    instances: int
    deadline_seconds: int
    asked: int
    evaluated: int
    items_a_day: int


FULL = Size(
    events=240_000,
    rounds=3,
    span_requests=480,
    instances=100_000,
    deadline_seconds=20,
    asked=100,
    evaluated=200,
    items_a_day=300,
)
QUICK = Size(
    events=12_000,
    rounds=1,
    span_requests=12,
    instances=8_000,
    deadline_seconds=3,
    asked=10,
    evaluated=200,
    items_a_day=20,
)


def measure(
    server: Postgres, load: LoadGenerator, size: Size, only: Collection[str], shuffled: float = SHUFFLED
) -> list[Figure]:
    """The figures of the parts that are asked for, in their order."""
    figures = events.copy_limit(server, size.events, size.rounds) if "a" in only else []
    limit = figures[0] if figures else None
    if "b" in only:
        figures += events.measure(server, load, limit, size.events, size.rounds, shuffled)
    if "n" in only:
        figures += events.measure_collectors(server, load, limit, size.events, size.rounds)
    if "c" in only:
        figures += spans.measure(server, load, size.span_requests, size.rounds)
    if "d" in only:
        figures += deadlines.measure(server, load, "d", size.instances, 1_000, size.deadline_seconds, size.asked)
    if "e" in only:
        figures += objectives.measure(server, size.events // 2, size.rounds, size.evaluated, size.items_a_day)
    if "f" in only:
        figures += single.measure(server, load, size.events // 2, size.asked)
    return figures
