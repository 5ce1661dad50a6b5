"""Who sends more than he may: by key and by source, in the memory of one process, and on the event loop alone.

A request costs one, and one that brings events costs as many as these. A key is asked for before anything is read, for
one look-up; what it brings, and of which sources, is judged when it was decoded and before anything is stored.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from collector import metrics
from collector.access.principal import How, Principal, acting
from collector.access.rates import Left, Rate, Rates, left_at, spend, wait_for
from collector.store.database import Connection
from collector.store.sql import load

Q = load("access")
KEY, SOURCE = "key", "source"
OTHERS = "(others)"
MOST_KNOWN = 10_000
"""Names that are told apart. Whoever makes up more shares one allowance with all that are new."""
MOST_TOLD = 200
"""Names that metrics and the database are told of; the others are told of as one."""
LONGEST_TOLD = 200

Name = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Limited(Exception):
    """Who has sent too much, and after how many seconds he may come again."""

    by: str
    name: str
    rate: Rate
    retry_after: int

    def __str__(self) -> str:
        return f"the {self.by} {self.name[:100]!r} sends more than {self.rate}; come again in {self.retry_after} s"


class Limits:
    """What everybody has left. `clock` says seconds that only go on."""

    def __init__(self, rates: Rates, clock: Callable[[], float] = time.monotonic) -> None:
        self._rates = rates
        self._clock = clock
        self._left: dict[Name, Left] = {}
        self._tidied = -math.inf
        self._told: set[Name] = set()
        self._untold: dict[Name, int] = {}
        self._telling = threading.Lock()

    @property
    def by_source(self) -> bool:
        """Whether it matters at all which sources something is of."""
        return self._rates.per_source is not None or bool(self._rates.sources)

    def admit(self, who: Principal) -> None:
        """Let a request in for one. Raises Limited where nothing is left."""
        rate = self._rate_of_key(who)
        if rate is not None:
            self._take([((KEY, who.name), rate, 1, 1.0)])

    def take(self, count: int, sources: Callable[[], Mapping[str, int]] = dict) -> None:
        """Count what a request that was let in brings, in all and of each source; of the sources only if it matters.

        Raises Limited, and has counted nothing, where one of them has nothing left.
        """
        wanted: list[tuple[Name, Rate, float, float]] = []
        who = acting.get()
        if who is not None and (rate := self._rate_of_key(who)) is not None and count > 1:
            # The first was counted when it was let in. Others of the key may have come in meanwhile.
            wanted.append(((KEY, who.name), rate, count - 1, 0.0))
        if self.by_source:
            for source, number in sources().items():
                if (rate := self._rates.sources.get(source, self._rates.per_source)) is not None:
                    wanted.append(((SOURCE, source), rate, number, 1.0))
        if wanted:
            self._take(wanted)

    def _rate_of_key(self, who: Principal) -> Rate | None:
        if who.how is not How.KEY:
            return None
        if who.rate is None:
            return self._rates.per_key
        return None if math.isinf(who.rate) else Rate(who.rate)

    def _take(self, wanted: Iterable[tuple[Name, Rate, float, float]]) -> None:
        now = self._clock()
        spent: dict[Name, Left] = {}
        for name, rate, count, least in wanted:
            kept = self._known(name, now)
            left = spent.get(kept) or left_at(self._left.get(kept), rate, now)
            wait = wait_for(left, rate, least)
            if wait is not None:
                self._note(kept)
                raise Limited(*name, rate, wait)
            spent[kept] = spend(left, count)
        self._left |= spent

    def _known(self, name: Name, now: float) -> Name:
        """The name under which it is counted."""
        if name in self._left or name[0] == KEY or name[1] in self._rates.sources or len(self._left) < MOST_KNOWN:
            return name
        if now - self._tidied >= 1.0:
            self._tidied = now
            self._left = {one: left for one, left in self._left.items() if not self._is_full(one, left, now)}
        return name if len(self._left) < MOST_KNOWN else (name[0], OTHERS)

    def _is_full(self, name: Name, left: Left, now: float) -> bool:
        """Whether a source has everything left that it may have: it is then as one of which nothing is known."""
        rate = self._rates.sources.get(name[1], self._rates.per_source)
        return name[0] == SOURCE and (rate is None or left_at(left, rate, now).count >= rate.burst)

    def _note(self, name: Name) -> None:
        by, who = name[0], name[1].replace("\x00", "").encode("utf-8", "replace").decode()[:LONGEST_TOLD]
        told = (by, who) if (by, who) in self._told or len(self._told) < MOST_TOLD else (by, OTHERS)
        self._told.add(told)
        metrics.RATE_LIMITED.labels(*told).inc()
        with self._telling:
            self._untold[told] = self._untold.get(told, 0) + 1

    def tell(self, conn: Connection, now: datetime) -> None:
        """Write down who was limited since the last time: a duty. psycopg.Error where that cannot be done."""
        with self._telling:
            untold, self._untold = self._untold, {}
        try:
            with conn.transaction(), conn.cursor() as cursor:
                for (by, name), count in untold.items():
                    cursor.execute(Q["limited"], {"by": by, "name": name, "count": count, "at": now})
                if now.minute == 0:
                    cursor.execute(Q["forget_limited"], {"at": now})
        except BaseException:
            with self._telling:
                for told, count in untold.items():
                    self._untold[told] = self._untold.get(told, 0) + count
            raise
