"""OTLP 1.x at the door: traces and logs, protobuf and JSON, to log rows.

Protocol: https://opentelemetry.io/docs/specs/otlp/. Spans are kept as evidence; a span that a definition refers to,
and a log record with an event name, yields an event besides. JSON is turned into the protobuf messages first, so that
both encodings take one road.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, TypeVar

import msgspec
from google.protobuf import json_format
from google.protobuf.message import DecodeError, Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from collector.copyformat import EARLIEST, LATEST, ReservedSource, event_row, span_row
from slo_rules.acts import ACT_SOURCE
from slo_rules.filters import SPAN_TYPE, Residue, holds
from slo_rules.matching import Matcher

KINDS = ("unspecified", "internal", "server", "client", "producer", "consumer")
STATUSES = ("unset", "ok", "error")
MAX_NAME = 1024
MAX_BODY = 2**20
MAX_ATTRIBUTES = 1000
"""Of a span, a record, a resource; SDKs stop at 128 of a span."""
_MANY = f"more than {MAX_ATTRIBUTES} attributes"
_NO_TRACE, _NO_SPAN = bytes(16), bytes(8)
_MOST_NANOS = 2**63 - 1
_M = TypeVar("_M", bound=Message)

_encode = msgspec.json.Encoder().encode


class Malformed(Exception):
    """The request as a whole cannot be read."""


@dataclass(slots=True)
class Decoded:
    """What a request brought, as log rows; how many members were refused, and why in one sentence."""

    spans: list[bytes] = field(default_factory=list)
    events: list[bytes] = field(default_factory=list)
    accepted: int = 0
    rejected: int = 0
    reasons: dict[str, int] = field(default_factory=dict)

    def reject(self, reason: str) -> None:
        """Count a refused member."""
        self.rejected += 1
        self.reasons[reason] = self.reasons.get(reason, 0) + 1

    @property
    def count(self) -> int:
        """How many members there were."""
        return self.accepted + self.rejected

    @property
    def message(self) -> str:
        """Why members were refused, for `partial_success.error_message`."""
        return "; ".join(f"{count} with {reason}" for reason, count in self.reasons.items())


def parse_traces(body: bytes, *, json: bool) -> ExportTraceServiceRequest:
    """The request; Malformed when it is none. Members with unusable ids are left in for `decode_traces` to refuse."""
    return _parse(ExportTraceServiceRequest(), body, json, "resourceSpans", "scopeSpans", "spans")


def parse_logs(body: bytes, *, json: bool) -> ExportLogsServiceRequest:
    """The request; Malformed when it is none."""
    return _parse(ExportLogsServiceRequest(), body, json, "resourceLogs", "scopeLogs", "logRecords")


def _parse(request: _M, body: bytes, json: bool, *path: str) -> _M:
    try:
        if not json:
            request.ParseFromString(body)
            return request
        document = msgspec.json.decode(body)
        if not isinstance(document, dict):
            raise Malformed("not a JSON object")
        for member in _walk(document, path):
            for name in ("traceId", "spanId", "parentSpanId"):
                if name in member:
                    member[name] = _hex_to_base64(member[name])
            for link in member.get("links") or ():
                for name in ("traceId", "spanId"):
                    if isinstance(link, dict) and name in link:
                        link[name] = _hex_to_base64(link[name])
        json_format.ParseDict(document, request, ignore_unknown_fields=True, max_recursion_depth=50)
    except (DecodeError, msgspec.DecodeError, json_format.ParseError, RecursionError, UnicodeDecodeError) as error:
        raise Malformed(str(error)[:300] or "nested too deeply") from error
    except (ValueError, TypeError, AttributeError, OverflowError) as error:
        raise Malformed(f"not an OTLP request: {str(error)[:300]}") from error
    return request


def _walk(document: dict[str, Any], path: tuple[str, ...]) -> Iterable[dict[str, Any]]:
    level = [document]
    for name in path:
        level = [
            child
            for parent in level
            if isinstance(children := parent.get(name), list)
            for child in children
            if isinstance(child, dict)
        ]
    return level


def _hex_to_base64(value: Any) -> Any:
    """OTLP/JSON writes ids in hex. What is not hex becomes an id of a wrong length, refused like any other."""
    if not isinstance(value, str):
        return value
    try:
        return base64.b64encode(bytes.fromhex(value)).decode()
    except ValueError:
        return base64.b64encode(b"\xff").decode()


def plain(value: AnyValue) -> Any:
    """An AnyValue as a JSON value; bytes become base64, doubles that JSON cannot say become text."""
    kind = value.WhichOneof("value")
    match kind:
        case "string_value" | "int_value" | "bool_value":
            return getattr(value, kind)
        case "double_value":
            return value.double_value if math.isfinite(value.double_value) else str(value.double_value)
        case "array_value":
            return [plain(member) for member in value.array_value.values]
        case "kvlist_value":
            return attributes(value.kvlist_value.values)
        case "bytes_value":
            return base64.b64encode(value.bytes_value).decode()
        case _:
            return None


def attributes(pairs: Iterable[KeyValue]) -> dict[str, Any]:
    """Attributes as a JSON object."""
    found = {}
    for pair in pairs:
        value = pair.value
        if value.HasField("string_value"):
            found[pair.key] = value.string_value
        else:
            found[pair.key] = plain(value)
    return found


def decode_traces(request: ExportTraceServiceRequest, matcher: Matcher) -> Decoded:
    """Rows of the spans, and of the events that spans yield because a definition refers to them."""
    decoded = Decoded()
    for group in request.resource_spans:
        resource = attributes(group.resource.attributes)
        service = service_of(resource)
        service_bytes = service.encode("utf-8", "replace")
        # What Milepost says of itself is evidence like any other, but never an event.
        interesting = service != ACT_SOURCE and bool(matcher.plan(service, SPAN_TYPE))
        for scope in group.scope_spans:
            for span in scope.spans:
                _decode_span(decoded, span, service, service_bytes, resource, matcher if interesting else None)
    return decoded


def service_of(found: dict[str, Any]) -> str:
    """The service that attributes of a resource name: the source of what it sends."""
    name = found.get("service.name")
    return _clean(name)[:MAX_NAME] if isinstance(name, str) and name else "unknown_service"


def _clean(text: str) -> str:
    return text.replace("\x00", "")


def _decode_span(
    decoded: Decoded,
    span: Span,
    service: str,
    service_bytes: bytes,
    resource: dict[str, Any],
    matcher: Matcher | None,
) -> None:
    trace_id, span_id = span.trace_id, span.span_id
    if len(trace_id) != 16 or trace_id == _NO_TRACE or len(span_id) != 8 or span_id == _NO_SPAN:
        return decoded.reject("a trace id that is not 16 bytes or a span id that is not 8 bytes, or all zero")
    start, end = span.start_time_unix_nano, span.end_time_unix_nano
    if start > _MOST_NANOS or end > _MOST_NANOS:
        return decoded.reject("a time beyond the year 2262")
    if len(span.attributes) > MAX_ATTRIBUTES or len(resource) > MAX_ATTRIBUTES:
        return decoded.reject(_MANY)
    said: dict[str, Any] = {"attributes": attributes(span.attributes), "resource": resource}
    happened, links = span.events, span.links
    if happened:
        said["events"] = [
            {"name": one.name, "time_ns": one.time_unix_nano, "attributes": attributes(one.attributes)}
            for one in happened
        ]
    if links:
        said["links"] = [{"trace_id": link.trace_id.hex(), "span_id": link.span_id.hex()} for link in links]
    name, parent = span.name, span.parent_span_id
    kind, status = int(span.kind), 0
    if span.HasField("status"):
        if span.status.message:
            said["status_message"] = span.status.message
        status = int(span.status.code)
    if len(name) > MAX_NAME:
        name = name[:MAX_NAME]
    if not 0 <= kind < len(KINDS):
        kind = 0
    if not 0 <= status < len(STATUSES):
        status = 0
    body = _encode(said)
    if len(body) > MAX_BODY:
        return decoded.reject(f"more than {MAX_BODY} bytes of attributes and events")
    event: bytes | None = None
    if matcher is not None:
        residue = matcher.of_span(service, name, KINDS[kind], STATUSES[status])
        if residue is not False:
            event = _span_event(span, service, resource, said["attributes"], name, kind, status, residue)
    decoded.spans.append(
        span_row(
            trace_id,
            span_id,
            parent if len(parent) == 8 and parent != _NO_SPAN else None,
            service_bytes,
            _clean(name).encode("utf-8", "replace"),
            kind,
            status,
            start,
            end,
            event is not None,
            body,
        )
    )
    if event is not None:
        decoded.events.append(event)
    decoded.accepted += 1
    return None


def _span_event(
    span: Span,
    service: str,
    resource: dict[str, Any],
    said: dict[str, Any],
    name: str,
    kind: int,
    status: int,
    residue: Residue,
) -> bytes | None:
    """The event row of a span for which the residue holds: it occurred when the span ended."""
    document = {
        "id": f"{span.trace_id.hex()}-{span.span_id.hex()}",
        "source": service,
        "type": SPAN_TYPE,
        "service": service,
        "name": name,
        "kind": KINDS[kind],
        "status": STATUSES[status],
        "duration_ms": (span.end_time_unix_nano - span.start_time_unix_nano) / 1e6,
        "data": said,
        "resource": resource,
    }
    if not holds(residue, document):
        return None
    return event_row(
        (span.end_time_unix_nano or span.start_time_unix_nano) // 1000,
        service.encode("utf-8", "replace"),
        str(document["id"]).encode(),
        SPAN_TYPE.encode(),
        None,
        span.trace_id,
        span.span_id,
        _encode(document),
    )


def decode_logs(request: ExportLogsServiceRequest, now: int) -> Decoded:
    """Event rows of the log records that carry an event name. `now` (micros) stands in for an absent time."""
    decoded = Decoded()
    for group in request.resource_logs:
        resource = attributes(group.resource.attributes)
        service = service_of(resource)
        for scope in group.scope_logs:
            for record in scope.log_records:
                _decode_record(decoded, record, service, resource, now)
    return decoded


def _decode_record(decoded: Decoded, record: LogRecord, service: str, resource: dict[str, Any], now: int) -> None:
    if len(record.attributes) > MAX_ATTRIBUTES or len(resource) > MAX_ATTRIBUTES:
        return decoded.reject(_MANY)
    said = attributes(record.attributes)
    name = record.event_name or said.get("event.name")
    if not isinstance(name, str) or not name:
        return decoded.reject("no event name (Milepost keeps business events, not plain logs)")
    nanos = record.time_unix_nano or record.observed_time_unix_nano
    at = nanos // 1000 if nanos else now
    if not EARLIEST <= at < LATEST:
        return decoded.reject("a time that no calendar holds")
    if record.HasField("body"):
        said.setdefault("body", plain(record.body))
    document = {
        "source": service,
        "type": _clean(name)[:MAX_NAME],
        "severity": record.severity_text,
        "data": said,
        "resource": resource,
    }
    given = said.get("event.id")
    document["id"] = _clean(given)[:MAX_NAME] if isinstance(given, str) and given else _record_id(record, document)
    body = _encode(document)
    if len(body) > MAX_BODY:
        return decoded.reject(f"more than {MAX_BODY} bytes of attributes")
    trace_id = record.trace_id if len(record.trace_id) == 16 and any(record.trace_id) else None
    span_id = record.span_id if len(record.span_id) == 8 and any(record.span_id) else None
    words = (service, str(document["id"]), str(document["type"]))
    source, id_, type_ = (word.encode("utf-8", "replace") for word in words)
    try:
        decoded.events.append(event_row(at, source, id_, type_, None, trace_id, span_id, body))
    except ReservedSource as error:
        return decoded.reject(f"a reserved service.name: {error}")
    decoded.accepted += 1
    return None


def _record_id(record: LogRecord, document: dict[str, Any]) -> str:
    """Log records have no id: what they say, when and in which span stands in, so that a retry is seen as one."""
    said = _encode([record.time_unix_nano, record.trace_id.hex(), record.span_id.hex(), document])
    return blake2b(said, digest_size=16).hexdigest()
