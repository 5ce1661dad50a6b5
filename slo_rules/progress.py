"""Everything known of an instance so far, as a join-semilattice.

`observe` turns one event into the progress it alone would make; `join` puts two progresses together. Every part is
a minimum, a maximum or a union under a total order, so join is associative, commutative and idempotent, and
duplicates, late arrivals and the merging of two half-instances need no case of their own.

Ties are broken by the event's key and at last by content: two different events that claim one id still give one answer.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import msgspec

from slo_rules.event import Event
from slo_rules.filters import spell
from slo_rules.identity import Key
from slo_rules.paths import MISSING, compile_first, compile_many, compile_path
from slo_rules.workflow import Milestone, Workflow

AMOUNT = "$amount"
CURRENCY = "$currency"
LONGEST_VALUE = 300
_DECIMAL = re.compile(r"[+-]?[0-9]{1,20}(?:\.[0-9]{0,40})?(?:[eE][+-]?[0-9]{1,2})?")
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


class Progress(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What is known of one instance. Keys are `namespace=value`, stamped with the earliest event that carried them."""

    first_at: int
    last_at: int
    milestones: dict[str, Reached] = {}
    keys: dict[str, Stamped] = {}
    attributes: dict[str, Stamped] = {}
    failed: Stamped | None = None
    cancelled: Stamped | None = None


def passed_at(progress: Progress, workflow: Workflow, milestone: str) -> int | None:
    """When a milestone was reached; where its own event is missing, the earliest time that shows it was passed."""
    mark = progress.milestones.get(milestone)
    if mark is not None:
        return mark.at
    later = [progress.milestones[name].at for name in workflow.descendants[milestone] if name in progress.milestones]
    return min(later) if later else None


def is_cancelled(progress: Progress, workflow: Workflow) -> bool:
    """Whether the instance was called off before it completed."""
    cancelled = progress.cancelled
    if cancelled is None:
        return False
    completed = [progress.milestones[name].at for name in workflow.completing if name in progress.milestones]
    return not completed or cancelled.at < min(completed)


Observe = Callable[[Event, tuple[str, ...], list[Key], bool, bool], Progress]


def join(a: Progress, b: Progress) -> Progress:
    """The progress of an instance of which both are known."""
    return Progress(
        min(a.first_at, b.first_at),
        max(a.last_at, b.last_at),
        _union(a.milestones, b.milestones, _join_reached),
        _union(a.keys, b.keys, _earlier),
        _latest(a.attributes, b.attributes),
        _either(a.failed, b.failed, _later),
        _either(a.cancelled, b.cancelled, _earlier),
    )


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


def _latest(a: dict[str, Stamped], b: dict[str, Stamped]) -> dict[str, Stamped]:
    """The union in which the later value of a name wins."""
    if not b or a is b:
        return a
    union = dict(a)
    get = a.get
    for name, theirs in b.items():
        ours = get(name)
        if ours is None or theirs.at > ours.at or (theirs.at == ours.at and _order(theirs) > _order(ours)):
            union[name] = theirs
    return union


def _either(a: Stamped | None, b: Stamped | None, pick: Callable[[Stamped, Stamped], Stamped]) -> Stamped | None:
    if a is None or b is None:
        return b if a is None else a
    return pick(a, b)


def _order(stamped: Stamped) -> tuple[int, bytes, str, str]:
    return (stamped.at, stamped.key, type(stamped.value).__name__, str(stamped.value))


def _earlier(a: Stamped, b: Stamped) -> Stamped:
    if a.at != b.at:
        return a if a.at < b.at else b
    return a if _order(a) <= _order(b) else b


def _later(a: Stamped, b: Stamped) -> Stamped:
    if a.at != b.at:
        return a if a.at > b.at else b
    return a if _order(a) >= _order(b) else b


def _join_reached(a: Reached, b: Reached) -> Reached:
    first = a if (a.at, a.key) <= (b.at, b.key) else b
    last = a if (a.last_at, a.last_key, a.faults) >= (b.last_at, b.last_key, b.faults) else b
    if first is last:
        return first
    return Reached(first.at, first.key, last.last_at, last.last_key, last.faults)


def observer(workflow: Workflow) -> Observe:
    """The function `observe(event, milestones, keys, fails, cancels) -> Progress` of one workflow version.

    `milestones` are those the event reaches, `keys` those it carries; `fails` and `cancels` say whether the event
    matched `fails_on` or `cancels_on`.
    """
    attributes = compile_many(sorted(workflow.attributes.items()))
    amount = compile_first(workflow.amount) if workflow.amount else None
    currency = compile_first(workflow.currency) if workflow.currency else None
    checks = {milestone.name: _requirements(milestone) for milestone in workflow.requiring}

    def observe(event: Event, milestones: tuple[str, ...], keys: list[Key], fails: bool, cancels: bool) -> Progress:
        at, key, document = event.occurred_at, event.key, event.document
        said: dict[str, Stamped] = {}
        for name, value in attributes(document):
            if (scalar := _scalar(value)) is not None:
                said[name] = Stamped(at, key, scalar)
        if amount is not None and (value := _amount(amount(document))) is not None:
            said[AMOUNT] = Stamped(at, key, value)
        if currency is not None and isinstance(value := currency(document), str) and 0 < len(value.strip()) <= 12:
            said[CURRENCY] = Stamped(at, key, value.strip().upper())
        reached = {
            name: Reached(at, key, at, key, checks[name](document) if name in checks else ()) for name in milestones
        }
        mark = Stamped(at, key, event.type) if fails or cancels else None
        carried = Stamped(at, key, "")
        return Progress(
            at,
            at,
            reached,
            {f"{namespace}={value}": carried for namespace, value in keys},
            said,
            mark if fails else None,
            mark if cancels else None,
        )

    return observe


def _scalar(value: Any) -> Scalar | None:
    if type(value) is str:
        return (
            value if len(value) <= LONGEST_VALUE and "\x00" not in value else value.replace("\x00", "")[:LONGEST_VALUE]
        )
    if isinstance(value, float) and value - value != 0:
        return None
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        return str(value)[:LONGEST_VALUE]
    return value if isinstance(value, (bool, int, float)) else None


def _amount(value: Any) -> str | None:
    """A decimal text of at most 15 digits before and 6 after the point; None for anything else."""
    if type(value) is int and -(10**15) < value < 10**15:
        return str(value)
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return None
    spelled = str(value).strip()
    if not _DECIMAL.fullmatch(spelled):
        return None
    amount = round(Decimal(spelled), 6)
    if abs(amount) >= 10**15:
        return None
    return format(amount.normalize(), "f") if amount else "0"


def _requirements(milestone: Milestone) -> Callable[[Mapping[str, Any]], tuple[str, ...]]:
    rules = [(requirement, compile_path(requirement.path)) for requirement in milestone.require]

    def check(document: Mapping[str, Any]) -> tuple[str, ...]:
        faults = []
        for rule, lookup in rules:
            value = lookup(document)
            absent = value is MISSING or value is None or value == ""
            if rule.equals is not None:
                if absent or spell(value) != rule.equals:
                    found = "nothing" if absent else repr(spell(value) or "a structure")[:80]
                    faults.append(f"{milestone.title}: {rule.path} should be {rule.equals!r}, found {found}")
            elif absent is rule.exists:
                faults.append(
                    f"{milestone.title}: {rule.path} is {'missing' if rule.exists else 'there but should not be'}"
                )
        return tuple(faults)

    return check
