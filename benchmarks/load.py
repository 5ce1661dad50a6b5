"""The load generator: a process of its own that writes requests encoded beforehand to keep-alive sockets.

Nothing is encoded and no answer is decoded while the clock runs, so that the generator takes no measurable part of
the machine from what is measured. It says how much processor time it took.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import cycle
from typing import cast

import uvloop

from benchmarks.server import HOST

MAX_TRIES = 200
LIMIT_SECONDS = 300


@dataclass(frozen=True, slots=True)
class Sent:
    """What one run of the generator did; times are of the machine's monotonic clock."""

    started: float
    acknowledged: float
    requests: int
    repeated: int
    processor_seconds: float


def request(path: str, content_type: str, body: bytes) -> bytes:
    """An HTTP/1.1 request as it goes over the wire."""
    lines = (f"POST {path} HTTP/1.1", f"Host: {HOST}", f"Content-Type: {content_type}", f"Content-Length: {len(body)}")
    return "\r\n".join((*lines, "", "")).encode() + body


class LoadGenerator:
    """The other process. What `prepare` makes there stays there until `send` sends it."""

    def __init__(self, pool: ProcessPoolExecutor) -> None:
        self._pool = pool

    def prepare(self, make: Callable[..., list[bytes]], *args: object) -> None:
        """Have `make` encode the requests of the next `send`."""
        self._pool.submit(_prepare, make, *args).result(LIMIT_SECONDS)

    def send(self, port: int, connections: int) -> Future[Sent]:
        """Send them, each connection its next as soon as its last is acknowledged."""
        return self.send_to([port], connections)

    def send_to(self, ports: list[int], connections: int) -> Future[Sent]:
        """The same to several servers, the connections shared out among them."""
        return self._pool.submit(_send, ports, connections)


@contextmanager
def load_generator() -> Iterator[LoadGenerator]:
    """A generator process for as long as the block lasts."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield LoadGenerator(pool)


_prepared: list[bytes] = []


def _prepare(make: Callable[..., list[bytes]], *args: object) -> None:
    _prepared[:] = make(*args)


def _send(ports: list[int], connections: int) -> Sent:
    return uvloop.run(_run(ports, connections))


async def _run(ports: list[int], connections: int) -> Sent:
    loop = asyncio.get_running_loop()
    waiting = iter(_prepared)
    clients = [_Client(waiting, loop.create_future()) for _ in range(connections)]
    processor, started = time.process_time(), time.monotonic()
    for client, port in zip(clients, cycle(ports), strict=False):
        await loop.create_connection(lambda client=client: client, HOST, port)  # type: ignore[misc]
    async with asyncio.timeout(LIMIT_SECONDS):
        await asyncio.gather(*(client.finished for client in clients))
    acknowledged = time.monotonic()
    repeated = sum(client.repeated for client in clients)
    return Sent(started, acknowledged, len(_prepared), repeated, time.process_time() - processor)


@dataclass(slots=True)
class _Client(asyncio.Protocol):
    """One connection. It knows just enough HTTP to see where an answer ends and whether it is a 200."""

    waiting: Iterator[bytes]
    finished: asyncio.Future[None]
    repeated: int = 0
    _tries: int = 0
    _last: bytes = b""
    _received: bytes = b""
    _transport: asyncio.Transport | None = field(default=None)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._next()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.finished.done():
            self.finished.set_exception(exc or ConnectionError("the server closed the connection"))

    def data_received(self, data: bytes) -> None:
        self._received += data
        end = self._received.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self._received[:end].lower()
        length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
        if len(self._received) < end + 4 + length:
            return
        status, answer = head[9:12], self._received
        self._received = b""
        if status == b"200":
            self._next()
        elif status in (b"429", b"503") and self._tries < MAX_TRIES:
            self._tries += 1
            self.repeated += 1
            asyncio.get_running_loop().call_later(0.1, self._write, self._last)
        else:
            self.finished.set_exception(RuntimeError(f"refused: {answer[:500]!r}"))

    def _next(self) -> None:
        self._tries = 0
        following = next(self.waiting, None)
        if following is None:
            self.finished.set_result(None)
            assert self._transport is not None
            self._transport.close()
        else:
            self._last = following
            self._write(following)

    def _write(self, data: bytes) -> None:
        assert self._transport is not None
        self._transport.write(data)
