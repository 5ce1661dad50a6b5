"""Runs the start and stop of an ASGI application that is not the server's own."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, MutableMapping
from typing import Any

from starlette.types import ASGIApp

STARTUP_SECONDS = 120
SHUTDOWN_SECONDS = 60


class StartupFailedError(RuntimeError):
    pass


@contextlib.asynccontextmanager
async def running(app: ASGIApp, state: MutableMapping[str, Any] | None = None) -> AsyncIterator[None]:
    """Inside, `app` has completed its lifespan start-up; on leaving, its shutdown.

    An application without lifespan support is taken as started, as the ASGI specification asks.
    StartupFailedError carries the application's own message. `state` is what the server gave us.
    """
    inbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    outbox: asyncio.Queue[MutableMapping[str, Any]] = asyncio.Queue()
    scope: dict[str, Any] = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}}
    scope["state"] = state if state is not None else {}

    async def run() -> None:
        await app(scope, inbox.get, outbox.put)

    task = asyncio.create_task(run())

    async def ask(message: str, seconds: float) -> MutableMapping[str, Any] | None:
        await inbox.put({"type": message})
        reply = asyncio.create_task(outbox.get())
        await asyncio.wait({reply, task}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if reply.done():
            return reply.result()
        reply.cancel()
        if not task.done():
            task.cancel()
            raise StartupFailedError(f"no answer to {message} within {seconds} s")
        return None

    reply = await ask("lifespan.startup", STARTUP_SECONDS)
    if reply is not None and reply["type"] == "lifespan.startup.failed":
        with contextlib.suppress(BaseException):
            await task
        raise StartupFailedError(reply.get("message") or "the application failed to start")
    supported = reply is not None
    if not supported:
        task.exception()  # taken, so that asyncio does not report it
    try:
        yield
    finally:
        if supported:
            await ask("lifespan.shutdown", SHUTDOWN_SECONDS)
            await task
