"""Answers that cost more than a page that asks every five seconds may spend, kept for a while."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class _Kept(Generic[V]):
    """An answer, and until when (seconds of the loop) it is good, and good enough while the next is made."""

    answer: V
    good_until: float
    usable_until: float


class KeptAnswers(Generic[K, V]):
    """At most so many answers by what was asked.

    Each is kept for `seconds`, or `times` as long as it took to make where that is longer: making them never takes more
    than that share of the time. Whoever asks while one is made waits for the same one, or has the one before unless
    that is older than twice its time.
    """

    def __init__(self, *, most: int, seconds: float, times: float) -> None:
        self._most, self._seconds, self._times = most, seconds, times
        self._kept: dict[K, _Kept[V]] = {}
        self._making: dict[K, asyncio.Task[V]] = {}

    async def get(self, asked: K, make: Callable[[], Awaitable[V]]) -> V:
        """The answer, made where none is kept. Raises what `make` raises, and keeps nothing then."""
        now = asyncio.get_running_loop().time()
        kept = self._kept.get(asked)
        if kept is not None and now < kept.good_until:
            return kept.answer
        task = self._making.get(asked)
        if task is None:
            task = self._making[asked] = asyncio.create_task(self._make(asked, make))
            # Whoever asked may have gone away: an error is told to those who wait, and else to nobody.
            task.add_done_callback(lambda done: done.cancelled() or done.exception())
        if kept is not None and now < kept.usable_until:
            return kept.answer
        return await asyncio.shield(task)

    async def _make(self, asked: K, make: Callable[[], Awaitable[V]]) -> V:
        clock = asyncio.get_running_loop().time
        try:
            began = clock()
            answer = await make()
            now = clock()
            lasts = max(self._seconds, self._times * (now - began))
            self._kept.pop(asked, None)
            self._kept[asked] = _Kept(answer, now + lasts, now + 2 * lasts)
            while len(self._kept) > self._most:
                del self._kept[next(iter(self._kept))]
            return answer
        finally:
            del self._making[asked]
