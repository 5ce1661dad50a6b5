"""When objectives of freshness were stale, from the steps in their buckets, of which little is read again and again.

The steps of a month may be thousands for each objective, and nearly all of them are as they were five minutes ago. What
was read is remembered by day, with the transaction that had last changed the bucket of the day (its xmin): every
transaction that changes a step writes that bucket too (collector/buckets.py). A day that a later one has changed is
read again, with all that follow.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile
from typing import NamedTuple

from collector.query.runs import ALWAYS, Reading, Runs, series
from slo_rules.buckets import BUCKET
from slo_rules.budget import Staleness
from slo_rules.durations import DAY, SECOND
from slo_rules.reckoning import Asked

MOST_REMEMBERED = 5_000
_Day = tuple[int, int]
"""When it begins (micros), and the transaction that has last changed it."""


class _Read(NamedTuple):
    """What was read: so many changes were stale `before`; all days, and what they say."""

    before: int
    days: list[_Day]
    staleness: Staleness


class Memory:
    """What was read before of one database, by objective, group and first day. Coroutines may share it."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str, int], _Read] = {}

    def get(self, place: Asked, first: int) -> _Read | None:
        """What is remembered of an objective in all or in a group from a day on."""
        return self._kept.get((place.objective.name, place.group, first))

    def keep(self, place: Asked, first: int, read: _Read) -> None:
        """Remember it, and forget what was not asked for longest."""
        key = (place.objective.name, place.group, first)
        self._kept.pop(key, None)
        if len(self._kept) >= MOST_REMEMBERED:
            del self._kept[next(iter(self._kept))]
        self._kept[key] = read


def read_staleness(places: Sequence[tuple[Asked, int, int]], memory: Memory) -> Reading:
    """The Staleness of each objective, in all or in a group, as far as two instants (micros), by its number."""
    spans = [(place, since - since % DAY, -(-until // DAY) * DAY) for place, since, until in places]
    days, before = Runs(), Runs()
    for number, (place, first, end) in enumerate(spans):
        days.add_width(number, place, DAY, first, end)
        before.add(number, place, [(ALWAYS, first)])
    rows = yield "days_of_steps", days.parameters()
    listed: dict[int, list[_Day]] = {
        row["number"]: [(at * SECOND, changed) for at, changed in zip(row["at"], row["changed"], strict=True)]
        for row in rows
    }
    rows = yield "counts", before.parameters()
    stale = {row["number"]: row["step"] for row in rows}
    found: list[Staleness] = []
    anew = Runs()
    resumes: dict[int, int] = {}
    for number, (place, first, end) in enumerate(spans):
        read = memory.get(place, first)
        base = stale.get(number, 0)
        now = listed.get(number, [])
        if read is None or read.before != base:
            resumes[number] = first
            found.append(Staleness([(first, base)]))
        else:
            was = [day for day in read.days if day[0] < end]
            same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(was, now, strict=False)))
            others = [day[0] for day in (*was[same : same + 1], *now[same : same + 1])]
            if others:
                resumes[number] = min(others)
            found.append(read.staleness)
        if number in resumes:
            anew.add_width(number, place, BUCKET, resumes[number], end)
    rows = (yield "steps", anew.parameters()) if anew else []
    steps = {row["number"]: series(row) for row in rows}
    for number, at in resumes.items():
        place, first, _ = spans[number]
        base = [(first, stale.get(number, 0))] if at == first else []
        found[number] = found[number].with_other(at, base + steps.get(number, []))
        memory.keep(place, first, _Read(stale.get(number, 0), listed.get(number, []), found[number]))
    return found
