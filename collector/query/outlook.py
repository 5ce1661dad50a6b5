"""What is likely to come: of every workflow, of the instances that are due soon, and of one instance.

What stages take is learned from many instances and kept for a while; what is due is read when it is asked for.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from collector.catalogue import Catalogue
from collector.query.forecast import HORIZONS, chance_row, horizon_of
from collector.query.instances import InstanceFilter, definition_of, stored_progress
from collector.query.kept_answers import KeptAnswers
from collector.query.learning import drained, in_order, learn, look_back, named
from collector.query.names import names_besides
from collector.query.overview import lag_seconds
from collector.query.reader import Reader, Row, rfc3339
from collector.query.sources import load_marks
from collector.store.tables import instance
from collector.stored_progress import readable
from slo_rules.durations import DAY, SECOND, format_duration
from slo_rules.filters import spell
from slo_rules.forecast import Awaiting, chances, told_apart_by
from slo_rules.hearing import is_unseen
from slo_rules.instants import to_micros
from slo_rules.judgement import Marks
from slo_rules.looking_back import LookedBack
from slo_rules.progress import Progress
from slo_rules.stage_times import Stage, StageTime, stage_times
from slo_rules.survival import Chance, StageHistory, Unknown
from slo_rules.workflow import Workflow

MOST_RANKED = 20_000
"""Instances whose chances are told beside each other, those due first."""
LOOKS_BACK = DAY
"""What was foretold so long ago of so long a time is held against what came."""
_BETWEEN = "\x00"
_COLUMNS = (instance.c.id, instance.c.workflow, instance.c.workflow_version, instance.c.progress)


@dataclass(frozen=True, slots=True)
class Learned:
    """What is known of the stages of a workflow since an instant, and how their backlogs go on."""

    at: datetime
    instances: int
    all_instances: bool
    histories: Mapping[Stage, StageHistory]
    backlogs: Sequence[Row]


@dataclass(frozen=True, slots=True)
class Ranked:
    """The next deadlines of instances with the chance that each is missed, the likeliest first, those unknown last.

    `cut` says that more were due than are looked at, and that there are none for this reason.
    """

    at: datetime
    told: Sequence[tuple[Awaiting, Chance]]
    by_id: Mapping[UUID, tuple[Awaiting, Chance]]
    cut: bool = False


class Outlook:
    """What is likely to come, by what one database holds."""

    def __init__(self, reader: Reader, catalogue: Catalogue) -> None:
        self._reader, self._catalogue = reader, catalogue
        current = catalogue.current
        # All workflows together are learned anew for a tenth of the time of one processor at most.
        self._learned: KeptAnswers[str, Learned] = KeptAnswers(most=1_000, seconds=60, times=10 * len(current))
        self._looked_back: KeptAnswers[str, LookedBack | None] = KeptAnswers(most=1_000, seconds=3_600, times=100)
        self._ranked: KeptAnswers[InstanceFilter, Ranked] = KeptAnswers(most=16, seconds=5, times=10)
        self._told_apart = {name: told_apart_by(one) for name, one in current.items()}

    async def learned(self, workflow: str) -> Learned:
        """What is known of the stages of a workflow that is in force."""
        return await self._learned.get(workflow, lambda: self._learn(workflow))

    async def ranked(self, asked: InstanceFilter) -> Ranked:
        """The instances of a filter that has `due_within_seconds`, by their chances. Raises BadQuery."""
        return await self._ranked.get(asked, lambda: self._rank(asked))

    async def workflows(self, only: str | None = None) -> Row | None:
        """Of each workflow with deadlines how many miss one soon, and how its backlogs go on; or of one of them.

        Of one it is also said how well that was foretold a day ago.
        None when there is no such workflow.
        """
        current = self._catalogue.current
        if only is not None and only not in current:
            return None
        now = await self._reader.now()
        lag = lag_seconds(await self._reader.one("progress_of_log"), now)
        wanted = [one for name, one in current.items() if only in (None, name) and has_deadlines(one)]
        horizons = HORIZONS[:1] if only is None else HORIZONS
        items = [await self._workflow(one, horizons) for one in wanted]
        if only is not None:
            for item in items:
                item["looked_back"] = await self._how_well(only)
        return {"as_of": rfc3339(now), "lag_seconds": lag, "items": items}

    async def instance(self, id_: UUID) -> Row | None:
        """The deadlines that an instance has before it, with the chance that it misses each; None when there is none.

        They are in the order in which they fall.
        """
        row = await self._reader.one("instance", {"id": id_})
        if row is None:
            return None
        now = await self._reader.now()
        marks = await load_marks(self._reader, self._catalogue)
        progress, workflow = stored_progress(row), definition_of(row, self._catalogue)
        ahead = [] if progress is None else _ahead(progress, workflow, to_micros(now))
        learned = await self._known(workflow.name) if ahead else None
        awaiting = [
            self._awaiting(str(row["id"]), workflow.name, progress, time) for time in ahead if progress is not None
        ]
        told = _told(awaiting, workflow, learned, marks, to_micros(now))
        return {
            "id": str(row["id"]),
            "workflow": workflow.name,
            "verdict": row["verdict"],
            "as_of": rfc3339(now),
            "learned": _learned_row(learned),
            "deadlines": [self.told_row(workflow, one, chance) for one, chance in told],
        }

    def told_row(self, workflow: Workflow, one: Awaiting, chance: Chance) -> Row:
        """A deadline ahead with its chance, the group that it was told from, and how long it was waited for."""
        names = self._told_apart.get(workflow.name, {}).get(one.stage[0], ())
        group = dict(zip(names, one.group.split(_BETWEEN), strict=True)) if names else {}
        return {
            **named(one.stage, workflow),
            "deadline_at": rfc3339(one.due_at),
            "waited_seconds": one.waited / SECOND,
            "left_seconds": one.left / SECOND,
            "group": group or None,
            **chance_row(chance),
        }

    async def _workflow(self, workflow: Workflow, horizons: Sequence[int]) -> Row:
        ranked = await self.ranked(InstanceFilter(workflow=workflow.name, due_within_seconds=horizons[-1] / SECOND))
        learned = await self.learned(workflow.name)
        at = to_micros(ranked.at)
        told = list(ranked.told)
        return {
            "workflow": workflow.name,
            "title": workflow.title,
            "domain": workflow.domain,
            "too_many": ranked.cut,
            "expected": [
                horizon_of(told, horizon, at) | {"why_unknown": _why_unknown(told, at + horizon)}
                for horizon in horizons
                if not ranked.cut
            ],
            "learned": _learned_row(learned),
            "backlogs": list(learned.backlogs),
        }

    async def _how_well(self, workflow: str) -> Row | None:
        found = await self._looked_back.get(workflow, lambda: self._look_back(workflow))
        if found is None:
            return None
        one = found.expected
        return {
            "at": rfc3339(found.at),
            "within": format_duration(found.horizon),
            "breaches": round(one.mean, 2),
            "low": one.low,
            "high": one.high,
            "due": one.due,
            "missed": found.missed,
        }

    async def _look_back(self, name: str) -> LookedBack | None:
        at = to_micros(await self._reader.now()) - LOOKS_BACK
        return await look_back(
            self._reader, self._catalogue, name, lambda *of: self._group_of(name, *of), at, LOOKS_BACK
        )

    async def _known(self, workflow: str) -> Learned | None:
        """What is known of a workflow; None of one that is no longer in force."""
        return await self.learned(workflow) if workflow in self._catalogue.current else None

    async def _learn(self, name: str) -> Learned:
        now = await self._reader.now()
        at, workflow = to_micros(now), self._catalogue.current[name]
        lessons = await learn(self._reader, self._catalogue, name, lambda *of: self._group_of(name, *of), at)

        def drawn() -> Learned:
            stages = in_order(lessons.stages, workflow)
            return Learned(
                now,
                lessons.instances,
                lessons.all,
                {stage: StageHistory(lessons.stages[stage].by_group) for stage in stages},
                [named(stage, workflow) | drained(lessons.stages[stage], None, at) for stage in stages],
            )

        return await asyncio.to_thread(drawn)

    def _group_of(self, workflow: str, milestone: str, progress: Progress) -> str:
        names = self._told_apart.get(workflow, {}).get(milestone)
        return _BETWEEN.join(spell(progress.attributes.get(name)) or "" for name in names) if names else ""

    def _awaiting(self, id_: str, workflow: str, progress: Progress, time: StageTime) -> Awaiting:
        assert time.left is not None
        assert time.breach_at is not None
        group = self._group_of(workflow, time.stage[0], progress)
        return Awaiting(id_, time.stage, group, time.counted, time.left, time.breach_at)

    async def _rank(self, asked: InstanceFilter) -> Ranked:
        now = await self._reader.now()
        at = to_micros(now)
        names = [] if asked.key is None else await names_besides(self._reader, self._catalogue, asked.key)
        conditions = asked.conditions(now, self._catalogue.key_rules, names)
        due: dict[str, list[Awaiting]] = {}
        found = 0

        def take(rows: Sequence[tuple[Any, ...]]) -> None:
            nonlocal found
            found += len(rows)
            for id_, name, version, packed in rows:
                progress, workflow = readable(packed, id_), self._catalogue.versions[name, version].workflow
                if progress is None:
                    continue
                if ahead := _ahead(progress, workflow, at):
                    due.setdefault(name, []).append(self._awaiting(str(id_), name, progress, ahead[0]))

        first = sa.select(*_COLUMNS).where(*conditions).order_by(instance.c.deadline_at).limit(MOST_RANKED + 1)
        await self._reader.feed(first, take)
        if found > MOST_RANKED:
            return Ranked(now, (), {}, cut=True)
        marks = await load_marks(self._reader, self._catalogue)
        told: list[tuple[Awaiting, Chance]] = []
        for name, awaiting in due.items():
            learned, workflow = await self._known(name), self._catalogue.current.get(name)
            told += await asyncio.to_thread(_told, awaiting, workflow, learned, marks, at)
        told.sort(key=_rank_of)
        return Ranked(now, told, {UUID(one.id): (one, chance) for one, chance in told})


def has_deadlines(workflow: Workflow) -> bool:
    """Whether anything of a workflow is due at any time."""
    return any(milestone.deadline is not None for milestone in workflow.milestones)


def _ahead(progress: Progress, workflow: Workflow, now: int) -> list[StageTime]:
    """The times of an instance that have their deadline ahead, that which falls first before the others."""
    ahead = (time for time in stage_times(progress, workflow, now) if time.left is not None)
    return sorted(ahead, key=lambda time: (time.breach_at or 0, time.stage[0]))


def _told(
    awaiting: Sequence[Awaiting], workflow: Workflow | None, learned: Learned | None, marks: Marks, now: int
) -> list[tuple[Awaiting, Chance]]:
    """The chances of instances of one workflow; none is told of what could have come without being seen."""
    told = chances(awaiting, {} if learned is None else learned.histories)
    if workflow is None:
        return told
    unseen = {name for name, _ in {one.stage for one in awaiting} if is_unseen(name, workflow, marks, now)}
    return [
        (one, Chance(None, 0.0, 1.0, chance.known, Unknown.SOURCE_SILENT) if one.stage[0] in unseen else chance)
        for one, chance in told
    ]


def _rank_of(told: tuple[Awaiting, Chance]) -> tuple[bool, float, int, str]:
    one, chance = told
    return chance.value is None, -(chance.value or 0.0), one.due_at, one.id


def _why_unknown(told: Sequence[tuple[Awaiting, Chance]], until: int) -> dict[str, int]:
    """Of how many that are due until then no chance can be told, by the reason."""
    return dict(Counter(str(chance.unknown) for one, chance in told if chance.unknown and one.due_at <= until))


def _learned_row(learned: Learned | None) -> Row | None:
    if learned is None:
        return None
    return {"at": rfc3339(learned.at), "instances": learned.instances, "all_instances": learned.all_instances}
