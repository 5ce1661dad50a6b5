"""How instances pass through the steps of a workflow: how long each takes, how many are late or drop off."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from slo_rules.deadlines import ran
from slo_rules.passing import completed_at, is_cancelled
from slo_rules.progress import Progress
from slo_rules.promises import due_of, pauses, started_at
from slo_rules.standing import standing
from slo_rules.survival import Lifetimes, Survival
from slo_rules.workflow import Workflow


@dataclass(slots=True)
class StepSeen:
    """What instances say of one milestone.

    `reached` is how many reached it, `late` how many of these after their deadline. `dropped` were called off, and
    `without` completed, while they waited for it. `times` are how long they took for it or have waited, by the calendar
    on which that is counted (None: around the clock), without pauses. `measured` is how many of `times` reached it.
    """

    reached: int = 0
    late: int = 0
    dropped: int = 0
    without: int = 0
    measured: int = 0
    times: dict[str | None, Lifetimes] = field(default_factory=lambda: defaultdict(Lifetimes))

    def quantile(self, share: float) -> tuple[int | None, str | None]:
        """By when (micros) this share has reached it, on which calendar: the one that most are counted on.

        What still waits counts as what takes longer than that (Kaplan and Meier). None where too few have come so far.
        """
        if not self.times:
            return None, None
        calendar = max(self.times, key=lambda name: (sum(self.times[name].finished.values()), name is None))
        return Survival(self.times[calendar]).quantile(share), calendar


def see(steps: dict[str, StepSeen], progress: Progress, workflow: Workflow, now: int) -> None:
    """Add what one instance says at `now` (micros) of each milestone of its definition."""
    progress = standing(progress, workflow)
    cancelled = is_cancelled(progress, workflow)
    assert not cancelled or progress.cancelled is not None
    over = progress.cancelled.at if cancelled and progress.cancelled else completed_at(progress, workflow)
    given_up, stood = workflow.given_up(progress.milestones), pauses(progress)
    for milestone in workflow.milestones:
        seen, mark = steps[milestone.name], progress.milestones.get(milestone.name)
        seen.reached += mark is not None
        started = None if milestone.starts else started_at(milestone, progress, workflow)
        if started is None or milestone.each or (mark is None and milestone.name in given_up):
            continue
        due = due_of(milestone, started, progress, workflow).breach_at
        if mark is not None:
            seen.late += due is not None and mark.at > due
        elif over is not None:
            seen.dropped += cancelled
            seen.without += not cancelled
        until = mark.at if mark is not None else now if over is None else over
        if until < started:
            continue
        deadline = milestone.deadline
        name = None if deadline is None else deadline.terms(progress.attributes if deadline.tiers else {}).calendar
        calendar = None if name is None else workflow.prepared_calendars[name]
        seen.times[name].note(ran(started, until, stood, calendar), finished=mark is not None)
        seen.measured += mark is not None
