"""Wires between processes that can be cut, held up, swallowed, closed on one side, or found dead."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Coroutine
from typing import Any

_CHUNK = 1 << 16
_Pair = tuple[asyncio.StreamWriter, asyncio.StreamWriter]


class Wires:
    """All wires of a run, on a thread of their own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="wires", daemon=True)
        self._thread.start()
        self.all: list[Wire] = []

    def to(self, port: int) -> Wire:
        """A new wire to a port of this machine."""
        wire = Wire(self._loop, port)
        self.run(wire.open())
        self.all.append(wire)
        return wire

    def run(self, what: Coroutine[Any, Any, None]) -> None:
        """Have it done on the thread of the wires."""
        asyncio.run_coroutine_threadsafe(what, self._loop).result(30)

    def close(self) -> None:
        """Take them all down."""

        async def end() -> None:
            for wire in self.all:
                await wire.close()
            others = [one for one in asyncio.all_tasks() if one is not asyncio.current_task()]
            for one in others:
                one.cancel()
            await asyncio.gather(*others, return_exceptions=True)

        self.run(end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()


class Wire:
    """From a port of its own to another one. Whole, it passes on what comes, and where one side closes."""

    def __init__(self, loop: asyncio.AbstractEventLoop, target: int) -> None:
        self._loop, self._target = loop, target
        self._server: asyncio.Server | None = None
        self._pairs: set[_Pair] = set()
        self._flows = asyncio.Event()
        self._flows.set()
        self._delay = 0.0
        self._refuses = self._swallows = False
        self.port = 0

    async def open(self) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._join, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Listen no longer, and reset what there is."""
        self._flows.set()
        if self._server is not None:
            self._server.close()
        self._reset()

    def cut(self) -> None:
        """Reset every connection; new ones come through."""
        self._soon(self._reset)

    def refuse(self) -> None:
        """Reset every connection, and new ones too, until it is mended."""

        def begin() -> None:
            self._refuses = True
            self._reset()

        self._soon(begin)

    def hold(self) -> None:
        """Pass nothing on until it is mended; nothing is lost."""
        self._soon(self._flows.clear)

    def slow(self, seconds: float) -> None:
        """Pass everything on so much later."""
        self._delay = seconds

    def swallow(self) -> None:
        """What is sent is lost. Mended, it resets those who lost something, as no wire can take up where it was."""
        self._swallows = True

    def half_close(self, *, towards_target: bool) -> None:
        """Tell one side of every connection that the other has nothing more to say; what it sends is still taken."""

        def end() -> None:
            for pair in self._pairs:
                with contextlib.suppress(OSError, RuntimeError):
                    pair[1 if towards_target else 0].write_eof()

        self._soon(end)

    def mend(self) -> None:
        """Be whole again."""

        def heal() -> None:
            if self._swallows:
                self._reset()
            self._delay, self._refuses, self._swallows = 0.0, False, False
            self._flows.set()

        self._soon(heal)

    def _soon(self, what: Callable[[], None]) -> None:
        self._loop.call_soon_threadsafe(what)

    def _reset(self) -> None:
        for pair in self._pairs:
            for one in pair:
                one.transport.abort()
        self._pairs.clear()

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._refuses:
            writer.transport.abort()
            return
        try:
            there, onward = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.transport.abort()
            return
        pair = (writer, onward)
        self._pairs.add(pair)
        # Taken down with all wires, it has ended like any other: streams take that for a fault.
        with contextlib.suppress(OSError, RuntimeError, asyncio.CancelledError):
            await asyncio.gather(self._pass(reader, onward), self._pass(there, writer))
        # Also where one side reset: the other must hear of it.
        self._pairs.discard(pair)
        for one in pair:
            one.transport.abort()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while said := await reader.read(_CHUNK):
            if self._delay:
                await asyncio.sleep(self._delay)
            await self._flows.wait()
            if not self._swallows:
                writer.write(said)
                await writer.drain()
        await self._flows.wait()
        if not self._swallows:
            writer.write_eof()
