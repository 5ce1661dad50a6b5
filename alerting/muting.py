"""What keeps an incident from being told for a time: silences, maintenance windows, and what it follows from. Pure.

Whoever was told of it before is told again when that ends, and of its resolve in any case. Instants are micros, UTC.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from alerting.document import as_route_faults, name_of, reader_of, spec_of
from alerting.facts import NAMES, Facts, Match, facts_of, holds, read_match
from alerting.faults import RouteFault
from alerting.incident import Incident, NotifyReason
from slo_rules.definitions import ALERTING_FIELDS
from slo_rules.durations import DAY
from slo_rules.exclusions import Exclusion
from slo_rules.faults import Fault
from slo_rules.maintenance import read_times
from slo_rules.reading import Reader, suggestion

LONGEST_SILENCE = 30 * DAY
LONGEST_POSTPONED = 14 * DAY
REMINDED_AFTER = DAY
"""A silence that has lasted this long, and still keeps something from being told, is told itself."""


@dataclass(frozen=True, slots=True)
class Silence:
    """Nobody is told of what matches, from an instant until another. Somebody has said why, and answers for it."""

    id: str
    match: Match
    since: int
    until: int
    owner: str
    reason: str


@dataclass(frozen=True, slots=True)
class Maintenance:
    """The same, planned in a file, and perhaps again and again."""

    name: str
    match: Match
    times: Exclusion
    owner: str = ""

    def until(self, now: int) -> int | None:
        """Until when it lasts; None where it is not under way."""
        return max((until for _, until in self.times.within(now, now + 1)), default=None)


@dataclass(frozen=True, slots=True)
class Inhibition:
    """While an incident fires that `when` matches, nobody is told of those that `mutes` matches.

    Of the names in `equal` both must have a value in common.
    """

    name: str
    when: Match
    mutes: Match
    equal: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Mute:
    """Why somebody is not told, and until when (micros); None: until something else happens.

    `by` names the silence, the window or the incident that does it.
    """

    reason: NotifyReason
    because: str
    until: int | None = None
    by: str = ""


def silence_of(incident: Incident, silences: Iterable[Silence], now: int) -> Mute | None:
    """The silence under which an incident falls now; of several the one that lasts longest."""
    of = facts_of(incident)
    found = [one for one in silences if one.since <= now < one.until and holds(one.match, of)]
    if not found or incident.cause.verdict == "silence":
        return None
    last = max(found, key=lambda one: (one.until, one.id))
    return Mute(NotifyReason.SILENCED, f"{last.owner}: {last.reason}", last.until, last.id)


def maintenance_of(incident: Incident, windows: Iterable[Maintenance], now: int) -> Mute | None:
    """The maintenance window an incident falls into now; of several the one that lasts longest."""
    of = facts_of(incident)
    found = [(until, one) for one in windows if (until := one.until(now)) is not None and holds(one.match, of)]
    if not found:
        return None
    until, last = max(found, key=lambda pair: (pair[0], pair[1].name))
    return Mute(NotifyReason.MAINTENANCE, last.times.reason, until, last.name)


def inhibition_of(incident: Incident, others: Sequence[Incident], rules: Iterable[Inhibition]) -> Mute | None:
    """The incident that this one follows from: a silent source mutes what waits for it, and the rules say what else.

    What is muted itself still mutes: nobody need be told of the branch where he is told of the root. Two that would
    mute each other are both told.
    """
    for other in others:
        if other.id == incident.id or other.clear_since is not None:
            continue
        why = _follows(incident, other, rules)
        if why and not _follows(other, incident, rules):
            return Mute(NotifyReason.INHIBITED, why, None, str(other.id))
    return None


def _follows(incident: Incident, other: Incident, rules: Iterable[Inhibition]) -> str:
    """Why an incident follows from another; empty where it does not."""
    cause, root = incident.cause, other.cause
    # One that only sends its past, or not all of its types, hides nothing that is judged stuck.
    whole = root.verdict == "blind" and not root.reason
    if whole and cause.source == root.source and root.source and cause != root:
        return f"{root.source} is silent or far behind"
    of, its = facts_of(incident), facts_of(other)
    for rule in rules:
        if holds(rule.when, its) and holds(rule.mutes, of) and _equal(rule.equal, of, its):
            return f"the rule {rule.name}"
    return ""


def _equal(names: Iterable[str], a: Facts, b: Facts) -> bool:
    nothing: frozenset[str] = frozenset()
    return all(not a.get(name, nothing).isdisjoint(b.get(name, nothing)) for name in names)


def forgotten(silences: Iterable[Silence], now: int) -> list[Silence]:
    """Those under way that have lasted so long that their owner is reminded of them."""
    return [one for one in silences if one.since + REMINDED_AFTER <= now < one.until]


# Reading


def parse_maintenance(document: Mapping[str, Any]) -> Maintenance | list[RouteFault]:
    """The window a document describes, or all its faults. What it excludes of objectives these know."""
    faults: list[Fault] = []
    top = reader_of(document, faults)
    name = name_of(top)
    spec = spec_of(top, ALERTING_FIELDS["Maintenance"], ("from", "reason"))
    if spec is None:
        return as_route_faults(faults)
    times, match = read_times(spec), read_match(spec.optional("match"))
    owner = document["metadata"].get("owner") if isinstance(document.get("metadata"), dict) else None
    if faults or times is None:
        return as_route_faults(faults)
    return Maintenance(name, match, times, str(owner or ""))


def parse_inhibition(document: Mapping[str, Any]) -> Inhibition | list[RouteFault]:
    """The rule a document describes, or all its faults."""
    faults: list[Fault] = []
    top = reader_of(document, faults)
    name = name_of(top)
    spec = spec_of(top, ALERTING_FIELDS["Inhibition"], ("when", "mutes"))
    if spec is None:
        return as_route_faults(faults)
    when, mutes = (read_match(spec.optional(one)) for one in ("when", "mutes"))
    for one, match in (("when", when), ("mutes", mutes)):
        if (entry := spec.optional(one)) is not None and not match:
            entry.fault("must say at least one condition: it would be about every incident")
    equal = spec.optional("equal")
    names = tuple(equal.each(_name)) if equal else ()
    return as_route_faults(faults) if faults else Inhibition(name, when, mutes, names)


def _name(entry: Reader) -> str:
    name = entry.text()
    if name and name not in NAMES and not name.startswith("attributes."):
        entry.fault(f"must be one of {', '.join(NAMES)}, or attributes.NAME{suggestion(name, NAMES)}")
    return name
