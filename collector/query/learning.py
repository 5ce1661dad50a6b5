"""What the instances of a workflow that began last say of each stage: how long it takes, and how its backlog goes on.

Which instances are read depends on when they began and on nothing that became of them: those that moved last, or those
that are through, would make every stage look other than it is.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from collector.catalogue import Catalogue
from collector.query.reader import Reader, Row, rfc3339
from collector.store.tables import instance
from collector.stored_progress import readable
from slo_rules.durations import DAY, HOUR
from slo_rules.forecast import Awaiting, Draining, drain
from slo_rules.looking_back import GroupOf, LookedBack, LookingBack
from slo_rules.progress import Progress
from slo_rules.stage_times import Stage, StageTime, stage_times
from slo_rules.survival import Lifetimes
from slo_rules.workflow import Workflow

MOST_INSTANCES = 50_000
"""Instances that one answer is made of, those that began last."""
LOOKS_BACK = (HOUR, 8 * HOUR, DAY, 7 * DAY)
"""How far back the pace of a backlog is taken from: no further than it needs to see one."""
LATELY = HOUR // 4
"""A pace this young counts where it is sure that it clears: soon after a recovery an hour has the outage in it."""
SLOTS = 12
_COLUMNS = (instance.c.id, instance.c.workflow, instance.c.workflow_version, instance.c.title, instance.c.progress)


@dataclass(slots=True)
class Seen:
    """What the instances say of one stage. Instants (micros) are of what was missed and of what came or ended late."""

    by_group: dict[str, Lifetimes] = field(default_factory=lambda: defaultdict(Lifetimes))
    open: list[Awaiting] = field(default_factory=list)
    missed: list[int] = field(default_factory=list)
    ended: list[int] = field(default_factory=list)

    def add(self, time: StageTime, id_: str, group: str, now: int) -> None:
        """Count one time of one instance."""
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


class Lessons:
    """What was read of a workflow: `instances` in number, which are `all` there are or those that began last."""

    def __init__(self, catalogue: Catalogue, group_of: GroupOf, now: int) -> None:
        self.instances, self.all = 0, True
        self.stages: dict[Stage, Seen] = defaultdict(Seen)
        self.titles: dict[str, str] = {}
        """Of the open instances, by id."""
        self._catalogue, self._group_of, self._now = catalogue, group_of, now

    def take(self, rows: Sequence[tuple[Any, ...]]) -> None:
        """Learn from rows of id, workflow, version, title and progress."""
        for id_, name, version, title, packed in rows:
            if self.instances == MOST_INSTANCES:
                self.all = False
                return
            progress = readable(packed, id_)
            if progress is None:
                continue
            self.instances += 1
            self._learn(id_, title, progress, self._catalogue.versions[name, version].workflow)

    def _learn(self, id_: UUID, title: str, progress: Progress, definition: Workflow) -> None:
        known_as = str(id_)
        for time in stage_times(progress, definition, self._now):
            group = self._group_of(time.stage[0], progress)
            self.stages[time.stage].add(time, known_as, group, self._now)
            if time.left is not None:
                self.titles[known_as] = title


async def learn(reader: Reader, catalogue: Catalogue, workflow: str, group_of: GroupOf, now: int) -> Lessons:
    """What the instances of a workflow that began last say at `now` (micros)."""
    lessons = Lessons(catalogue, group_of, now)
    await reader.feed(begun_last(workflow).limit(MOST_INSTANCES + 1), lessons.take)
    return lessons


async def look_back(
    reader: Reader, catalogue: Catalogue, workflow: str, group_of: GroupOf, at: int, horizon: int
) -> LookedBack | None:
    """What these instances would have been expected to do at an instant, and what came of it; see LookingBack."""
    looking = LookingBack(at, horizon, group_of)

    def take(rows: Sequence[tuple[Any, ...]]) -> None:
        for id_, name, version, _, packed in rows:
            if (progress := readable(packed, id_)) is not None:
                looking.take(progress, catalogue.versions[name, version].workflow)

    await reader.feed(begun_last(workflow).limit(MOST_INSTANCES), take)
    return looking.result()


def begun_last(workflow: str) -> sa.Select[Any]:
    """The id, workflow, version, title and progress of the instances of a workflow, those that began last first."""
    # The ids grow with the time.
    return sa.select(*_COLUMNS).where(instance.c.workflow == workflow).order_by(instance.c.id.desc())


def in_order(stages: Sequence[Stage] | dict[Stage, Seen], workflow: Workflow) -> list[Stage]:
    """The stages in the order of the definition, those of older versions last."""
    order = {name: place for place, name in enumerate(workflow.by_name)}
    return sorted(stages, key=lambda stage: (order.get(stage[0], len(order)), stage[0], stage[1] or ""))


def named(stage: Stage, workflow: Workflow) -> Row:
    """The milestone of a stage with its title, and its calendar."""
    name, calendar = stage
    milestone = workflow.by_name.get(name)
    return {"milestone": name, "title": name if milestone is None else milestone.title, "calendar": calendar}


def drained(seen: Seen, since: int | None, now: int) -> Row:
    """How the backlog of what is overdue goes on: what misses its deadline comes to it, what comes late leaves it.

    `since` is the instant (micros) from which on the pace counts; None: as far back as it takes to see one.
    """
    waiting = len(seen.missed) - len(seen.ended)
    missed, ended = sorted(seen.missed), sorted(seen.ended)
    begins = [now - back for back in (LATELY, *LOOKS_BACK)] if since is None else [since]
    for begin in begins:
        slot = max(1, (now - begin) // SLOTS)
        found = drain(waiting, _counted(ended, now, slot), _counted(missed, now, slot), slot, now)
        unsure = found.latest is None and begin == now - LATELY and since is None
        if found.state is not Draining.TOO_LITTLE_SEEN and not unsure:
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
