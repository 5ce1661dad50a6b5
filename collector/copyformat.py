"""Rows in PostgreSQL's binary COPY format, built straight from what a door decoded.

The hot path never makes a parameter list: a row is bytes from the door on, and the log writer only concatenates.
Format: https://www.postgresql.org/docs/current/sql-copy.html, "Binary Format".
"""

from __future__ import annotations

from functools import lru_cache
from struct import Struct

from slo_rules.acts import ACT_SOURCE, RESERVED

HEADER = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
TRAILER = b"\xff\xff"

EPOCH_2000 = 946_684_800_000_000
"""Micros between the Unix epoch and PostgreSQL's, 2000-01-01 UTC."""
EARLIEST = -210_866_803_200_000_000
LATEST = 9_224_318_016_000_000_000
"""The instants a timestamptz can hold, as micros since the Unix epoch."""

NULL = b"\xff\xff\xff\xff"
_ACT_SOURCE = ACT_SOURCE.encode()
_event_head = Struct("!hiqi").pack
length = Struct("!i").pack
_span_numbers = Struct("!ihihiqiqi?i").pack


def field(value: bytes | None) -> bytes:
    """A field of a row: the length and the bytes, or NULL."""
    return NULL if value is None else length(len(value)) + value


class ReservedSource(Exception):
    """An event from outside claims to be an act of a person in Milepost."""

    def __init__(self) -> None:
        super().__init__(RESERVED)


def event_row(
    occurred_at: int,
    source: bytes,
    id_: bytes,
    type_: bytes,
    subject: bytes | None,
    trace_id: bytes | None,
    span_id: bytes | None,
    body: bytes,
) -> bytes:
    """A row of `event` in the order of EVENT_COPY; texts are UTF-8 without NUL.

    Raises ReservedSource: every door makes its rows here, and none lets in what only `act_row` may say.
    """
    if source == _ACT_SOURCE:
        raise ReservedSource
    return _event_row(occurred_at, source, id_, type_, subject, trace_id, span_id, body)


def act_row(occurred_at: int, id_: bytes, type_: bytes, body: bytes) -> bytes:
    """The row of an act, for those who write down what a person says in Milepost itself."""
    return _event_row(occurred_at, _ACT_SOURCE, id_, type_, None, None, None, body)


def _event_row(
    occurred_at: int,
    source: bytes,
    id_: bytes,
    type_: bytes,
    subject: bytes | None,
    trace_id: bytes | None,
    span_id: bytes | None,
    body: bytes,
) -> bytes:
    return b"".join(
        (
            _event_head(8, 8, occurred_at - EPOCH_2000, len(source)),
            source,
            length(len(id_)),
            id_,
            length(len(type_)),
            type_,
            field(subject),
            field(trace_id),
            field(span_id),
            length(len(body)),
            body,
        )
    )


def source_of_event(row: bytes) -> bytes:
    """The source of a row of `event`."""
    return row[18 : 18 + _length_at(row, 14)[0]]


def service_of_span(row: bytes) -> bytes:
    """The service of a row of `span`: the source of what it says."""
    parent = _length_at(row, 34)[0]
    start = 38 + max(parent, 0)
    return row[start + 4 : start + 4 + _length_at(row, start)[0]]


_length_at = Struct("!i").unpack_from

EVENT_COPY = "COPY event (occurred_at, source, id, type, subject, trace_id, span_id, body) FROM STDIN (FORMAT binary)"


def span_row(
    trace_id: bytes,
    span_id: bytes,
    parent_span_id: bytes | None,
    service: bytes,
    name: bytes,
    kind: int,
    status: int,
    start_ns: int,
    end_ns: int,
    yields_event: bool,
    body: bytes,
) -> bytes:
    """A row of `span` in the order of SPAN_COPY."""
    return b"".join(
        (
            b"\x00\x0b\x00\x00\x00\x10",
            trace_id,
            b"\x00\x00\x00\x08",
            span_id,
            field(parent_span_id),
            length(len(service)),
            service,
            length(len(name)),
            name,
            _span_numbers(2, kind, 2, status, 8, start_ns, 8, end_ns, 1, yields_event, len(body)),
            body,
        )
    )


