"""The table of faults, for people and for docs/faults.md."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from tests.faults.faults import KINDS
from tests.faults.harness import Outcome

_SUMMED = ("requests", "acknowledged", "lost", "counted", "instances", "buckets", "incidents", "resolved", "messages",
           "events", "processes", "poisoned")  # fmt: skip


def table(outcomes: Sequence[Outcome]) -> str:
    """Each fault, how often it happened, and whether it was survived; then what was compared."""
    counts: Counter[str] = Counter()
    failed: set[str] = set()
    for one in outcomes:
        counts.update(one.counts)
        if one.wrong:
            failed.update(one.counts)
    lines = ["", "| fault | times | survived |", "|---|---|---|"]
    for kind in KINDS:
        times = counts[kind.name]
        said = "not tried" if not times else "in question" if kind.name in failed else "yes"
        lines.append(f"| {kind.name} | {times:,} | {said} |")
    lines.append(f"| **all** | {sum(counts.values()):,} | {'no' if failed else 'yes'} |")
    lines += ["", f"| of {len(outcomes)} runs | |", "|---|---|"]
    lines.append(f"| processes ended with SIGKILL | {sum(one.kills for one in outcomes):,} |")
    names = list(dict.fromkeys(name for one in outcomes for name in one.figures))
    for name in names:
        values = [one.figures[name] for one in outcomes if name in one.figures]
        summed = name.startswith(_SUMMED) and all(isinstance(one, int) for one in values)
        said = f"{sum(values):,}" if summed else str(max(values) if not isinstance(values[0], str) else values[-1])
        lines.append(f"| {name} | {said} |")
    return "\n".join(lines)
