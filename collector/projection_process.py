"""Projection in a process of its own, so that applying events and answering requests do not share one interpreter lock.

Parent and child hold the two ends of a pipe. The parent wakes the child when the log has grown; the child reports what
it did, for the metrics, and whether it is the one that projects or stands by. Either sees the other's end by the end of
the pipe: a child whose parent is gone stops, a parent whose child is gone starts another. The child reads everything
else from the database.
"""

from __future__ import annotations

import contextlib
import gc
import sys
import threading
import time
from collections.abc import Callable
from enum import StrEnum
from multiprocessing.connection import Connection as Pipe

import msgspec
import psycopg
import structlog

from collector import metrics
from collector.catalogue import load_catalogue
from collector.cycle_report import CycleReport
from collector.dividing import DividingProcess
from collector.processes import begin, context
from collector.projector import Helpers, Projector, hold
from collector.reading_ahead import ReaderFailed, ReadingProcess
from collector.sharing import Hand
from collector.store.database import BY_INDEX, LOG_LOCK, PLANNED_ONCE, Connection, connect

log = structlog.get_logger("milepost.projector")

IDLE_SECONDS = 0.1
RETRY_SECONDS = 0.5
STOP_SECONDS = 20.0
COLLECT_SECONDS = 300.0
SWITCH_SECONDS = 0.0005

_LET_GO = "-c idle_session_timeout=60s -c idle_in_transaction_session_timeout=60s"
"""A process that stands still keeps its connection, and with it the lock. One that works leaves its session idle for no
longer than it takes to apply a batch."""

_WAKE, _STOP = b"wake", b"stop"
_encode = msgspec.msgpack.Encoder().encode
_decode_report = msgspec.msgpack.Decoder(CycleReport).decode


class Activity(StrEnum):
    """What a process does for a role: its work, nothing as long as another one does it, or not yet known."""

    ACTIVE = "active"
    STANDING_BY = "standing by"
    STARTING = "starting"


_TOLD = {activity.encode(): activity for activity in Activity}


def settle_garbage_collection() -> None:
    """For a process that holds many long-lived objects: look through the old ones rarely.

    With the default thresholds a quarter of the projector's time went into full collections of a cache without cycles.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 50, 1000)


class ProjectionProcess:
    """The parent's end. `prepare` is called first in the child, to set up logging there."""

    def __init__(self, database_url: str, prepare: Callable[[], None]) -> None:
        self._url = database_url
        self._prepare = prepare
        self._closing = threading.Event()
        self._woken = False
        self._pipe: Pipe | None = None
        self._thread = threading.Thread(target=self._run, name="projection", daemon=True)
        self.activity = Activity.STARTING
        """Whether the child is the one that projects."""

    def start(self) -> None:
        """Start the child and keep one running."""
        self._thread.start()

    def wake(self) -> None:
        """The log has grown. Cheap: while the child has not answered, nothing is sent."""
        pipe = self._pipe
        if pipe is not None and not self._woken:
            self._woken = True
            try:
                pipe.send_bytes(_WAKE)
            except OSError:
                self._woken = False

    def close(self) -> None:
        """Let the child finish its cycle and stop."""
        self._closing.set()
        if self._pipe is not None:
            # Told, not closed: the listening thread still reads from the pipe, and ends when the child's end does.
            with contextlib.suppress(OSError):
                self._pipe.send_bytes(_STOP)
        self._thread.join(timeout=STOP_SECONDS)

    def _run(self) -> None:
        while not self._closing.is_set():
            ours, theirs = context.Pipe()
            child = context.Process(target=_project, args=(self._url, theirs, self._prepare), name="projector")
            child.start()
            theirs.close()
            self._pipe, self._woken = ours, False
            if self._closing.is_set():
                ours.send_bytes(_STOP)
            self._listen(ours)
            self._become(Activity.STARTING)
            child.join(timeout=STOP_SECONDS)
            if child.is_alive():
                child.kill()
            if not self._closing.is_set():
                log.error("projector_ended", exit_code=child.exitcode)
                metrics.DUTY_FAILURES.labels("projector").inc()
                self._closing.wait(RETRY_SECONDS)

    def _listen(self, pipe: Pipe) -> None:
        while True:
            try:
                said = pipe.recv_bytes()
            except (EOFError, OSError):
                return
            self._woken = False
            if said in _TOLD:
                self._become(_TOLD[said])
                continue
            metrics.note_cycle(_decode_report(said))

    def _become(self, activity: Activity) -> None:
        self.activity = activity
        metrics.ROLE_ACTIVE.labels("projector").set(activity is Activity.ACTIVE)


