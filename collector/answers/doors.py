"""What the doors answer, and every refusal."""

from __future__ import annotations

from typing import Annotated, NotRequired, TypedDict

from msgspec import Meta

from collector.answers.values import Count


class Fault(TypedDict):
    """What is wrong with a question, an act or an event; `index` is that of the event in its batch."""

    field: str
    message: str
    index: NotRequired[Count]


class Problem(TypedDict):
    """Why a request is refused (RFC 9457); `faults` are all of them, each by its field."""

    type: Annotated[str, Meta(extra_json_schema={"format": "uri-reference"})]
    title: str
    status: Annotated[int, Meta(ge=400, le=599)]
    faults: NotRequired[list[Fault]]


class NoneTaken(Problem):
    """Why nothing of a request of events was taken; where they were read, how many they were."""

    accepted: NotRequired[Count]
    rejected: NotRequired[Count]


class Taken(TypedDict):
    """How many events were taken, and what is wrong with the others."""

    accepted: Count
    rejected: Count
    faults: list[Fault]


class PartialSuccess(TypedDict, total=False):
    """How many records were not taken, as text, and why; nothing where all were."""

    rejectedSpans: str
    rejectedLogRecords: str
    errorMessage: str


class Exported(TypedDict, total=False):
    """The answer to an OTLP export."""

    partialSuccess: PartialSuccess


class Status(TypedDict, total=False):
    """Why a request is refused, as OTLP says it: a google.rpc.Status."""

    code: int
    message: str


BESIDES = (Problem, NoneTaken, Taken, Exported, Status)
"""Of routes that FastAPI knows nothing of: see `collector/described_doors.py`."""
