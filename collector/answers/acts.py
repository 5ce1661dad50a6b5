"""What people do with instances."""

from __future__ import annotations

from typing import Literal, TypedDict

from collector.answers.values import Answers, Count, EventNamed, Given, Id


class Act(TypedDict):
    """An act that is durable, by the event that it is; it is in force when the log was applied up to it."""

    id: Id
    event: EventNamed
    in_force: str
    lag_seconds: float


class Waived(Act):
    """A waiver; null where it was withdrawn."""

    waiver: Given | None


class JoinJudged(Act):
    """Whether the event counts in none from now on."""

    rejected: bool


class Moved(Act):
    """The version under which the instance counts from now on."""

    version: int


class ActFault(TypedDict):
    """Why something was not done, by the field of what was said."""

    field: str
    message: str


class InstanceActed(TypedDict):
    """What became of one instance; the title is null where it was waived, and where there is no such instance."""

    id: Id
    title: str | None
    done: bool
    faults: list[ActFault]


class Acted(TypedDict):
    """What became of each instance of a request."""

    act: Literal["assign", "acknowledge", "unacknowledge", "comment", "waive"]
    request: Id
    done: Count
    refused: Count
    items: list[InstanceActed]


ANSWERS: Answers = {
    ("POST", "/api/v1/instances/{id}/waiver"): Waived,
    ("DELETE", "/api/v1/instances/{id}/waiver"): Waived,
    ("POST", "/api/v1/instances/{id}/rejected-joins"): JoinJudged,
    ("DELETE", "/api/v1/instances/{id}/rejected-joins"): JoinJudged,
    ("POST", "/api/v1/instances/{id}/version"): Moved,
    ("POST", "/api/v1/instances/acts"): Acted,
}