def _project(database_url: str, pipe: Pipe, prepare: Callable[[], None]) -> None:
    """The child: project until the parent's end of the pipe closes. Idle cycles collect the garbage."""
    begin(prepare)
    collected_at = time.monotonic()
    # Threads that wait for the database most of the time should not wait for the interpreter as well.
    sys.setswitchinterval(SWITCH_SECONDS)
    conn: Connection | None = None
    helpers: Helpers | None = None
    projector: Projector | None = None
    hand: Hand | None = None
    wait = 0.0
    told = Activity.STARTING

    def tell(activity: Activity) -> None:
        nonlocal told
        if activity is not told:
            told = activity
            log.info("projector", activity=activity)
            # A parent that is gone is seen when it is waited for.
            with contextlib.suppress(OSError):
                pipe.send_bytes(activity.encode())

    while (woken := _wait(pipe, wait)) is not None:
        try:
            if conn is None or conn.closed or helpers is None or helpers.lookups.closed:
                _close(conn, helpers)
                projector = hand = None
                conn = connect(database_url, "projector", options=f"{BY_INDEX} {_LET_GO}")
                lookups = connect(database_url, "projector lookups", options=PLANNED_ONCE, autocommit=True)
                helpers = Helpers(
                    lookups, ReadingProcess(database_url, prepare), DividingProcess(database_url, prepare)
                )
            if projector is None and hold(conn):
                projector = _projector(conn, helpers)
                tell(Activity.ACTIVE)
            if projector is not None:
                report = projector.cycle(conn)
                wait = IDLE_SECONDS if report.caught_up else 0.0
            else:
                tell(Activity.STANDING_BY)
                hand = hand or Hand(conn)
                report = CycleReport()
                wait = 0.0 if hand.help(report) else IDLE_SECONDS
            if report.caught_up and not report.applied and time.monotonic() - collected_at > COLLECT_SECONDS:
                gc.collect()
                collected_at = time.monotonic()
        except (psycopg.OperationalError, ReaderFailed) as error:
            log.warning("projection_interrupted", error=str(error).strip())
            report, wait = CycleReport(failures=1), RETRY_SECONDS
            _close(conn, helpers)
            conn = helpers = None
            tell(Activity.STARTING)
        except Exception:
            log.exception("projection_failed")
            report, wait = CycleReport(failures=1), RETRY_SECONDS
            _close(conn, helpers)
            conn = helpers = None
            tell(Activity.STARTING)
        if woken or report.did_something:
            try:
                pipe.send_bytes(_encode(report))
            except OSError:
                break
    _close(conn, helpers)


def _projector(conn: Connection, helpers: Helpers) -> Projector:
    """By the definitions in force now, which nobody changes without ending our session (collector/registration.py)."""
    with conn.transaction():
        conn.execute("SELECT pg_advisory_xact_lock(%s)", (LOG_LOCK,))
        projector = Projector(load_catalogue(conn), helpers=helpers)
    projector.acquire(conn)
    return projector


def _wait(pipe: Pipe, seconds: float) -> bool | None:
    """Whether the parent woke us within this time; None when it says stop or is gone."""
    try:
        woken = pipe.poll(seconds)
        while pipe.poll(0):
            if pipe.recv_bytes() == _STOP:
                return None
    except (EOFError, OSError):
        return None
    return woken


def _close(conn: Connection | None, helpers: Helpers | None) -> None:
    """Let go of what there is."""
    if conn is not None:
        conn.close()
    if helpers is not None:
        helpers.close()
