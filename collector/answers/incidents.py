"""Incidents, the acts on them, and silences."""

from __future__ import annotations

from typing import Any, Literal, TypedDict

from collector.answers.values import Amount, Answers, Count, Id, Instant, Number


class IncidentSummary(TypedDict):
    """One cause that holds instances up, of which people are told. Its `verdict` is theirs, or says what else it is."""

    id: Id
    status: Literal["firing", "resolved"]
    severity: str
    title: str
    workflow: str | None
    domain: str | None
    verdict: str
    waiting_for: str | None
    source: str | None
    reason: str | None
    owner: str | None
    entity: str | None
    count: Count
    peak_count: Count
    value: list[Amount]
    oldest_since: Instant
    opened_at: Instant
    updated_at: Instant
    resolved_at: Instant | None


class IncidentOfList(IncidentSummary):
    """An incident with who is at it."""

    acknowledged_by: str | None
    acknowledged_until: Instant | None
    postponed_until: Instant | None
    assignee: str | None


class Incidents(TypedDict):
    """Incidents, those that fire first; `cut` says that there are more."""

    items: list[IncidentOfList]
    cut: bool


class Point(TypedDict):
    """How many were held up from an instant on."""

    at: Instant
    count: Count


class Trend(TypedDict):
    """How the number that is held up goes on."""

    per_hour: Number
    drained_at: Instant | None


class TimelineEntry(TypedDict):
    """What happened to an incident; `by` is null where Milepost did it."""

    at: Instant
    what: str
    detail: str
    by: str | None


class Delivery(TypedDict):
    """A message, and how it goes."""

    target: str
    kind: str
    transition: str
    reason: str | None
    state: str
    attempts: Count
    last_status: int | None
    at: Instant


class SetApart(TypedDict):
    """A value of an attribute that sets what is held up apart: so many of them have it, so many of the others."""

    attribute: str
    value: str
    held: Count
    held_of: Count
    others: Count
    others_of: Count


class LinkedChange(TypedDict):
    """A change that somebody has linked an incident to."""

    url: str
    title: str
    by: str
    at: Instant


class TargetDecided(TypedDict):
    """What was last decided of a target, what led to it, and until when it holds."""

    target: str
    reason: str
    because: str
    until: Instant | None


class OneIncident(IncidentOfList):
    """An incident with its timeline and deliveries."""

    dedup_key: str
    runbook: str | None
    acknowledged_at: Instant | None
    postponed_by: str | None
    settled_by: str | None
    clear_since: Instant | None
    apart: list[SetApart]
    changes: list[LinkedChange]
    whom: list[TargetDecided]
    points: list[Point]
    trend: Trend | None
    timeline: list[TimelineEntry]
    deliveries: list[Delivery]


class Attempt(TypedDict):
    """One attempt to deliver: what went out without secrets, and what came back."""

    message_id: str
    target: str
    transition: str
    told_because: str | None
    attempt: Count
    at: Instant
    fate: str
    reason: str | None
    status: int | None
    error: str | None
    sent: str | None
    answer: str | None
    remark: str | None


class Attempts(TypedDict):
    """Attempts to deliver, the newest first."""

    items: list[Attempt]


class IncidentAct(TypedDict):
    """What was done."""

    id: Id
    title: str
    did: str
    by: str
    detail: str
    at: Instant


class SilenceBegun(TypedDict):
    """A silence; `words` say what it is about."""

    id: Id
    words: str
    since: Instant
    until: Instant
    owner: str


class Silence(SilenceBegun):
    """A silence as it stands."""

    match: dict[str, Any]
    by: str
    reason: str
    created_at: Instant
    ended_by: str | None
    ended_at: Instant | None
    status: Literal["active", "pending", "over"]


class Silences(TypedDict):
    """Silences, those that end last first."""

    items: list[Silence]


class SilenceEnded(TypedDict):
    """A silence that somebody ended."""

    id: Id
    until: Instant
    ended_by: str


_ACTS = ("acknowledge", "withdraw", "assign", "comment", "postpone", "link", "resolve")

ANSWERS: Answers = {
    ("GET", "/api/v1/incidents"): Incidents,
    ("GET", "/api/v1/incidents/{id}"): OneIncident,
    ("GET", "/api/v1/incidents/{id}/attempts"): Attempts,
    **{("POST", f"/api/v1/incidents/{{id}}/{act}"): IncidentAct for act in _ACTS},
    ("GET", "/api/v1/silences"): Silences,
    ("POST", "/api/v1/silences"): SilenceBegun,
    ("DELETE", "/api/v1/silences/{id}"): SilenceEnded,
}
