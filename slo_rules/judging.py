"""What we say of an instance now, with its reason: `judge(progress, workflow, marks, now) -> Verdict`.

The order in which the questions are asked is the meaning of the verdicts:

1. cancelled — somebody called it off before it completed;
2. failed — a failure is the last thing that happened;
3. inconsistent — two values of a key that must be one, a milestone was reached without what it requires, milestones
   came in an order that cannot be, or the start never came (blind where its source cannot be seen); while a start may
   still come, an instance that nothing else is said of waits for it;
4. completed or completed_late — a completing milestone was reached, all deadlines met or not;
5. stuck or blind — a deadline has passed; blind when the awaited source itself, or the one type of its events that can
   reach the milestone, cannot be seen beyond that deadline;
6. paused — the clocks stand, and no deadline came before they were stopped;
7. due_soon — the warning time of the next deadline has passed;
8. on_track — otherwise.

What is not finished is waived instead while somebody's word holds that it needs no attention. The verdict beneath goes
on, and comes back by itself.

A milestone counts as passed when one that can only come after it was reached: a lost message in the middle of a
journey that went on is no reason to wake anybody.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from slo_rules.consistency import Unmet, disordered, doubled, unmet
from slo_rules.judgement import CATCHING_UP_PATIENCE, FINAL, Marks, Reason, Verdict, VerdictKind, Wait
from slo_rules.parts import moved_after, reached_at_all, views
from slo_rules.passing import completed_at, is_cancelled, passed_at
from slo_rules.progress import Progress, Waiver
from slo_rules.promises import NOT_DUE, breach_at, due_of, paused_since, started_at, surely_started_at
from slo_rules.standing import standing
from slo_rules.workflow import Milestone, Situation, Workflow

# Looking up a member of an enumeration costs ten times as much as a name, on every event.
_ON_TRACK, _COMPLETED, _COMPLETED_LATE = VerdictKind.ON_TRACK, VerdictKind.COMPLETED, VerdictKind.COMPLETED_LATE
_WAITING, _ALL_IN_TIME = Reason.WAITING, Reason.ALL_IN_TIME


def judge(progress: Progress, workflow: Workflow, marks: Marks, now: int) -> Verdict:
    """The verdict on an instance at `now`."""
    waiver = progress.waiver
    if waiver is not None and now < waiver.until:
        return _waived(waiver, beneath(progress, workflow, marks, now))
    progress = standing(progress, workflow)
    reached = progress.milestones
    if progress.cancelled is not None and is_cancelled(progress, workflow):
        return Verdict(VerdictKind.CANCELLED, Reason.CANCELLED, progress.cancelled.at, owner=workflow.owner)
    failed = progress.failed
    if (
        failed is not None
        and all(mark.last_at <= failed.at for mark in reached.values())
        and not (workflow.each and moved_after(progress, failed.at))
    ):
        wait = next_wait(progress, workflow)
        return _open(VerdictKind.FAILED, Reason.FAILURE_EVENT, failed.at, wait, workflow, None, (str(failed.value),))
    two = doubled(progress, workflow) if workflow.unique else None
    if two is not None:
        wait = next_wait(progress, workflow)
        return _open(VerdictKind.INCONSISTENT, Reason.KEY_NOT_UNIQUE, two[0], wait, workflow, None, (two[1],))
    for fault in unmet(progress, workflow) if workflow.requiring else ():
        return _inconsistent(Reason.REQUIREMENT_UNMET, fault)
    situation = workflow.situation(reached)
    for name, before, tolerance, _ in situation.follows:
        # Nearly always all are in order; a closer look is only taken where they do not seem to be.
        if reached[name].last_at + tolerance < reached[before].at:
            disorder = disordered(progress, workflow, situation.follows)
            if disorder is not None:
                return _inconsistent(Reason.IMPOSSIBLE_ORDER, disorder)
            break
    if is_orphaned(progress, workflow) if workflow.each else situation.orphaned:
        return _judge_orphan(progress, workflow, situation, marks, now)
    return _judge_journey(progress, workflow, situation, marks, now)


def _inconsistent(reason: Reason, found: Unmet) -> Verdict:
    milestone = found.milestone
    return Verdict(
        VerdictKind.INCONSISTENT,
        reason,
        found.since,
        milestone.name,
        milestone.source,
        milestone.owner,
        faults=found.faults,
    )


def _judge_journey(progress: Progress, workflow: Workflow, situation: Situation, marks: Marks, now: int) -> Verdict:
    completed = completed_at(progress, workflow)
    if completed is not None:
        if was_late(progress, workflow):
            return Verdict(_COMPLETED_LATE, Reason.FINISHED_AFTER_DEADLINE, completed, owner=workflow.owner)
        return Verdict(_COMPLETED, _ALL_IN_TIME, completed, owner=workflow.owner)
    awaited = situation.awaited
    if len(awaited) == 1 and not workflow.each:
        on_track = _on_track(awaited[0], progress, workflow, now)
        if on_track is not None:
            return on_track
    running = _waits(awaited, progress, workflow)
    if not running:
        first = next((m for m in workflow.milestones if m.name not in progress.milestones), None)
        waiting_for, source = (first.name, first.source) if first else (None, None)
        owner = first.owner if first else workflow.owner
        return Verdict(_ON_TRACK, Reason.NOT_STARTED, progress.first_at, waiting_for, source, owner)
    if len(running) == 1:
        return _judge_wait(running[0], progress, workflow, marks, now)
    wait = _earliest(running)
    if wait.deadline_at is None or now < wait.deadline_at:
        return _judge_wait(wait, progress, workflow, marks, now)
    return _judge_overdue([_judge_wait(one, progress, workflow, marks, now) for one in running])


def _on_track(milestone: Milestone, progress: Progress, workflow: Workflow, now: int) -> Verdict | None:
    """The verdict where one milestone is awaited, none of its times has passed and its clock cannot stand.

    What `_judge_wait` says of the same, without what that needs: nearly every event of an instance under way ends here.
    """
    deadline = milestone.deadline
    if deadline is None or progress.clock or not deadline.plain:
        return None
    started = started_at(milestone, progress, workflow)
    if started is None:
        return None
    breach, warn = deadline.breach, deadline.warn
    assert isinstance(breach, int)
    due_at = started + breach
    if warn is None:
        warn_at, check_at = None, due_at
    else:
        assert isinstance(warn, int)
        warn_at = check_at = started + warn
    if now >= check_at or now >= due_at:
        return None
    name, source, owner = milestone.name, milestone.source, milestone.owner
    return Verdict(_ON_TRACK, _WAITING, started, name, source, owner, warn_at, due_at, check_at)


def beneath(progress: Progress, workflow: Workflow, marks: Marks, now: int) -> Verdict:
    """The verdict on an instance if nobody had waived it."""
    return judge(msgspec.structs.replace(progress, waiver=None), workflow, marks, now)


def _waived(waiver: Waiver, verdict: Verdict) -> Verdict:
    if verdict.kind in FINAL:
        return verdict
    # What is awaited from whom may still change beneath, and is kept up to date.
    check_at = waiver.until if verdict.next_check_at is None else min(waiver.until, verdict.next_check_at)
    return msgspec.structs.replace(
        verdict, kind=VerdictKind.WAIVED, reason=Reason.WAIVED, since=waiver.at, next_check_at=check_at
    )


def _judge_orphan(progress: Progress, workflow: Workflow, situation: Situation, marks: Marks, now: int) -> Verdict:
    """What was reached though it never started: events come out of order, so the start has its time to come."""
    wait = start_of_orphan(progress, workflow)
    start = _judge_wait(wait, progress, workflow, marks, now)
    if start.kind is VerdictKind.STUCK:
        deadline, check_at = wait.deadline_at, start.next_check_at
        assert deadline is not None
        return _open(VerdictKind.INCONSISTENT, Reason.ORPHAN, deadline, wait, workflow, check_at)
    if start.kind is VerdictKind.BLIND:
        return start
    verdict = _judge_journey(progress, workflow, situation, marks, now)
    checks = [one.next_check_at for one in (start, verdict) if one.next_check_at is not None]
    if verdict.kind is VerdictKind.ON_TRACK or verdict.kind in FINAL:
        return _open(_ON_TRACK, Reason.AWAITING_START, wait.started_at, wait, workflow, min(checks))
    return msgspec.structs.replace(verdict, next_check_at=min(checks))


def is_orphaned(progress: Progress, workflow: Workflow) -> bool:
    """Whether milestones were reached, if only by a part, and none that starts; `progress` is what stands."""
    return workflow.situation(reached_at_all(progress, workflow)).orphaned


def start_of_orphan(progress: Progress, workflow: Workflow) -> Wait:
    """How long the start of an instance that has none is waited for: from its first event on."""
    assert workflow.orphan_after is not None
    start = workflow.by_name[workflow.starting[0]]
    return Wait(start, progress.first_at, None, progress.first_at + workflow.orphan_after)


def is_overdue(verdict: Verdict) -> bool:
    """Whether something may not have come in time, so that the verdict depends on what is known of its source."""
    overdue = (VerdictKind.STUCK, VerdictKind.BLIND, VerdictKind.WAIVED)
    return verdict.kind in overdue or verdict.reason is Reason.ORPHAN


def _judge_overdue(verdicts: list[Verdict]) -> Verdict:
    """Of steps awaited side by side one that is stuck speaks before one that cannot be seen, then the earliest."""
    overdue = [one for one in verdicts if one.kind in (VerdictKind.STUCK, VerdictKind.BLIND)]
    chosen = min(overdue, key=lambda one: (one.kind is not VerdictKind.STUCK, one.since))
    if chosen.kind is VerdictKind.STUCK:
        return chosen
    checks = [one.next_check_at for one in verdicts if one.next_check_at is not None]
    return msgspec.structs.replace(chosen, next_check_at=min(checks) if checks else None)


def _judge_wait(wait: Wait, progress: Progress, workflow: Workflow, marks: Marks, now: int) -> Verdict:
    deadline, warn = wait.deadline_at, wait.warn_at
    if wait.paused:
        return _open(VerdictKind.PAUSED, Reason.CLOCK_PAUSED, paused_since(progress), wait, workflow, None)
    if deadline is None:
        return _open(VerdictKind.ON_TRACK, Reason.NO_DEADLINE, wait.started_at, wait, workflow, None)
    if now < deadline:
        if warn is not None and now >= warn:
            return _open(VerdictKind.DUE_SOON, Reason.WARNING_TIME_PASSED, warn, wait, workflow, deadline)
        return _open(_ON_TRACK, _WAITING, wait.started_at, wait, workflow, deadline if warn is None else warn)
    mark = marks.get(wait.milestone.source or "")
    if mark is None:
        return _open(VerdictKind.STUCK, Reason.OVERDUE, deadline, wait, workflow, None)
    patience_ends = mark.last_received_at + CATCHING_UP_PATIENCE
    if mark.lags and mark.last_occurred_at < deadline and now < patience_ends:
        return _open(VerdictKind.BLIND, Reason.SOURCE_CATCHING_UP, deadline, wait, workflow, patience_ends)
    silent_at = mark.hides(deadline)
    if silent_at is not None and now >= silent_at:
        return _open(VerdictKind.BLIND, Reason.SOURCE_SILENT, deadline, wait, workflow, None)
    of_type = mark.types.get(workflow.awaited_types.get(wait.milestone.name, "")) if mark.types else None
    missing_at = None if of_type is None else of_type.hides(deadline)
    if missing_at is not None and now >= missing_at:
        return _open(VerdictKind.BLIND, Reason.TYPE_SILENT, deadline, wait, workflow, silent_at)
    checks = [at for at in (silent_at, missing_at) if at is not None]
    return _open(VerdictKind.STUCK, Reason.OVERDUE, deadline, wait, workflow, min(checks) if checks else None)


def _open(
    kind: VerdictKind,
    reason: Reason,
    since: int,
    wait: Wait | None,
    workflow: Workflow,
    next_check_at: int | None,
    faults: tuple[str, ...] = (),
) -> Verdict:
    if wait is None:
        return Verdict(kind, reason, since, owner=workflow.owner, next_check_at=next_check_at, faults=faults)
    milestone = wait.milestone
    return Verdict(
        kind,
        reason,
        since,
        milestone.name,
        milestone.source,
        milestone.owner,
        wait.warn_at,
        wait.deadline_at,
        next_check_at,
        faults,
    )


def waits(progress: Progress, workflow: Workflow) -> list[Wait]:
    """The milestones whose clock runs, in the order of the definition; of each part those it waits for."""
    return _waits(workflow.awaited(progress.milestones), progress, workflow)


def _waits(awaited: tuple[Milestone, ...], progress: Progress, workflow: Workflow) -> list[Wait]:
    found = _waits_of(awaited, progress, workflow, "", None)
    if workflow.each:
        for view in views(progress, workflow):
            of_part = workflow.awaited(view.progress.milestones)
            running = _waits_of(of_part, view.progress, workflow, view.namespace, view.value)
            found += [wait for wait in running if wait.milestone.name not in view.given_up]
        order = {name: place for place, name in enumerate(workflow.by_name)}
        found.sort(key=lambda wait: order[wait.milestone.name])
    return found


def _waits_of(
    awaited: tuple[Milestone, ...], progress: Progress, workflow: Workflow, each: str, part: str | None
) -> list[Wait]:
    found = []
    for milestone in awaited:
        if milestone.each != each:
            continue
        at = started_at(milestone, progress, workflow)
        if at is not None:
            due = due_of(milestone, at, progress, workflow)
        else:
            # Awaited, but what its clock counts from has not happened.
            at, due = progress.first_at, NOT_DUE
        found.append(Wait(milestone, at, due.warn_at, due.breach_at, due.paused, part))
    return found


def next_wait(progress: Progress, workflow: Workflow) -> Wait | None:
    """The awaited milestone with the earliest deadline; one without a deadline only where none has one."""
    running = waits(progress, workflow)
    return _earliest(running) if running else None


def _earliest(running: list[Wait]) -> Wait:
    best = running[0]
    for wait in running:
        if wait.deadline_at is not None:
            if best.deadline_at is None or wait.deadline_at < best.deadline_at:
                best = wait
        elif wait.paused and best.deadline_at is None and not best.paused:
            best = wait
    return best


def was_late(progress: Progress, workflow: Workflow) -> bool:
    """Whether any milestone came after its deadline; one without an event of its own came when it was passed."""
    return _was_late(progress, workflow, workflow.promised_once) or (
        bool(workflow.each)
        and any(
            _was_late(
                view.progress,
                workflow,
                [one for one in workflow.each[view.namespace] if one.deadline and one.name not in view.given_up],
            )
            for view in views(progress, workflow)
        )
    )


def _was_late(progress: Progress, workflow: Workflow, milestones: Iterable[Milestone]) -> bool:
    for milestone in milestones:
        started = surely_started_at(milestone, progress)
        if started is None:
            continue
        mark = progress.milestones.get(milestone.name)
        at = mark.at if mark is not None else passed_at(progress, workflow, milestone.name)
        due_at = None if at is None else breach_at(milestone, started, progress, workflow)
        if at is not None and due_at is not None and at > due_at:
            return True
    return False
