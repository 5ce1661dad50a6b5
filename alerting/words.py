"""What a notice says beside the cause and its numbers: what sets it apart, where it goes, what to do. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from alerting.incident import Apart, Incident
from alerting.links import list_link
from alerting.message import Notice, shorten, title
from alerting.titles import Titles
from slo_rules.rounding import spell_share
from slo_rules.trend import trend

_LONGEST_NAME = 60


def apart_in_words(one: Apart) -> str:
    """`92% have connector 2.3, 12% of the others`: shares of the held-up and of the others."""
    held, others = spell_share(one.held / one.held_of), spell_share(one.others / one.others_of)
    return f"{held} have {one.attribute} {one.value}, {others} of the others"


def _groups(incident: Incident, base: str) -> tuple[tuple[str, str], ...]:
    """Those with the value that is most telling, and the others: two lists, where it does not hold of all."""
    one = next((one for one in incident.apart if one.held < one.held_of), None)
    if one is None or one.value.endswith("…"):
        return ()
    named = shorten(" ".join(f"{one.attribute} {one.value}".split()), _LONGEST_NAME)
    said = (f"Those with {named}", "The others")
    if one.held_of == incident.population.count:
        # Where they are few, all of them were compared.
        said = (f"The {one.held} with {named}", f"The other {one.held_of - one.held}")
    conditions = (f"{one.attribute}={one.value}", f"{one.attribute}!={one.value}")
    return tuple((words, list_link(base, incident.id, of)) for words, of in zip(said, conditions, strict=True))


def linked(
    notice: Notice,
    incident: Incident,
    members: Sequence[Incident],
    now: int,
    public_url: str,
    titles: Titles,
) -> Notice:
    """The notice with all of that."""
    going = trend(incident.points, now) if incident.resolved_at is None else None
    base = public_url.rstrip("/")
    link = notice.link
    if base and (not incident.cause.is_of_instances or incident.population.entity == "objective"):
        link = f"{base}/dashboard/incidents/{incident.id}"
    if base and incident.cause.verdict == "burning":
        link = f"{base}/dashboard/objectives/{incident.cause.reason}"
    return replace(
        notice,
        link=link,
        incident_link=f"{base}/dashboard/incidents/{incident.id}" if base else None,
        apart=tuple(apart_in_words(one) for one in incident.apart),
        groups=_groups(incident, base) if base and incident.cause.is_of_instances else (),
        per_hour=going.per_hour if going else None,
        drained_at=going.drained_at if going else None,
        runbook=incident.runbook,
        drill=incident.cause.verdict == "drill",
        assignee=incident.assignee,
        acknowledged_by=incident.acknowledged_by if incident.is_acknowledged(now) else None,
        parts=tuple(_part(one, titles) for one in members),
    )


def titled(incident: Incident, titles: Titles) -> str:
    """What an incident is called."""
    cause = incident.cause
    return title(cause, incident.population.entity, titles.milestone(cause), titles.objective(cause))


def _part(incident: Incident, titles: Titles) -> str:
    return f"{titled(incident, titles)} ({incident.population.count:,})"
