"""What is likely to come."""

from __future__ import annotations

from typing import Literal, NotRequired, TypedDict

from collector.answers.values import Answers, Count, Id, Instant, Share, Verdict
from slo_rules.survival import Unknown


class Stage(TypedDict):
    """A milestone with a deadline, and the calendar that it is counted on."""

    milestone: str
    title: str
    calendar: str | None


class Chance(TypedDict):
    """The chance of missing a deadline with its interval of 95 %; null where it is `unknown`, and why."""

    chance: Share | None
    low: Share
    high: Share
    known: Count
    unknown: Unknown | None
    pooled: bool


class DeadlineAhead(Stage, Chance):
    """A deadline with the chance that it is missed; `group` says by which attributes it was told."""

    deadline_at: Instant
    waited_seconds: float
    left_seconds: float
    group: dict[str, str] | None


class Learned(TypedDict):
    """When it was learned, and from how many instances."""

    at: Instant
    instances: Count
    all_instances: bool


class InstanceForecast(TypedDict):
    """The deadlines that an instance has before it, in the order in which they fall."""

    id: Id
    workflow: str
    verdict: Verdict
    as_of: Instant
    learned: Learned | None
    deadlines: list[DeadlineAhead]


class Breaches(TypedDict):
    """Of those `due` within a time how many will miss it: `breaches`, four times out of five from `low` to `high`."""

    within: str
    breaches: float
    low: Count
    high: Count
    due: Count


class Horizon(Breaches):
    """The same, with of how many nothing can be told."""

    unknown: Count


class ExplainedHorizon(Horizon):
    """The same, with why nothing can be told of how many."""

    why_unknown: dict[str, Count]


class Draining(TypedDict):
    """How the backlog of what is overdue goes on, by the pace since `pace_since`."""

    state: Literal["clearing", "not_clearing", "clear", "too_little_seen"]
    waiting: Count
    net_per_hour: float | None
    clear_at: Instant | None
    earliest: Instant | None
    latest: Instant | None
    pace_since: Instant


class Likely(Chance):
    """An instance that is likely to miss its deadline."""

    id: Id
    title: str
    group: str | None
    deadline_at: Instant


class StageForecast(Stage):
    """What is likely to come of a stage, by what was `observed` of it."""

    observed: Count
    median_seconds: float | None
    open: Count
    expected: list[Horizon]
    most_likely: list[Likely]
    overdue: Draining


class Forecast(TypedDict):
    """What is likely to come of each stage of a workflow."""

    as_of: Instant
    workflow: str
    by: str | None
    instances: Count
    all_instances: bool
    lag_seconds: float
    stages: list[StageForecast]


class Backlog(Stage, Draining):
    """The backlog of a stage."""


class LookedBack(Breaches):
    """What would have been expected a day ago, and how many `missed` their deadline."""

    at: Instant
    missed: Count


class WorkflowOutlook(TypedDict):
    """What is likely to come of a workflow; `looked_back` where one workflow was asked for."""

    workflow: str
    title: str
    domain: str
    too_many: bool
    expected: list[ExplainedHorizon]
    learned: Learned | None
    backlogs: list[Backlog]
    looked_back: NotRequired[LookedBack | None]


class Outlook(TypedDict):
    """What is likely to come of each workflow with deadlines."""

    as_of: Instant
    lag_seconds: float
    items: list[WorkflowOutlook]


ANSWERS: Answers = {
    ("GET", "/api/v1/instances/{id}/forecast"): InstanceForecast,
    ("GET", "/api/v1/forecast"): Forecast,
    ("GET", "/api/v1/outlook"): Outlook,
}
