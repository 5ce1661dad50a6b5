"""What the simulated enterprise does: a business event or a tree of spans, with its time and its delivery.

Times are micros since the epoch, UTC.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, NamedTuple

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

FAILED = "failed"
CANCELLED = "cancelled"


class BusinessEvent(NamedTuple):
    """A CloudEvent before it is written down."""

    source: str
    id: str
    type: str
    subject: str
    at: int
    data: dict[str, Any]
    traceparent: str | None


class PlannedSpan(NamedTuple):
    """A span before it is handed to the OpenTelemetry SDK. `error` is the description of an error status."""

    service: str
    version: str
    name: str
    kind: str
    start: int
    end: int
    trace_id: int
    span_id: int
    parent_id: int | None
    attributes: dict[str, Any]
    error: str | None
    note: tuple[str, dict[str, Any]] | None


class Action(NamedTuple):
    """One thing that happens at `at` and leaves for the collector at `deliver_at`: an event, or spans.

    `instance` is the `(workflow, namespace, value)` of the business object. `mark` is the milestone it
    reaches, `failed`, `cancelled` or None; `flawed` says that it lacks what the milestone requires.
    """

    at: int
    deliver_at: int
    instance: tuple[str, str, str]
    mark: str | None
    flawed: bool
    event: BusinessEvent | None
    spans: tuple[PlannedSpan, ...]
    duplicate: bool = False


def micros(moment: datetime) -> int:
    """Micros of an aware datetime."""
    delta = moment - _EPOCH
    return (delta.days * 86_400 + delta.seconds) * SECOND + delta.microseconds


def moment(at: int) -> datetime:
    """The aware datetime of micros."""
    return datetime.fromtimestamp(at // SECOND, UTC).replace(microsecond=at % SECOND)


def rfc3339(at: int) -> str:
    """RFC 3339 with milliseconds and `Z`."""
    return datetime.fromtimestamp(at // SECOND, UTC).strftime("%Y-%m-%dT%H:%M:%S") + f".{at % SECOND // 1000:03d}Z"


def cloud_event(event: BusinessEvent) -> dict[str, Any]:
    """The event in the CloudEvents 1.0 JSON format."""
    document: dict[str, Any] = {
        "specversion": "1.0",
        "id": event.id,
        "source": event.source,
        "type": event.type,
        "subject": event.subject,
        "time": rfc3339(event.at),
        "datacontenttype": "application/json",
        "data": event.data,
    }
    if event.traceparent is not None:
        document["traceparent"] = event.traceparent
    return document


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
