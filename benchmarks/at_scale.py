"""What is measured at scale, and how much is there for it: each by name only, as some take minutes and much disk."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

from benchmarks import burst, causes, compression, deadlines, growth, memory, pages, peers
from benchmarks.growth import HistorySize
from benchmarks.load import LoadGenerator
from benchmarks.pages import PagesSize
from benchmarks.report import Figure
from benchmarks.server import Postgres

PARTS = "g,h,i,j,k,l,m,o,p"


@dataclass(frozen=True, slots=True)
class Size:
    """How much is there already, and how much is sent."""

    history: HistorySize
    events: int
    rounds: int
    open: int
    due_a_second: int
    due_seconds: int
    burst_seconds: int
    peer_requests: int
    disk_events: int
    disk_span_requests: int
    stuck: int
    stuck_seconds: int
    pages: PagesSize

    def of(self, instances: tuple[int, ...]) -> Size:
        """The same with other numbers of instances."""
        history, pages = replace(self.history, instances=instances), replace(self.pages, instances=instances)
        return replace(self, history=history, pages=pages)


FULL = Size(
    history=HistorySize((1_000_000, 10_000_000), 50_000, 100),
    events=240_000,
    rounds=3,
    open=1_000_000,
    due_a_second=2_000,
    due_seconds=20,
    burst_seconds=60,
    peer_requests=40,
    disk_events=1_000_000,
    disk_span_requests=480,
    stuck=100_000,
    stuck_seconds=60,
    pages=PagesSize((1_000_000,), open=50_000, asked=100, looked=12, exported=1_000_000),
)
QUICK = Size(
    history=HistorySize((10_000, 20_000), 2_000, 5),
    events=12_000,
    rounds=1,
    open=12_000,
    due_a_second=2_000,
    due_seconds=3,
    burst_seconds=3,
    peer_requests=2,
    disk_events=24_000,
    disk_span_requests=48,
    stuck=3_000,
    stuck_seconds=5,
    pages=PagesSize((20_000,), open=2_000, asked=5, looked=2, exported=20_000),
)


def measure(server: Postgres, load: LoadGenerator, size: Size, only: Collection[str]) -> list[Figure]:
    """The figures of the parts that are asked for, in their order."""
    figures: list[Figure] = []
    if {"g", "h"} & set(only):
        figures += growth.measure(server, load, only, size.history, size.events // 2, size.rounds)
    if "i" in only:
        figures += deadlines.measure(server, load, "i", size.open, size.due_a_second, size.due_seconds, 0)
    if "j" in only:
        figures += memory.measure(server, load, size.open, size.events)
    if "k" in only:
        figures += burst.measure(server, load, size.events, size.burst_seconds)
    if "l" in only:
        figures += peers.measure(server, load, size.peer_requests)
    if "m" in only:
        figures += compression.measure(server, load, size.disk_events, size.disk_span_requests)
    if "o" in only:
        figures += causes.measure(server, load, size.stuck, size.stuck_seconds)
    if "p" in only:
        figures += pages.measure(server, size.pages)
    return figures
