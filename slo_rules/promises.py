"""What was promised of one instance: when its clocks stood, and when each milestone is due."""

from __future__ import annotations

from slo_rules.deadlines import Due, Pause, due
from slo_rules.passing import passed_at
from slo_rules.progress import Progress
from slo_rules.workflow import Milestone, Workflow

NOT_DUE = Due(None, None)


def pauses(progress: Progress) -> list[Pause]:
    """When the clocks of an instance stood, in order.

    A pause ends when an event says so, and at the latest when a milestone is reached, or reached by a part: work that
    goes on is not waiting, and an instance whose resumption was lost must not be forgotten.
    """
    if not progress.clock:
        return []
    found: list[Pause] = []
    since: int | None = None
    reached = [(mark.at, b"", False) for mark in progress.milestones.values()]
    reached += [(mark.last_at, b"", False) for mark in progress.milestones.values()]
    reached += [(one.at, b"", False) for found_of in progress.occurrences.values() for one in found_of if one.part]
    # At one instant a pause comes last: whoever reaches a milestone and then waits is waiting.
    for at, _, stops in sorted([*reached, *((one.at, one.key, one.stops) for one in progress.clock)], key=_order):
        if stops:
            since = at if since is None else since
        elif since is not None:
            if at > since:
                found.append((since, at))
            since = None
    if since is not None:
        found.append((since, None))
    return found


def paused_since(progress: Progress) -> int:
    """Since when the clocks stand; they must."""
    return pauses(progress)[-1][0]


def _order(mark: tuple[int, bytes, bool]) -> tuple[int, bool, bytes]:
    return mark[0], mark[2], mark[1]


def started_at(milestone: Milestone, progress: Progress, workflow: Workflow) -> int | None:
    """When the clock of a milestone started, also where an event on the way was lost. None while it has not."""
    deadline = milestone.deadline
    if deadline is not None and deadline.start is not None:
        return passed_at(progress, workflow, deadline.start)
    if len(milestone.after) == 1:
        return passed_at(progress, workflow, milestone.after[0])
    return _combined([passed_at(progress, workflow, name) for name in milestone.after], milestone)


def surely_started_at(milestone: Milestone, progress: Progress) -> int | None:
    """When it started by the events that start it, or None where one of them is missing."""
    reached, names = progress.milestones, milestone.starts_clock
    if len(names) == 1:
        mark = reached.get(names[0])
        return None if mark is None else mark.at
    return _combined([mark.at if (mark := reached.get(name)) else None for name in names], milestone)


def _combined(times: list[int | None], milestone: Milestone) -> int | None:
    known = [at for at in times if at is not None]
    if milestone.after_any:
        return min(known, default=None)
    return max(known, default=None) if len(known) == len(times) else None


def breach_at(milestone: Milestone, started: int, progress: Progress, workflow: Workflow) -> int | None:
    """The deadline of a milestone whose clock started then; None where it has none, or while that stands."""
    deadline = milestone.deadline
    if deadline is not None and deadline.plain and not progress.clock:
        assert isinstance(deadline.breach, int)
        return started + deadline.breach
    return due_of(milestone, started, progress, workflow).breach_at


def due_of(milestone: Milestone, started: int, progress: Progress, workflow: Workflow) -> Due:
    """When a milestone is due whose clock started at `started` (micros)."""
    deadline = milestone.deadline
    if deadline is None:
        return NOT_DUE
    if deadline.plain and not progress.clock:
        assert isinstance(deadline.breach, int)
        assert deadline.warn is None or isinstance(deadline.warn, int)
        return Due(None if deadline.warn is None else started + deadline.warn, started + deadline.breach)
    attributes = progress.attributes if deadline.tiers else {}
    return due(deadline.terms(attributes), started, pauses(progress), workflow.prepared_calendars)
