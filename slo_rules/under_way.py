"""Several events heard one after the other by an instance that is on track all the while.

Nearly all events change nothing that anybody is told: the instance was on track before them and is after them. What
such events bring about together needs no progress and no verdict in between, which are most of what hearing costs.
"""

from __future__ import annotations

from slo_rules.joining import join_said
from slo_rules.match import Match
from slo_rules.observation import carried, reached
from slo_rules.progress import Progress, Reached, Said
from slo_rules.workflow import Workflow

_NEVER = 2**63 - 1
_PERHAPS_OTHERWISE = -1


def hear_on_track(
    progress: Progress, workflow: Workflow, check_at: int | None, heard: list[tuple[int, Match]]
) -> Progress | None:
    """What is known after all of these events, each with its arrival (micros); pure.

    `progress` is that of an instance on track until `check_at`, if nothing comes. None where it may have been anything
    but on track when one of them came, or after any but the last: then each has to be heard by itself.
    """
    if not workflow.plain or not _is_plain(progress):
        return None
    first_at, last_at, said = progress.first_at, progress.last_at, progress.said
    milestones, keys = progress.milestones, progress.keys
    until = _NEVER if check_at is None else check_at
    last = heard[-1][1]
    for received_at, match in heard:
        if received_at >= until or match.besides is not None:
            return None
        at, key = match.at, match.key
        # As in `fold`: min() and max() take four times as long.
        first_at = at if at < first_at else first_at  # noqa: FURB136
        last_at = at if at > last_at else last_at  # noqa: FURB136
        if match.milestones:
            milestones = reached(milestones, match, progress.milestones)
        keys = carried(keys, match, progress.keys)
        if match.said:
            says = (Said(at, key, match.said),)
            said = says if not said else join_said(said, says)
        if match is not last:
            until = _on_track_until(milestones, workflow, received_at)
            if until == _PERHAPS_OTHERWISE:
                return None
    return Progress(
        first_at,
        last_at,
        milestones,
        keys,
        said,
        None,
        None,
        progress.clock,
        progress.measured,
        progress.occurrences,
        None,
        progress.aliases,
    )


def _is_plain(progress: Progress) -> bool:
    return (
        progress.failed is None
        and progress.cancelled is None
        and progress.waiver is None
        and progress.restarted is None
        and not progress.clock
        and not progress.occurrences
    )


def _on_track_until(milestones: dict[str, Reached], workflow: Workflow, now: int) -> int:
    """Until when (micros) one of a plain workflow stays on track that has reached this."""
    situation = workflow.situation(milestones)
    if situation.orphaned:
        return _PERHAPS_OTHERWISE
    for name, before, tolerance, _ in situation.follows:
        if milestones[name].last_at + tolerance < milestones[before].at:
            return _PERHAPS_OTHERWISE
    if _is_complete(milestones, workflow):
        return _PERHAPS_OTHERWISE
    until = _NEVER
    for milestone in situation.awaited:
        deadline = milestone.deadline
        if deadline is None:
            continue
        names = milestone.after if deadline.start is None else (deadline.start,)
        if not deadline.plain or (milestone.after_any and len(names) > 1):
            return _PERHAPS_OTHERWISE
        started = -_NEVER
        for name in names:
            mark = milestones.get(name)
            if mark is None:
                return _PERHAPS_OTHERWISE
            started = max(started, mark.at)
        breach, warn = deadline.breach, deadline.warn
        assert isinstance(breach, int)
        check_at = started + breach
        if warn is not None:
            assert isinstance(warn, int)
            check_at = min(check_at, started + warn)
        until = min(until, check_at)
    return until if now < until else _PERHAPS_OTHERWISE


def _is_complete(milestones: dict[str, Reached], workflow: Workflow) -> bool:
    came = 0
    for name in workflow.completing:
        if name in milestones:
            came += 1
    return came > 0 and (came == len(workflow.completing) or not workflow.completes_with_all)
