"""Up to when may be judged: not beyond what receivers may still have.

A receiver that keeps what arrives on disk while the database is away (collector/spool) tells every other second that
nothing waits there, or since when something does. Each such word is a lease: for LEASE longer whatever it receives
is in the log, or will be, as received after that. When the database comes back, what is overdue is therefore not
judged before the receivers have written what they kept: else an order would be called stuck whose next event lies on a
disk. Whoever tells nothing new for PATIENCE is waited for no longer, and what it writes afterwards counts as received
when it is written: one dead receiver must not keep everybody from being judged.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

import structlog

from collector.store.database import LOG_LOCK, Connection
from collector.store.sql import load
from slo_rules.durations import DAY, SECOND
from slo_rules.instants import to_datetime, to_micros

log = structlog.get_logger("milepost.projector")

Q = load("spool")
PROJECTION = load("projection")
LEASE = 6 * SECOND
PATIENCE = 45.0
"""Seconds, less than after which what was judged last is too old to alert by (collector/duties.py)."""
Told = tuple[UUID, datetime, datetime | None]
"""A receiver, when it told something last, and since when something waits there."""


@dataclass(slots=True)
class Awaiting:
    """What one process knows of the receivers: since when each tells nothing new, by a clock of seconds."""

    _since: dict[UUID, tuple[datetime, float]] = field(default_factory=dict)

    def decide(self, told: Sequence[Told], horizon: int, seconds: float) -> tuple[int, list[tuple[UUID, datetime]]]:
        """Up to when may be judged, `horizon` at most (micros), and who is given up, with when he told something last.

        `seconds` is a clock that is never set.
        """
        latest, given_up = horizon, []
        since: dict[UUID, tuple[datetime, float]] = {}
        for receiver, told_at, waits_since in told:
            until = told_at_until(told_at) if waits_since is None else to_micros(waits_since)
            if until >= horizon:
                continue
            news = told_at if waits_since is None else waits_since
            before = self._since.get(receiver)
            first = before[1] if before is not None and before[0] == news else seconds
            if seconds - first >= PATIENCE:
                given_up.append((receiver, told_at))
                continue
            since[receiver] = (news, first)
            latest = min(latest, until)
        self._since = since
        return latest, given_up

    def horizon(self, conn: Connection, most: int | None = None) -> int:
        """The instant up to which may be judged (micros): everything received before that is in the log, or was let go.

        `most` is up to where the log has been applied, None where it has been to its end.
        """
        with conn.transaction():
            conn.execute("SELECT pg_advisory_xact_lock(%s)", (LOG_LOCK,))
            row = conn.execute(PROJECTION["horizon"]).fetchone()
            assert row is not None
            told = conn.execute(Q["awaited"]).fetchall()
            latest, given_up = self.decide(told, to_micros(row[0]), time.monotonic())
            if given_up:
                ids, at = zip(*given_up, strict=True)
                conn.execute(Q["give_up"], {"ids": list(ids), "told": list(at)})
                log.warning("receivers_not_waited_for", receivers=sorted(map(str, ids)))
        return latest if most is None else min(latest, most)


def arrivals(conn: Connection, times: Sequence[int], floor: int, now: int) -> list[int]:
    """As received when events count that are written late (micros): when they came, but not before what is in the log.

    Who reads the log relies on that. The caller holds the writers' lock, `floor` is up to when may have been judged.
    """
    if not times:
        return []
    last = conn.execute(Q["last_received"], {"since": to_datetime(min(times) - DAY)}).fetchone()
    least = floor if last is None else max(floor, to_micros(last[0]))
    found = []
    for at in times:
        least = max(least, min(at, now))
        found.append(least)
    return found


def judged_to(conn: Connection) -> tuple[int, int]:
    """Up to when may have been judged (micros), and the clock; the caller holds the writers' lock."""
    row = conn.execute(Q["judged_to"], {"lease": timedelta(microseconds=LEASE)}).fetchone()
    assert row is not None
    return to_micros(row[0]), to_micros(row[1])


def told_at_until(told_at: datetime) -> int:
    """Up to when (micros) it holds what a receiver told: that nothing waits there."""
    return to_micros(told_at) + LEASE
