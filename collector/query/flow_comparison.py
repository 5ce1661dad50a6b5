"""Two periods or two groups of one workflow side by side."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

import psycopg
import sqlalchemy as sa

from collector.catalogue import Catalogue
from collector.query.counted_items import Where, carries, where_of
from collector.query.flow import step_seen
from collector.query.instances import BadQuery
from collector.query.moments import Unanswerable, instant_of
from collector.query.passages import Passages, learn_passages
from collector.query.reader import Reader, Row, rfc3339
from collector.store.tables import instance
from slo_rules.durations import DAY, SECOND
from slo_rules.flow_differences import DURATIONS, Side, StepDifference, differences
from slo_rules.instants import to_datetime
from slo_rules.workflow import Workflow

_HEARD_BEFORE = 7 * DAY
"""So long before it starts an instance may have been heard of: what follows may be faster than what starts it."""


class Said(NamedTuple):
    """One of the two sets as somebody says it: RFC 3339 instants, and `name=value` of attributes or keys."""

    since: str | None = None
    until: str | None = None
    where: Sequence[str] = ()


class Asked(NamedTuple):
    """Which instances: those that started from `since` until before `until` (micros), and have each of `where`."""

    since: int | None
    until: int | None
    where: Where


async def compare_flow(reader: Reader, catalogue: Catalogue, name: str, one: Said, other: Said) -> Row | None:
    """How two sets of instances of a workflow pass through it, and by what they differ; None: there is no such one.

    Raises BadQuery with every fault, and Unanswerable.
    """
    workflow = catalogue.current.get(name)
    if workflow is None:
        return None
    now = await reader.now()
    faults: list[str] = []
    sets = []
    for prefix, said in (("", one), ("against_", other)):
        since = instant_of(f"{prefix}since", said.since, now, faults)
        until = instant_of(f"{prefix}until", said.until, now, faults)
        if since is not None and until is not None and until <= since:
            faults.append(f"{prefix}until: must be after {prefix}since")
        sets.append(Asked(since, until, where_of(f"{prefix}where", said.where, faults)))
    if faults:
        raise BadQuery(*faults)
    if sets[0] == sets[1]:
        raise BadQuery("against_since: both sets are the same; they differ by since, until or where")
    try:
        passed = [await _learn(reader, catalogue, workflow, asked) for asked in sets]
    except psycopg.errors.QueryCanceled as error:
        raise Unanswerable("there are too many instances to compare in time; narrow the question") from error
    return await asyncio.to_thread(_answer, workflow, sets, passed)


async def _learn(reader: Reader, catalogue: Catalogue, workflow: Workflow, asked: Asked) -> Passages:
    columns = instance.c
    conditions: list[sa.ColumnElement[bool]] = []
    if asked.since is not None:
        # The id begins with the time of the first arrival, so that older ones need not be looked at.
        lowest = (max(0, asked.since - _HEARD_BEFORE) // 1000).to_bytes(6, "big") + bytes(10)
        conditions += [columns.started_at >= to_datetime(asked.since), columns.id >= UUID(bytes=lowest)]
    if asked.until is not None:
        conditions.append(columns.started_at < to_datetime(asked.until))
    wanted = None
    if asked.where:
        where = asked.where
        wanted = lambda progress, definition: carries(progress, definition, where)  # noqa: E731
    return await learn_passages(reader, catalogue, workflow, *conditions, wanted=wanted)


def _answer(workflow: Workflow, sets: Sequence[Asked], passed: Sequence[Passages]) -> Row:
    names = [milestone.name for milestone in workflow.milestones]
    one, other = ({name: Side(each.instances, each.steps[name]) for name in names} for each in passed)
    return {
        "name": workflow.name,
        "title": workflow.title,
        "one": _set(sets[0], passed[0]),
        "other": _set(sets[1], passed[1]),
        "differences": [_told(found, workflow) for found in differences(names, one, other)],
        "steps": [
            {
                "name": step.name,
                "title": step.title,
                "starts": step.starts,
                "one": step_seen(one[step.name].seen),
                "other": step_seen(other[step.name].seen),
            }
            for step in workflow.milestones
        ],
    }


def _set(asked: Asked, passed: Passages) -> Row:
    return {
        "since": rfc3339(asked.since),
        "until": rfc3339(asked.until),
        "where": [{"name": name, "value": value} for name, value in asked.where],
        "instances": passed.instances,
        "all_instances": passed.all,
        "restarted": passed.restarted,
        "first_at": rfc3339(passed.since),
    }


def _told(found: StepDifference, workflow: Workflow) -> Row:
    unit = SECOND if found.measure in DURATIONS else 1
    return {
        "step": found.step,
        "title": workflow.by_name[found.step].title,
        "measure": found.measure,
        "one": found.one / unit,
        "other": found.other / unit,
        "size": round(found.size, 6),
        "p": found.p,
        "q": found.q,
        "sure": found.sure,
    }
