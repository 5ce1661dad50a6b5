"""One instance, with everything behind its verdict."""

from __future__ import annotations

from typing import Any, NotRequired, TypedDict

from collector.answers.incidents import IncidentSummary
from collector.answers.instances import InstanceStanding
from collector.answers.values import Answers, Count, EventNamed, Id, Instant, Key, Verdict, WhyVerdict
from slo_rules.explain import StepState

Stretch = TypedDict("Stretch", {"from": Instant, "to": Instant})
Stretch.__doc__ = "A stretch of time."
Pause = TypedDict("Pause", {"from": Instant, "to": Instant | None})
Pause.__doc__ = "A time in which no clock runs; `to` is null while it lasts."


class PartReached(TypedDict):
    """A milestone for one part of the instance, such as a shipment of an order."""

    value: str
    state: StepState
    at: Instant | None
    started_at: Instant | None
    warn_at: Instant | None
    deadline_at: Instant | None
    event_id: str | None
    faults: list[str]


class JourneyStep(TypedDict):
    """A milestone: when it was reached or is due, and by which calendar, with when that was closed meanwhile.

    `closed` is null where there is no calendar, and where there would be too many stretches.
    """

    name: str
    title: str
    state: StepState
    at: Instant | None
    started_at: Instant | None
    warn_at: Instant | None
    deadline_at: Instant | None
    source: str | None
    owner: str
    event_id: str | None
    faults: list[str]
    occurred: Count
    needed: Count
    each: str | None
    unnamed: Count
    parts: list[PartReached]
    calendar: str | None
    zone: str | None
    closed: list[Stretch] | None


class CarriedKey(Key):
    """A key with the event that brought it; `replaced_by` is what names the same thing today.

    Of an instance that is `unreadable` neither event nor time need be known.
    """

    joins: bool
    replaced_by: str | None
    event: EventNamed | None
    at: Instant | None


class CountedEvent(TypedDict):
    """An event of an instance; `data` is masked unless it may be read and was asked for as it came."""

    seq: Count
    source: str
    id: str
    type: str
    occurred_at: Instant
    received_at: Instant
    milestone: str | None
    trace_id: str | None
    data: Any


class Span(TypedDict):
    """A span of a trace of the instance."""

    trace_id: str
    span_id: str
    parent_span_id: str | None
    service: str
    name: str
    kind: str
    start: Instant
    end: Instant
    duration_ms: float
    status: str
    status_message: str | None
    attributes: Any
    resource: Any
    events: Any


class Joined(TypedDict):
    """Another instance that turned out to be this one, by which event."""

    id: Id
    event: EventNamed | None
    at: Instant


class RejectedJoin(TypedDict):
    """An event of which somebody said that it joined wrongly; `accepted_at` is since when it counts again."""

    event: EventNamed | None
    by: str
    reason: str
    at: Instant
    accepted_at: Instant | None
    parts: list[Id]


class Linked(TypedDict):
    """An instance of another workflow: the `same` object, the `whole` that this is of, or a `part` of it."""

    id: Id
    workflow: str
    title: str
    verdict: Verdict
    keys: list[str]
    relation: str


class Neighbour(TypedDict):
    """An instance that carries the same key."""

    id: Id
    workflow: str
    title: str
    verdict: Verdict
    updated_at: Instant


class Beside(Key):
    """What else a key finds, such as the number of a customer."""

    total: Count
    pressing: Count
    counted_all: bool
    items: list[Neighbour]


class Change(TypedDict):
    """What was said of the instance, from when on."""

    at: Instant
    verdict: Verdict
    verdict_from: Verdict | None
    reason: WhyVerdict
    waiting_for: str | None


class Message(TypedDict):
    """A message of an incident that holds or held the instance up."""

    incident: Id
    target: str
    kind: str
    transition: str
    state: str
    at: Instant


class Note(TypedDict):
    """What somebody did with the instance, or said of it."""

    at: Instant
    act: str
    by: str
    assigned_to: str | None
    text: str | None


class OneInstance(InstanceStanding):
    """An instance whole. What only the present knows is left out of the past, and `joined_later` is of the past alone.

    `arithmetic` says step by step how the deadline came about. `events_gone` are those no longer in the log.
    """

    journey: list[JourneyStep]
    pauses: list[Pause]
    arithmetic: list[str]
    keys: list[CarriedKey]
    events: list[CountedEvent]
    spans: list[Span]
    joined: list[Joined]
    rejected: list[RejectedJoin]
    masked: bool
    may_read_raw: bool
    events_gone: NotRequired[Count]
    linked: NotRequired[list[Linked]]
    beside: NotRequired[list[Beside]]
    history: NotRequired[list[Change]]
    incidents: NotRequired[list[IncidentSummary]]
    told: NotRequired[list[Message]]
    notes: NotRequired[list[Note]]
    joined_later: NotRequired[list[Joined]]
    as_of: NotRequired[Instant | None]
    known_at: NotRequired[Instant | None]


ANSWERS: Answers = {("GET", "/api/v1/instances/{id}"): OneInstance}
