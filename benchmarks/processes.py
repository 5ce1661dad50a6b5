"""A process and those it has started: what they hold of the memory, and what they have taken of the processors."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

SECONDS = 0.5
"""How often memory is looked at."""
PARTS = ("the collector", "the projector", "the projector's reader")
"""Of `milepost serve`, each the child of the one before."""
_TICKS = os.sysconf("SC_CLK_TCK")


def tree(root: int) -> dict[int, str]:
    """A process of `milepost serve` and those below it, by their parts."""
    parents: dict[int, list[int]] = {}
    for found in Path("/proc").iterdir():
        if found.name.isdecimal() and (fields := _stat(int(found.name))):
            parents.setdefault(int(fields[1]), []).append(int(found.name))
    named: dict[int, str] = {}

    def walk(pid: int, depth: int) -> None:
        if "resource_tracker" in _cmdline(pid):
            named[pid] = "the resource tracker"
            return
        named[pid] = PARTS[min(depth, len(PARTS) - 1)]
        for child in parents.get(pid, ()):
            walk(child, depth + 1)

    walk(root, 0)
    return named


def parent_of(pid: int) -> int:
    """The process that started this one."""
    return int(_stat(pid)[1])


def processor_seconds(pid: int) -> float:
    """User and system time of all threads of a process (proc(5)); 0 once it is gone."""
    fields = _stat(pid)
    return sum(map(int, fields[11:13])) / _TICKS if fields else 0.0


def files_of(pid: int) -> int:
    """How many files and sockets a process holds open; 0 once it is gone."""
    try:
        return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())
    except (FileNotFoundError, ProcessLookupError):
        return 0


def threads_of(pid: int) -> int:
    """How many threads it has; 0 once it is gone."""
    fields = _stat(pid)
    return int(fields[17]) if fields else 0


def anonymous(pid: int) -> float:
    """MiB of memory that are its own and of no file; 0 once it is gone, or where it may not be asked."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text("utf-8").splitlines()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("Anonymous:")), 0.0)


def _stat(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def _cmdline(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text("utf-8", "replace")
    except (FileNotFoundError, ProcessLookupError):
        return ""


@dataclass(slots=True)
class Memory:
    """The most that each part was seen to hold, in MiB: all that is mapped, and its share of what is shared."""

    rss: dict[str, float] = field(default_factory=dict)
    pss: dict[str, float] = field(default_factory=dict)

    def look(self, root: int) -> None:
        """Once, now."""
        now: dict[str, tuple[float, float]] = {}
        for pid, name in tree(root).items():
            rss, pss = _held(pid)
            before = now.get(name, (0.0, 0.0))
            # Of several of one part the largest: what is promised is promised of each.
            now[name] = (max(before[0], rss), max(before[1], pss))
        for name, (rss, pss) in now.items():
            self.rss[name] = max(self.rss.get(name, 0.0), rss)
            self.pss[name] = max(self.pss.get(name, 0.0), pss)


def _held(pid: int) -> tuple[float, float]:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text("utf-8").splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0, 0.0
    said = {name: int(rest.split()[0]) / 1024 for name, _, rest in (line.partition(":") for line in lines[1:])}
    return said.get("Rss", 0.0), said.get("Pss", 0.0)


@contextmanager
def watched(root: int) -> Iterator[Memory]:
    """What a process and those below it hold while the block lasts."""
    memory, stop = Memory(), threading.Event()

    def watch() -> None:
        memory.look(root)
        while not stop.wait(SECONDS):
            memory.look(root)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield memory
    finally:
        stop.set()
        thread.join()
