"""How many events a minute a source has sent in each of the last hours, told from how often it was heard by when.

What each source has sent in all is counted anyway. A sample of that every quarter of an hour costs nothing, wherever
the events lie.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from collector.source_volume import KEPT
from collector.store.database import Connection
from collector.store.sql import load
from slo_rules.durations import HOUR, MINUTE

Q = load("sources")

HOURS = 24
EVERY = timedelta(minutes=15)
RATED = timedelta(hours=HOURS) + 2 * EVERY
"""How far back the samples go that rates are told from; of those before one an hour is kept."""
_LEAST = MINUTE
"""Of a shorter time nothing is said."""


def sample(conn: Connection, now: datetime) -> bool:
    """Note what every source has sent by now, once in a quarter of an hour; whether this was the time for it.

    To be called when everything received is applied: what a rebuild counts says nothing of when it came.
    """
    slot = datetime.fromtimestamp(now.timestamp() // EVERY.total_seconds() * EVERY.total_seconds(), now.tzinfo)
    with conn.transaction():
        if conn.execute(Q["sample_taken"], {"slot": slot}).fetchone() is not None:
            return False
        conn.execute(Q["sample"], {"slot": slot, "now": now})
        conn.execute(Q["forget_samples"], {"thinned": now - RATED, "before": now - KEPT})
    return True


def rates(taken: Sequence[int], counts: Mapping[int, int], received: int, now: int) -> list[float | None]:
    """Events a minute in each of the last 24 hours, oldest first; None of hours of which too little is known.

    Samples were `taken` at these instants (micros), in order; `counts` has what one source had sent by then, and by an
    instant that it lacks it had sent nothing. By `now` it has sent `received`.
    """
    instants = [at for at in taken if at < now]
    if not instants:
        return [None] * HOURS
    points = [counts.get(at, 0) for at in instants]
    instants.append(now)
    points.append(received)

    def sent_by(at: int) -> float:
        after = bisect_right(instants, at)
        if after == len(instants):
            return points[-1]
        begin, end = instants[after - 1], instants[after]
        return points[after - 1] + (points[after] - points[after - 1]) * (at - begin) / (end - begin)

    def rate(begin: int, end: int) -> float | None:
        begin = max(begin, instants[0])
        if end - begin < _LEAST:
            return None
        a_minute = max(0.0, sent_by(end) - sent_by(begin)) / ((end - begin) / MINUTE)
        return float(f"{a_minute:.3g}")

    return [rate(now - hour * HOUR, now - (hour - 1) * HOUR) for hour in range(HOURS, 0, -1)]
