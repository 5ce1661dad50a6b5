"""The duty that looks after incidents, with what it remembers from one run to the next."""

from __future__ import annotations

import time
from datetime import datetime

import structlog

from alerting import incidents
from alerting.burning import Burning, burning_on
from alerting.setup import Setup
from alerting.titles import Titles
from collector import duties
from collector.catalogue import Catalogue
from collector.query.staleness import Memory
from collector.store.database import Connection
from slo_rules.durations import SECOND
from slo_rules.instants import to_micros

log = structlog.get_logger("milepost")

LOOKED_EVERY_SECONDS = 1.0
"""How often incidents are looked after, where that takes no time."""
RESTS = 4
"""After a run it rests for so many times as long as it took: it never takes more than a fifth of a processor."""
PATIENCE_SECONDS = 60.0
"""So long it is waited for while Milepost is behind, as after every start, before that is an incident."""
RECKONED_EVERY = 30 * SECOND
"""How often objectives are asked whether their budgets burn."""


class Watching:
    """Brings incidents up to date."""

    def __init__(self, alerting: Setup, catalogue: Catalogue, titles: Titles, public_url: str) -> None:
        self._alerting = alerting
        self._catalogue = catalogue
        self._titles = titles
        self._public_url = public_url
        self._memory = Memory()
        self._burning = Burning()
        self._reckoned_until = 0
        self._behind_since: float | None = None
        self._rests_until = 0.0

    def run_once(self, conn: Connection, now: datetime) -> None:
        """One run, unless it rests from the one before."""
        began = time.monotonic()
        if began < self._rests_until:
            return
        self._look(conn, now)
        ended = time.monotonic()
        self._rests_until = ended + RESTS * (ended - began)

    def _look(self, conn: Connection, now: datetime) -> None:
        behind = duties.behind(conn, now)
        if self._waits_for(behind):
            return
        at = to_micros(now)
        # Objectives change when five minutes are over, and with corrections of what was counted before.
        if behind is None and at - self._reckoned_until >= RECKONED_EVERY:
            with conn.transaction():
                self._burning = burning_on(conn, at, self._catalogue, self._memory)
            self._reckoned_until = at
        report = incidents.run_once(
            conn,
            at,
            self._alerting,
            public_url=self._public_url,
            titles=self._titles,
            catalogue=self._catalogue,
            burning=self._burning,
            behind=behind,
        )
        if report.opened or report.resolved:
            log.info("incidents", opened=report.opened, resolved=report.resolved)

    def _waits_for(self, behind: duties.Behind | None) -> bool:
        """Whether Milepost has been behind for so short a time that it will have caught up in a moment."""
        if behind is None:
            self._behind_since = None
            return False
        now = time.monotonic()
        if self._behind_since is None:
            self._behind_since = now
        return now - self._behind_since < PATIENCE_SECONDS
