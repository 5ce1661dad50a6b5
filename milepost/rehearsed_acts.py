"""What people do with incidents in a test of definitions, and what befalls Milepost: read from a file, and done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from alerting.facts import Condition, read_match
from alerting.muting import LONGEST_POSTPONED, LONGEST_SILENCE, Silence
from alerting.rehearsed import Rehearsed
from milepost.expectations import Difference, Failure, read_instant, spell_instant
from milepost.incident_meant import is_meant, read_cause, words_of_cause
from slo_rules.acts import LONGEST_NAME
from slo_rules.durations import DAY, format_duration
from slo_rules.reading import Reader
from slo_rules.workflow import Definitions

OF_INCIDENTS = ("acknowledge", "withdraw", "assign", "postpone", "resolve")
ACTS = (*OF_INCIDENTS, "silence", "end_silence", "restart", "behind")
_FIELDS: Mapping[str, tuple[str, ...]] = {
    "acknowledge": ("by", "until"),
    "withdraw": ("by",),
    "assign": ("by", "to"),
    "postpone": ("by", "until"),
    "resolve": ("by",),
    "silence": ("by", "name", "reason", "until"),
    "end_silence": ("by",),
    "restart": ("until",),
    "behind": ("until",),
}
_BEFALLS = ("restart", "behind")
"""What nobody does: it befalls Milepost."""
_NEEDED: Mapping[str, tuple[str, ...]] = {
    "postpone": ("by", "until"),
    "silence": ("by", "until"),
    "restart": (),
    "behind": ("until",),
}
_LONGEST: Mapping[str, int] = {
    "postpone": LONGEST_POSTPONED,
    "silence": LONGEST_SILENCE,
    "restart": 14 * DAY,
    "behind": 14 * DAY,
}


@dataclass(frozen=True, slots=True)
class RehearsedAct:
    """One act at an instant (micros). `cause` says of which incident it is, `match` what a silence is about.

    `until` None: until the incident resolves, or of a restart: at once. `named` is the silence that begins or ends.
    """

    at: int
    line: int
    what: str
    by: str = ""
    until: int | None = None
    cause: Mapping[str, str] = field(default_factory=dict)
    match: Mapping[str, Condition] = field(default_factory=dict)
    to: str | None = None
    named: str = ""
    reason: str = ""


def read_rehearsed_act(entry: Reader, start: int, definitions: Definitions | None) -> RehearsedAct | None:
    """An act; None after a fault that leaves nothing of it. Without definitions no name is looked up."""
    if not isinstance(entry.value, dict):
        entry.mapping()
        return None
    said = [what for what in ACTS if what in entry.value]
    if len(said) != 1:
        entry.fault(f"must say exactly one of {', '.join(ACTS)}")
        return None
    (what,) = said
    entry.mapping(("at", what, *_FIELDS[what]), ("at", what, *_NEEDED.get(what, ("by",))))
    at = read_instant(entry.at("at"), start) if entry.optional("at") else None
    of = entry.optional(what)
    by, to, name, reason = (entry.optional(one) for one in ("by", "to", "name", "reason"))
    cause: dict[str, str] = {}
    match: dict[str, Condition] = {}
    if of is None:
        pass
    elif what in OF_INCIDENTS:
        cause = read_cause(of, definitions)
    elif what == "silence":
        match = _match(of)
    elif what in _BEFALLS and of.value is not True:
        of.fault("must be true")
    named = of.text(longest=LONGEST_NAME) if of and what == "end_silence" else name.text() if name else ""
    act = RehearsedAct(
        at or 0,
        entry.document.line(entry.path),
        what,
        by.text(longest=LONGEST_NAME) if by else "",
        _until(entry.optional("until"), at, start, what),
        cause,
        match,
        to.text(longest=LONGEST_NAME) if to else None,
        named,
        reason.text(longest=1000) if reason else "",
    )
    return act if at is not None else None


def check_silences(acts: Sequence[RehearsedAct | None], entries: Reader) -> None:
    """A silence is begun once by its name, and before it is ended."""
    begun: dict[str, int] = {}
    for index, act in enumerate(acts):
        if act is not None and act.what == "silence" and act.named:
            if act.named in begun:
                entries.at(index).fault(f"a silence named {act.named!r} is begun twice")
            begun.setdefault(act.named, act.at)
    for index, act in enumerate(acts):
        if act is not None and act.what == "end_silence" and act.named and act.at < begun.get(act.named, act.at + 1):
            entries.at(index).fault(f"no silence named {act.named!r} is begun before")


def perform(act: RehearsedAct, engine: Rehearsed, start: int) -> Failure | None:
    """Do it, as the API would; what stands in its way is a failure of the test."""
    if act.what in _BEFALLS:
        return None
    if act.what == "silence":
        id_ = act.named or f"silence {len(engine.silences) + 1}"
        assert act.until is not None
        engine.silences.append(Silence(id_, act.match, act.at, act.until, act.by, act.reason or "a test says so"))
        return None
    if act.what == "end_silence":
        under_way = [one for one in engine.silences if one.id == act.named and act.at < one.until]
        if not under_way:
            return _in_the_way(act, start, "one that lasts", "it is over")
        engine.silences = [replace(one, until=act.at) if one in under_way else one for one in engine.silences]
        return None
    firing = [one for one in engine.firing.values() if is_meant(one, act.cause)]
    if len(firing) != 1:
        found = "none" if not firing else f"{len(firing)}: say more of which is meant"
        others = sorted(words_of_cause(one.cause) for one in engine.firing.values())
        return _in_the_way(act, start, "one that fires", found, f"There fire: {', '.join(others) or 'none'}.")
    (incident,) = firing
    if act.what == "withdraw" and incident.acknowledged_by is None:
        return _in_the_way(act, start, "acknowledged", "nobody has")
    engine.change(incident.id, **_said(act))
    return None


def _said(act: RehearsedAct) -> dict[str, Any]:
    match act.what:
        case "acknowledge":
            return {"acknowledged_by": act.by, "acknowledged_at": act.at, "acknowledged_until": act.until}
        case "withdraw":
            return {"acknowledged_by": None, "acknowledged_at": None, "acknowledged_until": None}
        case "assign":
            return {"assignee": act.to}
        case "postpone":
            return {"postponed_by": act.by, "postponed_until": act.until}
    return {"settled_by": act.by}


def _in_the_way(act: RehearsedAct, start: int, wanted: str, found: str, *more: str) -> Failure:
    of = " ".join(act.cause.values()) or act.named
    subject = f"at {spell_instant(act.at, start)}, {act.by} cannot {act.what.replace('_', ' ')} {of}"
    return Failure(act.line, subject, (Difference("incident" if act.cause else "silence", wanted, found),), more)


def _until(entry: Reader | None, at: int | None, start: int, what: str) -> int | None:
    until = read_instant(entry, start) if entry else None
    if entry is None or until is None or at is None:
        return until
    if until <= at:
        entry.fault("must lie after 'at'")
    elif what in _LONGEST and until - at > _LONGEST[what]:
        entry.fault(f"must lie at most {format_duration(_LONGEST[what])} after 'at'")
    return until


def _match(entry: Reader) -> dict[str, Condition]:
    before = len(entry.faults)
    match = read_match(entry)
    if not match and len(entry.faults) == before:
        entry.fault("must say at least one condition: it would be about every incident")
    return match
