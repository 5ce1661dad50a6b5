"""CloudEvents 1.0 at the door: bytes to log rows, every fault of a refused event by field.

Formats: https://github.com/cloudevents/spec — JSON event format (structured, batch) and HTTP binding (binary). What
is kept in the log is the event's JSON as it came; binary events are put into that form.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote_to_bytes

import msgspec

from collector.copyformat import ReservedSource, event_row
from slo_rules.acts import ACT_SOURCE, RESERVED
from slo_rules.event import Event, event_key
from slo_rules.instants import to_micros

MAX_EVENT_BYTES = 2**20
MAX_ATTRIBUTE = 2048
MAX_BATCH = 10_000
MAX_ATTRIBUTES = 1000
"""Of one event, extensions included."""
MAX_DEPTH = 100
"""Levels of nesting; what recurses over a stored event, in whatever thread, never comes near its limit."""
EARLIEST = to_micros(datetime(1, 1, 2, tzinfo=UTC))
LATEST = to_micros(datetime(9900, 1, 1, tzinfo=UTC))
"""Times from which any zone and any deadline can still be told in the years 1 to 9999."""

_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(?:-.*)?")
_VERSION_0 = 55
"""Characters of a traceparent of version 00, which has no more fields; later ones may."""
_ESCAPED = re.compile(r"\\(.)")
_ATTRIBUTE_NAME = re.compile(r"[a-z0-9]{1,40}")


class Envelope(msgspec.Struct, gc=False):
    """The attributes the log needs as columns; everything else stays in the body."""

    specversion: str
    id: str
    source: str
    type: str
    time: datetime | None = None
    subject: str | None = None
    traceparent: str | None = None
    datacontenttype: str | None = None
    data_base64: str | None = None


class PlainEvent(Envelope, forbid_unknown_fields=True, gc=False):
    """An event whose attributes are all known here: nearly every one, and it is read in one go."""

    dataschema: str | None = None
    tracestate: str | None = None
    data: Any = None


@dataclass(frozen=True, slots=True)
class EventFault:
    """One fault of one event of a request: its index, the field, what is wrong."""

    index: int
    field: str
    message: str

    def as_json(self) -> dict[str, object]:
        """The form in answers."""
        return {"index": self.index, "field": self.field, "message": self.message}


@dataclass(frozen=True, slots=True)
class Refused:
    """An event that cannot be stored as one, with its faults and its bytes."""

    faults: list[EventFault]
    body: bytes
    source: str | None
    id: str | None
    type: str | None


_plain = msgspec.json.Decoder(PlainEvent).decode
_envelope = msgspec.json.Decoder(Envelope)
_raws = msgspec.json.Decoder(list[msgspec.Raw])
_anything = msgspec.json.Decoder()
_encode = msgspec.json.Encoder().encode


class Malformed(Exception):
    """The body as a whole is not what its content type says."""


def split_batch(body: bytes) -> list[bytes]:
    """The members of a batch as they stand. Malformed when it is not a JSON array or has too many members."""
    try:
        members = _raws.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise Malformed(f"not a JSON array of events: {error}") from error
    if len(members) > MAX_BATCH:
        raise Malformed(f"the batch has {len(members)} events; at most {MAX_BATCH} are taken at once")
    return [bytes(member) for member in members]


def decode(members: Iterable[bytes], now: int) -> tuple[list[bytes], list[Refused]]:
    """Log rows of the good events and the refused ones. `now` (micros) stands in for a `time` that is absent."""
    rows: list[bytes] = []
    refused: list[Refused] = []
    for index, body in enumerate(members):
        try:
            event, document = _read(body)
            rows.append(_row(event, document, body, now))
        except (msgspec.MsgspecError, _Unfit, ReservedSource, RecursionError, UnicodeError):
            refused.append(_explain(index, body))
    return rows, refused


def as_event(body: bytes, received_at: int) -> Event | Refused:
    """What is read from the log of an event that came like this, received then (micros); or why it is refused."""
    refused = decode([body], received_at)[1]
    if refused:
        return refused[0]
    event = _envelope.decode(body)
    if event.data_base64 is not None:
        body = _with_plain_data(body)
    at = received_at if event.time is None else to_micros(event.time)
    key = event_key(event.source, event.id)
    trace_id = None if event.traceparent is None else parse_traceparent(event.traceparent)[0]
    return Event(event.source, event.type, at, received_at, key, _anything.decode(body), trace_id)


class _Unfit(Exception):
    """A first look found something; the second look says what."""


def _read(body: bytes) -> tuple[Envelope, Any]:
    """The attributes of an event, and something that is nested as deeply as the event.

    The projector must be able to read everything that is in the log. An envelope skips what it does not name, unread:
    what else is in the event, a number or a text that cannot be read, is found by reading it again.
    """
    try:
        event = _plain(body)
    except msgspec.ValidationError:
        return _envelope.decode(body), _anything.decode(body)
    return event, [event.data]


def _row(event: Envelope, document: Any, body: bytes, now: int) -> bytes:
    if event.specversion != "1.0" or not event.id or not event.source or not event.type:
        raise _Unfit
    if event.time is None:
        at = now
    else:
        if event.time.tzinfo is None:
            raise _Unfit
        at = to_micros(event.time)
        if not EARLIEST <= at < LATEST:
            raise _Unfit
    if isinstance(document, dict) and len(document) > MAX_ATTRIBUTES:
        raise _Unfit
    if body.count(b"{") + body.count(b"[") > MAX_DEPTH and _is_deep(document):
        raise _Unfit
    if event.data_base64 is not None:
        body = _with_plain_data(body)
    source, id_, type_ = event.source.encode(), event.id.encode(), event.type.encode()
    subject = event.subject.encode() if event.subject is not None else None
    if (
        len(body) > MAX_EVENT_BYTES
        or max(len(source), len(id_), len(type_)) > MAX_ATTRIBUTE
        or b"\x00" in source + id_ + type_
        or (subject is not None and (b"\x00" in subject or len(subject) > MAX_ATTRIBUTE))
    ):
        raise _Unfit
    trace_id = span_id = None
    if event.traceparent is not None:
        trace_id, span_id = parse_traceparent(event.traceparent)
    return event_row(at, source, id_, type_, subject, trace_id, span_id, body)


def _is_deep(document: Any) -> bool:
    """Whether JSON is nested more than MAX_DEPTH levels."""
    level = [document]
    for _ in range(MAX_DEPTH):
        level = [
            child
            for parent in level
            if isinstance(parent, (dict, list))
            for child in (parent.values() if isinstance(parent, dict) else parent)
        ]
        if not level:
            return False
    return any(isinstance(one, (dict, list)) for one in level)


def parse_traceparent(text: str) -> tuple[bytes | None, bytes | None]:
    """Trace and span id of a W3C traceparent; a malformed or all-zero one counts as absent, as the standard demands."""
    text = text.strip()
    found = _TRACEPARENT.fullmatch(text)
    if found is None or (text.startswith("00") and len(text) > _VERSION_0) or text.startswith("ff"):
        return None, None
    if not found[1].strip("0") or not found[2].strip("0"):
        return None, None
    return bytes.fromhex(found[1]), bytes.fromhex(found[2])


def _with_plain_data(body: bytes) -> bytes:
    """JSON sent as base64 is JSON all the same: its fields must be reachable by paths."""
    event = _anything.decode(body)
    try:
        content = base64.b64decode(event["data_base64"], validate=True)
    except ValueError as error:
        raise _Unfit from error
    if is_json(event.get("datacontenttype")) and "data" not in event:
        try:
            data = _anything.decode(content)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            return body
        if _is_deep(data):
            return body
        event["data"] = data
        del event["data_base64"]
        return _encode(event)
    return body


def is_json(content_type: str | None) -> bool:
    """Whether a data content type is JSON (absent means JSON)."""
    media = (content_type or "application/json").partition(";")[0].strip().lower()
    return media.endswith(("/json", "+json"))


def _explain(index: int, body: bytes) -> Refused:
    """Look again at an event that did not pass, and name all its faults."""
    faults: list[EventFault] = []

    def fault(name: str, message: str) -> None:
        faults.append(EventFault(index, name, message))

    try:
        event: Any = _anything.decode(body)
    except RecursionError:
        fault("", f"nested more than {MAX_DEPTH} levels deep")
        return Refused(faults, body, None, None, None)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        fault("", f"not JSON: {error}")
        return Refused(faults, body, None, None, None)
    if not isinstance(event, dict):
        fault("", "an event is a JSON object")
        return Refused(faults, body, None, None, None)
    for name in ("specversion", "id", "source", "type"):
        _check_text(event.get(name), name, fault, required=True)
    if isinstance(event.get("specversion"), str) and event["specversion"] != "1.0":
        fault("specversion", f"must be '1.0', not {event['specversion'][:20]!r}")
    if event.get("source") == ACT_SOURCE:
        fault("source", RESERVED)
    for name in ("subject", "traceparent", "datacontenttype", "data_base64"):
        if event.get(name) is not None:
            _check_text(event[name], name, fault, required=False)
    _check_time(event.get("time"), fault)
    if isinstance(event.get("data_base64"), str):
        try:
            base64.b64decode(event["data_base64"], validate=True)
        except ValueError:
            fault("data_base64", "not base64")
    if len(event) > MAX_ATTRIBUTES:
        fault("", f"has more than {MAX_ATTRIBUTES} attributes")
    if _is_deep(event):
        fault("", f"nested more than {MAX_DEPTH} levels deep")
    if len(body) > MAX_EVENT_BYTES:
        fault("", f"larger than {MAX_EVENT_BYTES} bytes")
    if not faults:
        fault("", "cannot be stored")
    words = [event.get(name) if isinstance(event.get(name), str) else None for name in ("source", "id", "type")]
    return Refused(faults, body, *words)


def _check_text(value: Any, name: str, fault: Any, *, required: bool) -> None:
    if value is None:
        fault(name, "is missing") if required else None
    elif not isinstance(value, str):
        fault(name, "must be text")
    elif required and not value:
        fault(name, "must not be empty")
    elif name != "data_base64" and ("\x00" in value or len(value.encode("utf-8", "replace")) > MAX_ATTRIBUTE):
        fault(name, f"must be at most {MAX_ATTRIBUTE} bytes without NUL")
    elif any("\ud800" <= character <= "\udfff" for character in value):
        fault(name, "is not valid Unicode")


def _check_time(value: Any, fault: Any) -> None:
    if value is None:
        return
    try:
        moment = msgspec.convert(value, datetime)
    except msgspec.ValidationError:
        fault("time", "must be an RFC 3339 timestamp such as 2026-11-21T09:14:00Z")
        return
    if moment.tzinfo is None:
        fault("time", "must say its zone: end it with Z or an offset")
    elif not EARLIEST <= to_micros(moment) < LATEST:
        fault("time", "must lie between 0001-01-02 and 9899-12-31")


def from_binary(headers: Mapping[str, str], body: bytes) -> tuple[bytes, list[EventFault]]:
    """A binary-mode request as structured JSON bytes, with the faults of its headers.

    Header values are percent-encoded UTF-8, possibly quoted; one round of decoding (HTTP binding 3.1.3.2).
    """
    attributes: dict[str, str] = {}
    faults: list[EventFault] = []
    for header, value in headers.items():
        name = header.lower()
        if not name.startswith("ce-"):
            continue
        if not is_attribute(name[3:]):
            faults.append(EventFault(0, name, NOT_A_HEADER))
            continue
        text = _ESCAPED.sub(r"\1", value[1:-1]) if _is_quoted(value) else value
        try:
            attributes[name[3:]] = unquote_to_bytes(text).decode("utf-8")
        except UnicodeDecodeError:
            faults.append(EventFault(0, name, "is not percent-encoded UTF-8"))
    content_type = next((value for header, value in headers.items() if header.lower() == "content-type"), None)
    return put_together(attributes, content_type, body, faults), faults


NOT_A_HEADER = "is not a header of a CloudEvent"


def is_attribute(name: str) -> bool:
    """Whether binary mode may have a header for this attribute."""
    return _ATTRIBUTE_NAME.fullmatch(name) is not None and name not in ("data", "datacontenttype")


def put_together(
    attributes: Mapping[str, str], content_type: str | None, body: bytes, faults: list[EventFault]
) -> bytes:
    """The structured JSON of what binary mode has in two places; adds the faults of the body to `faults`."""
    event: dict[str, Any] = dict(attributes)
    if content_type:
        event["datacontenttype"] = content_type
    if body:
        if is_json(content_type):
            try:
                event["data"] = _anything.decode(body)
            except RecursionError:
                faults.append(EventFault(0, "data", f"nested more than {MAX_DEPTH} levels deep"))
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                faults.append(EventFault(0, "data", f"not JSON: {error}"))
        else:
            try:
                event["data"] = body.decode("utf-8")
            except UnicodeDecodeError:
                event["data_base64"] = base64.b64encode(body).decode()
    return _encode(event)


def _is_quoted(value: str) -> bool:
    return len(value) >= 2 and value[0] == value[-1] == '"'
