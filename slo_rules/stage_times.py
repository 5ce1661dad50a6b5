"""How long an instance took, or has waited, for each milestone that has a deadline.

Time is counted as the deadline counts it: on its calendar and without pauses.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from slo_rules.deadlines import ran
from slo_rules.parts import views
from slo_rules.passing import completed_at, is_cancelled, passed_at
from slo_rules.progress import Progress
from slo_rules.promises import due_of, pauses, started_at, surely_started_at
from slo_rules.standing import standing
from slo_rules.workflow import Milestone, Workflow

Stage = tuple[str, str | None]
"""A milestone and the calendar its time is counted on (None: around the clock): only such times can be compared."""


class StageTime(NamedTuple):
    """The time of one instance, or of `stands_for` parts of it that are alike, before a milestone.

    `counted` is how long it took or, where `reached_at` is None, how long it was waited for. `over_at` is when it was
    reached, or when nobody waited for it any more; None while it is waited for. `breach_at` is None while the clock is
    paused. `left` is what the clock has still to count until then, where that lies ahead; None otherwise. Times are
    micros.
    """

    stage: Stage
    counted: int
    reached_at: int | None
    over_at: int | None
    breach_at: int | None
    left: int | None
    stands_for: int = 1


def stage_times(progress: Progress, workflow: Workflow, now: int) -> Iterator[StageTime]:
    """The times of an instance at `now`; none of what was reached before its clock had started.

    What was called off, or complete without the milestone, has waited until then and waits no more.
    """
    progress = standing(progress, workflow)
    over = progress.cancelled.at if progress.cancelled is not None and is_cancelled(progress, workflow) else None
    if over is None:
        over = completed_at(progress, workflow)
    given_up = workflow.given_up(progress.milestones)
    yield from _times(
        (one for one in workflow.promised_once if one.name not in given_up), progress, workflow, over, now
    )
    for view in views(progress, workflow) if workflow.each else ():
        own = (one for one in workflow.each[view.namespace] if one.deadline and one.name not in view.given_up)
        for time in _times(own, view.progress, workflow, over, now):
            yield time._replace(stands_for=view.stands_for)


def _times(
    milestones: Iterable[Milestone], progress: Progress, workflow: Workflow, over: int | None, now: int
) -> Iterator[StageTime]:
    stood = pauses(progress)
    for milestone in milestones:
        started = surely_started_at(milestone, progress)
        if started is None:
            started = started_at(milestone, progress, workflow)
        if started is None or milestone.deadline is None:
            continue
        reached = passed_at(progress, workflow, milestone.name)
        over_at = over if reached is None else reached
        until = now if over_at is None else over_at
        if until < started:
            continue
        name = milestone.deadline.terms(progress.attributes if milestone.deadline.tiers else {}).calendar
        calendar = None if name is None else workflow.prepared_calendars[name]
        breach = due_of(milestone, started, progress, workflow).breach_at
        ahead = over_at is None and breach is not None and now < breach
        yield StageTime(
            (milestone.name, name),
            ran(started, until, stood, calendar),
            reached,
            over_at,
            breach,
            ran(now, breach, stood, calendar) if ahead and breach is not None else None,
        )
