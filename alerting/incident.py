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

from slo_rules.durations import MINUTE, SECOND

Money = tuple[tuple[str, Decimal], ...]
SAMPLES = 5
TYPE_SILENT = "type_silent"
"""The reason of what is blind because one type of events does not come; its source may be well."""


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


class NotifyReason(StrEnum):
    """Why a target is told, or why not; flows unchanged to the outbox, the log and the metric."""

    FIRST = "first"
    GROWN = "grown"
    RESOLVED = "resolved"
    GROUP_WAIT = "group_wait"
    NOT_GROWN = "not_grown"
    TOO_SOON = "too_soon"
    NEVER_TOLD = "never_told"
    ALREADY_RESOLVED = "already_resolved"

    @property
    def tells(self) -> bool:
        """Whether a message goes out."""
        return self in (NotifyReason.FIRST, NotifyReason.GROWN, NotifyReason.RESOLVED)


@dataclass(frozen=True, slots=True)
class Cause:
    """What holds a population up. The parts that do not tell causes of a verdict apart are None:

    stuck: workflow, waiting_for, source · blind: source alone, over all workflows, or where only one type of its
    events does not come, waiting_for, source, reason ·
    failed: workflow, reason · inconsistent: workflow, waiting_for, reason
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
        """`critical` where work has surely come to a halt, else `warning`."""
        return "critical" if self.verdict in ("stuck", "failed") else "warning"


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


@dataclass(frozen=True, slots=True)
class Incident:
    """A resolved incident keeps the last population it was seen with."""

    id: UUID
    cause: Cause
    population: Population
    opened_at: int
    peak_count: int
    peak_value: Money
    noted_count: int
    resolved_at: int | None = None

    @property
    def status(self) -> Status:
        """Follows from `resolved_at`."""
        return Status.FIRING if self.resolved_at is None else Status.RESOLVED


@dataclass(frozen=True, slots=True)
class Policy:
    """How patient and how talkative alerting is; durations in micros."""

    # The first message waits this long, so that it carries the population rather than 1.
    group_wait: int = 15 * SECOND
    # Told again when the population has grown to this multiple of what was last told …
    regrowth: int = 2
    # … and not sooner than this after it.
    min_interval: int = 5 * MINUTE


@dataclass(frozen=True, slots=True)
class LastNotified:
    """What one target was last told about one incident."""

    status: Status
    count: int
    at: int


@dataclass(frozen=True, slots=True)
class Open:
    """A cause that was not known."""

    cause: Cause
    population: Population
    reason: ChangeReason


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
) -> list[Change]:
    """What to do about the open incidents, given the populations seen. A cause without one resolves at once.

    `blinded` are the samples of open incidents that are judged `blind` now, `waived` those that were waived.
    """
    held = {cause: population for cause, population in seen.items() if population.count > 0}
    changes: list[Change] = []
    for cause, population in held.items():
        incident = open_.get(cause)
        if incident is None:
            changes.append(Open(cause, population, ChangeReason.APPEARED))
        elif incident.population != population:
            changes.append(_update(incident, population, policy))
    for cause, incident in open_.items():
        if cause not in held:
            reason = _why_resolved(cause, incident.population.samples, blinded, waived)
            changes.append(Resolve(replace(incident, resolved_at=now), reason))
    return changes


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
        waited = now - incident.opened_at >= policy.group_wait
        return NotifyReason.FIRST if waited else NotifyReason.GROUP_WAIT
    if last.status is Status.RESOLVED:
        return NotifyReason.ALREADY_RESOLVED
    if incident.population.count < last.count * policy.regrowth:
        return NotifyReason.NOT_GROWN
    return NotifyReason.GROWN if now - last.at >= policy.min_interval else NotifyReason.TOO_SOON


def _update(incident: Incident, population: Population, policy: Policy) -> Update:
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
    )
    return Update(incident, after, reason, note)
