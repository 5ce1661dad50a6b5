"""From kept requests to events: a thread of each process that receives, woken by the door.

A request, the events it becomes, and what of it could not be mapped are settled in one transaction: each event is in
the log once, whenever a process ends.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import psycopg
import structlog

from collector import metrics
from collector.awaiting import arrivals, judged_to
from collector.copyformat import LATE_EVENT_COPY, arrived
from collector.log import append, copy, write_letters
from collector.sources.exchange import Received
from collector.sources.receiving import Mapped, Receiver
from collector.store.database import LOG_LOCK, Connection, connect
from collector.store.sql import load
from slo_rules.durations import SECOND
from slo_rules.instants import to_micros

log = structlog.get_logger("milepost.sources")
Q = load("sources")

AT_ONCE = 200
POLL_SECONDS = 5.0
RETRY_SECONDS = 1.0
LATE = 10 * SECOND
_LET_GO = "-c idle_in_transaction_session_timeout=60s"


@dataclass(frozen=True, slots=True)
class Kept:
    """A request as it is kept, received then (micros)."""

    number: int
    received_at: int
    source: str
    received: Received


def kept_of(row: Sequence[Any]) -> Kept:
    """A request of the statements `waiting` and `request`."""
    number, received_at, source, method, path, headers, body = row[:7]
    return Kept(number, to_micros(received_at), source, Received(method, path, msgspec.json.decode(headers), body))


def run_once(conn: Connection, receivers: Mapping[str, Receiver]) -> int:
    """Map some of the requests that wait; how many. What cannot be stored must not keep the others from it."""
    if not receivers:
        return 0
    try:
        return _map(conn, receivers, AT_ONCE)
    except psycopg.DataError:
        log.exception("sources_mapped_one_by_one")
    try:
        return _map(conn, receivers, 1)
    except psycopg.DataError as error:
        return _map(conn, receivers, 1, unstorable=str(error).strip())


def _map(conn: Connection, receivers: Mapping[str, Receiver], most: int, *, unstorable: str = "") -> int:
    with conn.transaction():
        rows = conn.execute(Q["waiting"], {"sources": list(receivers), "limit": most}).fetchall()
        if not rows:
            return 0
        mapped: list[Mapped] = []
        for kept in map(kept_of, rows):
            receiver = receivers[kept.source]
            if unstorable:
                mapped.append(receiver.unfit(kept.received, f"cannot be stored: {unstorable}", kept.number))
            else:
                mapped.append(receiver.map(kept.received, kept.received_at, kept.number))
        letters = [letter for one in mapped for letter in one.letters]
        conn.execute(Q["mapped"], {"numbers": [row[0] for row in rows]})
        times = [to_micros(row[1]) for row in rows]
        if to_micros(rows[0][-1]) - times[0] < LATE:
            append(conn, [row for one in mapped for row in one.rows], [], letters)
        else:
            write_letters(conn, letters)
            _append_late(conn, times, mapped)
    metrics.RECEIVED.labels("sources").inc(sum(len(one.events) for one in mapped))
    for letter in letters:
        metrics.SOURCE_LETTERS.labels(letter.source, letter.reason).inc()
    return len(rows)


def _append_late(conn: Connection, times: Sequence[int], mapped: Sequence[Mapped]) -> None:
    """Write events of requests that were received then (micros), while the database was away: as of then they count."""
    conn.execute("SELECT pg_advisory_xact_lock(%s)", (LOG_LOCK,))
    as_of = arrivals(conn, times, *judged_to(conn))
    rows = [arrived(row, at) for at, one in zip(as_of, mapped, strict=True) for row in one.rows]
    if rows:
        copy(conn, LATE_EVENT_COPY, rows)


class Intake:
    """Maps what waits, as long as it runs. `on_mapped` is called when there is something new in the log."""

    def __init__(self, url: str, receivers: Mapping[str, Receiver], on_mapped: Callable[[], None]) -> None:
        self._url = url
        self._receivers = receivers
        self._on_mapped = on_mapped
        self._wake = threading.Event()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="source-intake", daemon=True)

    def start(self) -> None:
        """Begin to map."""
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether requests are being mapped at all."""
        return self._thread.is_alive()

    def wake(self) -> None:
        """There is something to map."""
        self._wake.set()

    def close(self) -> None:
        """Stop. What still waits is mapped by whoever runs next."""
        self._closing = True
        self._wake.set()
        self._thread.join(timeout=30)

    def _run(self) -> None:
        conn: Connection | None = None
        while not self._closing:
            self._wake.clear()
            try:
                if conn is None or conn.closed:
                    conn = connect(self._url, "sources", options=_LET_GO)
                if run_once(conn, self._receivers):
                    self._on_mapped()
                    continue
                wait = POLL_SECONDS
            except (psycopg.OperationalError, psycopg.InterfaceError) as error:
                log.warning("sources_not_mapped", error=str(error).strip())
                wait = RETRY_SECONDS
                if conn is not None:
                    conn.close()
            except Exception:
                # What cannot be stored for a reason of its own must not end the mapping of everything else.
                log.exception("sources_not_mapped")
                wait = RETRY_SECONDS
            self._wake.wait(wait)
        if conn is not None:
            conn.close()
