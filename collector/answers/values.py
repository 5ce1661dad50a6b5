"""What many answers have in them: instants, ids, amounts, keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypedDict

from msgspec import Meta

from slo_rules.judgement import Reason, VerdictKind

Answers = Mapping[tuple[str, str], Any]
"""By method and path of a route what it answers."""
Instant = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]
"""RFC 3339, in UTC."""
Id = Annotated[str, Meta(extra_json_schema={"format": "uuid"})]
Count = Annotated[int, Meta(ge=0)]
Share = Annotated[float, Meta(ge=0, le=1)]
Number = int | float
Scalar = str | bool | int | float
Outcome = Literal["good", "bad", "waived", "cancelled"]
LeftOut = Literal["excluded", "missing"]
SourceState = Literal["live", "silent", "catching_up", "unknown"]
Verdict = VerdictKind
WhyVerdict = Reason
REF = "#/components/schemas/{name}"


def ref_to(name: str) -> dict[str, str]:
    """A reference to a shape by its name."""
    return {"$ref": REF.format(name=name)}


class Amount(TypedDict):
    """So much of a currency; the currency is empty where none was said."""

    currency: str
    amount: float


class Key(TypedDict):
    """What an object is known by in some system."""

    namespace: str
    value: str


class EventNamed(TypedDict):
    """An event, by what names it."""

    source: str
    id: str
    type: str


class Named(TypedDict):
    """A name and a value."""

    name: str
    value: str


class Excluded(TypedDict):
    """A time that does not count, and why."""

    since: Instant
    until: Instant
    reason: str


class Given(TypedDict):
    """Who waived an instance, why and until when."""

    by: str
    reason: str
    until: Instant
    at: Instant
