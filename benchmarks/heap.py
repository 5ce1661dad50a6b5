"""What a page holds in Chromium: the heap of its scripts after a collection, its nodes and listeners."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import median_low
from typing import Any, NamedTuple, Protocol

_KIB = 1024


class Devtools(Protocol):
    """A session of the DevTools protocol with one page."""

    def send(self, method: str, params: dict[str, Any] | None = None) -> Any: ...


class Held(NamedTuple):
    """What a page holds that nothing can be collected of: its heap in KiB, and how many nodes and listeners."""

    heap: float
    nodes: int
    listeners: int


def held(session: Devtools) -> Held:
    """What is left after garbage was collected; twice, since what is finalised is freed by the next collection."""
    session.send("HeapProfiler.enable")
    for _ in range(2):
        session.send("HeapProfiler.collectGarbage")
    counted = session.send("Memory.getDOMCounters")
    used = session.send("Runtime.getHeapUsage")["usedSize"]
    return Held(used / _KIB, counted["nodes"], counted["jsEventListeners"])


def growth(samples: Sequence[Held], of: Callable[[Held], float]) -> float:
    """By how much a quantity grew from the first half of the samples to the last, by the low median of each.

    What a page holds goes up and down with what is compiled, cached and just being drawn, and a page that was just
    opened may hold less than it ever will again: neither a single low sample nor two high ones decide. What nobody lets
    go of grows with every sample.
    """
    half = max(1, len(samples) // 2)
    return median_low(map(of, samples[-half:])) - median_low(map(of, samples[:half]))
