"""What is likely to come of the open instances of a workflow, learned from the instances that began last.

Which instances are read depends on when they began and on nothing that became of them: those that moved last, or those
that are through, would make every stage look other than it is.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise

from collector.catalogue import Catalogue
from collector.query.instances import BadQuery, definition_of, stored_progress
from collector.query.moments import instant_of
from collector.query.overview import lag_seconds
from collector.query.reader import Reader, Row, rfc3339
from slo_rules.durations import DAY, HOUR, SECOND, format_duration
from slo_rules.filters import spell
from slo_rules.forecast import Awaiting, Draining, chances, drain, expected
from slo_rules.instants import to_micros
from slo_rules.stage_times import Stage, StageTime, stage_times
from slo_rules.survival import Chance, Lifetimes, StageHistory
from slo_rules.workflow import Workflow

MOST_INSTANCES = 50_000
"""Instances that one answer is made of, those that began last."""
MOST_SHOWN = 10
"""Open instances of a stage that are named, those most likely to miss their deadline."""
HORIZONS = (HOUR, 8 * HOUR, DAY)
LOOKS_BACK = (HOUR, 8 * HOUR, DAY, 7 * DAY)
"""How far back the pace of a backlog is taken from: no further than it needs to see one."""
SLOTS = 12


@dataclass(slots=True)
class _Seen:
    """What the instances say of one stage. Instants (micros) are of what was missed and of what came or ended late."""

    by_group: dict[str, Lifetimes] = field(default_factory=lambda: defaultdict(Lifetimes))
    open: list[Awaiting] = field(default_factory=list)
    missed: list[int] = field(default_factory=list)
    ended: list[int] = field(default_factory=list)

    def add(self, time: StageTime, id_: str, group: str, now: int) -> None:
        count, breach = time.stands_for, time.breach_at
        self.by_group[group].note(time.counted, finished=time.reached_at is not None, count=count)
        if breach is None:
            return
        if time.left is not None:
            self.open += [Awaiting(id_, time.stage, group, time.counted, time.left, breach)] * count
        elif breach <= now and (time.over_at is None or time.over_at > breach):
            self.missed += [breach] * count
            if time.over_at is not None:
                self.ended += [min(time.over_at, now)] * count


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
    rows = await reader.all("begun_last", {"workflow": name, "limit": MOST_INSTANCES + 1})
    lag = lag_seconds(await reader.one("progress_of_log"), now)
    told = await asyncio.to_thread(_told, rows[:MOST_INSTANCES], catalogue, workflow, by, begins, to_micros(now))
    return {
        "as_of": rfc3339(now),
        "workflow": name,
        "by": by,
        "instances": len(rows[:MOST_INSTANCES]),
        "all_instances": len(rows) <= MOST_INSTANCES,
        "lag_seconds": lag,
        "stages": told,
    }


def _told(
    rows: Iterable[Row], catalogue: Catalogue, workflow: Workflow, by: str | None, since: int | None, now: int
) -> list[Row]:
    seen: dict[Stage, _Seen] = defaultdict(_Seen)
    titles: dict[str, str] = {}
    for row in rows:
        progress = stored_progress(row)
        group = "" if by is None else spell(progress.attributes.get(by)) or ""
        id_ = str(row["id"])
        titles[id_] = row["title"]
        for time in stage_times(progress, definition_of(row, catalogue), now):
            seen[time.stage].add(time, id_, group, now)
    order = {name: place for place, name in enumerate(workflow.by_name)}
    stages = sorted(seen, key=lambda stage: (order.get(stage[0], len(order)), stage[0], stage[1] or ""))
    return [_stage(stage, seen[stage], workflow, titles, since, now) for stage in stages]


def _stage(stage: Stage, seen: _Seen, workflow: Workflow, titles: dict[str, str], since: int | None, now: int) -> Row:
    name, calendar = stage
    history = StageHistory(seen.by_group)
    told = chances(seen.open, {stage: history})
    likely = sorted(told, key=lambda one: -1.0 if one[1].value is None else one[1].value, reverse=True)
    median = history.pooled.median()
    milestone = workflow.by_name.get(name)
    return {
        "milestone": name,
        "title": name if milestone is None else milestone.title,
        "calendar": calendar,
        "observed": history.pooled.count,
        "median_seconds": None if median is None else median / SECOND,
        "open": len(told),
        "expected": [
            {
                "within": format_duration(horizon),
                "breaches": round(one.mean, 2),
                "low": one.low,
                "high": one.high,
                "due": one.due,
                "unknown": one.unknown,
            }
            for horizon in HORIZONS
            for one in (expected(told, now + horizon),)
        ],
        "most_likely": [_likely(one, chance, titles) for one, chance in likely[:MOST_SHOWN]],
        "overdue": _drained(seen, since, now),
    }


def _likely(one: Awaiting, chance: Chance, titles: dict[str, str]) -> Row:
    return {
        "id": one.id,
        "title": titles[one.id],
        "group": one.group or None,
        "deadline_at": rfc3339(one.due_at),
        "chance": None if chance.value is None else round(chance.value, 4),
        "low": round(chance.low, 4),
        "high": round(chance.high, 4),
        "known": chance.known,
        "unknown": chance.unknown,
        "pooled": chance.pooled,
    }


def _drained(seen: _Seen, since: int | None, now: int) -> Row:
    """How the backlog of what is overdue goes on: what misses its deadline comes to it, what comes late leaves it."""
    waiting = len(seen.missed) - len(seen.ended)
    missed, ended = sorted(seen.missed), sorted(seen.ended)
    begins = [now - back for back in LOOKS_BACK] if since is None else [since]
    for begin in begins:
        slot = max(1, (now - begin) // SLOTS)
        found = drain(waiting, _counted(ended, now, slot), _counted(missed, now, slot), slot, now)
        if found.state is not Draining.TOO_LITTLE_SEEN:
            break
    return {
        "state": found.state,
        "waiting": found.waiting,
        "net_per_hour": None if found.net_per_hour is None else round(found.net_per_hour, 2),
        "clear_at": rfc3339(found.clear_at),
        "earliest": rfc3339(found.earliest),
        "latest": rfc3339(found.latest),
        "pace_since": rfc3339(begin),
    }


def _counted(instants: list[int], until: int, slot: int) -> list[int]:
    """How many of the instants, which are in order, lie in each of the slots up to then."""
    edges = [bisect_right(instants, until - place * slot) for place in range(SLOTS, -1, -1)]
    return [b - a for a, b in pairwise(edges)]
