"""Answers that many ask for at about the same time, each made once.

Fifty people look at the same page, which asks every five seconds. Each of them wants what is as new as his last
refresh, and none cares whose question it was that the database was asked.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, TypeVar

T = TypeVar("T")

REFRESH_SECONDS = 4.5
"""So long an answer is good: a little less than a page waits, so that whoever looks alone always has a new one."""
AFTER_WRITE_SECONDS = 0.5
"""So long while what somebody did here may still be on its way through the log."""
UNTIL_SETTLED_SECONDS = 10.0


class SharedAnswers:
    """What was answered lately, by what was asked, and by how often somebody had written through this process.

    An answer is never older than its time, and no answer of before a write is given after it. What is written elsewhere
    is seen with the next answer. Whoever gets one must leave it as it is: others have the same.
    """

    def __init__(self, writes: Callable[[], int]) -> None:
        """`writes` counts what was written through this process."""
        self._writes = writes
        self._seen = writes()
        self._settled_at = 0.0
        self._answers: dict[Hashable, asyncio.Task[Any]] = {}

    async def get(self, asked: Hashable, make: Callable[[], Awaitable[T]]) -> T:
        """The answer, made where there is none. Raises what `make` raises, to all who wait for it."""
        loop, writes = asyncio.get_running_loop(), self._writes()
        if writes != self._seen:
            self._seen, self._settled_at = writes, loop.time() + UNTIL_SETTLED_SECONDS
        version = (asked, writes)
        answer: asyncio.Task[T] | None = self._answers.get(version)
        if answer is None:
            answer = self._answers[version] = loop.create_task(self._made(make))
            answer.add_done_callback(lambda done: self._keep(version, done))
        # Whoever asked first may go away, and the others still wait.
        return await asyncio.shield(answer)

    async def _made(self, make: Callable[[], Awaitable[T]]) -> T:
        return await make()

    def _keep(self, version: Hashable, done: asyncio.Task[Any]) -> None:
        loop = asyncio.get_running_loop()
        if done.cancelled() or done.exception() is not None:
            del self._answers[version]
            return
        seconds = AFTER_WRITE_SECONDS if loop.time() < self._settled_at else REFRESH_SECONDS
        loop.call_later(seconds, self._answers.pop, version, None)
