"""The overview, and the figures that an overview of several regions is told."""

from __future__ import annotations

from typing import Literal, NotRequired, TypedDict

from collector.answers.incidents import IncidentOfList
from collector.answers.objectives import Objective
from collector.answers.sources import Source
from collector.answers.values import Amount, Answers, Count, Id, Instant


class UsualToday(TypedDict):
    """The median of `days` days; with `weekday` they are those of the same weekday."""

    due: float
    missed: float
    days: Count
    weekday: bool


class Today(TypedDict):
    """How much fell due and was missed from midnight UTC until the last full hour, and what is usual by then."""

    since: Instant
    until: Instant
    due: Count
    missed: Count
    usual: UsualToday | None


class Standing(TypedDict):
    """How many instances stand how."""

    open: Count
    due_soon: Count
    stuck: Count
    blind: Count
    failed: Count
    inconsistent: Count
    waived: Count
    value_at_risk: list[Amount]
    oldest_stuck_since: Instant | None


class StandingHere(Standing):
    """The same, with those of which the start was never heard."""

    orphans: Count


class WorkflowStanding(StandingHere):
    """How the instances of a workflow stand."""

    name: str
    title: str
    entity: str
    owner: str
    today: Today
    completed: Count
    completed_late: Count


class HourOfTrend(TypedDict):
    """What fell due in the hour from `t` on."""

    t: Instant
    good: Count
    bad: Count


class DomainStanding(StandingHere):
    """How the instances of a domain stand."""

    domain: str
    trend: list[HourOfTrend]
    workflows: list[WorkflowStanding]
    objectives: list[Objective]


class LateReceiver(TypedDict):
    """A receiver that kept what came while the database was away; it still writes it where `settled_at` is null."""

    receiver: str
    since: Instant
    until: Instant | None
    count: Count | None
    settled_at: Instant | None


class Overview(TypedDict):
    """Everything that the first page shows."""

    as_of: Instant
    domains: list[DomainStanding]
    incidents: list[IncidentOfList]
    sources: list[Source]
    events_total: Count
    lag_seconds: float
    late: list[LateReceiver]


class RegionDomain(Standing):
    """How a domain of a region stands."""

    domain: str
    budget_left_ratio: float | None


class RegionObjective(TypedDict):
    """An objective of a region."""

    name: str
    domain: str
    title: str
    target: float
    budget_left_ratio: float | None


class RegionIncident(TypedDict):
    """An incident of a region; its title names definitions, not instances."""

    id: Id
    title: str
    verdict: str
    severity: str
    count: Count
    oldest_since: Instant | None
    opened_at: Instant | None
    value: list[Amount]


class RegionSource(TypedDict):
    """A source of a region."""

    source: str
    title: str
    state: str
    last_received_at: Instant | None


class Figures(TypedDict):
    """What an installation tells an overview of several: nothing of single instances."""

    as_of: Instant
    domains: list[RegionDomain]
    objectives: list[RegionObjective]
    objectives_count: Count
    incidents: list[RegionIncident]
    incidents_count: Count
    sources: list[RegionSource]
    sources_count: Count
    sources_live: Count
    lag_seconds: float


class Region(TypedDict):
    """A region and what it said last; `figures` are null before it was heard."""

    name: str
    title: str
    url: str
    state: Literal["live", "silent", "unknown"]
    answered_at: Instant | None
    silent_since: Instant | None
    why: str | None
    figures: Figures | None


class Regions(TypedDict):
    """What each region in the settings said last of itself."""

    items: list[Region]
    as_of: NotRequired[Instant]


ANSWERS: Answers = {
    ("GET", "/api/v1/overview"): Overview,
    ("GET", "/api/v1/region"): Figures,
    ("GET", "/api/v1/regions"): Regions,
}
