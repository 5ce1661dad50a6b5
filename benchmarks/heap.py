"""What a page holds in Chromium: the heap of its scripts after a collection, its nodes and listeners."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
    """By how much a quantity grew from the first third of the samples to the last, by the least of each.

    What a page holds goes up and down with what is compiled and cached; what nobody lets go of is in the least of it.
    """
    third = max(1, len(samples) // 3)
    return min(map(of, samples[-third:])) - min(map(of, samples[:third]))
