"""Objectives: how they stand, what they came to, and the items behind their numbers."""

from __future__ import annotations

from typing import Annotated, Any, Literal, NotRequired, TypedDict

from msgspec import Meta

from collector.answers.values import (
    Amount,
    Answers,
    Count,
    Excluded,
    Given,
    Id,
    Instant,
    Key,
    LeftOut,
    Named,
    Number,
    Outcome,
    Verdict,
    ref_to,
)
from slo_rules.objective import MissingData

Group = dict[str, str | None]
"""The values of a group, by the names of attributes; null where nothing was said."""


class Budget(TypedDict):
    """A ratio of good ones, and what is used and left of what may be bad; null where there is nothing to judge."""

    ratio: float | None
    budget_allowed: float | None
    budget_used: Number
    budget_left_ratio: float | None


class Came(TypedDict):
    """What a step of time came to."""

    good: Number
    bad: Number
    waived: Number
    cancelled: Number
    excluded: Number
    missing: Number


class CountedOf(Came, Budget):
    """What counted, against a target."""

    total: Number


class Worth(CountedOf):
    """The same of what it is worth, in one currency."""

    currency: str


class Target(Budget):
    """A further target of an objective."""

    name: str
    target: float


class ObjectiveWindow(TypedDict):
    """Since when it counts; of a period its end and zone, of business time its calendar and length."""

    period: str | None
    zone: str | None
    calendar: str | None
    open_seconds: Count | None
    since: Instant
    until: Instant | None


class Pace(TypedDict):
    """When the budget is gone at the pace of now."""

    allowed: float
    gone_at: Instant | None


class Burning(TypedDict):
    """A burn rate beyond its threshold, over a long and a short time."""

    severity: str
    long_seconds: Count
    short_seconds: Count
    bad: Number
    rate: float
    threshold: float


class Singly(TypedDict):
    """Where the budget is smaller than one item, how many missed their deadline, and how many soon will."""

    allowed: float
    overdue: Count
    due_soon: Count
    soon_seconds: Count


class Objective(CountedOf):
    """How an objective stands in its present window. `known` is false while the source that would tell is silent."""

    name: str
    title: str
    owner: str
    workflow: str
    domain: str
    kind: str
    description: str
    target: float
    window_seconds: Count
    window: ObjectiveWindow
    pending_bad: Number
    unit: str
    targets: list[Target]
    values: list[Worth]
    group_by: list[str]
    missing_data: MissingData | None
    missing_source: str | None
    missing_since: Instant | None
    replaying_source: str | None
    known: bool
    pace: Pace | None
    burning: list[Burning]
    singly: Singly | None


class Objectives(TypedDict):
    """Every objective as it stands."""

    items: list[Objective]


class Asked(CountedOf):
    """What the time came to that was asked about."""

    since: Instant
    until: Instant


class StepOfTime(Came):
    """What an hour or a day came to, from `t` on."""

    t: Instant


class LeftAfter(TypedDict):
    """What was left of the budget after the step from `t` on."""

    t: Instant
    left_ratio: float | None


class ObjectiveGroup(CountedOf):
    """How a group stands."""

    group: Group
    values: list[Worth]


class OneObjective(Objective):
    """An objective with its history and, in all, its groups."""

    group: Group | None
    asked: Asked | None
    step: Literal["hour", "day"]
    zone: str
    series: list[StepOfTime]
    budget_series: list[LeftAfter]
    exclusions: list[Excluded]
    groups: NotRequired[list[ObjectiveGroup]]
    groups_total: NotRequired[Count]


class Closed(TypedDict):
    """What a period came to when it was over."""

    at: Instant
    good: Number
    bad: Number
    ratio: float | None
    target: float
    met: bool | None


class Period(CountedOf):
    """What a period came to, against the target of then; `restated`: it was another number when it was over."""

    since: Instant
    until: Instant
    over: bool
    target: float
    met: bool | None
    values: list[Worth]
    closed: Closed | None
    restated: bool


class Periods(TypedDict):
    """What an objective came to, period by period."""

    name: str
    target: float
    period: str
    zone: str
    unit: str
    group_by: list[str]
    items: list[Period]


class ItemCounted(TypedDict):
    """What an item was, and what it counts as; null where it is `left_out`."""

    outcome: Outcome
    counts_as: Outcome | None
    left_out: LeftOut | None
    exclusions: list[str]


class InstanceCounted(ItemCounted):
    """An instance with what was due, when it came and by how much that was late."""

    id: Id
    workflow: str
    workflow_version: int
    title: str
    keys: list[Key]
    verdict: Verdict
    milestone: str | None
    milestone_title: str | None
    part: str | None
    due_at: Instant
    arrived_at: Instant | None
    late_seconds: Number | None
    late_open_seconds: Number | None
    arithmetic: list[str]
    stands_for: Count
    group: Group | None
    value: Amount | None
    waiver: Given | None


class TimeCounted(ItemCounted):
    """A slice of volume, or a silence of a source, with how much came in it."""

    since: Instant
    until: Instant
    items: Count
    expected: str
    at_least: Count | None
    at_most: Count | None
    slices: Count


ItemOrTime = Annotated[
    Any, Meta(extra_json_schema={"anyOf": [ref_to(one.__name__) for one in (InstanceCounted, TimeCounted)]})
]
"""msgspec knows no union of two shapes."""
BESIDES = (InstanceCounted, TimeCounted)


class Contributors(TypedDict):
    """A page of what an objective counted; what is `left_out` is in no `total`."""

    name: str
    title: str
    workflow: str
    kind: str
    since: Instant
    until: Instant
    outcome: Outcome
    group: Group | None
    where: list[Named]
    listed: Literal["items", "changes", "slices", "silences"]
    items: list[ItemOrTime]
    next_cursor: str | None
    total: Count
    left_out: Count
    values: list[Amount]


ANSWERS: Answers = {
    ("GET", "/api/v1/objectives"): Objectives,
    ("GET", "/api/v1/objectives/{name}"): OneObjective,
    ("GET", "/api/v1/objectives/{name}/periods"): Periods,
    ("GET", "/api/v1/objectives/{name}/contributors"): Contributors,
}
