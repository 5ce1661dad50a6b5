"""A verdict in words, and the journey behind it. Everything shown here is computed by the judgement, nothing anew."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from slo_rules.consistency import disordered, doubled, unmet
from slo_rules.durations import format_duration
from slo_rules.judgement import Marks, Reason, Verdict, beneath, start_of_orphan, waits
from slo_rules.progress import Progress, Waiver, completed_at
from slo_rules.promises import NOT_DUE, due_of, started_at
from slo_rules.rounding import clock, rounded
from slo_rules.standing import needed, occurred, standing
from slo_rules.workflow import Milestone, Workflow


class StepState(StrEnum):
    """What is known of one milestone of a journey."""

    REACHED = "reached"
    REACHED_LATE = "reached_late"
    DUE = "due"
    OVERDUE = "overdue"
    WAITING = "waiting"
    SKIPPED = "skipped"
    NOT_NEEDED = "not_needed"
    PAUSED = "paused"


class Step(msgspec.Struct, frozen=True):
    """One milestone of a journey. Times are micros. It is reached when it has `occurred` as often as `needed`."""

    milestone: Milestone
    state: StepState
    at: int | None
    started_at: int | None
    warn_at: int | None
    deadline_at: int | None
    event_key: bytes | None
    faults: tuple[str, ...]
    occurred: int
    needed: int


def explain(progress: Progress, workflow: Workflow, verdict: Verdict, marks: Marks, now: int) -> str:
    """One or two sentences for people who do not know the definition."""
    whole, progress = progress, standing(progress, workflow)
    milestone = workflow.by_name.get(verdict.waiting_for or "")
    awaited = milestone.title if milestone else "the next step"
    if milestone is not None and (need := needed(milestone, whole)) > 1:
        awaited += f" ({len(occurred(milestone.name, whole))} of {need})"
    source = f" from {verdict.source}" if verdict.source else ""
    situation = workflow.situation(progress.milestones)
    if situation.orphaned and verdict.waiting_for == workflow.starting[0] and verdict.reason in _ABOUT_THE_START:
        return _orphaned(progress, workflow, verdict, f"{awaited}{source}", marks)
    match verdict.reason:
        case Reason.OVERDUE:
            assert verdict.deadline_at is not None
            late = format_duration(rounded(now - verdict.deadline_at))
            return f"{awaited}{source} was due at {clock(verdict.deadline_at)} and has not come: {late} late."
        case Reason.SOURCE_SILENT:
            return (
                f"{awaited} is overdue, but nothing at all has arrived{source}{_since(marks, verdict)}: "
                "the source is silent, so nobody can tell whether this one is stuck."
            )
        case Reason.SOURCE_CATCHING_UP:
            return f"{awaited} is overdue, but {verdict.source} is still sending its past and has not got that far."
        case Reason.WARNING_TIME_PASSED:
            assert verdict.deadline_at is not None
            left = format_duration(rounded(verdict.deadline_at - now))
            return f"{awaited}{source} is due at {clock(verdict.deadline_at)}, in {left}."
        case Reason.WAITING:
            assert verdict.deadline_at is not None
            return f"Waiting for {awaited}{source}, due by {clock(verdict.deadline_at)}."
        case Reason.NO_DEADLINE:
            return f"Waiting for {awaited}{source}; no deadline was promised for it."
        case Reason.NOT_STARTED:
            return f"Known, but not started: waiting for {awaited}{source}."
        case Reason.FAILURE_EVENT:
            what = progress.failed.value if progress.failed else "a failure"
            return f"Failed at {clock(verdict.since)} with {what}; nothing has succeeded since."
        case Reason.REQUIREMENT_UNMET:
            faults = "; ".join(fault for one in unmet(progress, workflow) for fault in one.faults)
            return f"Reached, but not a success: {faults}."
        case Reason.KEY_NOT_UNIQUE:
            two = doubled(progress, workflow)
            return f"Not consistent: {two[1] if two else 'a key that must be one has several values'}."
        case Reason.IMPOSSIBLE_ORDER:
            disorder = disordered(progress, workflow, situation.follows)
            what = "; ".join(disorder.faults) if disorder else "milestones came in an order that cannot be"
            return f"Not consistent: {what}."
        case Reason.AWAITING_START | Reason.ORPHAN:
            return f"Later steps came, but {awaited}{source} has not."
        case Reason.ALL_IN_TIME:
            return f"Completed at {clock(verdict.since)}, every deadline met."
        case Reason.FINISHED_AFTER_DEADLINE:
            return f"Completed at {clock(verdict.since)}, but late: {_lateness(progress, workflow)}."
        case Reason.CANCELLED:
            return f"Cancelled at {clock(verdict.since)}."
        case Reason.CLOCK_PAUSED:
            return f"Paused since {clock(verdict.since)}: {awaited}{source} is not expected before it resumes."
        case Reason.WAIVED:
            assert whole.waiver is not None
            without = beneath(whole, workflow, marks, now)
            said = explain(whole, workflow, without, marks, now)
            return f"{_waiver(whole.waiver)} Without that it would be {without.kind.replace('_', ' ')}: {said}"


def _waiver(waiver: Waiver) -> str:
    return f"Waived by {waiver.by} until {clock(waiver.until)}: {waiver.reason.rstrip('.')}."


_ABOUT_THE_START = (Reason.AWAITING_START, Reason.ORPHAN, Reason.SOURCE_SILENT, Reason.SOURCE_CATCHING_UP)


def _orphaned(progress: Progress, workflow: Workflow, verdict: Verdict, start: str, marks: Marks) -> str:
    """What is said of an instance whose start has not come; its reason is one of those about the start."""
    wait = start_of_orphan(progress, workflow)
    assert wait.deadline_at is not None
    came = min((mark.at, name) for name, mark in progress.milestones.items())
    first = f"{workflow.by_name[came[1]].title} came at {clock(came[0])}, but {start} has not"
    if verdict.reason is Reason.AWAITING_START:
        return f"{first} yet: events come out of order, so it has until {clock(wait.deadline_at)}."
    if verdict.reason is Reason.ORPHAN:
        return f"An orphan: {first} by {clock(wait.deadline_at)}. When it comes, this one goes on as any other."
    if verdict.reason is Reason.SOURCE_CATCHING_UP:
        return f"{first}: {verdict.source} is still sending its past and has not got that far."
    return (
        f"{first}, and nothing at all has arrived from {verdict.source}{_since(marks, verdict)}: "
        "the source is silent, so nobody can tell whether it ever started."
    )


def _since(marks: Marks, verdict: Verdict) -> str:
    mark = marks.get(verdict.source or "")
    return f" since {clock(mark.last_received_at)}" if mark else ""


def _lateness(progress: Progress, workflow: Workflow) -> str:
    late = [step for step in journey(progress, workflow, 0) if step.state is StepState.REACHED_LATE]
    words = [
        f"{step.milestone.title} came {format_duration(rounded(step.at - step.deadline_at))} after its deadline"
        for step in late
        if step.at is not None and step.deadline_at is not None
    ]
    return "; ".join(words) or "a deadline was missed"


def journey(progress: Progress, workflow: Workflow, now: int) -> list[Step]:
    """Every milestone in the order of the definition, with what is known of it at `now`."""
    whole, progress = progress, standing(progress, workflow)
    reached = progress.milestones
    given_up = workflow.given_up(reached)
    over = completed_at(progress, workflow) is not None
    running = {wait.milestone.name: wait for wait in waits(progress, workflow)}
    orphaned = progress.cancelled is None and workflow.situation(reached).orphaned
    start = start_of_orphan(progress, workflow) if orphaned else None
    steps = []
    for milestone in workflow.milestones:
        mark = reached.get(milestone.name)
        started = started_at(milestone, progress, workflow) if milestone.after else None
        due = NOT_DUE if started is None else due_of(milestone, started, progress, workflow)
        warn_at, deadline_at = due.warn_at, due.breach_at
        if mark is not None:
            late = deadline_at is not None and mark.at > deadline_at
            state = StepState.REACHED_LATE if late else StepState.REACHED
        elif start is not None and milestone is start.milestone:
            started, deadline_at = start.started_at, start.deadline_at
            state = StepState.OVERDUE if deadline_at is not None and now >= deadline_at else StepState.DUE
        elif any(name in reached for name in workflow.descendants[milestone.name]):
            state = StepState.SKIPPED
        elif over or progress.cancelled is not None or milestone.name in given_up:
            state = StepState.NOT_NEEDED
        elif milestone.name not in running:
            state = StepState.WAITING
        elif due.paused:
            state = StepState.PAUSED
        else:
            state = StepState.OVERDUE if deadline_at is not None and now >= deadline_at else StepState.DUE
        steps.append(
            Step(
                milestone,
                state,
                mark.at if mark else None,
                started,
                warn_at,
                deadline_at,
                mark.key if mark else None,
                mark.faults if mark else (),
                len(occurred(milestone.name, whole)) if milestone.count != 1 else int(mark is not None),
                needed(milestone, whole),
            )
        )
    return steps
