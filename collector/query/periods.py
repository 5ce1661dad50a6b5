"""Periods of objectives: what each came to, as it stands now and as it was when it was over.

What comes late still counts in the period of its deadline. What the period came to when it was over is kept beside, so
that nobody is told another number without being told that it is another one.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from collector.catalogue import Catalogue
from collector.query.instances import BadQuery
from collector.query.objectives import all_objectives, came_to, group_asked, named, number, whole_buckets
from collector.query.reader import Reader, Row, rfc3339
from collector.query.reckoning import Answer, groups_on, reckon, reckon_on
from collector.query.sources import load_marks, marks_on
from collector.store.database import Connection
from collector.store.sql import load
from slo_rules.budget import budget
from slo_rules.contribution import ITEMS
from slo_rules.instants import to_datetime, to_micros
from slo_rules.objective import ALL, Objective
from slo_rules.periods import Period
from slo_rules.reckoning import Asked, missing
from slo_rules.wall_time import zones
from slo_rules.windows import CalendarWindow, last_periods

Q = load("query")
MOST_PERIODS = 120
MOST_CLOSED = 24
"""Periods that are looked at to see whether they are over and not kept yet."""


async def periods_of(
    reader: Reader,
    catalogue: Catalogue,
    name: str,
    *,
    period: str | None,
    zone: str | None,
    limit: int,
    group: Sequence[str],
) -> Row | None:
    """What an objective came to in the present period and those before it; None when there is no such objective.

    Without `period` and `zone` those of its own window, else months of UTC. Raises BadQuery.
    """
    objective = named(catalogue, name)
    if objective is None:
        return None
    window = _asked_window(objective, period, zone, limit)
    of_group = group_asked(objective, group)
    now = to_micros(await reader.now())
    until = whole_buckets(now)
    spans = last_periods(window, until, limit)
    gap = missing(objective, catalogue.current.get(objective.workflow), await load_marks(reader, catalogue), now)
    since = gap.since if gap else None
    answers = await reckon(reader, [Asked(objective, a, min(b, until), of_group, since) for a, b in spans])
    place = {"objective": name, "grp": of_group, "period": window.period, "zone": window.zone}
    kept = {to_micros(row["since"]): row for row in await reader.all("kept_periods", place)}
    versions = await reader.all("objective_versions", {"objective": name})
    targets = Targets(objective, [(row["since"], row["target"]) for row in versions])
    return {
        "name": name,
        "target": objective.target,
        "period": window.period,
        "zone": window.zone,
        "unit": objective.unit,
        "group_by": list(objective.group_by),
        "items": [
            _item(begins, ends, answer, targets.at(min(ends, now + 1)), kept.get(begins), over=ends <= until)
            for (begins, ends), answer in zip(spans, answers, strict=True)
        ],
    }


def _item(begins: int, ends: int, answer: Answer, target: float, kept: Row | None, *, over: bool) -> Row:
    return {
        "since": rfc3339(to_datetime(begins)),
        "until": rfc3339(to_datetime(ends)),
        "over": over,
        **came_to(answer, target),
        **as_kept(kept, answer),
    }


def as_kept(kept: Row | None, answer: Answer) -> Row:
    """What a period came to when it was over, if that is kept, and whether it has come to something else since."""
    if kept is None:
        return {"closed": None, "restated": False}
    found = answer[ITEMS]
    return {"closed": _closed(kept), "restated": (kept["good"], kept["bad"]) != (found.good, found.bad)}


def _closed(kept: Row) -> Row:
    """What a period came to when it was over, as it was kept."""
    of = budget(kept["good"], kept["bad"], kept["target"])
    return {
        "at": rfc3339(kept["closed_at"]),
        "good": number(kept["good"]),
        "bad": number(kept["bad"]),
        "ratio": of.ratio,
        "target": kept["target"],
        "met": None if of.ratio is None else of.bad <= of.allowed,
    }


class Targets:
    """What was promised when: a target applies from when it was first said; the first one to what was before."""

    def __init__(self, objective: Objective, versions: Sequence[tuple[datetime, float]]) -> None:
        self._now = objective.target
        self._since = [to_micros(since) for since, _ in versions]
        self._targets = [target for _, target in versions]

    def at(self, instant: int) -> float:
        """The target in force just before an instant."""
        if not self._since:
            return self._now
        return self._targets[max(0, bisect_right(self._since, instant - 1) - 1)]


def _asked_window(objective: Objective, period: str | None, zone: str | None, limit: int) -> CalendarWindow:
    own = kept_window(objective)
    faults = []
    if period is not None and period not in tuple(Period):
        faults.append(f"period: must be one of {', '.join(Period)}")
    if zone is not None and zone not in zones():
        faults.append("zone: must be a time zone such as Europe/Berlin")
    if not 1 <= limit <= MOST_PERIODS:
        faults.append(f"limit: must be from 1 to {MOST_PERIODS}")
    if faults:
        raise BadQuery(*faults)
    return CalendarWindow(Period(period) if period else own.period, zone or own.zone)


def kept_window(objective: Objective) -> CalendarWindow:
    """The periods whose results are kept: those of its own window, else months of UTC."""
    return objective.window if isinstance(objective.window, CalendarWindow) else CalendarWindow(Period.MONTH)


def keep_periods(conn: Connection, now: int, catalogue: Catalogue) -> int:
    """Keep what the periods came to that are over and not kept yet; how many rows that were.

    What a period without anything to judge comes to is not kept, and none while a part of it is not known: what is
    received later may still fill it.
    """
    until = whole_buckets(now)
    asked: list[Asked] = []
    rows: list[dict[str, Any]] = []
    with conn.transaction():
        marks = marks_on(conn, catalogue)
        for objective in all_objectives(catalogue):
            window = kept_window(objective)
            gap = missing(objective, catalogue.current.get(objective.workflow), marks, now)
            versions = conn.execute(Q["objective_versions"], {"objective": objective.name}).fetchall()
            targets = Targets(objective, versions)
            place = {"period": window.period, "zone": window.zone}
            kept = {
                (group, to_micros(since))
                for group, since in conn.execute(Q["kept_places"], place | {"objective": objective.name}).fetchall()
            }
            for since, ends in last_periods(window, until, MOST_CLOSED):
                if ends > until or (gap is not None and gap.since < ends):
                    continue
                for group in (ALL, *groups_on(conn, objective, since, ends)):
                    if (group, since) not in kept:
                        asked.append(Asked(objective, since, ends, group))
                        times = {"since": to_datetime(since), "until": to_datetime(ends)}
                        rows.append(place | times | {"target": targets.at(ends)})
        found = [
            {
                **row,
                "objective": one.objective.name,
                "grp": one.group,
                "unit": unit,
                "good": of.good,
                "bad": of.bad,
                "closed_at": to_datetime(now),
            }
            for one, row, answer in zip(asked, rows, reckon_on(conn, asked), strict=True)
            for unit, of in answer.items()
            if of.good + of.bad
        ]
        if found:
            with conn.cursor() as cursor:
                cursor.executemany(Q["keep_period"], found)
    return len(found)
