"""How well it was foretold: what would have been expected then, beside what came.

What had occurred by an instant is foretold from as if it were now, and held against what is known today. Attributes are
taken as they are today, and what occurred by then counts though it may have been received later.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable

import msgspec

from slo_rules.forecast import Awaiting, Expected, chances, expected
from slo_rules.progress import Progress, Reached
from slo_rules.stage_times import Stage, StageTime, stage_times
from slo_rules.survival import Lifetimes, StageHistory
from slo_rules.workflow import Workflow

GroupOf = Callable[[str, Progress], str]
"""The group of an instance at a milestone: only within it times are compared, where enough is known of it."""


class LookedBack(msgspec.Struct, frozen=True):
    """What was expected at an instant of the next deadlines of open instances within a horizon, and what came.

    `missed` is how many of the `expected.due` missed their deadline. Times are micros.
    """

    at: int
    horizon: int
    expected: Expected
    missed: int


def occurred_by(progress: Progress, workflow: Workflow, at: int) -> Progress | None:
    """What of a progress had occurred by an instant; None where nothing had, and where that is not kept.

    Of milestones that occur several times or for each part it is not told.
    """
    if workflow.counted or progress.first_at > at:
        return None
    milestones = {name: mark for name, mark in progress.milestones.items() if mark.at <= at}
    if len(milestones) == len(progress.milestones) and progress.last_at <= at:
        return progress
    return msgspec.structs.replace(
        progress,
        milestones={
            name: mark if mark.last_at <= at else Reached(mark.at, mark.key, mark.at, mark.key, mark.faults)
            for name, mark in milestones.items()
        },
        failed=progress.failed if progress.failed and progress.failed.at <= at else None,
        cancelled=progress.cancelled if progress.cancelled and progress.cancelled.at <= at else None,
        clock=tuple(mark for mark in progress.clock if mark.at <= at),
    )


class LookingBack:
    """Takes instances as they are today, and says what would have been expected of them at an instant (micros)."""

    def __init__(self, at: int, horizon: int, group_of: GroupOf) -> None:
        self._at, self._horizon, self._group_of = at, horizon, group_of
        self._seen: defaultdict[Stage, defaultdict[str, Lifetimes]] = defaultdict(lambda: defaultdict(Lifetimes))
        self._due: list[tuple[Awaiting, bool]] = []

    def take(self, progress: Progress, workflow: Workflow) -> None:
        """Count one instance."""
        then = occurred_by(progress, workflow, self._at)
        if then is None:
            return
        next_: StageTime | None = None
        for time in stage_times(then, workflow, self._at):
            group = self._group_of(time.stage[0], progress)
            self._seen[time.stage][group].note(time.counted, finished=time.reached_at is not None)
            if time.left is None or time.breach_at is None:
                continue
            if next_ is None or next_.breach_at is None or time.breach_at < next_.breach_at:
                next_ = time
        if next_ is None or next_.left is None or next_.breach_at is None:
            return
        if next_.breach_at <= self._at + self._horizon:
            group = self._group_of(next_.stage[0], progress)
            awaiting = Awaiting("", next_.stage, group, next_.counted, next_.left, next_.breach_at)
            self._due.append((awaiting, self._missed(next_, progress, workflow)))

    def _missed(self, awaited: StageTime, progress: Progress, workflow: Workflow) -> bool:
        until = self._at + self._horizon
        for time in stage_times(progress, workflow, until):
            if time.stage == awaited.stage and time.breach_at is not None:
                return time.breach_at <= until and (time.over_at is None or time.over_at > time.breach_at)
        return False

    def result(self) -> LookedBack | None:
        """What was expected and what came, of those of which a chance could have been told; None where of none."""
        histories = {stage: StageHistory(by_group) for stage, by_group in self._seen.items()}
        told = chances([one for one, _ in self._due], histories)
        found = expected(told, self._at + self._horizon)
        if not found.due:
            return None
        missed = sum(
            late for (_, late), (_, chance) in zip(self._due, told, strict=True) if late and chance.value is not None
        )
        return LookedBack(self._at, self._horizon, found, missed)
