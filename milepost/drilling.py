"""A drill: an incident that is made up goes through the running Milepost, and is watched until it has resolved."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from alerting import acts
from collector.store.database import connect, migrate
from collector.store.sql import load
from milepost.settings import Settings
from milepost.stored_data import open_stored_data
from slo_rules.durations import SECOND
from slo_rules.instants import to_micros

Q = load("drill", package="alerting")

PATIENCE_SECONDS = 90.0
"""How long after its end a drill is waited for."""


class DrillFailed(Exception):
    """Not everybody who should be was reached; it says who was not, or that nobody was told."""


def drill(settings: Settings, facts: Mapping[str, str], by: str, lasts: int, say: Callable[[str], None]) -> None:
    """Let an incident with these facts fire for `lasts` micros, and say what becomes of it. Raises DrillFailed.

    Milepost must be running on the same database: it tells, this only looks. Raises NoStoredData.
    """
    with open_stored_data(settings) as (url, _):
        migrate(url)
        with connect(url, "drill") as conn:
            conn.autocommit = True
            now = to_micros(datetime.now(UTC))
            id_ = acts.drill(conn, facts, by, now, now + lasts)
            say(f"Drill {id_} by {by}: fires for {lasts // SECOND} s, then resolves.")
            give_up = time.monotonic() + lasts / SECOND + PATIENCE_SECONDS
            seen: set[tuple[str, ...]] = set()
            while True:
                rows = conn.execute(Q["progress"], {"reason": str(id_)}).fetchall()
                for at, target, transition, state, why in rows:
                    line = (target, transition, state, why)
                    if line not in seen:
                        seen.add(line)
                        say(f"{at:%H:%M:%S} {target or 'the incident'}: {' '.join(part for part in line[1:] if part)}")
                told = [row for row in rows if row[1]]
                over = any(row[2] == "resolved" and not row[1] for row in rows)
                if over and all(row[3] != "pending" for row in told):
                    break
                if time.monotonic() > give_up:
                    raise DrillFailed("It did not come to its end in time: is Milepost running on this database?")
                time.sleep(0.5)
        failed = sorted({row[1] for row in told if row[3] == "dead"})
        if not told:
            raise DrillFailed("Nobody was told: no route takes it, or everybody is outside his hours or silenced.")
        if failed:
            raise DrillFailed(f"Not reached: {', '.join(failed)}.")
        say(f"{len({row[1] for row in told})} reached, with firing and resolve.")
