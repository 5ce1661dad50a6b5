"""A verdict in words, and the journey behind it. Everything shown here is computed by the judgement, nothing anew."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

import msgspec

from slo_rules.consistency import disordered, doubled, unmet, unmet_of_part
from slo_rules.durations import format_duration
from slo_rules.judgement import Marks, Reason, Verdict, Watermark
from slo_rules.judging import beneath, is_orphaned, start_of_orphan, waits
from slo_rules.occurrences import needed, occurred
from slo_rules.parts import MOST_PARTS, View, carried, reached_at_all, views
from slo_rules.passing import completed_at
from slo_rules.progress import Progress, Reached, Waiver
from slo_rules.promises import NOT_DUE, due_of, started_at
from slo_rules.rounding import clock, rounded
from slo_rules.standing import standing
from slo_rules.workflow import Milestone, Workflow

MOST_NAMED = 5
"""How many of many a sentence names."""


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


class StepPart(msgspec.Struct, frozen=True):
    """What is known of a milestone for one part of the instance. Times are micros."""

    value: str
    state: StepState
    at: int | None
    started_at: int | None
    warn_at: int | None
    deadline_at: int | None
    event_key: bytes | None
    faults: tuple[str, ...]


class Step(msgspec.Struct, frozen=True):
    """One milestone of a journey. Times are micros. It is reached when it has `occurred` as often as `needed`.

    Where it must be reached for each part of the instance, these are numbers of parts; its clock is that of the open
    part that is due first, or of the part that came last. `unnamed` is how many events came for it that say no part.
    """

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
    parts: tuple[StepPart, ...] = ()
    unnamed: int = 0


_REACHED = (StepState.REACHED, StepState.REACHED_LATE)
_OPEN = (StepState.OVERDUE, StepState.DUE, StepState.PAUSED)
_LEAST_SETTLED = (*_OPEN, StepState.WAITING, StepState.SKIPPED, StepState.NOT_NEEDED)


def explain(progress: Progress, workflow: Workflow, verdict: Verdict, marks: Marks, now: int) -> str:
    """One or two sentences for people who do not know the definition."""
    whole, progress = progress, standing(progress, workflow)
    milestone = workflow.by_name.get(verdict.waiting_for or "")
    awaited = milestone.title if milestone else "the next step"
    if milestone is not None and milestone.each:
        which, *more = _parts_awaited(milestone, progress, workflow, verdict)
        sentence = _sentence(whole, progress, workflow, verdict, marks, now, f"{awaited} {which}")
        return " ".join((sentence, *more)) if verdict.reason in _WAITING else sentence
    if milestone is not None and (need := needed(milestone, whole)) > 1:
        awaited += f" ({len(occurred(milestone.name, whole))} of {need})"
    return _sentence(whole, progress, workflow, verdict, marks, now, awaited)


def _sentence(
    whole: Progress, progress: Progress, workflow: Workflow, verdict: Verdict, marks: Marks, now: int, awaited: str
) -> str:
    source = f" from {verdict.source}" if verdict.source else ""
    of_start = verdict.waiting_for == next(iter(workflow.starting), None)
    if of_start and verdict.reason in _ABOUT_THE_START and is_orphaned(progress, workflow):
        return _orphaned(progress, workflow, verdict, f"{awaited}{source}", marks)
    match verdict.reason:
        case Reason.OVERDUE:
            assert verdict.deadline_at is not None
            late = format_duration(rounded(now - verdict.deadline_at))
            return f"{awaited}{source} was due at {clock(verdict.deadline_at)} and has not come: {late} late."
        case Reason.SOURCE_SILENT:
            return (
                f"{awaited} is overdue, but {_unheard(workflow, verdict, marks)}: "
                "the source is silent, so nobody can tell whether this one is stuck."
            )
        case Reason.TYPE_SILENT:
            said = _unheard(workflow, verdict, marks)
            return f"{awaited} is overdue, but {said}: nobody can tell whether this one is stuck."
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
            disorder = disordered(progress, workflow, workflow.situation(progress.milestones).follows)
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


_ABOUT_THE_START = (
    *(Reason.AWAITING_START, Reason.ORPHAN),
    *(Reason.SOURCE_SILENT, Reason.TYPE_SILENT, Reason.SOURCE_CATCHING_UP),
)


def _orphaned(progress: Progress, workflow: Workflow, verdict: Verdict, start: str, marks: Marks) -> str:
    """What is said of an instance whose start has not come; its reason is one of those about the start."""
    wait = start_of_orphan(progress, workflow)
    assert wait.deadline_at is not None
    at, name = min((at, name) for name, at in reached_at_all(progress, workflow).items())
    first = f"{workflow.by_name[name].title} came at {clock(at)}, but {start} has not"
    if verdict.reason is Reason.AWAITING_START:
        return f"{first} yet: events come out of order, so it has until {clock(wait.deadline_at)}."
    if verdict.reason is Reason.ORPHAN:
        return f"An orphan: {first} by {clock(wait.deadline_at)}. When it comes, this one goes on as any other."
    if verdict.reason is Reason.SOURCE_CATCHING_UP:
        return f"{first}: {verdict.source} is still sending its past and has not got that far."
    silent = "the source is silent, so " if verdict.reason is Reason.SOURCE_SILENT else ""
    return f"{first}, and {_unheard(workflow, verdict, marks)}: {silent}nobody can tell whether it ever started."


def _unheard(workflow: Workflow, verdict: Verdict, marks: Marks) -> str:
    """What has not been heard since when, of a verdict that is blind for it."""
    mark = marks.get(verdict.source or "")
    source = f" from {verdict.source}" if verdict.source else ""
    if verdict.reason is Reason.TYPE_SILENT:
        type_ = workflow.awaited_types.get(verdict.waiting_for or "", "")
        return f"nothing of the type {type_} has arrived{source}{_silence(mark.types.get(type_) if mark else None)}"
    return f"nothing at all has arrived{source}{_silence(mark)}"


_WAITING = frozenset(
    (
        *(Reason.OVERDUE, Reason.SOURCE_SILENT, Reason.TYPE_SILENT, Reason.SOURCE_CATCHING_UP),
        *(Reason.WARNING_TIME_PASSED, Reason.WAITING, Reason.NO_DEADLINE, Reason.CLOCK_PAUSED),
    )
)


def _parts_awaited(milestone: Milestone, progress: Progress, workflow: Workflow, verdict: Verdict) -> list[str]:
    """Of which parts that are due first it is awaited, and how many have come; then further sentences."""
    each = milestone.each
    running = [wait for wait in waits(progress, workflow) if wait.milestone.name == milestone.name]
    first = [wait.part for wait in running if wait.deadline_at == verdict.deadline_at]
    later = [wait.part for wait in running if wait.deadline_at != verdict.deadline_at]
    known = [view.progress for view in views(progress, workflow) if view.namespace == each and view.value is not None]
    reached = sum(milestone.name in one.milestones for one in known)
    said = [f"of {_named(each, first)} ({reached} of {max(len(known), needed(milestone, progress))} reached)"]
    if later:
        said.append(f"It is awaited of {_named(each, later)} too.")
    if unnamed := sum(not one.part for one in occurred(milestone.name, progress)):
        said.append(
            f"{unnamed} that came without saying which {each} {'counts' if unnamed == 1 else 'count'} for none."
        )
    if (values := carried(progress, each)) > MOST_PARTS:
        said.append(f"Of {values} values of {each} only the first {MOST_PARTS} are told apart.")
    return said


def _named(each: str, parts: list[str | None]) -> str:
    values = [part for part in parts if part is not None]
    if not values:
        return f"one {each} that is not known yet" if parts else f"each {each}"
    more = [f"{len(values) - MOST_NAMED} more"] if len(values) > MOST_NAMED else []
    more += ["one that is not known yet"] if None in parts else []
    return " and ".join((f"{each} {', '.join(values[:MOST_NAMED])}", *more))


def _silence(mark: Watermark | None) -> str:
    """Since when nothing has come, and what was expected where that is not plainly a pause that is too long."""
    if mark is None:
        return ""
    since = f" since {clock(mark.last_received_at)}"
    if not mark.heard:
        since = f" since the log began at {clock(mark.last_received_at)}"
    expects, due = mark.expects, mark.due
    if expects is None or expects.plain is not None or due is None:
        return since
    return f"{since}, and it was expected by {clock(due)} ({expects.words})"


def _lateness(progress: Progress, workflow: Workflow) -> str:
    words = []
    for step in journey(progress, workflow, 0):
        if step.state is not StepState.REACHED_LATE:
            continue
        for part in step.parts or (step,):
            if part.at is not None and part.deadline_at is not None and part.at > part.deadline_at:
                of = f" of {step.milestone.each} {part.value}" if isinstance(part, StepPart) else ""
                late = format_duration(rounded(part.at - part.deadline_at))
                words.append(f"{step.milestone.title}{of} came {late} after its deadline")
    if len(words) > MOST_NAMED:
        words[MOST_NAMED:] = [f"and {len(words) - MOST_NAMED} more"]
    return "; ".join(words) or "a deadline was missed"


def journey(progress: Progress, workflow: Workflow, now: int) -> list[Step]:
    """Every milestone in the order of the definition, with what is known of it at `now`."""
    whole, progress = progress, standing(progress, workflow)
    over = completed_at(progress, workflow) is not None or progress.cancelled is not None
    look = _Look(progress, workflow, now, over=over)
    of_parts = [
        (view, _Look(view.progress, workflow, now, over=over, given_up=view.given_up))
        for view in views(progress, workflow)
    ]
    orphaned = progress.cancelled is None and is_orphaned(progress, workflow)
    start = start_of_orphan(progress, workflow) if orphaned else None
    steps = []
    for milestone in workflow.milestones:
        if milestone.each:
            seen = [(view, part) for view, part in of_parts if view.namespace == milestone.each]
            steps.append(_step_of_parts(milestone, whole, progress.milestones.get(milestone.name), seen))
            continue
        mark, found = progress.milestones.get(milestone.name), look.at(milestone)
        if start is not None and milestone is start.milestone:
            overdue = start.deadline_at is not None and now >= start.deadline_at
            state = StepState.OVERDUE if overdue else StepState.DUE
            found = msgspec.structs.replace(
                found, state=state, started_at=start.started_at, deadline_at=start.deadline_at
            )
        steps.append(
            Step(
                milestone,
                found.state,
                found.at,
                found.started_at,
                found.warn_at,
                found.deadline_at,
                found.event_key,
                mark.faults if mark else (),
                len(occurred(milestone.name, whole)) if milestone.count != 1 else int(mark is not None),
                needed(milestone, whole),
            )
        )
    return steps


class _Look:
    """A journey as the instance sees it, or one of its parts."""

    def __init__(
        self, progress: Progress, workflow: Workflow, now: int, *, over: bool, given_up: frozenset[str] = frozenset()
    ) -> None:
        self._progress = progress
        self._workflow = workflow
        self._now = now
        self._over = over
        self._chosen_against = given_up
        self._given_up = workflow.given_up(progress.milestones)
        self._awaited = {milestone.name for milestone in workflow.awaited(progress.milestones)}

    def at(self, milestone: Milestone, part: str = "") -> StepPart:
        progress, workflow = self._progress, self._workflow
        reached = progress.milestones
        mark = reached.get(milestone.name)
        started = started_at(milestone, progress, workflow) if milestone.after else None
        due = NOT_DUE if started is None else due_of(milestone, started, progress, workflow)
        if mark is not None:
            late = due.breach_at is not None and mark.at > due.breach_at
            state = StepState.REACHED_LATE if late else StepState.REACHED
        elif milestone.name in self._chosen_against:
            state = StepState.NOT_NEEDED
        elif any(name in reached for name in workflow.descendants[milestone.name]):
            state = StepState.SKIPPED
        elif self._over or milestone.name in self._given_up:
            state = StepState.NOT_NEEDED
        elif milestone.name not in self._awaited:
            state = StepState.WAITING
        elif due.paused:
            state = StepState.PAUSED
        else:
            overdue = due.breach_at is not None and self._now >= due.breach_at
            state = StepState.OVERDUE if overdue else StepState.DUE
        at, key = (None, None) if mark is None else (mark.at, mark.key)
        faults = unmet_of_part(progress, workflow, milestone, part) if part else ()
        return StepPart(part, state, at, started, due.warn_at, due.breach_at, key, faults)


def _step_of_parts(milestone: Milestone, whole: Progress, mark: Reached | None, seen: list[tuple[View, _Look]]) -> Step:
    everyone = [look.at(milestone, view.value or "") for view, look in seen]
    known = tuple(one for one in everyone if one.value)
    states = {one.state for one in everyone}
    if mark is not None:
        state = StepState.REACHED_LATE if StepState.REACHED_LATE in states else StepState.REACHED
        spoken = max(known, key=lambda one: (one.at is not None, one.at or 0))
    else:
        state = next((one for one in _LEAST_SETTLED if one in states), StepState.WAITING)
        spoken = _due_first(one for one in everyone if one.state is state)
    return Step(
        milestone,
        state,
        mark.at if mark else None,
        spoken.started_at,
        spoken.warn_at,
        spoken.deadline_at,
        mark.key if mark else None,
        tuple(fault for one in known for fault in one.faults),
        sum(one.state in _REACHED for one in known),
        max(len(known), needed(milestone, whole)),
        known,
        sum(not one.part for one in occurred(milestone.name, whole)),
    )


def _due_first(parts: Iterable[StepPart]) -> StepPart:
    return min(parts, key=lambda one: (one.deadline_at is None, one.deadline_at or 0))
