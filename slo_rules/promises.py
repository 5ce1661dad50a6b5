"""What was promised of one instance: when its clocks stood, and when each milestone is due."""

from __future__ import annotations

from slo_rules.deadlines import Due, Pause, due
from slo_rules.progress import Progress
from slo_rules.workflow import Milestone, Workflow

NOT_DUE = Due(None, None)


def pauses(progress: Progress) -> list[Pause]:
    """When the clocks of an instance stood, in order.

    A pause ends when an event says so, and at the latest when a milestone is reached: work that goes on is not waiting,
    and an instance whose resumption was lost must not be forgotten.
    """
    if not progress.clock:
        return []
    found: list[Pause] = []
    since: int | None = None
    reached = [(mark.at, b"", False) for mark in progress.milestones.values()]
    reached += [(mark.last_at, b"", False) for mark in progress.milestones.values()]
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


def due_of(milestone: Milestone, started_at: int, progress: Progress, workflow: Workflow) -> Due:
    """When a milestone is due whose clock started at `started_at` (micros)."""
    deadline = milestone.deadline
    if deadline is None:
        return NOT_DUE
    if deadline.plain and not progress.clock:
        assert isinstance(deadline.breach, int)
        assert deadline.warn is None or isinstance(deadline.warn, int)
        return Due(None if deadline.warn is None else started_at + deadline.warn, started_at + deadline.breach)
    attributes = progress.attributes if deadline.tiers else {}
    return due(deadline.terms(attributes), started_at, pauses(progress), workflow.prepared_calendars)
