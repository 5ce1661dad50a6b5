"""What a backtest says: which instances would have gone another way, and what objectives would have come to."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from uuid import UUID

from slo_rules.attainment import Attainment
from slo_rules.course import Turn, spans
from slo_rules.judgement import VerdictKind
from slo_rules.objective import Objective


class Way(StrEnum):
    """How the course of an instance would have been another; the first that applies."""

    NEWLY_STUCK = "newly_stuck"
    NO_LONGER_STUCK = "no_longer_stuck"
    STUCK_LONGER = "stuck_longer"
    STUCK_SHORTER = "stuck_shorter"
    STUCK_AT_OTHER_TIMES = "stuck_at_other_times"
    OTHER_VERDICTS = "other_verdicts"
    NOT_FOUND = "not_found"
    FOUND = "found"
    FALLS_APART = "falls_apart"
    JOINED = "joined"


@dataclass(frozen=True, slots=True)
class Run:
    """One instance under one version: the turns of its verdict in the time that is asked about.

    The verdict that held when that began comes first, as if it had come then.
    """

    id: UUID
    title: str
    turns: list[Turn]


@dataclass(frozen=True, slots=True)
class Item:
    """The same events under both versions; nearly always they are one instance under each."""

    before: list[Run]
    after: list[Run]


@dataclass(slots=True)
class Group:
    """The instances that would have gone another way, the first of them, and how long they were stuck (micros)."""

    count: int = 0
    stuck_before: int = 0
    stuck_after: int = 0
    items: list[Item] = field(default_factory=list)


@dataclass(slots=True)
class Side:
    """What one version says of the time that is asked about.

    `instances` were under way in it, `verdicts` is how often each verdict came, and `stuck` instances were so for
    `stuck_for` micros together. `good` and `bad` are all deadlines of the workflow that fell due.
    """

    instances: int = 0
    verdicts: Counter[VerdictKind] = field(default_factory=Counter)
    stuck: int = 0
    stuck_for: int = 0
    good: int = 0
    bad: int = 0


@dataclass(frozen=True, slots=True)
class ObjectiveBacktest:
    """An objective in force and in the files; None where there is none."""

    name: str
    before: tuple[Objective, Attainment] | None
    after: tuple[Objective, Attainment] | None

    @property
    def differs(self) -> bool:
        """Whether it would have come to something else, or to the same against another target.

        Of one that is new or gone, whether there was anything to judge.
        """
        if self.before is not None and self.after is not None:
            return self.before[1] != self.after[1]
        return any(side is not None and side[1].met is not None for side in (self.before, self.after))


@dataclass(slots=True)
class WorkflowBacktest:
    """One workflow: `events` said something to either version; `same` instances would have gone the same way."""

    name: str
    events: int = 0
    before: Side | None = None
    after: Side | None = None
    same: int = 0
    groups: dict[Way, Group] = field(default_factory=dict)
    objectives: list[ObjectiveBacktest] = field(default_factory=list)

    @property
    def differs(self) -> bool:
        """Whether anything would have been otherwise."""
        return bool(self.groups) or any(one.differs for one in self.objectives)


def stuck_time(run: Run, until: int) -> int:
    """How long (micros) an instance was stuck in the time that is asked about, which ends at `until`."""
    return sum(end - begin for begin, end in spans(run.turns, VerdictKind.STUCK, until))
