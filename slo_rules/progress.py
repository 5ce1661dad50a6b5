"""Everything known of an instance so far, as a join-semilattice.

`join` (slo_rules/joining.py) puts two progresses together; an event adds the progress it alone would make
(slo_rules/observation.py). Every part is a minimum, a maximum or a union under a total order, so join is associative,
commutative and idempotent, and duplicates, late arrivals and the merging of two half-instances need no case of their
own.

Ties are broken by the event's key and at last by content: two different events that claim one id still give one answer.
"""

from __future__ import annotations

import msgspec

Scalar = str | int | float | bool


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
