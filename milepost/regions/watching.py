"""What is known of all regions: each is asked by itself, when somebody looks, and as often as pages ask at most.

However many look, each region is asked once per refresh, and one that is slow or away takes the time of its own thread
and of nobody else.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import structlog

from alerting.channels.guarded import new_client
from alerting.channels.reach import Reach
from collector.access.permission import NotPermitted
from collector.access.principal import acting
from milepost.regions.asking import NoAnswer, ask
from milepost.regions.region import Region
from slo_rules.instants import rfc3339

log = structlog.get_logger("milepost.regions")

REFRESH_SECONDS = 4.5
"""So long an answer is good: a little less than a page waits."""
AGAIN_SECONDS = 10.0
"""Until a region is asked again that did not answer."""
PATIENCE_SECONDS = 1.5
"""So long whoever looks waits for those who are being asked; then he is shown what they said last."""
Ask = Callable[[Region], dict[str, Any]]


@dataclass(slots=True)
class _Known:
    """What a region said last, and when (micros); `failing_since` is when it was first asked in vain after that."""

    region: Region
    figures: dict[str, Any] | None = None
    answered_at: int | None = None
    failing_since: int | None = None
    why: str = ""
    due: float = float("-inf")
    asking: asyncio.Task[None] | None = None

    def shown(self) -> dict[str, Any]:
        state = "silent" if self.failing_since is not None else "live" if self.figures is not None else "unknown"
        return {
            "name": self.region.name,
            "title": self.region.title,
            "url": self.region.public_url,
            "state": state,
            "answered_at": None if self.answered_at is None else rfc3339(self.answered_at),
            "silent_since": None if self.failing_since is None else rfc3339(self.failing_since),
            "why": self.why or None,
            "figures": self.figures,
        }


class Regions:
    """The regions of the settings, for one process and one event loop."""

    def __init__(
        self, regions: Sequence[Region], ask: Ask, executor: Executor, *, patience: float = PATIENCE_SECONDS
    ) -> None:
        """`executor` has a thread for each region, so that none waits for another."""
        self._known = [_Known(region) for region in regions]
        self._ask = ask
        self._executor = executor
        self._patience = patience

    async def overview(self) -> dict[str, Any]:
        """Each region: its `state` (live, silent, unknown: not heard yet), what it said last and when, all JSON-ready.

        `silent_since` is since when it does not answer, and `why`. Raises NotPermitted for whoever may see only some
        workflows: what a region says is of all of them.
        """
        who = acting.get()
        if who is not None and who.sight is not None:
            raise NotPermitted("you may see some workflows only, and the figures of regions are of all")
        asked = [one.asking or self._begin(one) for one in self._known if one.asking or time.monotonic() >= one.due]
        if asked:
            await asyncio.wait(asked, timeout=self._patience)
        return {"as_of": rfc3339(time.time_ns() // 1000), "items": [one.shown() for one in self._known]}

    def _begin(self, one: _Known) -> asyncio.Task[None]:
        one.asking = asyncio.get_running_loop().create_task(self._refresh(one))
        return one.asking

    async def _refresh(self, one: _Known) -> None:
        loop, began = asyncio.get_running_loop(), time.monotonic()
        try:
            figures = await loop.run_in_executor(self._executor, self._ask, one.region)
        except Exception as error:
            if not isinstance(error, NoAnswer):
                log.exception("region_not_asked", region=one.region.name)
            why = str(error) if isinstance(error, NoAnswer) else "asking it failed here; the log says why"
            if why != one.why:
                log.warning("region_silent", region=one.region.name, why=why)
            one.failing_since, one.why = one.failing_since or time.time_ns() // 1000, why
            one.due = time.monotonic() + AGAIN_SECONDS
        else:
            if one.failing_since is not None:
                log.info("region_answers", region=one.region.name)
            one.figures, one.answered_at = figures, time.time_ns() // 1000
            one.failing_since, one.why, one.due = None, "", began + REFRESH_SECONDS
        finally:
            one.asking = None


def watch(regions: Sequence[Region], reach: Reach) -> tuple[Regions, Callable[[], None]]:
    """The regions, asked by a client that connects only where `reach` lets it; and what ends that."""
    client = new_client(reach)
    executor = ThreadPoolExecutor(len(regions), "regions")

    def close() -> None:
        executor.shutdown(wait=False, cancel_futures=True)
        client.close()

    def asked(region: Region) -> dict[str, Any]:
        return ask(client, region)

    return Regions(regions, asked, executor), close
