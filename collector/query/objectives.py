"""Objectives: what the maintained buckets say of them. The cost depends on neither events nor instances."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any

from collector.catalogue import Catalogue
from collector.query.reader import Reader, Row, rfc3339
from slo_rules.budget import Budget, budget, stale_slices
from slo_rules.contribution import BUCKET, promise_name
from slo_rules.durations import DAY, format_duration
from slo_rules.instants import to_datetime, to_micros
from slo_rules.workflow import Objective


def all_objectives(catalogue: Catalogue) -> list[Objective]:
    """Every objective, by workflow and name."""
    return [one for workflow in sorted(catalogue.objectives) for one in catalogue.objectives[workflow]]


async def list_objectives(reader: Reader, catalogue: Catalogue) -> list[Row]:
    """Every objective as it stands: one query for all that count items, one for each that counts slices."""
    until = _until(await reader.now())
    objectives = all_objectives(catalogue)
    latency = [one for one in objectives if one.kind == "latency"]
    rows = await reader.all(
        "items",
        {
            "objectives": [one.name for one in latency],
            "since": [to_datetime(to_micros(until) - one.window) for one in latency],
            "until": until,
        },
    )
    counts = {row["objective"]: row for row in rows}
    stale = await asyncio.gather(*(_slices(reader, one, until) for one in objectives if one.kind == "freshness"))
    slices = dict(stale)
    found = []
    for one in objectives:
        if one.kind == "latency":
            row = counts[one.name]
            found.append(_row(one, catalogue, budget(row["good"], row["bad"], one.target), row["pending"]))
        else:
            good, bad = slices[one.name]
            found.append(_row(one, catalogue, budget(good, bad, one.target), 0))
    return found


async def one_objective(reader: Reader, catalogue: Catalogue, name: str) -> Row | None:
    """One objective with its days; None when there is none."""
    row = next((row for row in await list_objectives(reader, catalogue) if row["name"] == name), None)
    if row is None:
        return None
    objective = next(one for one in all_objectives(catalogue) if one.name == name)
    until = _until(await reader.now())
    since = to_datetime(to_micros(until) - objective.window)
    if objective.kind == "latency":
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


def _until(now: datetime) -> datetime:
    """Only whole buckets count: in the present one deadlines may still lie ahead."""
    at = to_micros(now)
    return to_datetime(at - at % BUCKET)


async def _slices(reader: Reader, objective: Objective, until: datetime) -> tuple[str, tuple[int, int]]:
    first = await reader.one("first_bucket", {"objective": promise_name(objective.workflow)})
    since = to_micros(until) - objective.window
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


def _row(objective: Objective, catalogue: Catalogue, found: Budget, pending: int) -> Row:
    workflow = catalogue.current.get(objective.workflow)
    titles = {m.name: m.title for m in workflow.milestones} if workflow else {}
    start, end = titles.get(objective.start, objective.start), titles.get(objective.end, objective.end)
    within = format_duration(objective.within)
    said = {
        "latency": f"{start} → {end} within {within}",
        "freshness": f"the oldest {start} without {end} is younger than {within}",
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
        "window_seconds": objective.window // 1_000_000,
        "good": found.good,
        "bad": found.bad,
        "total": found.good + found.bad,
        "ratio": found.ratio,
        "budget_allowed": found.allowed,
        "budget_used": found.bad,
        "budget_left_ratio": found.left,
        "pending_bad": pending,
        "unit": "items" if objective.kind == "latency" else "slices",
    }
    return row


def trend_since(now: datetime) -> datetime:
    """Seven days back from the present hour."""
    return now.replace(minute=0, second=0, microsecond=0) - timedelta(days=7)
