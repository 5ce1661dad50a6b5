"""What one event says to one workflow version, and how that is folded into what is known of the instance already.

`fold(None, match)` is the progress the event alone makes, and `fold(progress, match)` equals
`join(progress, fold(None, match))` without the intermediate: this runs for every event, and most events change little.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any

import msgspec

from slo_rules.filters import spell
from slo_rules.identity import Key
from slo_rules.joining import earlier, join_reached, join_said, join_sorted, later
from slo_rules.match import Besides, Match
from slo_rules.paths import MISSING, compile_many, compile_path
from slo_rules.progress import ClockMark, Occurrence, Progress, Reached, Said, Scalar, Stamped, measured_name
from slo_rules.workflow import AMOUNT, CURRENCY, Milestone, Workflow

LONGEST_VALUE = 300
_NEVER = 2**62
LONGEST_CURRENCY = 12
_DECIMAL = re.compile(r"[+-]?[0-9]{1,20}(?:\.[0-9]{0,40})?(?:[eE][+-]?[0-9]{1,2})?")


def fold(progress: Progress | None, match: Match) -> Progress:
    """The progress with what the event says; pure."""
    besides = match.besides
    if besides is not None and besides.acts:
        return _with_act(progress, besides)
    at, key = match.at, match.key
    if progress is None:
        progress = Progress(at, at)
    first_at, last_at, said = progress.first_at, progress.last_at, progress.said
    if match.said:
        says = (Said(at, key, match.said),)
        said = says if not said else join_said(said, says)
    folded = Progress(
        # min() and max() take four times as long, and this runs for every event.
        at if at < first_at else first_at,  # noqa: FURB136
        at if at > last_at else last_at,  # noqa: FURB136
        reached(progress.milestones, match, progress.milestones) if match.milestones else progress.milestones,
        carried(progress.keys, match, progress.keys),
        said,
        progress.failed,
        progress.cancelled,
        progress.clock,
        progress.measured,
        progress.occurrences,
        progress.restarted,
        progress.aliases,
        progress.waiver,
    )
    return folded if besides is None else _with_besides(folded, at, key, besides)


def _with_act(progress: Progress | None, besides: Besides) -> Progress:
    """What people say of an instance is no step of it, and brings no keys."""
    if progress is None:
        progress = Progress(_NEVER, -_NEVER)
    if besides.waiver is None:
        return progress
    waiver = besides.waiver if progress.waiver is None else max(progress.waiver, besides.waiver)
    return msgspec.structs.replace(progress, waiver=waiver)


def _with_besides(progress: Progress, at: int, key: bytes, besides: Besides) -> Progress:
    """With what only few events say."""
    failed, cancelled, clock = progress.failed, progress.cancelled, progress.clock
    if besides.fails is not None:
        stamp = Stamped(at, key, besides.fails)
        failed = later(stamp, failed or stamp)
    if besides.cancels is not None:
        stamp = Stamped(at, key, besides.cancels)
        cancelled = earlier(stamp, cancelled or stamp)
    if besides.stops is not None:
        clock = join_sorted(clock, (ClockMark(at, key, besides.stops),))
    measured = progress.measured
    if besides.measured:
        measured = measured.copy()
        for name, value in besides.measured.items():
            stamp = Stamped(at, key, value)
            measured[name] = later(stamp, measured.get(name, stamp))
    occurrences, restarted = progress.occurrences, progress.restarted
    if besides.counted:
        occurrences = occurrences.copy()
        for name in besides.counted:
            one = Occurrence(at, key, besides.faults.get(name, ()), besides.parts.get(name, ""))
            occurrences[name] = join_sorted(occurrences.get(name, ()), (one,))
    if besides.restarts is not None:
        stamp = Stamped(at, key, besides.restarts)
        restarted = later(stamp, restarted or stamp)
    aliases = progress.aliases
    if besides.aliases:
        aliases = aliases.copy()
        for old, new in besides.aliases:
            stamp = Stamped(at, key, new)
            aliases[old] = later(stamp, aliases.get(old, stamp))
    return msgspec.structs.replace(
        progress,
        failed=failed,
        cancelled=cancelled,
        clock=clock,
        measured=measured,
        occurrences=occurrences,
        restarted=restarted,
        aliases=aliases,
    )


def reached(milestones: dict[str, Reached], match: Match, kept: dict[str, Reached]) -> dict[str, Reached]:
    """The milestones with those that an event reaches; written into, unless they are the ones to be `kept`."""
    at, key = match.at, match.key
    faults = None if match.besides is None else match.besides.faults
    union = milestones.copy() if milestones is kept else milestones
    for name in match.milestones:
        now = Reached(at, key, at, key, faults.get(name, ()) if faults else ())
        known = union.get(name)
        union[name] = now if known is None else join_reached(known, now)
    return union


def carried(keys: dict[Key, Stamped], match: Match, kept: dict[Key, Stamped]) -> dict[Key, Stamped]:
    """The keys with the earliest event that carried each; those to be `kept` are copied, where something changes."""
    at, union = match.at, keys
    for words in (match.joining, match.searching):
        for word in words:
            known = union.get(word)
            if known is None or at < known.at or (at == known.at and match.key < known.key):
                if union is kept:
                    union = keys.copy()
                union[word] = Stamped(at, match.key, "")
    return union


def sayings(workflow: Workflow) -> Callable[[Mapping[str, Any]], dict[str, Scalar]]:
    """A function that finds what an event document says of the workflow's attributes and worth.

    What is absent or unfit is left out.
    """
    paths = workflow.attributes | {AMOUNT: workflow.amount, CURRENCY: workflow.currency}
    lookup = compile_many([(name, paths[name]) for name in workflow.said])
    fits: dict[str, Callable[[Any], Scalar | None]] = dict.fromkeys(workflow.attributes, _scalar)
    fits |= {AMOUNT: _amount, CURRENCY: _currency}

    def says(document: Mapping[str, Any]) -> dict[str, Scalar]:
        said: dict[str, Scalar] = {}
        for name, value in lookup(document):
            fit = fits[name](value)
            if fit is not None:
                said[name] = fit
        return said

    return says


def _currency(value: Any) -> str | None:
    return value.strip().upper() if isinstance(value, str) and 0 < len(value.strip()) <= LONGEST_CURRENCY else None


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


Measure = Callable[[Iterable[str], Mapping[str, Any], Mapping[str, str]], dict[str, Scalar]]


def measures(workflow: Workflow) -> Measure:
    """A function from the milestones an event reaches, its document and its parts to what is kept for comparisons.

    What is absent or no plain value is the empty text: that the last event has none is worth knowing too.
    """
    lookups = {name: [(path, compile_path(path)) for path in paths] for name, paths in workflow.measured.items()}
    of_parts = {milestone.name for milestone in workflow.milestones if milestone.each}

    def measure(milestones: Iterable[str], document: Mapping[str, Any], parts: Mapping[str, str]) -> dict[str, Scalar]:
        found: dict[str, Scalar] = {}
        for milestone in milestones:
            part = parts.get(milestone, "")
            if milestone in of_parts and not part:
                continue
            for path, lookup in lookups.get(milestone, ()):
                value = lookup(document)
                scalar = None if value is MISSING else _scalar(value)
                found[measured_name(milestone, path, part)] = "" if scalar is None else scalar
        return found

    return measure


def requirements(milestone: Milestone) -> Callable[[Mapping[str, Any]], tuple[str, ...]]:
    """A function from an event document to the milestone's requirements it does not meet, in words."""
    rules = [(requirement, compile_path(requirement.path)) for requirement in milestone.require]

    def check(document: Mapping[str, Any]) -> tuple[str, ...]:
        faults = []
        for rule, lookup in rules:
            if rule.like is not None:
                continue
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
