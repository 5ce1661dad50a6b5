"""What is known of an instance from two sides, put together: the join of the semilattice of slo_rules/progress.py.

Every part is a minimum, a maximum or a union under a total order, so join is associative, commutative and idempotent.
Ties are broken by the event's key and at last by content: two different events that claim one id still give one answer.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from typing import Any, TypeVar

from slo_rules.progress import Progress, Reached, Said, Scalar, Stamped

T = TypeVar("T")


def join(a: Progress, b: Progress) -> Progress:
    """The progress of an instance of which both are known."""
    return Progress(
        min(a.first_at, b.first_at),
        max(a.last_at, b.last_at),
        _union(a.milestones, b.milestones, join_reached),
        _union(a.keys, b.keys, earlier),
        join_said(a.said, b.said),
        _either(a.failed, b.failed, later),
        _either(a.cancelled, b.cancelled, earlier),
        join_sorted(a.clock, b.clock),
        _union(a.measured, b.measured, later),
        _union(a.occurrences, b.occurrences, join_sorted),
        _either(a.restarted, b.restarted, later),
        _union(a.aliases, b.aliases, later),
        _either(a.waiver, b.waiver, max),
    )


def join_sorted(a: tuple[Any, ...], b: tuple[Any, ...]) -> tuple[Any, ...]:
    """All of both, in order, each once."""
    if not b or a == b:
        return a
    if not a:
        return b
    if len(b) == 1:
        # An event brings one: where there are many already, sorting them all again would cost more each time.
        place = bisect_left(a, b[0])
        return a if place < len(a) and a[place] == b[0] else (*a[:place], b[0], *a[place:])
    return tuple(sorted({*a, *b}))


def _union(a: dict[str, Any], b: dict[str, Any], pick: Callable[[Any, Any], Any]) -> dict[str, Any]:
    """Copied only when something changes: most events bring the keys an instance has already."""
    if not b or a is b:
        return a
    if not a:
        return b
    union = a
    for name, theirs in b.items():
        ours = a.get(name)
        chosen = theirs if ours is None else pick(ours, theirs)
        if chosen is not ours:
            if union is a:
                union = dict(a)
            union[name] = chosen
    return union


def join_said(a: tuple[Said, ...], b: tuple[Said, ...]) -> tuple[Said, ...]:
    """What is left of both: of each name the latest value."""
    if not b or a is b:
        return a
    if not a:
        return b
    if len(a) == 1 and len(b) == 1:
        # Nearly always: what is said of an instance is said by one event, and the next says the same names again.
        ours, theirs = a[0], b[0]
        if ours.at != theirs.at or ours.key != theirs.key:
            ours_last = ours.at > theirs.at or (ours.at == theirs.at and ours.key > theirs.key)
            older, newer = (theirs, ours) if ours_last else (ours, theirs)
            if older.values.keys() <= newer.values.keys():
                return a if ours_last else b
    latest: dict[str, Stamped] = {}
    for one in (*a, *b):
        for name, value in one.values.items():
            stamped, known = Stamped(one.at, one.key, value), latest.get(name)
            latest[name] = stamped if known is None else later(known, stamped)
    said: dict[tuple[int, bytes], dict[str, Scalar]] = {}
    for name in sorted(latest):
        said.setdefault((latest[name].at, latest[name].key), {})[name] = latest[name].value
    return tuple(Said(at, key, said[at, key]) for at, key in sorted(said, reverse=True))


def _either(a: T | None, b: T | None, pick: Callable[[T, T], T]) -> T | None:
    if a is None or b is None:
        return b if a is None else a
    return pick(a, b)


def order(stamped: Stamped) -> tuple[int, bytes, str, str]:
    return (stamped.at, stamped.key, type(stamped.value).__name__, str(stamped.value))


def earlier(a: Stamped, b: Stamped) -> Stamped:
    if a.at != b.at:
        return a if a.at < b.at else b
    return a if order(a) <= order(b) else b


def later(a: Stamped, b: Stamped) -> Stamped:
    if a.at != b.at:
        return a if a.at > b.at else b
    return a if order(a) >= order(b) else b


def join_reached(a: Reached, b: Reached) -> Reached:
    first = a if (a.at, a.key) <= (b.at, b.key) else b
    last = a if (a.last_at, a.last_key, a.faults) >= (b.last_at, b.last_key, b.faults) else b
    if first is last:
        return first
    return Reached(first.at, first.key, last.last_at, last.last_key, last.faults)
