"""What of an instance's progress counts now: milestones that must occur several times, and only the last run.

Everything that judges, counts or explains looks at this view, so that none of it needs to know of repetitions.
"""

from __future__ import annotations

import msgspec

from slo_rules.progress import Occurrence, Progress, Reached
from slo_rules.workflow import Milestone, Workflow

MOST_NEEDED = 1000


def needed(milestone: Milestone, progress: Progress) -> int:
    """How many occurrences reach the milestone; 1 while the attribute that says it is not known."""
    if isinstance(milestone.count, int):
        return milestone.count
    value = progress.attributes.get(milestone.count)
    try:
        count = int(str(value))
    except ValueError:
        return 1
    return max(1, min(MOST_NEEDED, count))


def occurred(milestone: str, progress: Progress) -> list[Occurrence]:
    """The occurrences of the last run in order, each event once."""
    since = progress.restarted
    found: dict[bytes, Occurrence] = {}
    for one in progress.occurrences.get(milestone, ()):
        if since is None or one.at >= since.at:
            found.setdefault(one.key, one)
    return list(found.values())


def standing(progress: Progress, workflow: Workflow) -> Progress:
    """The progress as it counts now; itself for workflows without repetitions and restarts."""
    if not workflow.counted:
        return progress
    since = progress.restarted
    milestones = {}
    for name, mark in progress.milestones.items():
        if name not in workflow.counted:
            milestones[name] = mark
            continue
        found, need = occurred(name, progress), needed(workflow.by_name[name], progress)
        if len(found) >= need:
            reached, last = found[need - 1], found[-1]
            milestones[name] = Reached(reached.at, reached.key, last.at, last.key, last.faults)
    if since is None:
        return msgspec.structs.replace(progress, milestones=milestones)
    if workflow.starting and not any(name in milestones for name in workflow.starting):
        milestones[workflow.starting[0]] = Reached(since.at, since.key, since.at, since.key)
    return msgspec.structs.replace(
        progress,
        milestones=milestones,
        failed=progress.failed if progress.failed and progress.failed.at >= since.at else None,
        cancelled=progress.cancelled if progress.cancelled and progress.cancelled.at >= since.at else None,
        clock=tuple(mark for mark in progress.clock if mark.at >= since.at),
    )
