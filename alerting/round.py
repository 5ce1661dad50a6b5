"""One round of alerting, purely: what stands and what is seen go in, what changes and who is told come out.

The incident duty keeps what stands in the database, tests of definitions and of the engine keep it in memory; what is
decided is the same. Instants are micros, UTC.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from uuid import UUID

from alerting.address import Address
from alerting.facts import facts, facts_of
from alerting.groups import groups_of, population_of, route_of
from alerting.incident import (
    Cause,
    ChangeReason,
    Incident,
    LastNotified,
    NotifyReason,
    Open,
    Population,
    Resolve,
    Settled,
    Update,
    decide,
    should_notify,
)
from alerting.muting import Mute, Silence, forgotten, inhibition_of, maintenance_of, silence_of
from alerting.route import Wanted, wanted
from alerting.setup import Setup
from alerting.severity import severity_of
from alerting.targets import written_address
from alerting.telling import Told, Whom, whether

_DERIVED = ("group", "silence")
"""Verdicts of incidents that are about other incidents."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known before a round: the incidents that fire, and by their ids who was told of them.

    `disabled` are (target, digest of its address). `openings` counts how often causes opened within the flap window,
    `settled` are those that somebody called resolved. `former` are, by causes that are new, those that held samples of
    theirs until now, when they waited for the same. `blinded` and `waived` are of the samples of the incidents.
    """

    incidents: Sequence[Incident] = ()
    told: Mapping[UUID, Sequence[Told]] = field(default_factory=dict)
    disabled: AbstractSet[tuple[str, str]] = frozenset()
    silences: Sequence[Silence] = ()
    openings: Mapping[Cause, int] = field(default_factory=dict)
    settled: Mapping[Cause, Settled] = field(default_factory=dict)
    former: Mapping[Cause, AbstractSet[Cause]] = field(default_factory=dict)
    blinded: AbstractSet[UUID] = frozenset()
    waived: AbstractSet[UUID] = frozenset()


@dataclass(frozen=True, slots=True)
class Opened:
    """An incident that has opened; `parted_from` is the one that held samples of it until now."""

    incident: Incident
    parted_from: Incident | None = None


@dataclass(frozen=True, slots=True)
class Tell:
    """A message to a target: `last` is what it knows, `because` why the incident resolved, `way` why it is told."""

    incident: Incident
    target: str
    kind: str
    address: Address
    reason: NotifyReason
    last: LastNotified | None = None
    because: ChangeReason | None = None
    way: str = ""


@dataclass(slots=True)
class Outcome:
    """What a round came to.

    `whom` says by incident what was decided of every target, `muted` of those that were told whether they are kept from
    hearing more. `members` are the incidents in each group. `untold` counts firing incidents that nobody knows of.
    """

    changes: list[Opened | Update | Resolve] = field(default_factory=list)
    tells: list[Tell] = field(default_factory=list)
    firing: list[Incident] = field(default_factory=list)
    whom: dict[UUID, tuple[Whom, ...]] = field(default_factory=dict)
    muted: dict[tuple[UUID, str], bool] = field(default_factory=dict)
    members: dict[UUID, tuple[Incident, ...]] = field(default_factory=dict)
    untold: int = 0


def look(
    standing: Standing,
    seen: Mapping[Cause, Population],
    setup: Setup,
    now: int,
    new_id: Callable[[], UUID],
    unknown: AbstractSet[Cause] = frozenset(),
) -> Outcome:
    """The next round. Of the causes that are `unknown` nothing can be said now: what is known of them stays."""
    return _Round(standing, setup, now, new_id, unknown).go(seen)


class _Round:
    def __init__(
        self, standing: Standing, setup: Setup, now: int, new_id: Callable[[], UUID], unknown: AbstractSet[Cause]
    ) -> None:
        self.standing = standing
        self.setup = setup
        self.now = now
        self.new_id = new_id
        self.unknown = unknown
        self.outcome = Outcome()

    def go(self, seen: Mapping[Cause, Population]) -> Outcome:
        plain = self.bring_up_to_date(seen, derived=False)
        mutes = {incident.id: self.mute(incident, plain) for incident in plain}
        groups = groups_of(self.setup.routes, plain)
        derived = {cause: population_of(members) for cause, members in groups.items()}
        derived |= self.silences(mutes.values())
        others = self.bring_up_to_date(derived, derived=True)
        for incident in others:
            members = groups.get(incident.cause, [])
            self.outcome.members[incident.id] = tuple(members)
            mutes[incident.id] = self.mute_of_group(incident, [mutes[member.id] for member in members])
        self.outcome.firing = [*plain, *others]
        for incident in self.outcome.firing:
            self.tell(incident, mutes[incident.id])
        self.outcome.untold = sum(self.is_untold(incident, groups) for incident in plain)
        return self.outcome

    # What changes

    def bring_up_to_date(self, seen: Mapping[Cause, Population], *, derived: bool) -> list[Incident]:
        """The incidents that fire now, of those that are about others or of the rest."""
        standing, now = self.standing, self.now
        before = {one.cause: one for one in standing.incidents if (one.cause.verdict in _DERIVED) is derived}
        changes = decide(
            before,
            seen,
            now,
            self.setup.policy,
            standing.blinded,
            standing.waived,
            openings=standing.openings,
            settled=standing.settled,
            unknown=self.unknown,
        )
        firing = {incident.id: incident for incident in before.values()}
        updates: dict[UUID, Update] = {}
        for change in changes:
            match change:
                case Open():
                    incident = self.opened(change)
                    firing[incident.id] = incident
                    self.outcome.changes.append(Opened(incident, self.parted_from(incident.cause, before)))
                case Update(after=after):
                    updates[after.id] = change
                    firing[after.id] = after
                case Resolve(incident=incident):
                    del firing[incident.id]
                    self.outcome.changes.append(change)
                    self.tell_resolved(incident, change.reason)
        for incident in list(firing.values()):
            graded = self.graded(incident)
            if graded is not incident:
                firing[incident.id] = graded
                known = updates.get(incident.id)
                if known is not None:
                    updates[incident.id] = replace(known, after=graded)
                elif graded.id in {one.id for one in before.values()}:
                    updates[incident.id] = Update(incident, graded, ChangeReason.CHANGED, note=False)
        self.outcome.changes += updates.values()
        return list(firing.values())

    def parted_from(self, cause: Cause, before: Mapping[Cause, Incident]) -> Incident | None:
        """The incident that a new cause parts from: where several do, the one that holds most."""
        found = [before[one] for one in self.standing.former.get(cause, ()) if one in before and one != cause]
        return max(found, key=lambda one: (one.population.count, one.opened_at, one.id), default=None)

    def opened(self, change: Open) -> Incident:
        population = change.population
        return self.graded(
            Incident(
                id=self.new_id(),
                cause=change.cause,
                population=population,
                opened_at=self.now,
                peak_count=population.count,
                peak_value=population.value,
                noted_count=population.count,
                openings=change.openings,
                points=((self.now, population.count),),
            )
        )

    def graded(self, incident: Incident) -> Incident:
        """With the severity it has now, and what its owner says is to be done."""
        cause, population = incident.cause, incident.population
        of = facts(cause, population, population.severity or cause.severity, incident.attributes, incident.assignee)
        team = self.setup.teams.get(population.owner or "")
        hours = self.setup.hours_of(population.owner)
        severity = severity_of(self.setup.severities, cause, of, population, self.now, hours)
        runbook = team.runbook if team and team.runbook else None
        if (severity, runbook) == (incident.severity, incident.runbook):
            return incident
        return replace(incident, severity=severity, runbook=runbook)

    # What keeps people from being told

    def mute(self, incident: Incident, firing: Sequence[Incident]) -> Mute | None:
        if incident.is_postponed(self.now):
            return Mute(NotifyReason.POSTPONED, f"{incident.postponed_by} put it off", incident.postponed_until)
        return (
            silence_of(incident, self.standing.silences, self.now)
            or maintenance_of(incident, self.setup.maintenance, self.now)
            or inhibition_of(incident, firing, self.setup.inhibitions)
        )

    def mute_of_group(self, incident: Incident, mutes: Sequence[Mute | None]) -> Mute | None:
        """A group is muted by itself, or where all its members are."""
        own = self.mute(incident, ())
        return own or (mutes[0] if mutes and all(mutes) else None)

    def silences(self, mutes: Iterable[Mute | None]) -> dict[Cause, Population]:
        """Silences that have lasted for long and still keep something from being told."""
        kept = [one.by for one in mutes if one is not None and one.reason is NotifyReason.SILENCED]
        return {
            Cause(None, "silence", reason=one.id): Population(
                count=kept.count(one.id),
                oldest_since=one.since,
                owner=one.owner,
                owners=(one.owner,),
                entity="incident",
            )
            for one in forgotten(self.standing.silences, self.now)
            if one.id in kept
        }

    # Who is told

    def tell_resolved(self, incident: Incident, because: ChangeReason) -> None:
        """Whoever was told that it fires, whatever has changed since."""
        for told in self.standing.told.get(incident.id, ()):
            reason = should_notify(incident, told.last, self.now, self.setup.policy)
            if reason.tells:
                self.outcome.tells.append(
                    Tell(incident, told.target, told.kind, told.address, reason, told.last, because, "was told of it")
                )

    def tell(self, incident: Incident, mute: Mute | None) -> None:
        """Whoever the routes name now, and of those that know whoever they name still."""
        found: list[Whom] = []
        asked = self.wanted(incident)
        told = self.standing.told.get(incident.id, ())
        by_name = {one.target.name: one for one in asked}
        by_address = {(one.target.kind, written_address(one.target)): one for one in asked}
        began = self.began(incident, asked, told)
        reached: set[str] = set()
        for known in told:
            one = by_name.get(known.target) or by_address.get((known.kind, known.address))
            decided = whether(incident, known.target, one, known, mute, began, self.now, self.setup.policy)
            found.append(decided)
            if one is not None:
                reached.add(one.target.name)
            self.note_mute(incident, known, decided)
            if one is not None and decided.reason.tells:
                # What was renamed is reached where it was told; what got another address, at that one.
                address = written_address(one.target) if one.target.name == known.target else known.address
                self.say(incident, known.target, known.kind, address, decided, known.last)
        for one in asked:
            target = one.target
            if target.name in reached:
                continue
            if (target.name, target.address.digest) in self.standing.disabled:
                found.append(Whom(target.name, NotifyReason.DISABLED, one.because))
                continue
            decided = whether(incident, target.name, one, None, mute, began, self.now, self.setup.policy)
            found.append(decided)
            if decided.reason.tells:
                self.say(incident, target.name, target.kind, written_address(target), decided, None)
        self.outcome.whom[incident.id] = tuple(found)

    def wanted(self, incident: Incident) -> list[Wanted]:
        if incident.cause.verdict == "group":
            route = route_of(self.setup.routes, incident.cause)
            # Its members match the route; whether they do together is not asked again.
            alone = replace(route, match={}, routes=()) if route else None
            return wanted((alone,), {}, self.now, grouped=True) if alone else []
        return wanted(self.setup.routes, facts_of(incident), self.now)

    def began(self, incident: Incident, asked: Sequence[Wanted], told: Sequence[Told]) -> int | None:
        """From when the steps of an escalation count: somebody was told, or nobody of the first turn can be told now.

        What was taken on for a time begins anew when that has ended.
        """
        taken, now = incident.acknowledged_until, self.now
        again = taken if taken is not None and taken <= now else 0
        if told:
            return max(again, min(one.first_at for one in told))
        first = [one for one in asked if one.after is None]
        can = [
            one
            for one in first
            if (one.target.name, one.target.address.digest) not in self.standing.disabled
            and one.is_open(now, incident.severity)
        ]
        return None if can else max(again, self.setup.policy.told_from(incident))

    def say(
        self, incident: Incident, target: str, kind: str, address: Address, why: Whom, last: LastNotified | None
    ) -> None:
        self.outcome.tells.append(Tell(incident, target, kind, address, why.reason, last, None, why.because))

    def note_mute(self, incident: Incident, known: Told, decided: Whom) -> None:
        muted = decided.reason.mutes or (known.muted and not decided.reason.tells)
        if muted is not known.muted:
            self.outcome.muted[incident.id, known.target] = muted

    def is_untold(self, incident: Incident, groups: Mapping[Cause, Sequence[Incident]]) -> bool:
        """Whether nobody knows of it, neither by itself nor in a group of which somebody knows."""
        if self.standing.told.get(incident.id) or any(one.incident.id == incident.id for one in self.outcome.tells):
            return False
        causes = {cause for cause, members in groups.items() if any(one.id == incident.id for one in members)}
        known = [one.id for one in self.outcome.firing if one.cause in causes]
        return not any(
            self.standing.told.get(id_) or any(one.incident.id == id_ for one in self.outcome.tells) for id_ in known
        )


def change_of(change: Opened | Update | Resolve) -> Incident:
    """The incident as it is after a change."""
    match change:
        case Opened(incident=incident) | Resolve(incident=incident):
            return incident
        case Update(after=after):
            return after
