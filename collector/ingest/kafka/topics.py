"""Topics and what their records are."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

_NAME = re.compile(r"[A-Za-z0-9._-]{1,249}")
_SOURCE = "source="


class Format(StrEnum):
    """What the records of a topic are: CloudEvents by the Kafka binding, or OTLP as the OpenTelemetry Collector has it.

    OTLP is a whole export request a record, in protobuf or JSON (the encodings `otlp_proto` and `otlp_json`).
    """

    CLOUDEVENTS = "cloudevents"
    OTLP_SPANS = "otlp_spans"
    OTLP_LOGS = "otlp_logs"


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic and the format of its records; with a `source` they are of that source's own form, and of no format."""

    name: str
    format: Format = Format.CLOUDEVENTS
    source: str = ""

    def __str__(self) -> str:
        return f"{self.name}:{_SOURCE}{self.source}" if self.source else f"{self.name}:{self.format}"


def parse_topic(text: str) -> Topic:
    """A topic written `NAME`, `NAME:FORMAT` or `NAME:source=SOURCE`. ValueError with all that is wrong with it."""
    name, colon, format_ = text.partition(":")
    source = format_.removeprefix(_SOURCE) if format_.startswith(_SOURCE) else ""
    faults = []
    if not _NAME.fullmatch(name) or name in (".", ".."):
        faults.append(f"{name!r} is not the name of a topic (letters, digits, '.', '_' and '-', at most 249)")
    if colon and not source and format_ not in list(Format):
        faults.append(f"{format_!r} is not a format; known are {', '.join(Format)}, and {_SOURCE}NAME of a source")
    if faults:
        raise ValueError("; ".join(faults))
    if source:
        return Topic(name, source=source)
    return Topic(name, Format(format_) if colon else Format.CLOUDEVENTS)
