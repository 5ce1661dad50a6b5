"""Alerting in memory, on a virtual clock: the rounds of the incident duty without a database. It reads no clock.

What it decides is what the duty decides, as both ask `alerting.round`. Tests of definitions run the chain by it, and so
does the model-based test of the engine.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from uuid import UUID

from alerting.incident import Cause, Incident, LastNotified, Population, Resolve, Settled
from alerting.muting import Silence
from alerting.round import Opened, Outcome, Standing, Tell, change_of, look
from alerting.setup import Setup
from alerting.telling import Told, Whom


@dataclass(frozen=True, slots=True)
class Message:
    """What a target was told at an instant (micros); of a group with what was in it then."""

    at: int
    tell: Tell
    members: tuple[Incident, ...] = ()


@dataclass(slots=True)
class Rehearsed:
    """Incidents and what was told of them. `setup`, `silences` and `disabled` may be changed between rounds."""

    setup: Setup
    silences: list[Silence] = field(default_factory=list)
    disabled: set[tuple[str, str]] = field(default_factory=set)
    firing: dict[UUID, Incident] = field(default_factory=dict)
    resolved: list[Incident] = field(default_factory=list)
    told: dict[UUID, dict[str, Told]] = field(default_factory=dict)
    whom: dict[UUID, tuple[Whom, ...]] = field(default_factory=dict)
    messages: list[Message] = field(default_factory=list)
    _numbers: int = 0

    def look(
        self,
        seen: Mapping[Cause, Population],
        now: int,
        unknown: AbstractSet[Cause] = frozenset(),
        *,
        blinded: AbstractSet[UUID] = frozenset(),
        waived: AbstractSet[UUID] = frozenset(),
    ) -> Outcome:
        """The next round at `now` (micros); of the causes that are `unknown` nothing can be said.

        `blinded` and `waived` are those of the samples of what fires.
        """
        policy = self.setup.policy
        openings: dict[Cause, int] = {}
        settled: dict[Cause, Settled] = {}
        for one in self.resolved:
            if one.opened_at > now - policy.flap_window:
                openings[one.cause] = openings.get(one.cause, 0) + 1
            if one.settled_by is not None and one.resolved_at is not None:
                settled[one.cause] = Settled(one.resolved_at, one.population.count)
        standing = Standing(
            list(self.firing.values()),
            {id_: list(told.values()) for id_, told in self.told.items()},
            frozenset(self.disabled),
            [one for one in self.silences if one.since <= now < one.until],
            openings,
            settled,
            self._former(seen),
            blinded=blinded,
            waived=waived,
        )
        outcome = look(standing, seen, self.setup, now, self._new_id, unknown)
        for change in outcome.changes:
            incident = change_of(change)
            if isinstance(change, Resolve):
                del self.firing[incident.id]
                self.resolved.append(incident)
            else:
                assert isinstance(change, Opened) or incident.id in self.firing
                self.firing[incident.id] = incident
        for (id_, target), muted in outcome.muted.items():
            self.told[id_][target] = replace(self.told[id_][target], muted=muted)
        for tell in outcome.tells:
            self._keep(tell, now, outcome.members.get(tell.incident.id, ()))
        self.whom |= outcome.whom
        return outcome

    def change(self, id_: UUID, **said: object) -> None:
        """What somebody says of an incident that fires, by the names of its fields."""
        self.firing[id_] = replace(self.firing[id_], **said)  # type: ignore[arg-type]

    def of(self, cause: Cause) -> Incident | None:
        """The incident of a cause that fires now."""
        return next((one for one in self.firing.values() if one.cause == cause), None)

    def _former(self, seen: Mapping[Cause, Population]) -> dict[Cause, set[Cause]]:
        """By causes that are new, those that held samples of theirs, as far as that is remembered."""
        known = {one.cause: set(one.population.samples) for one in self.firing.values()}
        return {
            cause: {one for one, samples in known.items() if not samples.isdisjoint(population.samples)}
            for cause, population in seen.items()
            if cause not in known
        }

    def _keep(self, tell: Tell, now: int, members: tuple[Incident, ...]) -> None:
        incident = tell.incident
        known = self.told.setdefault(incident.id, {})
        first = known[tell.target].first_at if tell.target in known else now
        last = LastNotified(incident.status, incident.population.count, now, incident.severity, now == first)
        known[tell.target] = Told(tell.target, tell.kind, tell.address, last, False, first)
        self.messages.append(Message(now, tell, members))

    def _new_id(self) -> UUID:
        self._numbers += 1
        return UUID(int=self._numbers)
