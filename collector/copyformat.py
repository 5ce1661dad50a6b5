"""Rows in PostgreSQL's binary COPY format, built straight from what a door decoded.

The hot path never makes a parameter list: a row is bytes from the door on, and the log writer only concatenates.
Format: https://www.postgresql.org/docs/current/sql-copy.html, "Binary Format".
"""

from __future__ import annotations

from struct import Struct

HEADER = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
TRAILER = b"\xff\xff"

EPOCH_2000 = 946_684_800_000_000
"""Micros between the Unix epoch and PostgreSQL's, 2000-01-01 UTC."""
EARLIEST = -210_866_803_200_000_000
LATEST = 9_224_318_016_000_000_000
"""The instants a timestamptz can hold, as micros since the Unix epoch."""

_NULL = b"\xff\xff\xff\xff"
_event_head = Struct("!hiqi").pack
_length = Struct("!i").pack
_span_numbers = Struct("!ihihiqiqi?i").pack


def _field(value: bytes | None) -> bytes:
    return _NULL if value is None else _length(len(value)) + value


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
    """A row of `event (occurred_at, source, id, type, subject, trace_id, span_id, body)`; texts are UTF-8 without NUL."""
    return b"".join(
        (
            _event_head(8, 8, occurred_at - EPOCH_2000, len(source)),
            source,
            _length(len(id_)),
            id_,
            _length(len(type_)),
            type_,
            _field(subject),
            _field(trace_id),
            _field(span_id),
            _length(len(body)),
            body,
        )
    )


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
            _field(parent_span_id),
            _length(len(service)),
            service,
            _length(len(name)),
            name,
            _span_numbers(2, kind, 2, status, 8, start_ns, 8, end_ns, 1, yields_event, len(body)),
            body,
        )
    )


SPAN_COPY = (
    "COPY span (trace_id, span_id, parent_span_id, service, name, kind, status, start_ns, end_ns, yields_event, body) "
    "FROM STDIN (FORMAT binary)"
)


def numeric(text: str | None) -> bytes | None:
    """The binary form of a decimal text: base-10000 digits with weight, sign and scale (numeric_recv)."""
    if text is None:
        return None
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


def row(*fields: bytes | None) -> bytes:
    """A row of any table from fields in their binary forms."""
    return b"".join((_count(len(fields)), *map(_field, fields)))


def instant(micros: int | None) -> bytes | None:
    """A timestamptz."""
    return None if micros is None else _eight(micros - EPOCH_2000)


def text(value: str | None) -> bytes | None:
    """A text; NUL and lone surrogates, which PostgreSQL cannot hold, are dropped or replaced."""
    if value is None:
        return None
    try:
        encoded = value.encode()
    except UnicodeEncodeError:
        encoded = value.encode("utf-8", "replace")
    return encoded.replace(b"\x00", b"") if b"\x00" in encoded else encoded


_count = Struct("!h").pack
_eight = Struct("!q").pack
integer = Struct("!i").pack
bigint = _eight
boolean = Struct("!?").pack