SPAN_COPY = (
    "COPY span (trace_id, span_id, parent_span_id, service, name, kind, status, start_ns, end_ns, yields_event, body) "
    "FROM STDIN (FORMAT binary)"
)

LATE_EVENT_COPY = EVENT_COPY.replace("body)", "body, received_at)")
LATE_SPAN_COPY = SPAN_COPY.replace("body)", "body, received_at)")
"""For rows of `arrived`."""


def arrived(row: bytes, at: int) -> bytes:
    """A row of `event` or `span` that says when it was received (micros), which else the database does."""
    return (int.from_bytes(row[:2], "big") + 1).to_bytes(2, "big") + row[2:] + instant(at)


def numeric(text: str | None) -> bytes | None:
    """The binary form of a decimal text: base-10000 digits with weight, sign and scale (numeric_recv)."""
    if text is None:
        return None
    if len(text) <= 4 and text.isdecimal() and text != "0":
        return _small_numeric(1, 0, 0, 0, int(text))
    sign = 0x4000 if text.startswith("-") else 0
    whole, _, fraction = text.lstrip("-").partition(".")
    whole = whole.rjust(-(-len(whole) // 4) * 4, "0")
    padded = fraction.ljust(-(-len(fraction) // 4) * 4, "0")
    digits = [int((whole + padded)[at : at + 4]) for at in range(0, len(whole) + len(padded), 4)]
    weight = len(whole) // 4 - 1
    while digits and digits[0] == 0:
        digits.pop(0)
        weight -= 1
    return Struct(f"!hhHH{len(digits)}H").pack(len(digits), weight if digits else 0, sign, len(fraction), *digits)


_small_numeric = Struct("!hhHHH").pack


def instant(micros: int | None) -> bytes:
    """A timestamptz field."""
    return NULL if micros is None else _instant(8, micros - EPOCH_2000)


def text_field(value: str | None) -> bytes:
    """A text field; NUL and lone surrogates, which PostgreSQL cannot hold, are dropped or replaced."""
    if value is None:
        return NULL
    try:
        encoded = value.encode()
    except UnicodeEncodeError:
        encoded = value.encode("utf-8", "replace")
    if b"\x00" in encoded:
        encoded = encoded.replace(b"\x00", b"")
    return length(len(encoded)) + encoded


@lru_cache(maxsize=4096)
def known_field(value: str | None) -> bytes:
    """Like `text_field`, for the few words of definitions that come again and again."""
    return text_field(value)


KEY_COPY = "COPY instance_key (workflow, namespace, joins, instance_id, value) FROM STDIN (FORMAT binary)"


def key_head(workflow: str, namespace: str, *, joins: bool) -> bytes:
    """The beginning of a row of `instance_key`; the sixteen bytes of the id and the value follow."""
    return b"\x00\x05" + text_field(workflow) + text_field(namespace) + field(boolean(joins)) + length(16)


LINK_COLUMNS = "(instance_id, event_key, seq, received_at, milestone, trace_id)"
LINK_HEAD = b"\x00\x06\x00\x00\x00\x10"
"""The beginning of a row with LINK_COLUMNS; the sixteen bytes of the instance's id and `link_tail` follow."""


def link_tail(event_key: bytes, seq: int, received_at: int, milestone: str | None, trace_id: bytes | None) -> bytes:
    """The rest of such a row: everything that is known before it is certain which instance the event is of."""
    numbers = _link_numbers(8, seq, 8, received_at - EPOCH_2000)
    trace = NULL if trace_id is None else field(trace_id)
    return b"\x00\x00\x00\x10" + event_key + numbers + known_field(milestone) + trace


_link_numbers = Struct("!iqiq").pack
_instant = Struct("!iq").pack
integer = Struct("!i").pack
boolean = Struct("!?").pack
