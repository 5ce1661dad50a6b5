"""Whether one target is told of an incident now, and why. Pure; instants are micros, UTC."""

from __future__ import annotations

from dataclasses import dataclass

from alerting.address import Address
from alerting.incident import Incident, LastNotified, NotifyReason, Policy, Status, should_notify
from alerting.muting import Mute
from alerting.route import Wanted


@dataclass(frozen=True, slots=True)
class Told:
    """A target that has been told, at the address it has as it is written.

    `muted`: since it was last told, something has kept it from hearing more. `first_at` is when it was first told.
    """

    target: str
    kind: str
    address: Address
    last: LastNotified
    muted: bool = False
    first_at: int = 0


@dataclass(frozen=True, slots=True)
class Whom:
    """What was decided of one target: the reason, in words what led to it, and until when it holds (None: open)."""

    target: str
    reason: NotifyReason
    because: str
    until: int | None = None


def whether(
    incident: Incident,
    name: str,
    one: Wanted | None,
    told: Told | None,
    mute: Mute | None,
    began: int | None,
    now: int,
    policy: Policy,
) -> Whom:
    """Whether a target hears of an incident that fires.

    `one` is why the routes want it told, None where they do not (any more). `began` is since when somebody knows of the
    incident, from which the steps of an escalation count; None where nobody does yet.
    """
    if one is None:
        return Whom(name, NotifyReason.NO_LONGER_ROUTED, "no route names it any more; it will hear of the resolve")
    if mute is not None:
        return Whom(name, mute.reason, f"{one.because}; {mute.because}", mute.until)
    base = should_notify(incident, told.last if told else None, now, policy)
    if told is None:
        if not base.tells:
            waits = base in (NotifyReason.GROUP_WAIT, NotifyReason.CATCHING_UP)
            return Whom(name, base, one.because, policy.told_from(incident) if waits else None)
        return _first(incident, name, one, began, now)
    if told.muted and told.last.status is Status.FIRING and base is not NotifyReason.DRAINED:
        base = NotifyReason.UNMUTED
    elif base is NotifyReason.NOT_GROWN:
        again = one.repeat_every
        taken = incident.acknowledged_until
        if taken is not None and told.last.at < taken <= now:
            # Whoever took it on did so for a time that is over.
            return _in_hours(incident, name, one, NotifyReason.REPEAT, now)
        if again is None or now - told.last.at < again:
            return Whom(name, base, one.because, None if again is None else told.last.at + again)
        if incident.is_acknowledged(now):
            return Whom(name, NotifyReason.ACKNOWLEDGED, _taken(incident), incident.acknowledged_until)
        base = NotifyReason.REPEAT
    if not base.tells:
        return Whom(name, base, one.because, told.last.growth_from(policy))
    return _in_hours(incident, name, one, base, now)


def _first(incident: Incident, name: str, one: Wanted, began: int | None, now: int) -> Whom:
    if incident.is_acknowledged(now):
        return Whom(name, NotifyReason.ACKNOWLEDGED, _taken(incident), incident.acknowledged_until)
    reason = NotifyReason.FIRST
    if one.after is not None:
        turn = None if began is None else began + one.after
        if turn is None or now < turn:
            return Whom(name, NotifyReason.ESCALATES_LATER, one.because, turn)
        reason = NotifyReason.ESCALATED
    return _in_hours(incident, name, one, reason, now)


def _in_hours(incident: Incident, name: str, one: Wanted, reason: NotifyReason, now: int) -> Whom:
    if one.is_open(now, incident.severity):
        return Whom(name, reason, one.because)
    return Whom(name, NotifyReason.OUTSIDE_HOURS, one.because, one.opens_at(now, incident.severity))


def _taken(incident: Incident) -> str:
    return f"{incident.acknowledged_by} has taken it on"
