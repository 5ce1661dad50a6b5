"""What the log's writer was given, as the spool keeps it, and as it is written to the log afterwards."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from collector.copyformat import LATE_EVENT_COPY, LATE_SPAN_COPY, arrived
from collector.log import Batch, DeadLetter, SourceRequest, copy, keep_requests, write_letters
from collector.spool.records import Record
from collector.store.database import Connection
from slo_rules.instants import to_datetime

_Kept = tuple[list[bytes], list[bytes], list[DeadLetter], list[SourceRequest]]
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Kept).decode


def pack(batch: Batch, received_at: int, in_doubt: tuple[int, int] | None = None) -> Record:
    """A batch that arrived then (micros). ValueError, of which UnicodeEncodeError is one, where it cannot be kept."""
    if batch.audit:
        raise ValueError("what people do is not kept: they see at once that it was not done")
    count = len(batch.events) + len(batch.spans) + len(batch.dead_letters) + len(batch.requests)
    kept: _Kept = (batch.events, batch.spans, batch.dead_letters, batch.requests)
    return Record(received_at, count, _encode(kept), in_doubt)


def unpack(record: Record) -> Batch:
    """The batch of a record. Raises msgspec.DecodeError, msgspec.ValidationError."""
    events, spans, letters, requests = _decode(record.kept)
    return Batch(events, spans, letters, requests)


def write_unordered(conn: Connection, batches: Sequence[tuple[int, Batch]]) -> None:
    """Write all but events, which were received then (micros); it needs no lock."""
    for at, batch in batches:
        received_at = to_datetime(at)
        if batch.requests:
            keep_requests(conn, batch.requests, received_at)
        if batch.dead_letters:
            write_letters(conn, batch.dead_letters, received_at)
    spans = [arrived(row, at) for at, batch in batches for row in batch.spans]
    if spans:
        copy(conn, LATE_SPAN_COPY, spans)


def write_events(conn: Connection, batches: Sequence[tuple[int, Batch]]) -> None:
    """Write the events, which were received then (micros); the caller holds the lock of the log."""
    events = [arrived(row, at) for at, batch in batches for row in batch.events]
    if events:
        copy(conn, LATE_EVENT_COPY, events)
