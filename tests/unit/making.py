"""What answers are made by in tests of those that keep them."""

from __future__ import annotations

import asyncio


class Making:
    """Makes 1, 2, 3 …, each when it is let go; or raises `error` then."""

    def __init__(self) -> None:
        self.made = 0
        self.go = asyncio.Event()
        self.error: Exception | None = None

    async def __call__(self) -> int:
        self.made += 1
        number = self.made
        await self.go.wait()
        if self.error is not None:
            raise self.error
        return number


async def settled() -> None:
    """Lets everything run that can."""
    for _ in range(10):
        await asyncio.sleep(0)
