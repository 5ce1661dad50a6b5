"""What a collector hands to Kafka instead of the log: a request as records with keys. Pure.

The key of a record is its source. What a source says then stays in its order in one partition and lags as one: a
source of which the newest is known, but not what it said before, would have instances called stuck that are not. Who
needs it otherwise says so in the extension `partitionkey`, as the Kafka binding of CloudEvents has it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from typing import Any, NamedTuple, Protocol

import msgspec
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.logs.v1.logs_pb2 import ResourceLogs
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans

from collector.ingest.kafka.topics import Format
from collector.ingest.otlp import attributes, service_of

MOST_BYTES = 900_000
"""Of one record of OTLP, where it can be divided: brokers take a mebibyte unless told otherwise."""


Headers = list[tuple[str, str | bytes | None]]
_STRUCTURED: Headers = [("content-type", b"application/cloudevents+json; charset=UTF-8")]


class Outgoing(NamedTuple):
    """A record to be. Records with one key go to one partition; without a key, to any."""

    format: Format
    key: bytes | None
    value: bytes
    headers: Headers


class TooLarge(Exception):
    """A record is larger than the brokers take."""


class Forwarding(Protocol):
    """Whoever hands records on, as the doors see it (collector/ingest/kafka/producing.py)."""

    @property
    def formats(self) -> frozenset[Format]:
        """What is taken."""

    def submit(self, records: Sequence[Outgoing]) -> Future[None]:
        """A future that is done when the records are durable; it may fail with Unavailable or TooLarge, as may this."""


class _Keyed(msgspec.Struct, gc=False):
    source: str
    partitionkey: str | None = None


_keyed = msgspec.json.Decoder(_Keyed).decode


def of_events(members: Iterable[bytes]) -> list[Outgoing]:
    """CloudEvents in structured mode, as they came. What is no event goes too: whoever appends sets it aside."""
    return [Outgoing(Format.CLOUDEVENTS, _key(member), member, _STRUCTURED) for member in members]


def _key(member: bytes) -> bytes | None:
    try:
        found = _keyed(member)
    except (msgspec.MsgspecError, RecursionError, UnicodeError):
        return None
    return (found.partitionkey or found.source).encode("utf-8", "replace")


def of_traces(request: ExportTraceServiceRequest) -> list[Outgoing]:
    """Spans, a record for each resource, or several where it is large."""
    return list(_of_groups(request.resource_spans, Format.OTLP_SPANS, _spans, "scope_spans", "spans"))


def of_logs(request: ExportLogsServiceRequest) -> list[Outgoing]:
    """Log records, likewise."""
    return list(_of_groups(request.resource_logs, Format.OTLP_LOGS, _logs, "scope_logs", "log_records"))


def _spans(group: ResourceSpans) -> bytes:
    return ExportTraceServiceRequest(resource_spans=[group]).SerializeToString()


def _logs(group: ResourceLogs) -> bytes:
    return ExportLogsServiceRequest(resource_logs=[group]).SerializeToString()


def _of_groups(
    groups: Iterable[Any], format_: Format, encode: Callable[[Any], bytes], scopes: str, members: str
) -> Iterator[Outgoing]:
    for group in groups:
        key = service_of(attributes(group.resource.attributes)).encode("utf-8", "replace")
        for value in _pieces(group, encode, scopes, members):
            yield Outgoing(format_, key, value, [])


def _pieces(group: Any, encode: Callable[[Any], bytes], scopes: str, members: str) -> Iterator[bytes]:
    """A group as bytes, in halves of halves until each fits or is a single member."""
    value = encode(group)
    inside = getattr(group, scopes)
    parts = inside if len(inside) != 1 else getattr(inside[0], members)
    if len(value) <= MOST_BYTES or len(parts) <= 1:
        yield value
        return
    middle = len(parts) // 2
    for unwanted in (slice(middle, None), slice(None, middle)):
        half = type(group)()
        half.CopyFrom(group)
        of_half = getattr(half, scopes) if len(inside) != 1 else getattr(getattr(half, scopes)[0], members)
        del of_half[unwanted]
        yield from _pieces(half, encode, scopes, members)
