"""The whole log, read beside the service: its events in their order, and when its sources were silent."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

import structlog
from psycopg.types.numeric import Int8BinaryLoader

from collector.copyformat import EPOCH_2000
from collector.replay import Logged
from collector.store.database import Connection
from collector.store.sql import load
from collector.stored_progress import readable_document
from slo_rules.event import Event, event_key
from slo_rules.instants import to_micros
from slo_rules.matching import Matcher
from slo_rules.silences import Silences
from slo_rules.workflow import Source

Q = load("backtest")
_FETCHED_AT_ONCE = 2_000
log = structlog.get_logger("milepost")


@dataclass(frozen=True, slots=True)
class Extent:
    """How many events there are, the number of the last, and when the first occurred (micros; None: there are none).

    Where retention has dropped events, `kept_since` (micros) says since when the log has all that was received, and the
    first is the first of those. Before it there is only what belongs to instances that were not finished then.
    """

    events: int
    last: int
    began_at: int | None
    kept_since: int | None = None


def extent(conn: Connection) -> Extent:
    """How far the log reaches, in the caller's transaction."""
    row = conn.execute(Q["extent"]).fetchone()
    assert row is not None
    events, last, *times = row
    began_at, kept_since = (None if at is None else to_micros(at) for at in times)
    return Extent(events, last, began_at, kept_since)


def log_events(conn: Connection, matchers: Collection[Matcher]) -> Iterator[tuple[int, Logged | None]]:
    """The number of each event in the log, in its order, in the caller's transaction; with those that may be asked for.

    A document that no matcher may ask for is not decoded.
    """
    with conn.cursor("log", binary=True) as cursor:
        cursor.itersize = _FETCHED_AT_ONCE
        cursor.adapters.register_loader("timestamptz", Int8BinaryLoader)
        cursor.execute(Q["log"])
        for seq, received_at, occurred_at, source, id_, type_, body in cursor:
            logged = None
            if any(matcher.plan(source, type_) for matcher in matchers):
                at, received = occurred_at + EPOCH_2000, received_at + EPOCH_2000
                document = readable_document(body)
                if document is None:
                    log.warning("event_passed_over", seq=seq, reason="what is stored of it cannot be read")
                else:
                    logged = Logged(seq, Event(source, type_, at, received, event_key(source, id_), document))
            yield seq, logged


def silences(conn: Connection, sources: Iterable[Source], asked: Collection[str], began_at: int) -> Silences:
    """When those of the sources that are asked for were silent, by when their events occurred.

    In the caller's transaction. The log is only read where something is expected of any.
    """
    known = [one for one in sources if one.name in asked and (one.expects is not None or one.types)]
    return Silences(known, _occurrences(conn, [one.name for one in known]) if known else (), began_at)


def occurrences(conn: Connection, source: str, type_: str) -> Iterator[int]:
    """When the events of a source occurred, in their order; of one type where that is not empty."""
    for _, said, at in _occurrences(conn, [source]):
        if type_ in ("", said):
            yield at


def _occurrences(conn: Connection, sources: list[str]) -> Iterator[tuple[str, str, int]]:
    with conn.cursor("occurrences", binary=True) as cursor:
        cursor.itersize = _FETCHED_AT_ONCE
        cursor.adapters.register_loader("timestamptz", Int8BinaryLoader)
        cursor.execute(Q["occurrences"], {"sources": sources})
        for source, type_, occurred_at in cursor:
            yield source, type_, occurred_at + EPOCH_2000
