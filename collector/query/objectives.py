"""Objectives: what the maintained buckets say of them. The cost depends on neither events nor instances."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any

from collector.catalogue import Catalogue
from collector.query.instances import BadQuery
from collector.query.reader import Reader, Row, rfc3339
from slo_rules.budget import Budget, budget, stale_slices
from slo_rules.contribution import BUCKET, promise_name
from slo_rules.durations import DAY, format_duration
from slo_rules.instants import to_datetime, to_micros
from slo_rules.wall_time import zones
from slo_rules.windows import CalendarWindow, Period, Window, began, last_periods
from slo_rules.windows import ends as ends_at
from slo_rules.workflow import Objective

MOST_PERIODS = 120
_UNITS = {"latency": "items", "freshness": "slices", "success": "items"}


def all_objectives(catalogue: Catalogue) -> list[Objective]:
    """Every objective, by workflow and name."""
    return [one for workflow in sorted(catalogue.objectives) for one in catalogue.objectives[workflow]]


async def list_objectives(reader: Reader, catalogue: Catalogue) -> list[Row]:
    """Every objective as it stands: one query for all that count items, one for each that counts slices."""
    until = _until(await reader.now())
    objectives = all_objectives(catalogue)
    counting = [one for one in objectives if one.kind != "freshness"]
    rows = await reader.all(
        "items",
        {
            "objectives": [one.name for one in counting],
            "since": [_since(one, until) for one in counting],
            "until": until,
        },
    )
    counts = {row["objective"]: row for row in rows}
    stale = await asyncio.gather(*(_slices(reader, one, until) for one in objectives if one.kind == "freshness"))
    slices = dict(stale)
    found = []
    for one in objectives:
        if one.kind != "freshness":
            row = counts[one.name]
            found.append(_row(one, catalogue, until, budget(row["good"], row["bad"], one.target), row["pending"]))
        else:
            good, bad = slices[one.name]
            found.append(_row(one, catalogue, until, budget(good, bad, one.target), 0))
    return found


async def one_objective(reader: Reader, catalogue: Catalogue, name: str) -> Row | None:
    """One objective with its days; None when there is none."""
    row = next((row for row in await list_objectives(reader, catalogue) if row["name"] == name), None)
    if row is None:
        return None
    objective = next(one for one in all_objectives(catalogue) if one.name == name)
    until = _until(await reader.now())
    since = _since(objective, until)
    if objective.kind != "freshness":
        days = await reader.all("daily", {"objective": name, "since": since, "until": until})
        series = [(day["day"], day["good"], day["bad"]) for day in days]
    else:
        series = await _slice_days(reader, objective, since, until)
    allowed = row["budget_allowed"]
    left, used = [], 0
    for day, _, bad in series:
        used += bad
        left.append({"t": rfc3339(day), "left_ratio": None if not allowed else (allowed - used) / allowed})
    return row | {
        "series": [{"t": rfc3339(day), "good": good, "bad": bad} for day, good, bad in series],
        "budget_series": left,
    }


async def periods_of(
    reader: Reader, catalogue: Catalogue, name: str, period: str | None, zone: str | None, limit: int
) -> Row | None:
    """What an objective came to in the present period and those before it; None when there is no such objective.

    Without `period` and `zone` those of its own window, else months of UTC. Raises BadQuery.
    """
    objective = next((one for one in all_objectives(catalogue) if one.name == name), None)
    if objective is None:
        return None
    window = _calendar_window(objective, period, zone, limit)
    until = _until(await reader.now())
    spans = last_periods(window, to_micros(until), limit)
    counts = await (_period_slices if objective.kind == "freshness" else _period_items)(reader, objective, spans, until)
    items = []
    for (since, ends), (good, bad) in zip(spans, counts, strict=True):
        found = budget(good, bad, objective.target)
        items.append(
            {
                "since": rfc3339(to_datetime(since)),
                "until": rfc3339(to_datetime(ends)),
                "over": ends <= to_micros(until),
                **_counted(found),
                "met": None if found.ratio is None else found.bad <= found.allowed,
            }
        )
    said = {"name": name, "target": objective.target, "period": window.period, "zone": window.zone}
    return said | {"unit": _UNITS[objective.kind], "items": items}


def _calendar_window(objective: Objective, period: str | None, zone: str | None, limit: int) -> CalendarWindow:
    own = objective.window if isinstance(objective.window, CalendarWindow) else CalendarWindow(Period.MONTH)
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


async def _period_items(
    reader: Reader, objective: Objective, spans: list[tuple[int, int]], until: datetime
) -> list[tuple[int, int]]:
    asked = {"objective": objective.name, "until": until}
    asked |= {"since": [to_datetime(since) for since, _ in spans], "ends": [to_datetime(ends) for _, ends in spans]}
    rows = await reader.all("period_items", asked)
    found = {to_micros(row["since"]): (row["good"], row["bad"]) for row in rows}
    return [found[since] for since, _ in spans]


async def _period_slices(
    reader: Reader, objective: Objective, spans: list[tuple[int, int]], until: datetime
) -> list[tuple[int, int]]:
    first = await reader.one("first_bucket", {"objective": promise_name(objective.workflow)})
    if first is None or first["min"] is None:
        return [(0, 0)] * len(spans)
    begins, now = to_micros(first["min"]), to_micros(until)
    steps = await _steps(reader, objective, to_datetime(max(begins, spans[-1][0])), until)
    found = []
    for since, ends in spans:
        a, b = max(since, begins), min(ends, now)
        bad = stale_slices(steps, b) - stale_slices(steps, a) if a < b else 0
        found.append((max(0, (b - a) // BUCKET) - bad, bad))
    return found


def _since(objective: Objective, until: datetime) -> datetime:
    return to_datetime(began(objective.window, to_micros(until)))


def _until(now: datetime) -> datetime:
    """Only whole buckets count: in the present one deadlines may still lie ahead."""
    at = to_micros(now)
    return to_datetime(at - at % BUCKET)


async def _slices(reader: Reader, objective: Objective, until: datetime) -> tuple[str, tuple[int, int]]:
    first = await reader.one("first_bucket", {"objective": promise_name(objective.workflow)})
    since = began(objective.window, to_micros(until))
    if first is None or first["min"] is None:
        return objective.name, (0, 0)
    since = max(since, to_micros(first["min"]))
    steps = await _steps(reader, objective, to_datetime(since), until)
    bad = stale_slices(steps, to_micros(until))
    return objective.name, (max(0, (to_micros(until) - since) // BUCKET - bad), bad)


async def _slice_days(
    reader: Reader, objective: Objective, since: datetime, until: datetime
) -> list[tuple[datetime, int, int]]:
    first = await reader.one("first_bucket", {"objective": promise_name(objective.workflow)})
    if first is None or first["min"] is None:
        return []
    start, end = max(to_micros(since), to_micros(first["min"])), to_micros(until)
    steps = await _steps(reader, objective, to_datetime(start), until)
    days = []
    day = start - start % DAY
    while day < end:
        a, b = max(day, start), min(day + DAY, end)
        bad = stale_slices(steps, b) - stale_slices(steps, a)
        days.append((to_datetime(day), (b - a) // BUCKET - bad, bad))
        day += DAY
    return days


async def _steps(reader: Reader, objective: Objective, since: datetime, until: datetime) -> list[tuple[int, int]]:
    rows = await reader.all("stale_steps", {"objective": objective.name, "since": since, "until": until})
    return [(to_micros(row["bucket"]), row["step"]) for row in rows]


def _row(objective: Objective, catalogue: Catalogue, until: datetime, found: Budget, pending: int) -> Row:
    workflow = catalogue.current.get(objective.workflow)
    titles = {m.name: m.title for m in workflow.milestones} if workflow else {}
    start, end = titles.get(objective.start, objective.start), titles.get(objective.end, objective.end)
    within = format_duration(objective.within)
    said = {
        "latency": f"{start} → {end} within {within}",
        "freshness": f"the oldest {start} without {end} is younger than {within}",
        "success": "what has ended neither failed nor is inconsistent"
        + (", and was not cancelled" if objective.cancelled_is_bad else ""),
    }
    row: dict[str, Any] = {
        "name": objective.name,
        "title": objective.title,
        "owner": objective.owner or (workflow.owner if workflow else ""),
        "workflow": objective.workflow,
        "domain": workflow.domain if workflow else "",
        "kind": objective.kind,
        "description": said[objective.kind],
        "target": objective.target,
        **_window(objective.window, to_micros(until)),
        **_counted(found),
        "pending_bad": pending,
        "unit": _UNITS[objective.kind],
    }
    return row


def _window(window: Window, until: int) -> Row:
    """How long it is in seconds, the present period whole; since when it counts, and when that period ends."""
    since, ends = began(window, until), ends_at(window, until)
    return {
        "window_seconds": ((until if ends is None else ends) - since) // 1_000_000,
        "window": {
            "period": None if isinstance(window, int) else window.period,
            "zone": None if isinstance(window, int) else window.zone,
            "since": rfc3339(to_datetime(since)),
            "until": None if ends is None else rfc3339(to_datetime(ends)),
        },
    }


def _counted(found: Budget) -> Row:
    return {
        "good": found.good,
        "bad": found.bad,
        "total": found.good + found.bad,
        "ratio": found.ratio,
        "budget_allowed": found.allowed,
        "budget_used": found.bad,
        "budget_left_ratio": found.left,
    }


def trend_since(now: datetime) -> datetime:
    """Seven days back from the present hour."""
    return now.replace(minute=0, second=0, microsecond=0) - timedelta(days=7)
