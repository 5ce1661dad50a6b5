"""Good and bad of every objective, for Prometheus: over its window and over the times that burn rates are asked for.

They are gauges of counts, made anew from the buckets each time: what a late event corrects goes down again, which a
counter could not, and each time ends with the last whole bucket, as on the page of objectives.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from collector import metrics
from collector.store.database import Connection
from collector.store.sql import load
from slo_rules.budget import budget, stale_slices
from slo_rules.burn_rates import lookbacks
from slo_rules.contribution import BUCKET, promise_name
from slo_rules.durations import format_duration
from slo_rules.instants import to_datetime, to_micros
from slo_rules.windows import began, spell_window
from slo_rules.workflow import Objective

Q = load("query")
_Counts = dict[str, tuple[int, int]]
"""Good and bad by the window that they are counted in, as the gauges name it."""


def measure_objectives(conn: Connection, now: datetime, objectives: Iterable[Objective]) -> None:
    """Refresh the gauges of all objectives."""
    until = to_micros(now) - to_micros(now) % BUCKET
    objectives = list(objectives)
    with conn.transaction():
        counted = _items(conn, [one for one in objectives if one.kind != "freshness"], until)
        counted |= {one.name: _slices(conn, one, until) for one in objectives if one.kind == "freshness"}
    for one in objectives:
        for window, (good, bad) in counted[one.name].items():
            metrics.OBJECTIVE_GOOD.labels(one.name, one.workflow, window).set(good)
            metrics.OBJECTIVE_BAD.labels(one.name, one.workflow, window).set(bad)
        left = budget(*counted[one.name][spell_window(one.window)], one.target).left
        # Nothing to judge is no number; a comparison with it is never true.
        metrics.OBJECTIVE_BUDGET_LEFT.labels(one.name, one.workflow).set(float("nan") if left is None else left)


def _begun(objective: Objective, until: int) -> dict[str, int]:
    """Since when (micros) each window counts; that of the objective itself is among them."""
    back = {format_duration(time): until - time for time in lookbacks(objective.window)}
    return back | {spell_window(objective.window): began(objective.window, until)}


def _items(conn: Connection, objectives: list[Objective], until: int) -> dict[str, _Counts]:
    asked = [(one.name, window, since) for one in objectives for window, since in _begun(one, until).items()]
    rows = conn.execute(
        Q["items_back"],
        {
            "objectives": [name for name, _, _ in asked],
            "labels": [window for _, window, _ in asked],
            "since": [to_datetime(since) for _, _, since in asked],
            "until": to_datetime(until),
        },
    ).fetchall()
    found: dict[str, _Counts] = {one.name: {} for one in objectives}
    for name, window, good, bad in rows:
        found[name][window] = (good, bad)
    return found


def _slices(conn: Connection, objective: Objective, until: int) -> _Counts:
    begun = _begun(objective, until)
    first = conn.execute(Q["first_bucket"], {"objective": promise_name(objective.workflow)}).fetchone()
    if first is None or first[0] is None:
        return dict.fromkeys(begun, (0, 0))
    begins = max(min(begun.values()), to_micros(first[0]))
    parameters = {"objective": objective.name, "since": to_datetime(begins), "until": to_datetime(until)}
    rows = conn.execute(Q["stale_steps"], parameters).fetchall()
    steps = [(to_micros(bucket), step) for bucket, step in rows]
    all_bad, found = stale_slices(steps, until), {}
    for window, since in begun.items():
        begin = max(since, begins)
        bad = all_bad - stale_slices(steps, begin)
        found[window] = (max(0, (until - begin) // BUCKET - bad), bad)
    return found
