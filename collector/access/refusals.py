"""Who was not let in, in the log: whoever looks there sees that somebody tries what he may not."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import takewhile

import structlog

log = structlog.get_logger("milepost.access")

_MOST_A_SECOND = 10
_OWN = frozenset(
    ("api", "v1", "dashboard", "events", "traces", "logs", "metrics", "docs", "sources", "inbound", "password")
)
"""The words of a path that are ours: what comes after them may be the key of a customer, or a secret."""


@dataclass(slots=True)
class Refusals:
    """Tells of refusals, at most so many a second, so that nobody fills the disk by being refused."""

    _second: int = 0
    _told: int = 0
    _untold: int = 0

    def tell(self, status: int, why: str, *, by: str, address: str, method: str, path: str, now: float) -> bool:
        """Say so, unless too many were told this second; the next line then says how many were not. `now` in seconds.

        `by` is empty where nobody knows who it was. What was brought to show who somebody is is not told.
        """
        if int(now) != self._second:
            self._second, self._told = int(now), 0
        if self._told >= _MOST_A_SECOND:
            self._untold += 1
            return False
        self._told += 1
        more = {"untold": self._untold} if self._untold else {}
        self._untold = 0
        area = "/" + "/".join(takewhile(_OWN.__contains__, path.split("/")[1:]))
        log.warning("refused", status=status, why=why, by=by, address=address, method=method, area=area, **more)
        return True
