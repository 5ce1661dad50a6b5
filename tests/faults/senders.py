"""The load: senders that try each request until it is acknowledged, through wires that fail."""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial

import httpx
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from tests.faults.history import History, Job, Lane, lane_event
from tests.faults.ledger import Ledger

SENDERS = 6
_PATIENCE = 6.0
_AGAIN = 0.04
"""The share of what was acknowledged that is sent again, by a sender that forgot."""


class Senders:
    """Send a history. `urls` are the doors, of which each attempt takes the next; `heard` says whether a lane fired."""

    def __init__(
        self, history: History, urls: Sequence[str], ledger: Ledger, heard: Callable[[Lane], bool], seed: int
    ) -> None:
        self._history, self._urls, self._ledger, self._heard = history, urls, ledger, heard
        self._random = random.Random(seed)
        self._waiting = list(reversed(history.jobs))
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._begin = time.monotonic()
        self.attempts = 0
        work = [self._thread(partial(self._work, number)) for number in range(SENDERS)]
        lanes = [self._thread(partial(self._walk, lane)) for lane in history.lanes]
        self._threads = [*work, *lanes]

    def start(self) -> None:
        """Begin."""
        self._begin = time.monotonic()
        for one in self._threads:
            one.start()

    def done(self) -> bool:
        """Whether everything is acknowledged."""
        return not any(one.is_alive() for one in self._threads)

    def stop(self) -> None:
        """Give up what is left."""
        self._stopped.set()
        for one in self._threads:
            # Where processes never became ready, nobody has begun.
            if one.ident is not None:
                one.join(20)

    def send(self, job: Job, first: int = 0) -> None:
        """Until it is acknowledged, or the run is over."""
        with self._client() as client:
            self._send(client, job, first)

    def _thread(self, what: Callable[[], None]) -> threading.Thread:
        def guarded() -> None:
            try:
                what()
            except Exception as error:  # noqa: BLE001 — a sender that broke is a fault of the harness, and is told
                self._ledger.refused("broken", odd=f"a sender broke: {error!r}")

        return threading.Thread(target=guarded, daemon=True)

    def _work(self, number: int) -> None:
        with self._client() as client:
            while not self._stopped.is_set():
                with self._lock:
                    if not self._waiting:
                        return
                    job = self._waiting.pop()
                    again = self._random.random() < _AGAIN
                if self._stopped.wait(max(0.0, self._begin + job.after - time.monotonic())):
                    return
                self._send(client, job, number)
                if again:
                    self._send(client, job, number + 1)

    def _walk(self, lane: Lane) -> None:
        if self._stopped.wait(max(0.0, self._begin + lane.after - time.monotonic())):
            return
        self.send(lane_event(lane, "begun", time.time()))
        until = time.monotonic() + lane.lasts
        while not self._stopped.is_set() and not (self._heard(lane) if lane.waits else time.monotonic() > until):
            self._stopped.wait(0.2)
        if not self._stopped.is_set():
            self.send(lane_event(lane, "ended", time.time()))

    def _send(self, client: httpx.Client, job: Job, first: int) -> None:
        place, wait = first, 0.05
        while not self._stopped.is_set():
            url = self._urls[place % len(self._urls)]
            place += 1
            self.attempts += 1
            try:
                answer = client.post(f"{url}{job.door}", content=job.body, headers={"content-type": job.media})
            except (httpx.TransportError, httpx.InvalidURL) as error:
                self._ledger.refused(type(error).__name__)
            else:
                if self._judge(job, answer):
                    return
            self._stopped.wait(wait)
            wait = min(1.0, wait * 2)

    def _judge(self, job: Job, answer: httpx.Response) -> bool:
        status = answer.status_code
        if status == 200:
            if odd := _incomplete(job, answer):
                self._ledger.refused("incomplete", odd=odd)
            self._ledger.acknowledged(job.number, job.door, job.ids)
            return True
        if job.faulty and status == 400:
            # The whole batch is no JSON. It is told so with a reason, and sends it no more.
            self._ledger.refused(
                "400", odd="" if answer.json().get("title") else f"400 without a reason: {answer.text}"
            )
            return True
        odd = ""
        if status not in (429, 503):
            odd = f"{job.door} answered {status}: {answer.text[:300]}"
        elif not answer.headers.get("retry-after", "").isdigit():
            odd = f"{job.door} answered {status} without Retry-After"
        self._ledger.refused(str(status), odd=odd)
        return False

    def _client(self) -> httpx.Client:
        return httpx.Client(timeout=httpx.Timeout(_PATIENCE))


def _incomplete(job: Job, answer: httpx.Response) -> str:
    """What of a request was not taken, where all of it should have been."""
    if job.faulty:
        return ""
    if job.door == "/events":
        said = answer.json()
        return "" if said["accepted"] == len(json.loads(job.body)) else f"{job.door} took a part: {answer.text[:300]}"
    kind = ExportTraceServiceResponse if job.door == "/v1/traces" else ExportLogsServiceResponse
    partial = kind.FromString(answer.content).partial_success
    return f"{job.door} took a part: {partial}" if partial.ByteSize() else ""
