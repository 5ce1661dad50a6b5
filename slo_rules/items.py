"""What of one instance each objective counts, and as what: a pure function of its progress.

An item is due at its deadline and is bad there unless the milestone came in time. It is so from the moment its clock
starts: a deadline still ahead lies in a bucket that no window has reached yet, so the passage of time needs no work and
a late correction subtracts itself (design.md, ideas 3 and 4).

Where parts of an instance, such as the shipments of an order, reach a milestone, each part's deadline is an item of
its workflow's promise. An objective between two milestones of the same parts counts the instance once: bad as soon as
one part is, by the clock of that part. Freshness looks at each part.

Success counts an instance once it has ended, where it ended: completed, failed or inconsistent. Volume counts it where
it reached its milestone.

What was cancelled before it completed, and what somebody has waived while it was late, is neutral and counted as that.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from slo_rules.deadlines import reach
from slo_rules.item import Item, Outcome
from slo_rules.judgement import Reason, VerdictKind
from slo_rules.judging import beneath
from slo_rules.objective import Objective
from slo_rules.parts import View, views
from slo_rules.passing import is_cancelled, passed_at
from slo_rules.progress import Progress, Waiver
from slo_rules.promises import breach_at, pauses, started_at, surely_started_at
from slo_rules.standing import standing
from slo_rules.workflow import Milestone, Workflow

_GOOD, _BAD, _WAIVED, _CANCELLED = Outcome.GOOD, Outcome.BAD, Outcome.WAIVED, Outcome.CANCELLED
_Span = tuple[int, int | None, str | None]
"""When something is due, when it came (micros), if it has, and of which part."""


def items(
    progress: Progress,
    workflow: Workflow,
    objectives: Collection[Objective],
    promised: Iterable[Milestone] | None = None,
) -> list[Item]:
    """What an instance counts as in these objectives and in its workflow's promise, to which nobody has to agree.

    Of the milestones of the instance as a whole only those that are `promised`, by default all, are in the promise.
    """
    found: list[Item] = []
    progress = standing(progress, workflow)
    cancelled = is_cancelled(progress, workflow)
    waiver = progress.waiver
    if waiver is not None and waiver.withdraws:
        waiver = None
    promised = workflow.promised_once if promised is None else promised
    _promised(found, promised, progress, workflow, waiver, cancelled=cancelled)
    seen = views(progress, workflow) if workflow.each else []
    for view in seen:
        own = workflow.each[view.namespace]
        due = [one for one in own if one.deadline is not None and one.name not in view.given_up]
        _promised(found, due, view.progress, workflow, waiver, view.stands_for, view.value, cancelled=cancelled)
    reached = progress.milestones
    for objective in objectives:
        if objective.kind == "success":
            ended = _ended(objective, progress, workflow, waiver)
            if ended is not None:
                found.append(ended)
            continue
        if objective.end not in workflow.by_name:
            continue
        if objective.kind == "volume":
            mark = reached.get(objective.end)
            if mark is not None:
                found.append(Item(objective, mark.at, mark.at, _CANCELLED if cancelled else _GOOD))
            continue
        if seen and (each := _parts_between(objective, workflow)):
            spans = _spans_of_parts(objective, [view for view in seen if view.namespace == each], workflow)
        else:
            span = _span(objective, progress, workflow)
            spans = [] if span is None else [span]
        for at, arrival, part in spans:
            outcome = _CANCELLED if cancelled else _outcome(at, arrival, waiver)
            found.append(Item(objective, at, arrival, outcome, 1, "", part))
    return found


def _outcome(due: int, arrival: int | None, waiver: Waiver | None) -> Outcome:
    if arrival is not None and arrival <= due:
        return _GOOD
    # Somebody said so while it was late, or before, for a time in which it was.
    if waiver is not None and waiver.until > due and (arrival is None or waiver.at < arrival):
        return _WAIVED
    return _BAD


def _promised(
    found: list[Item],
    milestones: Iterable[Milestone],
    progress: Progress,
    workflow: Workflow,
    waiver: Waiver | None,
    stands_for: int = 1,
    part: str | None = None,
    *,
    cancelled: bool,
) -> None:
    """Add the deadlines of these milestones, each so many times."""
    reached = progress.milestones
    given_up = workflow.given_up(reached)
    for milestone in milestones:
        if milestone.name in given_up:
            continue
        mark = reached.get(milestone.name)
        if mark is None and workflow.shows_start[milestone.name].isdisjoint(reached):
            continue
        started = surely_started_at(milestone, progress)
        if started is None and mark is None:
            started = started_at(milestone, progress, workflow)
        due = None if started is None else breach_at(milestone, started, progress, workflow)
        if due is None:
            continue
        arrival = mark.at if mark is not None else passed_at(progress, workflow, milestone.name)
        outcome = _CANCELLED if cancelled else _outcome(due, arrival, waiver)
        found.append(Item(None, due, arrival, outcome, stands_for, milestone.name, part))


def _ended(objective: Objective, progress: Progress, workflow: Workflow, waiver: Waiver | None) -> Item | None:
    """Where an instance ended, well or not; what still waits for its start has not ended.

    Whether it did follows from its events alone: nothing of that depends on what is known of sources, or on the time.
    """
    verdict = beneath(progress, workflow, {}, progress.last_at)
    kind, at = verdict.kind, verdict.since
    if kind in (VerdictKind.COMPLETED, VerdictKind.COMPLETED_LATE):
        return Item(objective, at, None, _GOOD)
    if kind is VerdictKind.CANCELLED and not objective.cancelled_is_bad:
        return Item(objective, at, None, _CANCELLED)
    if kind in (VerdictKind.FAILED, VerdictKind.CANCELLED) or (
        kind is VerdictKind.INCONSISTENT and verdict.reason is not Reason.ORPHAN
    ):
        return Item(objective, at, None, _outcome(at, None, waiver))
    return None


def _span(objective: Objective, progress: Progress, workflow: Workflow, part: str | None = None) -> _Span | None:
    """None where its clock has not started, or stands."""
    start = progress.milestones.get(objective.start)
    if start is None:
        return None
    if objective.calendar is None and not progress.clock:
        due: int | None = start.at + objective.within
    else:
        due, _ = reach(objective.within, start.at, pauses(progress), objective.open_hours)
    return None if due is None else (due, passed_at(progress, workflow, objective.end), part)


def _parts_between(objective: Objective, workflow: Workflow) -> str:
    """The key whose values reach both ends of an objective, each by itself; empty where it is about the whole."""
    start, end = workflow.by_name.get(objective.start), workflow.by_name[objective.end]
    return end.each if start is not None and start.each == end.each else ""


def _spans_of_parts(objective: Objective, seen: Iterable[View], workflow: Workflow) -> list[_Span]:
    """Of all parts that have begun; for latency the one that counts: the first that is late, else the last due."""
    spans = [
        span
        for view in seen
        if objective.end not in view.given_up
        and (span := _span(objective, view.progress, workflow, view.value)) is not None
    ]
    if objective.kind != "latency" or not spans:
        return spans
    late = [span for span in spans if span[1] is None or span[1] > span[0]]
    return [min(late, key=_due) if late else max(spans, key=_due)]


def _due(span: _Span) -> int:
    return span[0]
