"""What of an instance's progress counts now: milestones that must occur several times, only the last run, all parts.

Everything that judges, counts or explains looks at this view, so that none of it needs to know of repetitions.
"""

from __future__ import annotations

import msgspec

from slo_rules.occurrences import needed, occurred
from slo_rules.parts import with_parts
from slo_rules.progress import Progress, Reached
from slo_rules.workflow import Workflow


def standing(progress: Progress, workflow: Workflow) -> Progress:
    """The progress as it counts now; itself for workflows without repetitions, restarts and parts."""
    if not workflow.counted:
        return progress
    since = progress.restarted
    milestones = {}
    for name, mark in progress.milestones.items():
        if name not in workflow.counted:
            milestones[name] = mark
            continue
        milestone = workflow.by_name[name]
        if milestone.each:
            continue
        found, need = occurred(name, progress), needed(milestone, progress)
        if len(found) >= need:
            reached, last = found[need - 1], found[-1]
            milestones[name] = Reached(reached.at, reached.key, last.at, last.key, last.faults)
    if since is None:
        progress = msgspec.structs.replace(progress, milestones=milestones)
    else:
        if workflow.starting and not any(name in milestones for name in workflow.starting):
            milestones[workflow.starting[0]] = Reached(since.at, since.key, since.at, since.key)
        progress = msgspec.structs.replace(
            progress,
            milestones=milestones,
            failed=progress.failed if progress.failed and progress.failed.at >= since.at else None,
            cancelled=progress.cancelled if progress.cancelled and progress.cancelled.at >= since.at else None,
            clock=tuple(mark for mark in progress.clock if mark.at >= since.at),
        )
    return with_parts(progress, workflow) if workflow.each else progress
