"""What is likely to come of the open instances of a workflow, stage by stage."""

from __future__ import annotations

import asyncio
from datetime import datetime

from collector.catalogue import Catalogue
from collector.query.instances import BadQuery
from collector.query.learning import Lessons, Seen, drained, in_order, learn, named
from collector.query.moments import instant_of
from collector.query.overview import lag_seconds
from collector.query.reader import Reader, Row, rfc3339
from slo_rules.durations import DAY, HOUR, SECOND, format_duration
from slo_rules.filters import spell
from slo_rules.forecast import Awaiting, chances, expected
from slo_rules.instants import to_micros
from slo_rules.stage_times import Stage
from slo_rules.survival import Chance, StageHistory
from slo_rules.workflow import Workflow

MOST_SHOWN = 10
"""Open instances of a stage that are named, those most likely to miss their deadline."""
HORIZONS = (HOUR, 8 * HOUR, DAY)


async def forecast(
    reader: Reader, catalogue: Catalogue, name: str, by: str | None, since: str | None, now: datetime
) -> Row | None:
    """What is likely to come of each stage of a workflow; None when there is no such workflow. Raises BadQuery.

    `by` is the attribute whose values are compared by themselves. `since` is the instant (RFC 3339) from which on the
    pace of what is overdue counts.
    """
    workflow = catalogue.current.get(name)
    if workflow is None:
        return None
    faults: list[str] = []
    if by is not None and by not in workflow.attribute_names:
        known = ", ".join(workflow.attribute_names) or "it has none"
        faults.append(f"by: must be an attribute of {name}: {known}")
    begins = instant_of("since", since, now, faults)
    if faults:
        raise BadQuery(*faults)
    lessons = await learn(
        reader,
        catalogue,
        name,
        lambda _, progress: "" if by is None else spell(progress.attributes.get(by)) or "",
        to_micros(now),
    )
    lag = lag_seconds(await reader.one("progress_of_log"), now)
    return {
        "as_of": rfc3339(now),
        "workflow": name,
        "by": by,
        "instances": lessons.instances,
        "all_instances": lessons.all,
        "lag_seconds": lag,
        "stages": await asyncio.to_thread(_told, lessons, workflow, begins, to_micros(now)),
    }


def _told(lessons: Lessons, workflow: Workflow, since: int | None, now: int) -> list[Row]:
    stages = in_order(lessons.stages, workflow)
    return [_stage(stage, lessons.stages[stage], workflow, lessons.titles, since, now) for stage in stages]


def _stage(stage: Stage, seen: Seen, workflow: Workflow, titles: dict[str, str], since: int | None, now: int) -> Row:
    history = StageHistory(seen.by_group)
    told = chances(seen.open, {stage: history})
    likely = sorted(told, key=lambda one: -1.0 if one[1].value is None else one[1].value, reverse=True)
    median = history.pooled.median()
    return {
        **named(stage, workflow),
        "observed": history.pooled.count,
        "median_seconds": None if median is None else median / SECOND,
        "open": len(told),
        "expected": [horizon_of(told, horizon, now) for horizon in HORIZONS],
        "most_likely": [_likely(one, chance, titles) for one, chance in likely[:MOST_SHOWN]],
        "overdue": drained(seen, since, now),
    }


def horizon_of(told: list[tuple[Awaiting, Chance]], horizon: int, now: int) -> Row:
    """How many of these miss a deadline that falls within a horizon (micros)."""
    one = expected(told, now + horizon)
    return {
        "within": format_duration(horizon),
        "breaches": round(one.mean, 2),
        "low": one.low,
        "high": one.high,
        "due": one.due,
        "unknown": one.unknown,
    }


def chance_row(chance: Chance) -> Row:
    """A chance with its interval, and why there is none where there is none."""
    return {
        "chance": None if chance.value is None else round(chance.value, 4),
        "low": round(chance.low, 4),
        "high": round(chance.high, 4),
        "known": chance.known,
        "unknown": chance.unknown,
        "pooled": chance.pooled,
    }


def _likely(one: Awaiting, chance: Chance, titles: dict[str, str]) -> Row:
    said = {
        "id": one.id,
        "title": titles[one.id],
        "group": one.group or None,
        "deadline_at": rfc3339(one.due_at),
    }
    return said | chance_row(chance)
