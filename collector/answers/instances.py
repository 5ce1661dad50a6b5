"""Lists of instances, and what is found by a key."""

from __future__ import annotations

from typing import Any, NotRequired, TypedDict

from collector.answers.foresight import DeadlineAhead
from collector.answers.values import (
    Amount,
    Answers,
    Count,
    Given,
    Id,
    Instant,
    Key,
    Verdict,
    WhyVerdict,
)


class Waiver(Given):
    """Who waived an instance, why and until when, and what it would be without that."""

    verdict_beneath: Verdict
    reason_beneath: WhyVerdict


class Handling(TypedDict):
    """Who handles an instance, and who has seen how it stands now."""

    assigned_to: str | None
    acknowledged_by: str | None
    acknowledged_at: Instant | None


class Unreadable(TypedDict):
    """That what is stored of an instance cannot be read, and what is to be done about it."""

    why: str
    what_to_do: str


class InstanceStanding(TypedDict):
    """One run of a workflow, and how it stands. `milestones` says when each was reached; `handling` is of now only.

    Of one that is `unreadable` milestones, attributes and keys may be missing; the rest is as it was judged last.
    """

    id: Id
    workflow: str
    workflow_version: int
    entity: str
    domain: str
    title: str
    verdict: Verdict
    reason: WhyVerdict
    explanation: str
    waiver: Waiver | None
    waiting_for: str | None
    waiting_for_title: str | None
    source_awaited: str | None
    owner: str | None
    due_at: Instant | None
    deadline_at: Instant | None
    since: Instant
    stuck_since: Instant | None
    started_at: Instant
    updated_at: Instant
    milestones: dict[str, Instant]
    attributes: dict[str, Any]
    value: Amount | None
    unreadable: Unreadable | None
    handling: NotRequired[Handling]


class Instance(InstanceStanding):
    """An instance with its keys."""

    keys: list[Key]


class ListedInstance(Instance):
    """An instance of a list; `forecast` where what is due within some time was asked for."""

    forecast: NotRequired[DeadlineAhead | None]


class Instances(TypedDict):
    """A page of instances, with the number and the worth of all that the filter finds.

    `total_exact` is false where there are more than were counted, `looked_back_to` null where everything was looked at.
    Of the past `counts` has the number of each verdict, and `as_of` and `known_at` say of when it is.
    """

    items: list[ListedInstance]
    next_cursor: str | None
    total: Count
    value: list[Amount] | None
    total_exact: NotRequired[bool]
    looked_back_to: NotRequired[Instant | None]
    counts: NotRequired[dict[str, Count]]
    as_of: NotRequired[Instant | None]
    known_at: NotRequired[Instant | None]


class FoundKey(Key):
    """A key that was found; `joins` says whether it identifies one instance."""

    joins: bool


class FoundInstance(TypedDict):
    """An instance, by the key that it was found by."""

    id: Id
    title: str
    workflow: str
    verdict: Verdict
    key: FoundKey


class Found(TypedDict):
    """Instances by the beginning of a key."""

    items: list[FoundInstance]


class OfAccount(TypedDict):
    """How many there are, how many are open and need a person, and what those are worth."""

    total: Count
    open: Count
    pressing: Count
    value_total: list[Amount]
    value_open: list[Amount]
    value_at_risk: list[Amount]


class AccountWorkflow(OfAccount):
    """What of a workflow carries a key, by verdict, and the most pressing of it."""

    name: str
    title: str
    domain: str
    entity: str
    counts: dict[str, Count]
    items: list[Instance]


class AccountDomain(TypedDict):
    """What of a domain carries a key."""

    domain: str
    workflows: list[AccountWorkflow]


class Account(OfAccount):
    """Everything that carries a key, under all its names."""

    as_of: Instant
    namespace: str
    value: str
    names: list[Key]
    first_at: Instant
    last_at: Instant
    domains: list[AccountDomain]


class Assignees(TypedDict):
    """Those who handle something."""

    items: list[str]


class View(TypedDict):
    """A view of the worklist: `query` is what stands after the `?` of its address."""

    name: str
    query: str
    by: str
    at: Instant


class Views(TypedDict):
    """The views that people share."""

    items: list[View]


class Zone(TypedDict):
    """A time zone, and the titles of the calendars and objectives that decide by it."""

    zone: str
    titles: list[str]


class Zones(TypedDict):
    """The zones by which calendars and objectives decide, that of most of them first."""

    items: list[Zone]


ANSWERS: Answers = {
    ("GET", "/api/v1/instances"): Instances,
    ("GET", "/api/v1/search"): Found,
    ("GET", "/api/v1/accounts/{namespace}/{value}"): Account,
    ("GET", "/api/v1/assignees"): Assignees,
    ("GET", "/api/v1/views"): Views,
    ("PUT", "/api/v1/views/{name}"): View,
    ("GET", "/api/v1/zones"): Zones,
}
