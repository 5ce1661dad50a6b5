"""Good and bad of every objective, for Prometheus: over its window and over the times that burn rates are asked for.

They are gauges of counts, made anew from the buckets each time: what a late event corrects goes down again, which a
counter could not, and each time ends with the last whole bucket, as on the page of objectives.
"""

from __future__ import annotations

from datetime import datetime

from collector import metrics
from collector.catalogue import Catalogue
from collector.query.objectives import all_objectives, whole_buckets
from collector.query.reckoning import reckon_on
from collector.query.sources import marks_on
from collector.query.staleness import Memory
from collector.store.database import Connection
from slo_rules.budget import budget
from slo_rules.burn_rates import lookbacks
from slo_rules.contribution import ITEMS
from slo_rules.durations import format_duration
from slo_rules.instants import to_micros
from slo_rules.objective import Objective
from slo_rules.reckoning import Asked, missing
from slo_rules.windows import began, spell_window


def measure_objectives(conn: Connection, now: datetime, catalogue: Catalogue, memory: Memory | None = None) -> None:
    """Refresh the gauges of all objectives; `memory` is of what this database said before."""
    at = to_micros(now)
    until = whole_buckets(at)
    objectives = all_objectives(catalogue)
    with conn.transaction():
        marks = marks_on(conn, catalogue)
        asked = []
        for one in objectives:
            gap = missing(one, catalogue.current.get(one.workflow), marks, at)
            for window, since in _begun(one, until).items():
                asked.append((one, window, Asked(one, since, until, missing_since=gap.since if gap else None)))
        answers = reckon_on(conn, [question for _, _, question in asked], memory)
    for (one, window, _), answer in zip(asked, answers, strict=True):
        good, bad = int(answer[ITEMS].good), int(answer[ITEMS].bad)
        metrics.OBJECTIVE_GOOD.labels(one.name, one.workflow, window).set(good)
        metrics.OBJECTIVE_BAD.labels(one.name, one.workflow, window).set(bad)
        if window == spell_window(one.window):
            left = budget(good, bad, one.target).left
            # Nothing to judge is no number; a comparison with it is never true.
            metrics.OBJECTIVE_BUDGET_LEFT.labels(one.name, one.workflow).set(float("nan") if left is None else left)


def _begun(objective: Objective, until: int) -> dict[str, int]:
    """Since when (micros) each window counts; that of the objective itself is among them."""
    back = {format_duration(time): until - time for time in lookbacks(objective.window)}
    return back | {spell_window(objective.window): began(objective.window, until)}
