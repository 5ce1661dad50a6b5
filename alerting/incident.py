"""Incidents, purely: which to open, update and resolve, and whether a target is to be told.

This file does no I/O and reads no clock; `now` and all instants are micros since the Unix epoch, UTC.

The one promise: whoever was told `firing` is told `resolved`, and nobody else is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from slo_rules.conditions import SEVERITIES
from slo_rules.durations import HOUR, MINUTE, SECOND
from slo_rules.trend import observed

Money = tuple[tuple[str, Decimal], ...]
SAMPLES = 5
BURNING = "burning"
"""The verdict of an objective whose budget burns."""
TYPE_SILENT = "type_silent"
"""The reason of what is blind because one type of events does not come; its source may be well."""
REPLAYING = "source_catching_up"
"""The reason of what is blind because its source sends its past."""
BEHIND = "projection_behind"
"""The reason of what is blind because Milepost has not applied what it has received."""


def rank(severity: str) -> int:
    """Higher is graver; a word that is none of SEVERITIES is as `info`."""
    return SEVERITIES.index(severity) if severity in SEVERITIES else 0


class Status(StrEnum):
    """Where an incident stands."""

    FIRING = "firing"
    RESOLVED = "resolved"


class ChangeReason(StrEnum):
    """Why an incident opened, changed or resolved."""

    APPEARED = "appeared"
    GREW = "grew"
    SHRANK = "shrank"
    CHANGED = "changed"
    CLEARED = "cleared"
    SOURCE_BLIND = "source_blind"
    WAIVED = "waived"
    SETTLED = "settled"


class NotifyReason(StrEnum):
    """Why a target is told, or why not; flows unchanged to the outbox, the log and the metric."""

    FIRST = "first"
    ESCALATED = "escalated"
    GROWN = "grown"
    RAISED = "raised"
    UNMUTED = "unmuted"
    REPEAT = "repeat"
    RESOLVED = "resolved"
    GROUP_WAIT = "group_wait"
    CATCHING_UP = "catching_up"
    NOT_GROWN = "not_grown"
    TOO_SOON = "too_soon"
    NEVER_TOLD = "never_told"
    ALREADY_RESOLVED = "already_resolved"
    SILENCED = "silenced"
    MAINTENANCE = "maintenance"
    INHIBITED = "inhibited"
    POSTPONED = "postponed"
    ACKNOWLEDGED = "acknowledged"
    OUTSIDE_HOURS = "outside_hours"
    ESCALATES_LATER = "escalates_later"
    DISABLED = "disabled"
    NO_LONGER_ROUTED = "no_longer_routed"
    DRAINED = "drained"
    NEW_IN_GROUP = "new_in_group"
    SOME_RESOLVED = "some_resolved"

    @property
    def tells(self) -> bool:
        """Whether a message goes out."""
        return self in _TRANSITIONS

    @property
    def mutes(self) -> bool:
        """Whether the target is kept from hearing of it for a time, after which it is told again."""
        return self in _MUTES

    @property
    def transition(self) -> str:
        """What such a message says of the incident: `firing`, `updated` or `resolved`."""
        return _TRANSITIONS.get(self, "firing")


_TRANSITIONS = {
    NotifyReason.FIRST: "firing",
    NotifyReason.ESCALATED: "firing",
    NotifyReason.GROWN: "updated",
    NotifyReason.RAISED: "updated",
    NotifyReason.UNMUTED: "updated",
    NotifyReason.REPEAT: "updated",
    NotifyReason.NEW_IN_GROUP: "updated",
    NotifyReason.SOME_RESOLVED: "updated",
    NotifyReason.RESOLVED: "resolved",
}
_MUTES = (NotifyReason.SILENCED, NotifyReason.MAINTENANCE, NotifyReason.INHIBITED, NotifyReason.POSTPONED)


@dataclass(frozen=True, slots=True)
class Cause:
    """What holds a population up. The parts that do not tell causes of a verdict apart are None:

    stuck: workflow, waiting_for, source · blind: source alone, over all workflows; where only one type of its events
    does not come, waiting_for, source, reason; where it sends its past, source, reason; of Milepost itself, reason ·
    failed: workflow, reason · inconsistent: workflow, waiting_for, reason ·
    burning: workflow, reason, the name of the objective · silence: reason, its id: one that has lasted for long ·
    group: reason, what the incidents of a route are taken together by · drill: reason, its id
    """

    workflow: str | None
    verdict: str
    waiting_for: str | None = None
    source: str | None = None
    reason: str | None = None

    @property
    def dedup_key(self) -> str:
        """Depends on the cause alone: not on routes, and not on when or how often it came."""
        parts = (self.verdict, self.workflow, self.waiting_for, self.source, self.reason)
        spelled = "\x1f".join("" if part is None else part for part in parts)
        return "milepost-" + hashlib.sha256(spelled.encode()).hexdigest()[:32]

    @property
    def severity(self) -> str:
        """What it is where no rule says else: `critical` where work has surely come to a halt."""
        if self.verdict in ("silence", "drill"):
            return "info"
        return "critical" if self.verdict in ("stuck", "failed") else "warning"

    @property
    def is_of_instances(self) -> bool:
        """Whether it holds instances up, so that there is a list of them."""
        return self.verdict in ("stuck", "blind", "failed", "inconsistent") and self.reason != BEHIND

    @property
    def listed_by(self) -> str | None:
        """The reason of all that is in its list; None where that does not tell it from others."""
        return "source_silent" if self.verdict == "blind" and not self.reason else self.reason

    @property
    def catches_up(self) -> bool:
        """Whether it is that something is behind, which mostly ends by itself."""
        return self.verdict == "blind" and self.reason in (REPLAYING, BEHIND)


@dataclass(frozen=True, slots=True)
class Population:
    """The instances a cause holds up now. `value` is summed per currency and sorted by it; `samples` are the oldest.

    `owner`, `domain` and `entity` are those of most instances; the plurals are all of them.
    """

    count: int
    oldest_since: int
    value: Money = ()
    owner: str | None = None
    domain: str | None = None
    entity: str | None = None
    samples: tuple[UUID, ...] = ()
    owners: tuple[str, ...] = ()
    domains: tuple[str, ...] = ()
    workflows: tuple[str, ...] = ()
    severity: str | None = None
    """How grave it is by its kind, where that differs within it: of a burning objective `critical` or `warning`."""


@dataclass(frozen=True, slots=True)
class Apart:
    """A value of an attribute that sets the held-up apart: so many of them have it, so many of the others."""

    attribute: str
    value: str
    held: int
    held_of: int
    others: int
    others_of: int


Point = tuple[int, int]
"""When (micros) how many were held up."""
Attributes = tuple[tuple[str, tuple[str, ...]], ...]
"""By name, the values of attributes that what is held up has."""


@dataclass(frozen=True, slots=True)
class Incident:
    """A resolved incident keeps the last population it was seen with.

    `clear_since` is set while a flapping cause holds nothing up and is not called resolved yet. `acknowledged_until`
    None means until it resolves. `settled_by` is who called it resolved while it still held something up.
    """

    id: UUID
    cause: Cause
    population: Population
    opened_at: int
    peak_count: int
    peak_value: Money
    noted_count: int
    resolved_at: int | None = None
    severity: str = ""
    clear_since: int | None = None
    openings: int = 1
    points: tuple[Point, ...] = ()
    apart: tuple[Apart, ...] = ()
    attributes: Attributes = ()
    compared_at: int | None = None
    acknowledged_by: str | None = None
    acknowledged_at: int | None = None
    acknowledged_until: int | None = None
    postponed_by: str | None = None
    postponed_until: int | None = None
    assignee: str | None = None
    settled_by: str | None = None
    runbook: str | None = None
    drill: bool = False

    @property
    def status(self) -> Status:
        """Follows from `resolved_at`."""
        return Status.FIRING if self.resolved_at is None else Status.RESOLVED

    def is_acknowledged(self, now: int) -> bool:
        """Whether somebody has taken it on, and that still holds."""
        if self.acknowledged_by is None:
            return False
        return self.acknowledged_until is None or now < self.acknowledged_until

    def is_postponed(self, now: int) -> bool:
        """Whether somebody has put it off, and that still holds."""
        return self.postponed_until is not None and now < self.postponed_until


@dataclass(frozen=True, slots=True)
class Policy:
    """How patient and how talkative alerting is; durations in micros."""

    # The first message waits this long, so that it carries the first of the population rather than 1.
    group_wait: int = SECOND
    # But that something is behind is told when it has lasted this long: mostly it has caught up by then.
    behind_wait: int = 15 * MINUTE
    # Told again when the population has grown to this multiple of what was last told …
    regrowth: int = 2
    # … and not sooner than this after the first message, in which the number may be that of its first seconds …
    first_interval: int = MINUTE
    # … and than this after every later one.
    min_interval: int = 5 * MINUTE
    # A cause that opens for the third time within an hour flaps …
    flap_openings: int = 3
    flap_window: int = HOUR
    # … and is not called resolved before it was clear for this long.
    flap_hold: int = 15 * MINUTE
    # What somebody called resolved while it still held something up stays closed this long, unless it grows.
    settled_for: int = 4 * HOUR

    def told_from(self, incident: Incident) -> int:
        """From when on (micros) it may be told that the incident has opened."""
        return incident.opened_at + (self.behind_wait if incident.cause.catches_up else self.group_wait)


@dataclass(frozen=True, slots=True)
class LastNotified:
    """What one target was last told about one incident. `first`: that was all it was told so far."""

    status: Status
    count: int
    at: int
    severity: str = ""
    first: bool = False

    def growth_from(self, policy: Policy) -> int:
        """From when on (micros) it may be told that the population has grown."""
        return self.at + (policy.first_interval if self.first else policy.min_interval)


@dataclass(frozen=True, slots=True)
class Open:
    """A cause that was not known. `openings` counts how often it opened within the flap window, with this time."""

    cause: Cause
    population: Population
    reason: ChangeReason
    openings: int = 1


@dataclass(frozen=True, slots=True)
class Settled:
    """A cause that somebody called resolved (micros), while it held up so many."""

    at: int
    count: int


@dataclass(frozen=True, slots=True)
class Update:
    """`after` is the incident with its new population; `note` asks for an entry in the timeline."""

    before: Incident
    after: Incident
    reason: ChangeReason
    note: bool


@dataclass(frozen=True, slots=True)
class Resolve:
    """A cause that holds nothing up any more; `incident` is resolved already."""

    incident: Incident
    reason: ChangeReason


Change = Open | Update | Resolve


def decide(
    open_: Mapping[Cause, Incident],
    seen: Mapping[Cause, Population],
    now: int,
    policy: Policy,
    blinded: AbstractSet[UUID] = frozenset(),
    waived: AbstractSet[UUID] = frozenset(),
    *,
    openings: Mapping[Cause, int] | None = None,
    settled: Mapping[Cause, Settled] | None = None,
    unknown: AbstractSet[Cause] = frozenset(),
) -> list[Change]:
    """What to do about the open incidents, given the populations seen. A cause without one resolves at once.

    But one that flaps is held: its incident stays, without anybody being told, until the cause was clear for a while.
    `blinded` are the samples of open incidents that are judged `blind` now, `waived` those that were waived.
    `openings` counts how often a cause has opened within the flap window, `settled` are those called resolved by hand.
    Of what is `unknown` nothing can be said now: what fires stays as it is.
    """
    openings, settled = openings or {}, settled or {}
    held = {cause: population for cause, population in seen.items() if population.count > 0}
    changes: list[Change] = []
    for cause, population in held.items():
        incident = open_.get(cause)
        if incident is not None and incident.settled_by is not None:
            changes.append(Resolve(replace(incident, resolved_at=now), ChangeReason.SETTLED))
        elif incident is None:
            if not _stays_settled(settled.get(cause), population, now, policy):
                changes.append(Open(cause, population, ChangeReason.APPEARED, openings.get(cause, 0) + 1))
        elif incident.population != population or incident.clear_since is not None:
            changes.append(_update(incident, population, now, policy))
    for cause, incident in open_.items():
        if cause in held:
            continue
        if cause in unknown:
            if incident.settled_by is not None:
                changes.append(Resolve(replace(incident, resolved_at=now), ChangeReason.SETTLED))
            continue
        if incident.openings >= policy.flap_openings:
            if incident.clear_since is None:
                changes.append(_drained(incident, now))
                continue
            if now - incident.clear_since < policy.flap_hold:
                continue
        reason = _why_resolved(cause, incident.population.samples, blinded, waived)
        changes.append(Resolve(replace(incident, resolved_at=now), reason))
    return changes


def _stays_settled(settled: Settled | None, population: Population, now: int, policy: Policy) -> bool:
    if settled is None or now - settled.at >= policy.settled_for:
        return False
    return population.count < max(1, settled.count) * policy.regrowth


def _drained(incident: Incident, now: int) -> Update:
    """A cause that flaps holds nothing up at this moment; its last population stays, for the words of the resolve."""
    after = replace(incident, clear_since=now, points=observed(incident.points, now, 0))
    return Update(incident, after, ChangeReason.SHRANK, note=True)


def _why_resolved(
    cause: Cause, samples: tuple[UUID, ...], blinded: AbstractSet[UUID], waived: AbstractSet[UUID]
) -> ChangeReason:
    """What can no longer be seen, and what somebody has waived, is not known to be well again."""
    if cause.verdict == "stuck" and not blinded.isdisjoint(samples):
        return ChangeReason.SOURCE_BLIND
    return ChangeReason.CLEARED if waived.isdisjoint(samples) else ChangeReason.WAIVED


def should_notify(incident: Incident, last: LastNotified | None, now: int, policy: Policy) -> NotifyReason:
    """Whether one target, last told `last`, is to be told how the incident stands."""
    if incident.status is Status.RESOLVED:
        if last is None:
            return NotifyReason.NEVER_TOLD
        return NotifyReason.RESOLVED if last.status is Status.FIRING else NotifyReason.ALREADY_RESOLVED
    if last is None:
        if incident.clear_since is not None:
            return NotifyReason.DRAINED
        if now >= policy.told_from(incident):
            return NotifyReason.FIRST
        return NotifyReason.CATCHING_UP if incident.cause.catches_up else NotifyReason.GROUP_WAIT
    if last.status is Status.RESOLVED:
        return NotifyReason.ALREADY_RESOLVED
    if incident.clear_since is not None:
        return NotifyReason.DRAINED
    if last.severity and rank(incident.severity) > rank(last.severity):
        return NotifyReason.RAISED
    count, grown = incident.population.count, NotifyReason.GROWN
    if incident.cause.verdict == "group":
        # It counts causes: each that comes or goes is worth a word.
        grown = NotifyReason.NEW_IN_GROUP if count > last.count else NotifyReason.SOME_RESOLVED
    if count == last.count or (grown is NotifyReason.GROWN and count < last.count * policy.regrowth):
        return NotifyReason.NOT_GROWN
    return grown if now >= last.growth_from(policy) else NotifyReason.TOO_SOON


def _update(incident: Incident, population: Population, now: int, policy: Policy) -> Update:
    before, count = incident.population.count, population.count
    reason = ChangeReason.GREW if count > before else ChangeReason.SHRANK if count < before else ChangeReason.CHANGED
    noted = incident.noted_count
    note = count >= noted * policy.regrowth or count * policy.regrowth <= noted
    higher = count > incident.peak_count
    after = replace(
        incident,
        population=population,
        peak_count=max(incident.peak_count, count),
        peak_value=population.value if higher else incident.peak_value,
        noted_count=count if note else noted,
        clear_since=None,
        points=observed(incident.points, now, count),
    )
    return Update(incident, after, reason, note)
