"""How instances pass through the steps of a workflow: how long each takes, how many are late or drop off."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from slo_rules.deadlines import ran
from slo_rules.occurrences import needed
from slo_rules.passing import completed_at, is_cancelled
from slo_rules.progress import Progress
from slo_rules.promises import due_of, pauses, started_at
from slo_rules.standing import standing
from slo_rules.survival import Lifetimes, Survival
from slo_rules.workflow import Milestone, Workflow


@dataclass(slots=True)
class StepSeen:
    """What instances say of one milestone.

    `reached` is how many reached it, `late` how many of these after their deadline. `dropped` were called off, and
    `without` completed, while they waited for it. `times` are how long they took for it or have waited, by the calendar
    on which that is counted (None: around the clock), without pauses. `measured` is how many of `times` reached it.
    `elapsed` is how long those that reached it took, around the clock and with pauses. `last_at` is when one reached it
    last (micros). `again` is how many reached it
    more often than it takes, by other events; `again_after` by how much later the last of them came.
    """

    reached: int = 0
    late: int = 0
    dropped: int = 0
    without: int = 0
    measured: int = 0
    times: dict[str | None, Lifetimes] = field(default_factory=lambda: defaultdict(Lifetimes))
    elapsed: Lifetimes = field(default_factory=Lifetimes)
    last_at: int | None = None
    again: int = 0
    again_after: Lifetimes = field(default_factory=Lifetimes)

    @property
    def calendar(self) -> str | None:
        """The calendar that most of `times` are counted on; None: around the clock."""
        if not self.times:
            return None
        return max(self.times, key=lambda name: (sum(self.times[name].finished.values()), name is None))

    def quantile(self, share: float) -> tuple[int | None, str | None]:
        """By when (micros) this share has reached it, on which calendar: the one that most are counted on.

        What still waits counts as what takes longer than that (Kaplan and Meier). None where too few have come so far.
        """
        if not self.times:
            return None, None
        calendar = self.calendar
        return Survival(self.times[calendar]).quantile(share), calendar

    def elapsed_median(self) -> int | None:
        """By when (micros, around the clock) half of those that reached it had; None where none did."""
        return Survival(self.elapsed).median() if self.elapsed.finished else None

    def again_median(self) -> int | None:
        """How much later (micros) half of those that reached it again did so for the last time; None where none did."""
        return Survival(self.again_after).median() if self.again else None


def time_shares(steps: Mapping[str, StepSeen]) -> dict[str, float]:
    """Where the time goes: of each step the time that half took for it, by how many took it, as a share of all.

    Steps beside each other count each: the shares are of waiting, not of the time from beginning to end. Empty where
    nothing was measured.
    """
    spent = {name: (one.elapsed_median() or 0) * one.measured for name, one in steps.items()}
    total = sum(spent.values())
    return {name: one / total for name, one in spent.items()} if total else {}


def came_again(milestone: Milestone, progress: Progress, workflow: Workflow) -> int | None:
    """How much later (micros) than it was reached another event last reached it once more; None where none did.

    What came before a restart counts too: to begin anew is to do it again.
    """
    if milestone.name not in workflow.counted:
        mark = progress.milestones.get(milestone.name)
        return None if mark is None or mark.key == mark.last_key else mark.last_at - mark.at
    by_part: dict[str, dict[bytes, int]] = defaultdict(dict)
    for one in progress.occurrences.get(milestone.name, ()):
        by_part[one.part].setdefault(one.key, one.at)
    need = 1 if milestone.each else needed(milestone, progress)
    enough = [list(came.values()) for came in by_part.values() if len(came) > need]
    return max((times[-1] - times[need - 1] for times in enough), default=None)


class Noted(StrEnum):
    """What is worth a look at an instance that did so."""

    LATE = "late"
    DROPPED = "dropped"
    WITHOUT = "without"
    AGAIN = "again"


def see(steps: dict[str, StepSeen], progress: Progress, workflow: Workflow, now: int) -> list[tuple[str, Noted]]:
    """Add what one instance says at `now` (micros) of each milestone of its definition; what of it is worth a look."""
    noted = []
    for milestone in workflow.milestones:
        if (later := came_again(milestone, progress, workflow)) is not None:
            steps[milestone.name].again += 1
            steps[milestone.name].again_after.note(max(0, later), finished=True)
            noted.append((milestone.name, Noted.AGAIN))
    progress = standing(progress, workflow)
    cancelled = is_cancelled(progress, workflow)
    assert not cancelled or progress.cancelled is not None
    over = progress.cancelled.at if cancelled and progress.cancelled else completed_at(progress, workflow)
    given_up, stood = workflow.given_up(progress.milestones), pauses(progress)
    for milestone in workflow.milestones:
        seen, mark = steps[milestone.name], progress.milestones.get(milestone.name)
        seen.reached += mark is not None
        if mark is not None and (seen.last_at is None or mark.at > seen.last_at):
            seen.last_at = mark.at
        started = None if milestone.starts else started_at(milestone, progress, workflow)
        if started is None or milestone.each or (mark is None and milestone.name in given_up):
            continue
        due = due_of(milestone, started, progress, workflow).breach_at
        if mark is not None and due is not None and mark.at > due:
            seen.late += 1
            noted.append((milestone.name, Noted.LATE))
        elif mark is None and over is not None:
            seen.dropped += cancelled
            seen.without += not cancelled
            noted.append((milestone.name, Noted.DROPPED if cancelled else Noted.WITHOUT))
        until = mark.at if mark is not None else now if over is None else over
        if until < started:
            continue
        deadline = milestone.deadline
        name = None if deadline is None else deadline.terms(progress.attributes if deadline.tiers else {}).calendar
        calendar = None if name is None else workflow.prepared_calendars[name]
        seen.times[name].note(ran(started, until, stood, calendar), finished=mark is not None)
        if mark is not None:
            seen.measured += 1
            seen.elapsed.note(until - started, finished=True)
    return noted
