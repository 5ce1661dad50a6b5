"""Ten times what is sustained for a while: nothing that was acknowledged is lost, and what is too much is told when to
come again."""

from __future__ import annotations

import asyncio
import multiprocessing
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from typing import cast

import orjson
import uvloop

from benchmarks import orders
from benchmarks.load import LoadGenerator, request
from benchmarks.memory import figures_of
from benchmarks.processes import watched
from benchmarks.report import Figure
from benchmarks.server import HOST, Postgres, Served, serve

TIMES = 10
CONNECTIONS = 8
SENDERS = 1_800
"""Connections of the burst: as many requests may wait for their answer at once, more than is taken in."""
LIMIT_SECONDS = 1_200
PLACE = b"00000000"
"""Where a request says its number, so that one text makes every request."""


def measure(postgres: Postgres, load: LoadGenerator, events: int, seconds: int) -> list[Figure]:
    """(k) Measure what is sustained with `events`, then offer TIMES that for `seconds`, as scheduled, come what may."""
    database = "burst"
    with serve(postgres.database(database), orders.DEFINITIONS) as served, watched(served.pid) as memory:
        for name in ("warm", "sustained"):
            load.prepare(orders.requests, name, events // orders.PER_ORDER, 0.0)
            sent = load.send(served.port, CONNECTIONS).result(LIMIT_SECONDS)
            sustained = events / (served.wait_until_projected(LIMIT_SECONDS) - sent.started)
        before = served.number("SELECT count(*) FROM event")
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
            burst = pool.submit(_burst, served.port, sustained * TIMES / orders.PER_REQUEST, seconds).result(
                LIMIT_SECONDS
            )
        stopped = time.monotonic()
        drained = served.wait_until_projected(LIMIT_SECONDS) - stopped
        _nothing_lost(served, burst, before)
    postgres.drop(database)
    offered = burst.offered * orders.PER_REQUEST / seconds
    acknowledged = burst.acknowledged * orders.PER_REQUEST
    told = f"(k) {TIMES} times what is sustained for {seconds} s"
    return [
        Figure("(k) sustained, committed and projected", sustained, "events/s"),
        Figure(f"{told}, offered", offered, "events/s"),
        Figure(f"{told}, acknowledged", acknowledged, "events"),
        Figure(f"{told}, acknowledged and not in the log", 0, "events"),
        Figure(f"{told}, refused with 429 or 503", burst.refused, "requests"),
        Figure(f"{told}, refused without a right Retry-After", burst.refused_wrongly, "requests"),
        Figure(f"{told}, neither answered nor refused", burst.broken, "requests"),
        Figure(f"{told}, until all of it was projected", drained, "s"),
        *figures_of(memory, told),
    ]


def _nothing_lost(served: Served, burst: Burst, before: int) -> None:
    """What is acknowledged is in the log, each request whole, and has become instances."""
    stored = served.number("SELECT count(*) FROM event") - before
    wanted = burst.acknowledged * orders.PER_REQUEST
    # A request whose connection broke may have been stored without its sender hearing of it.
    if not wanted <= stored <= wanted + burst.broken * orders.PER_REQUEST:
        raise AssertionError(f"{wanted:,} events were acknowledged, and {stored:,} are in the log")
    made = served.number("SELECT count(*) FROM instance WHERE title LIKE 'SO-burst-%%'")
    if made != stored:
        raise AssertionError(f"of {stored:,} orders in the log {made:,} are instances")


@dataclass(slots=True)
class Burst:
    """What became of the requests of a burst; `offered` are those whose time had come."""

    offered: int = 0
    acknowledged: int = 0
    refused: int = 0
    refused_wrongly: int = 0
    broken: int = 0


def _burst(port: int, requests_per_second: float, seconds: int) -> Burst:
    return uvloop.run(_run(port, requests_per_second, seconds))


async def _run(port: int, requests_per_second: float, seconds: int) -> Burst:
    loop, found = asyncio.get_running_loop(), Burst()
    schedule = _Schedule(_template(), loop.time(), requests_per_second, seconds)
    senders = [_Sender(schedule, found, loop.create_future()) for _ in range(SENDERS)]
    for first in range(0, SENDERS, 100):
        connecting = (loop.create_connection(lambda one=one: one, HOST, port) for one in senders[first : first + 100])  # type: ignore[misc]
        await asyncio.gather(*connecting)
    schedule.begun = loop.time()
    for sender in senders:
        sender.go()
    async with asyncio.timeout(LIMIT_SECONDS):
        await asyncio.gather(*(sender.finished for sender in senders))
    found.offered = int(requests_per_second * seconds)
    return found


def _template() -> tuple[bytes, ...]:
    """A request of orders that begin, in parts between which its number is put."""
    members = []
    for number in range(orders.PER_REQUEST):
        name = f"burst-{PLACE.decode()}-{number}"
        data = {"order_id": f"SO-{name}", "account_id": f"A{number}", "region": "EMEA", "tier": "gold"}
        data |= {"amount": 1000, "currency": "USD"}
        said = {"specversion": "1.0", "id": name, "source": "crm", "type": "order.created", "data": data}
        members.append(orjson.dumps(said))
    body = b"[" + b",".join(members) + b"]"
    return tuple(request("/events", "application/cloudevents-batch+json", body).split(PLACE))


@dataclass(slots=True)
class _Schedule:
    """When each request is due: the load does not wait for the answers of those before."""

    template: tuple[bytes, ...]
    begun: float
    per_second: float
    seconds: int
    _number: int = 0

    def next(self, now: float) -> tuple[bytes, float] | None:
        """The next request with the time until it is due; None at the end."""
        elapsed = now - self.begun
        if elapsed >= self.seconds or self._number >= self.per_second * self.seconds:
            return None
        self._number += 1
        return (b"%08d" % self._number).join(self.template), self._number / self.per_second - elapsed


@dataclass(slots=True)
class _Sender(asyncio.Protocol):
    """One connection. What is refused is not sent again before the time it was told."""

    schedule: _Schedule
    found: Burst
    finished: asyncio.Future[None]
    _received: bytes = b""
    _transport: asyncio.Transport | None = field(default=None)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, _exc: Exception | None) -> None:
        if not self.finished.done():
            self.found.broken += 1
            self.finished.set_result(None)

    def go(self) -> None:
        """Send the next request when it is due, or be done."""
        assert self._transport is not None
        loop = asyncio.get_running_loop()
        following = self.schedule.next(loop.time())
        if following is None or self._transport.is_closing():
            if not self.finished.done():
                self.finished.set_result(None)
            self._transport.close()
            return
        data, wait = following
        if wait > 0:
            loop.call_later(wait, self._transport.write, data)
        else:
            self._transport.write(data)

    def data_received(self, data: bytes) -> None:
        self._received += data
        end = self._received.find(b"\r\n\r\n")
        if end < 0:
            return
        headers = dict(_headers(self._received[:end]))
        if len(self._received) < end + 4 + int(headers[b"content-length"]):
            return
        status = self._received[9:12]
        self._received = b""
        if status == b"200":
            self.found.acknowledged += 1
            self.go()
        elif status in (b"429", b"503"):
            self.found.refused += 1
            wait = headers.get(b"retry-after", b"")
            if not (wait.isdigit() and 1 <= int(wait) <= 60):
                self.found.refused_wrongly += 1
                wait = b"1"
            asyncio.get_running_loop().call_later(int(wait), self.go)
        else:
            self.finished.set_exception(RuntimeError(f"answered {status!r}"))


def _headers(head: bytes) -> Iterator[tuple[bytes, bytes]]:
    for line in head.lower().split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        yield name.strip(), value.strip()
