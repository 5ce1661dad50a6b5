"""Reading the log: the next events in the order of their commits, and what each means to every workflow.

What an event says is taken out of it at once and its document let go: tens of thousands of documents do not fit the
processor's caches.
"""

from __future__ import annotations

import msgspec
import structlog
from psycopg.types.numeric import Int8BinaryLoader

from collector.catalogue import Catalogue
from collector.copyformat import EPOCH_2000, link_tail
from collector.parsed import Found, Parsed, Told, describe, pack
from collector.store.database import Connection
from collector.store.sql import load
from slo_rules.acts import ACT_SOURCE, BadAct
from slo_rules.durations import HOUR
from slo_rules.event import Event, event_key
from slo_rules.instants import to_datetime

log = structlog.get_logger("milepost.projector")

Q = load("projection")
CLOCK_STEP = HOUR
"""How far a database's clock may be set back without events being missed."""
CHUNK = 1_000
"""Events that are read at a time."""
Row = tuple[int, int, int, str, str, str, bytes | None, bytes]
"""Number, arrival and occurrence in micros since 2000, source, id, type, trace id, body."""

_decode_body = msgspec.json.Decoder().decode


class LogReader:
    """Reads the log, at most `limit` events at a time.

    Chunks are small, so that what is made of them is still in the processor's caches when it is used.
    """

    def __init__(self, catalogue: Catalogue, limit: int) -> None:
        self.limit = limit
        self._matcher = catalogue.matcher
        self._places = {id(matcher): place for place, matcher in enumerate(catalogue.places)}
        self._types = catalogue.expected_types

    def read(self, conn: Connection, after: int, received_at: int) -> list[Parsed]:
        """The events after a number, which was received at that instant (micros; 0 for the beginning of the log).

        It lets older partitions be skipped. The order of arrival is the order of numbers but for steps of the clock.
        """
        since = to_datetime(received_at - CLOCK_STEP) if received_at else "-infinity"
        with conn.transaction():
            cursor = conn.cursor(binary=True)
            cursor.adapters.register_loader("timestamptz", Int8BinaryLoader)
            cursor.execute(Q["read"], {"after": after, "since": since, "limit": self.limit})
            return [self._parse(row) for row in cursor.fetchall()]

    def read_some(self, conn: Connection, seqs: list[int], since: int, until: int) -> list[Parsed]:
        """The events with these numbers, in their order, which were received between two instants (micros)."""
        with conn.transaction():
            cursor = conn.cursor(binary=True)
            cursor.adapters.register_loader("timestamptz", Int8BinaryLoader)
            cursor.execute(Q["read_some"], {"seqs": seqs, "since": to_datetime(since), "until": to_datetime(until)})
            return [self._parse(row) for row in cursor.fetchall()]

    def again(self, conn: Connection, seq: int, received_at: int) -> Parsed | None:
        """One event that was read before, in the caller's transaction; None where the log no longer has it."""
        cursor = conn.cursor(binary=True)
        cursor.adapters.register_loader("timestamptz", Int8BinaryLoader)
        cursor.execute(Q["read_again"], {"seq": seq, "received_at": to_datetime(received_at)})
        row = cursor.fetchone()
        return None if row is None else self._parse(row)

    def _parse(self, row: Row) -> Parsed:
        """An event that cannot be read or matched must not stop those behind it."""
        seq, received_at, occurred_at, source, id_, type_, trace_id, body = row
        received_at += EPOCH_2000
        occurred_at += EPOCH_2000
        found: Found = []
        error = None
        try:
            if self._matcher.plan(source, type_):
                key = event_key(source, id_)
                event = Event(source, type_, occurred_at, received_at, key, _decode_body(body), trace_id)
                places = self._places
                for matcher, match in self._matcher.matches(event):
                    milestone = match.milestones[0] if match.milestones else None
                    tail = link_tail(key, seq, received_at, milestone, trace_id)
                    told = pack(Told(seq, source, received_at, match, tail))
                    found.append((places[id(matcher)], match.joining, told))
                if not found and source == ACT_SOURCE:
                    raise BadAct(["workflow: is not defined"])
        except Exception as raised:
            log.exception("event_set_aside", seq=seq)
            found = []
            error = describe(raised)
        expected = self._types and (source, type_) in self._types
        return Parsed(seq, source, received_at, occurred_at, found, error, type_ if expected else None)
