"""The guarded application on a port of this machine, in a thread with a loop of its own, for whoever asks over HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass

import uvicorn

from alerting.inbound.door import InboundDoor
from tests.integration.fix_access import Guarded, guarded, now

SIGNING = "0f5-signing-secret-of-the-chat"


@dataclass(frozen=True)
class Served:
    """Where it is, and what is behind it."""

    url: str
    behind: Guarded


@contextlib.contextmanager
def served(
    database_url: str,
    *,
    auth: bool,
    fill: Callable[[Guarded], object],
    definitions: str,
    environment: dict[str, str] | None = None,
) -> Iterator[Served]:
    """The application until the end of the block, with what `fill` puts into it first."""
    told: Future[Served] = Future()
    ended: list[Callable[[], None]] = []

    @contextlib.asynccontextmanager
    async def serving() -> AsyncIterator[Served]:
        async with guarded(database_url, auth=auth, definitions=definitions, environment=environment) as behind:
            inbound = InboundDoor({"slack": [SIGNING], "pagerduty": [SIGNING]}, lambda _: None, now)
            behind.collector.api.router.routes += inbound.paths()
            filling = fill(behind)
            if asyncio.iscoroutine(filling):
                await filling
            config = uvicorn.Config(behind.guard, host="127.0.0.1", port=0, log_config=None, lifespan="off")
            server = uvicorn.Server(config)
            running = asyncio.create_task(server._serve())
            while not server.started:
                await asyncio.wait({running}, timeout=0.01)
                assert not running.done(), "it could not be served"
            port = server.servers[0].sockets[0].getsockname()[1]
            yield Served(f"http://127.0.0.1:{port}", behind)
            server.should_exit = True
            await running

    async def live() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        ended.append(lambda: loop.call_soon_threadsafe(stop.set))
        async with serving() as made:
            told.set_result(made)
            await stop.wait()

    def run() -> None:
        try:
            asyncio.run(live())
        except BaseException as error:
            if told.done():
                raise
            told.set_exception(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield told.result(60)
    finally:
        for end in ended:
            end()
        thread.join(30)
