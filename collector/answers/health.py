"""Whether a process lives and serves."""

from __future__ import annotations

from typing import Literal, NotRequired, TypedDict

from collector.answers.values import Answers, Count, Instant

Roles = dict[str, str]
"""Of each role of the process whether it is active or stands by."""


class Alive(TypedDict):
    """The process lives."""

    status: Literal["ok"]
    roles: Roles


class Replica(TypedDict):
    """Whether the replica is read and else why not, as of when it is, and how far that is behind."""

    used: bool
    reason: str | None
    as_of: Instant | None
    lag_seconds: float | None


class Buffer(TypedDict):
    """How that stands which keeps on disk what arrives while the database is away; sizes are bytes."""

    state: str
    events: NotRequired[Count]
    bytes: NotRequired[Count]
    limit: NotRequired[Count]


class Readiness(TypedDict):
    """Whether the process serves, or what is missing."""

    status: Literal["ok", "not ready"]
    missing: list[str]
    roles: Roles
    read_replica: NotRequired[Replica]
    buffer: NotRequired[Buffer]


ANSWERS: Answers = {("GET", "/healthz"): Alive, ("GET", "/readyz"): Readiness}
