"""The buffer of a receiver: what arrives while the database is away goes to the spool, and from there to the log.

From the first batch that the database does not take, until everything has been written that waits, all that arrives
goes through the spool: so the log stays in the order of arrivals, and what was received when is as it was.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import psycopg
import structlog

from collector import metrics
from collector.awaiting import PATIENCE
from collector.log import Arrival, Unavailable
from collector.spool.draining import Draining, Q, is_poison
from collector.spool.packing import pack
from collector.spool.segments import Spool, SpoolFull
from collector.store.database import LOG_LOCK, Connection, connect
from slo_rules.durations import format_duration
from slo_rules.instants import rfc3339, to_datetime

log = structlog.get_logger("milepost.spool")

RETRY_SECONDS = 1.0
LOOK_SECONDS = 0.2
RETRY_AFTER = 10
STOP_SECONDS = 30.0
_LET_GO = "-c idle_in_transaction_session_timeout=10s"


class Spooling:
    """Keeps arrivals in a spool and drains it. Part of it is the contract of `collector.log.Buffer`."""

    def __init__(
        self, database_url: str, spool: Spool, name: str, *, on_drained: Callable[[], None] = lambda: None
    ) -> None:
        """`name` is what people know the receiver by; `on_drained` is called when something came to the log."""
        self._url = database_url
        self._spool = spool
        self._name = name
        self._on_drained = on_drained
        self._turn = threading.Lock()
        self._active = not spool.empty
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._began = 0
        self._full = ""
        self._count = 0
        self._draining: Draining | None = None
        self._mapped_at = 0.0
        self._watch: Callable[[], None] = lambda: None
        self._thread = threading.Thread(target=self._run, name="spool", daemon=True)

    # What the log's writer asks for

    @property
    def active(self) -> bool:
        """Whether what arrives goes to the spool."""
        return self._active

    def start(self, watch: Callable[[], None]) -> None:
        """Be known to the database, and begin to drain. `watch` is called once a second."""
        self._watch = watch
        try:
            with connect(self._url, "spool", options=_LET_GO) as conn:
                self.tell(conn, datetime.now(UTC))
        except psycopg.Error as error:
            log.warning("spool_not_registered", error=str(error).strip())
        # While the database is away no duty runs that could set them.
        metrics.SPOOL_BYTES.set_function(lambda: self._spool.held.size)
        metrics.SPOOL_RECORDS.set_function(lambda: self._spool.held.count)
        metrics.SPOOL_OLDEST.set_function(lambda: self._age(self._spool.held.oldest) / 1e6)
        if self._active:
            self._note_begin("a former process left it")
        self._thread.start()

    def keep(self, arrivals: Sequence[Arrival], error: str) -> list[Exception | None]:
        """Make arrivals durable; what became of each. `error` is why they are not in the log."""
        outcomes: list[Exception | None] = []
        records = []
        for one in arrivals:
            try:
                records.append(pack(one.batch, one.received_at, one.in_doubt))
                outcomes.append(None)
            except ValueError as unfit:
                audited = bool(one.batch.audit)
                outcomes.append(Unavailable(self._why(), 5, overloaded=False) if audited else unfit)
        try:
            if records:
                with self._turn:
                    self._spool.add(records)
                    begins, self._active = not self._active, True
                count = sum(record.count for record in records)
                metrics.SPOOL_KEPT.inc(count)
                if begins:
                    self._note_begin(error)
                else:
                    self._count += count
            self._full = ""
        except SpoolFull as full:
            if not self._full:
                log.warning("spool_full", why=str(full))
            self._full = str(full)
            metrics.SPOOL_REFUSED.inc(len(records))
            refused = Unavailable(f"{self._why()}, and {full}", RETRY_AFTER, overloaded=False)
            outcomes = [refused if one is None else one for one in outcomes]
        self._wake.set()
        return outcomes

    def _why(self) -> str:
        return "what came while the database was away is not in the log yet"

    def close(self) -> None:
        """Stop. What waits stays, for the next process with this folder."""
        self._closing.set()
        self._wake.set()
        self._thread.join(timeout=STOP_SECONDS)
        if self._spool.empty:
            try:
                with connect(self._url, "spool", options=_LET_GO) as conn, conn.transaction():
                    conn.execute(Q["leave"], {"id": self._spool.id})
                    conn.execute(Q["rest"], {"id": self._spool.id})
            except psycopg.Error as error:
                log.info("spool_not_signed_off", error=str(error).strip())
        self._spool.close()

    # What people ask for

    def missing(self) -> list[str]:
        """What keeps arrivals from being accepted, for people; empty when nothing does."""
        return [f"the database is away, and {self._full}"] if self._active and self._full else []

    def shown(self) -> dict[str, object]:
        """How the buffer stands, for `/readyz`."""
        held = self._spool.held
        full = round(100 * held.size / self._spool.limit)
        said = "empty"
        if self._active:
            ago = format_duration(self._age(held.oldest))
            said = f"accepting into the buffer: {held.count:,} events, oldest {ago}, {full}% full"
            said = f"full: {self._full}" if self._full else said
        return {"state": said, "events": held.count, "bytes": held.size, "limit": self._spool.limit}

    @staticmethod
    def _age(oldest: int | None) -> int:
        return 0 if oldest is None else max(0, time.time_ns() // 1000 - oldest)

    # What it does by itself

    def tell(self, conn: Connection, _now: datetime) -> None:
        """Tell the database that this receiver is there, and since when something waits. Run every other second."""
        known = {"id": self._spool.id, "name": self._name}
        if not self._active:
            with conn.transaction():
                conn.execute(Q["alive"], known)
            return
        draining = Draining(conn, self._spool)
        draining.set_clock()
        with conn.transaction():
            conn.execute(Q["register"], known)
            conn.execute("SELECT pg_advisory_xact_lock(%s)", (LOG_LOCK,))
            draining.tell(None if self._draining is None else self._draining.unmapped_since)

    def _run(self) -> None:
        told = ""
        while not self._closing.is_set():
            self._wake.wait(RETRY_SECONDS)
            self._wake.clear()
            self._watch()
            if not self._active or self._closing.is_set():
                continue
            try:
                with connect(self._url, "spool", options=_LET_GO) as conn:
                    self._drain(conn)
                told = ""
                continue
            except Exception as error:
                why = str(error).strip()
                if is_poison(error):
                    log.exception("spool_not_drained")
                    metrics.DUTY_FAILURES.labels("spool").inc()
                elif why != told:
                    log.warning("spool_waits", error=why)
                told = why
            self._closing.wait(RETRY_SECONDS)

    def _drain(self, conn: Connection) -> None:
        self.tell(conn, datetime.now(UTC))
        self._draining = draining = Draining(conn, self._spool, self._draining)
        self._mapped_at = time.monotonic()
        draining.begin()
        until = time.time_ns() // 1000
        while not self._closing.is_set():
            if draining.run_once() is not None:
                self._full = ""
                self._mapped_at = time.monotonic()
                self._on_drained()
                continue
            if self._await_mapping(draining):
                continue
            with self._turn:
                if not self._spool.empty:
                    continue
                self._active = False
            self._draining = None
            self._note_end(conn, until)
            return

    def _await_mapping(self, draining: Draining) -> bool:
        """Whether requests that were written here have yet to become events: till then nothing is to be judged."""
        before = draining.unmapped_since
        since = draining.look_for_unmapped()
        if since is None:
            return False
        if since != before:
            self._mapped_at = time.monotonic()
        elif time.monotonic() - self._mapped_at > PATIENCE:
            # Nobody knows their source any more.
            return False
        self._on_drained()
        self._closing.wait(LOOK_SECONDS)
        return True

    def _note_begin(self, why: str) -> None:
        held = self._spool.held
        self._began = held.oldest or time.time_ns() // 1000
        self._count = held.count
        log.warning("spool_begins", why=why, folder=str(self._spool.folder))

    def _note_end(self, conn: Connection, until: int) -> None:
        seconds = round(time.time_ns() / 1e9 - until / 1e6, 1)
        log.info("spool_ended", count=self._count, since=rfc3339(self._began), drained_in_seconds=seconds)
        late = {"since": to_datetime(self._began), "until": to_datetime(until), "count": self._count}
        with conn.transaction():
            conn.execute(Q["settled"], late | {"id": self._spool.id})
