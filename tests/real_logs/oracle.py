"""What a process log holds, computed without Milepost: a second opinion for its numbers.

    python oracle.py LOG.xes.gz --complete ACTIVITY [--start ACTIVITY] [--within HOURS]

Prints JSON: cases, events, cases with the completing activity, and the exact median of first start (the earliest
event of the case unless --start is given) to first completion, in seconds; with --within also how many of the
cases that have both were in time, late, and (having a start, but no completion) unfinished.

It shares no code with the product on purpose: regular expressions over the decompressed text, no XML parser.
Good for logs as OpenXES and pm4py write them, not for any XES.
"""

from __future__ import annotations

import argparse
import gzip
import html
import json
import re
import statistics
from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

Happening = tuple[datetime, str]

_TRACE = re.compile(r"<trace>(.*?)</trace>", re.DOTALL)
_EVENT = re.compile(r"<event>(.*?)</event>", re.DOTALL)
_NAME = re.compile(r'<string\s+key="concept:name"\s+value="([^"]*)"')
_TIME = re.compile(r'<date\s+key="time:timestamp"\s+value="([^"]*)"')


def traces(log: Path) -> Iterator[tuple[str, list[Happening]]]:
    """Every trace of the log: its name, and its events as (instant, activity) in the order of the file."""
    text = gzip.decompress(log.read_bytes()).decode("utf-8")
    for trace in _TRACE.finditer(text):
        body = trace.group(1)
        head = body.partition("<event>")[0]
        name = _NAME.search(head)
        assert name is not None, f"a trace without a name: {head[:200]}"
        happenings = []
        for event in _EVENT.finditer(body):
            activity, time = _NAME.search(event.group(1)), _TIME.search(event.group(1))
            assert activity is not None and time is not None, event.group(1)[:200]
            happenings.append((datetime.fromisoformat(time.group(1)), html.unescape(activity.group(1))))
        yield html.unescape(name.group(1)), happenings


def measure(log: Path, *, complete: str, start: str | None = None, within: timedelta | None = None) -> dict[str, Any]:
    """The figures of the module's docstring; durations in seconds, instants in UTC."""
    cases: dict[str, list[Happening]] = {}
    for name, happenings in traces(log):
        cases.setdefault(name, []).extend(happenings)
    durations: list[timedelta] = []
    counts = dict.fromkeys(("completed", "without_start", "unfinished", "in_time", "late"), 0)
    for happenings in cases.values():
        starts = [at for at, activity in happenings if start is None or activity == start]
        ends = [at for at, activity in happenings if activity == complete]
        counts["completed"] += bool(ends)
        counts["without_start"] += not starts
        counts["unfinished"] += bool(starts) and not ends
        if starts and ends:
            taken = min(ends) - min(starts)
            durations.append(taken)
            if within is not None:
                counts["in_time" if taken <= within else "late"] += 1
    instants = [at for happenings in cases.values() for at, _ in happenings]
    result: dict[str, Any] = {
        "log": log.name,
        "cases": len(cases),
        "events": len(instants),
        "first_event": min(instants).astimezone(UTC).isoformat(),
        "last_event": max(instants).astimezone(UTC).isoformat(),
        "start": start or "(earliest event)",
        "complete": complete,
        **counts,
        "measured": len(durations),
        "negative": sum(taken < timedelta(0) for taken in durations),
        "median_seconds": _seconds(statistics.median(_micros(taken) for taken in durations)) if durations else None,
    }
    if within is None:
        del result["in_time"], result["late"]
    else:
        result["within_hours"] = within / timedelta(hours=1)
    return result


def contradictions(log: Path, order: Sequence[str], free: Collection[str], tolerated: timedelta) -> set[str]:
    """The cases in which an activity only ever came before the first of the nearest one before it in the order.

    Those that are free may come whenever they like, and tell nothing about what comes before them.
    """
    firsts: dict[str, dict[str, datetime]] = {}
    lasts: dict[str, dict[str, datetime]] = {}
    for name, happenings in traces(log):
        for at, activity in happenings:
            first, last = firsts.setdefault(name, {}), lasts.setdefault(name, {})
            first[activity] = min(at, first.get(activity, at))
            last[activity] = max(at, last.get(activity, at))
    found = set()
    for name, first in firsts.items():
        for place, activity in enumerate(order):
            if activity not in first or activity in free:
                continue
            for before in reversed(order[:place]):
                if before in first:
                    if first[before] - lasts[name][activity] > tolerated:
                        found.add(name)
                    break
                if before in free:
                    break
    return found


def _micros(taken: timedelta) -> int:
    return taken // timedelta(microseconds=1)


def _seconds(micros: float) -> float:
    return micros / 1_000_000


def main() -> None:
    parser = argparse.ArgumentParser(description="Figures of a .xes.gz, computed without Milepost.")
    parser.add_argument("log", type=Path)
    parser.add_argument("--complete", required=True, help="the activity whose first occurrence completes a case")
    parser.add_argument("--start", help="the activity whose first occurrence starts it (default: earliest event)")
    parser.add_argument("--within", type=float, help="hours that start to completion may take")
    given = parser.parse_args()
    within = timedelta(hours=given.within) if given.within is not None else None
    print(json.dumps(measure(given.log, complete=given.complete, start=given.start, within=within), indent=2))


if __name__ == "__main__":
    main()
