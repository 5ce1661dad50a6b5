"""A uvicorn with our connections on a port of its own, on a clock that is told to go on, and raw sockets to it."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import uvicorn

from milepost.connections import Connections, Patience


class Clock:
    """Seconds that go on when they are told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Http:
    """What is served at `port`, and its connections."""

    port: int
    connections: Connections
    clock: Clock
    peers: list[Peer] = field(default_factory=list)

    async def open(self) -> Peer:
        """A connection that says nothing yet; it is closed in the end."""
        self.peers.append(Peer(*await asyncio.open_connection("127.0.0.1", self.port)))
        return self.peers[-1]

    def later(self, seconds: float) -> None:
        """So much later everybody is judged."""
        self.clock.now += seconds
        self.connections.sweep()

    async def until(self, count: int) -> None:
        """Wait until there are so many connections."""
        await until(lambda: len(self.connections) == count)


@dataclass
class Peer:
    """A raw connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        with contextlib.suppress(ConnectionError):
            await self.writer.drain()

    async def answer(self) -> tuple[int, bytes]:
        """Status and body of one answer."""
        head = await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), 240)
        length = next(
            (int(line[16:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length: ")), 0
        )
        return int(head[9:12]), await asyncio.wait_for(self.reader.readexactly(length), 240)

    async def ended(self) -> bytes:
        """All that comes until the other end hangs up."""
        received = b""
        with contextlib.suppress(ConnectionError):
            while more := await asyncio.wait_for(self.reader.read(65536), 240):
                received += more
        return received

    async def close(self) -> None:
        self.writer.close()
        with contextlib.suppress(Exception):
            await self.writer.wait_closed()


async def until(condition: Callable[[], Any]) -> None:
    """Let others go on until it holds."""
    while not condition():  # noqa: ASYNC110 - it is for the loop to tell, and it tells nobody
        await asyncio.sleep(0)


@contextlib.asynccontextmanager
async def serving(
    app: Any, most: int = 100, patience: Patience | None = None, context: ssl.SSLContext | None = None, **how: Any
) -> AsyncIterator[Http]:
    """Serve an application."""
    clock = Clock()
    connections = Connections(most, patience or Patience(), clock=clock, **how)
    config = uvicorn.Config(
        app, host="127.0.0.1", port=0, http=connections.protocol, log_config=None, access_log=False, lifespan="off",
        proxy_headers=False, timeout_keep_alive=7200, timeout_graceful_shutdown=1,
        ssl_context_factory=None if context is None else lambda *_: context,
    )  # fmt: skip
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve())
    await until(lambda: server.started)
    http = Http(server.servers[0].sockets[0].getsockname()[1], connections, clock)
    try:
        yield http
    finally:
        for peer in http.peers:
            await peer.close()
        server.should_exit = True
        await task
