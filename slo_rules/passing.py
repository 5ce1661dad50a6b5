"""When an instance began, passed its milestones and ended, by what is known of it."""

from __future__ import annotations

from slo_rules.progress import Progress
from slo_rules.workflow import Workflow


def passed_at(progress: Progress, workflow: Workflow, milestone: str) -> int | None:
    """When a milestone was reached; where its own event is missing, the earliest time that shows it was passed."""
    mark = progress.milestones.get(milestone)
    if mark is not None:
        return mark.at
    later = [progress.milestones[name].at for name in workflow.descendants[milestone] if name in progress.milestones]
    return min(later) if later else None


def began_at(progress: Progress, workflow: Workflow) -> int:
    """When the instance began: at the first of its starting milestones, else with its first event."""
    starts = [progress.milestones[name].at for name in workflow.starting if name in progress.milestones]
    return min(starts) if starts else progress.first_at


def is_cancelled(progress: Progress, workflow: Workflow) -> bool:
    """Whether the instance was called off before it completed."""
    cancelled = progress.cancelled
    if cancelled is None:
        return False
    completed = completed_at(progress, workflow)
    return completed is None or cancelled.at < completed


def completed_at(progress: Progress, workflow: Workflow) -> int | None:
    """When the instance completed: at the first of its completing milestones, or when all were reached."""
    first: int | None = None
    last: int | None = None
    for name in workflow.completing:
        mark = progress.milestones.get(name)
        if mark is None:
            if workflow.completes_with_all:
                return None
            continue
        first = mark.at if first is None or mark.at < first else first
        last = mark.at if last is None or mark.at > last else last
    return last if workflow.completes_with_all else first
