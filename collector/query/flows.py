"""What goes from system to system: the handovers that workflows promise, what waits in each, and how much arrives."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from datetime import datetime, timedelta

from collector.catalogue import Catalogue
from collector.query.reader import Reader, Row

RATE_OVER = timedelta(minutes=15)
LEAST_OVER = timedelta(seconds=20)
"""Over a shorter time a rate would jump about."""
_HELD = ("stuck", "failed", "inconsistent")


class Rates:
    """How many events a minute each source sends, by what had been received whenever somebody looked."""

    def __init__(self) -> None:
        self._seen: deque[tuple[datetime, dict[str, int]]] = deque()

    def note(self, now: datetime, received: Mapping[str, int]) -> dict[str, float]:
        """Events a minute of each source over at most RATE_OVER; of a source that was not looked at before, nothing."""
        while self._seen and now - self._seen[0][0] > RATE_OVER:
            self._seen.popleft()
        if not self._seen or now - self._seen[-1][0] >= LEAST_OVER:
            self._seen.append((now, dict(received)))
        since, before = self._seen[0]
        minutes = (now - since).total_seconds() / 60
        if now - since < LEAST_OVER:
            return {}
        return {name: max(0, n - before[name]) / minutes for name, n in received.items() if name in before}


async def flows(reader: Reader, catalogue: Catalogue) -> list[Row]:
    """Each milestone that another system must reach after one: `sender`, `receiver`, and how many wait in between.

    Those that hold something up come first, by `held` of `waiting`.
    """
    counted: dict[tuple[str, str], dict[str, int]] = {}
    for row in await reader.all("waiting_everywhere"):
        counted.setdefault((row["workflow"], row["waiting_for"]), {})[row["verdict"]] = row["count"]
    found: list[Row] = []
    for workflow in catalogue.current.values():
        for milestone in workflow.milestones:
            before = [workflow.by_name[name].source for name in milestone.after]
            senders = dict.fromkeys(one for one in before if one and one != milestone.source)
            by = counted.get((workflow.name, milestone.name), {})
            if milestone.source:
                found += [
                    {
                        "sender": sender,
                        "receiver": milestone.source,
                        "workflow": workflow.name,
                        "workflow_title": workflow.title,
                        "milestone": milestone.name,
                        "title": milestone.title,
                        "waiting": sum(by.values()),
                        "held": sum(by.get(verdict, 0) for verdict in _HELD),
                        "blind": by.get("blind", 0),
                    }
                    for sender in senders
                ]
    return sorted(found, key=lambda one: (-one["held"], -one["waiting"], one["sender"], one["receiver"]))
