"""Everything known of an instance so far, as a join-semilattice.

`join` puts two progresses together; an event adds the progress it alone would make (slo_rules/observation.py). Every
part is a minimum, a maximum or a union under a total order, so join is associative, commutative and idempotent, and
duplicates, late arrivals and the merging of two half-instances need no case of their own.

Ties are broken by the event's key and at last by content: two different events that claim one id still give one answer.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from slo_rules.workflow import Workflow

Scalar = str | int | float | bool
T = TypeVar("T")


class Reached(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The first and the last time a milestone was reached; `faults` are the unmet requirements of the last."""

    at: int
    key: bytes
    last_at: int
    last_key: bytes
    faults: tuple[str, ...] = ()


class Stamped(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A value with the time and the key of the event that said it."""

    at: int
    key: bytes
    value: Scalar


class Said(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What an event said of the attributes and the worth, as far as no later event said something else of the same."""

    at: int
    key: bytes
    values: dict[str, Scalar]


class ClockMark(msgspec.Struct, frozen=True, array_like=True, gc=False, order=True):
    """An event that stops the clocks, or lets them run again."""

    at: int
    key: bytes
    stops: bool


class Occurrence(msgspec.Struct, frozen=True, array_like=True, gc=False, order=True):
    """An event that reached a milestone, with the requirements it does not meet.

    `part` is the value of the key that a milestone with `each` names, empty where the event carries none.
    """

    at: int
    key: bytes
    faults: tuple[str, ...] = ()
    part: str = ""


class Waiver(msgspec.Struct, frozen=True, array_like=True, gc=False, order=True):
    """Somebody's word that an instance needs no attention until then; times are micros.

    One that ends when it is said withdraws those before it.
    """

    at: int
    key: bytes
    until: int
    by: str
    reason: str

    @property
    def withdraws(self) -> bool:
        """Whether it only ends what was said before."""
        return self.until <= self.at


class Progress(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What is known of one instance.

    Keys are `namespace=value`, stamped with the earliest event that carried them. `said` begins with the latest event;
    most events say the same attributes again, so that it is mostly one entry long. `clock` is in order. `measured`
    holds what milestones are compared by, under `measured_name`, of the last event that reached the milestone.
    """

    first_at: int
    last_at: int
    milestones: dict[str, Reached] = {}
    keys: dict[str, Stamped] = {}
    said: tuple[Said, ...] = ()
    failed: Stamped | None = None
    cancelled: Stamped | None = None
    clock: tuple[ClockMark, ...] = ()
    measured: dict[str, Stamped] = {}
    occurrences: dict[str, tuple[Occurrence, ...]] = {}
    """Of the milestones in `Workflow.counted`, in order."""
    restarted: Stamped | None = None
    """The last event that began everything anew."""
    aliases: dict[str, Stamped] = {}
    """Keys that were replaced, with the key that replaces each by the last event that says so."""
    waiver: Waiver | None = None
    """The last that was said of a waiver, in force or not."""

    @property
    def attributes(self) -> dict[str, Scalar]:
        """The latest value of each attribute and, under AMOUNT and CURRENCY, of the worth."""
        return {name: value for one in self.said for name, value in one.values.items()}


def measured_name(milestone: str, path: str, part: str = "") -> str:
    """Under which name `Progress.measured` has what an event has at a path; of parts each has its own."""
    # No value of a key has a NUL in it.
    return f"{milestone}/{path}\x00{part}" if part else f"{milestone}/{path}"


def passed_at(progress: Progress, workflow: Workflow, milestone: str) -> int | None:
    """When a milestone was reached; where its own event is missing, the earliest time that shows it was passed."""
    mark = progress.milestones.get(milestone)
    if mark is not None:
        return mark.at
    later = [progress.milestones[name].at for name in workflow.descendants[milestone] if name in progress.milestones]
    return min(later) if later else None


def current_key(progress: Progress, key: str) -> str:
    """The key that names the instance today instead of this one; where replacements run in a circle, one of them."""
    met = [key]
    while (following := progress.aliases.get(met[-1])) is not None:
        name = str(following.value)
        if name in met:
            return min(met[met.index(name) :])
        met.append(name)
    return met[-1]


def other_names(progress: Progress, key: str) -> set[str]:
    """The keys that were replaced by this one or that it was replaced by, however many steps away."""
    met, todo = {key}, [key]
    while todo:
        one = todo.pop()
        near = [old for old, stamp in progress.aliases.items() if stamp.value == one]
        if one in progress.aliases:
            near.append(str(progress.aliases[one].value))
        todo += [name for name in near if name not in met]
        met.update(near)
    return met - {key}


def began_at(progress: Progress, workflow: Workflow) -> int:
    """When the instance began: at the first of its starting milestones, else with its first event."""
    starts = [progress.milestones[name].at for name in workflow.starting if name in progress.milestones]
    return min(starts) if starts else progress.first_at


def is_cancelled(progress: Progress, workflow: Workflow) -> bool:
    """Whether the instance was called off before it completed."""
    cancelled = progress.cancelled
    if cancelled is None:
        return False
    completed = completed_at(progress, workflow)
    return completed is None or cancelled.at < completed


def completed_at(progress: Progress, workflow: Workflow) -> int | None:
    """When the instance completed: at the first of its completing milestones, or when all were reached."""
    first: int | None = None
    last: int | None = None
    for name in workflow.completing:
        mark = progress.milestones.get(name)
        if mark is None:
            if workflow.completes_with_all:
                return None
            continue
        first = mark.at if first is None or mark.at < first else first
        last = mark.at if last is None or mark.at > last else last
    return last if workflow.completes_with_all else first


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
    if len(a) == len(b) == 1 and (a[0].at, a[0].key) != (b[0].at, b[0].key):
        newer, older = (a[0], b[0]) if (a[0].at, a[0].key) > (b[0].at, b[0].key) else (b[0], a[0])
        if older.values.keys() <= newer.values.keys():
            return (newer,)
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
