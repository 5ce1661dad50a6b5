"""What one instance adds to each objective: a pure function of its progress.

An item belongs to the five-minute bucket of its deadline and is bad there unless the milestone came in time. It is
so from the moment its clock starts: a deadline still ahead lies in a bucket that no window has reached yet, so the
passage of time needs no work and a late correction subtracts itself (design.md, ideas 3 and 4).

Where parts of an instance, such as the shipments of an order, reach a milestone, each part's deadline is an item of
its workflow's promise. An objective between two milestones of the same parts counts the instance once: bad as soon as
one part is, by the clock of that part.

Success counts an instance once it has ended, where it ended: completed, failed or inconsistent.

Freshness adds the interval in which a change was older than promised as two steps, +1 where it begins and -1 after it
ends; the running sum over slices says in which of them something was stale.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from slo_rules.durations import MINUTE
from slo_rules.judgement import Reason, VerdictKind, beneath
from slo_rules.parts import View, views
from slo_rules.progress import Progress, is_cancelled, passed_at
from slo_rules.promises import breach_at, started_at, surely_started_at
from slo_rules.standing import standing
from slo_rules.workflow import Milestone, Objective, Workflow

BUCKET = 5 * MINUTE

Place = tuple[str, int]
"""An objective's name and the start of a bucket."""
Counts = tuple[int, int, int]
"""Good items, bad items, and the step in the number of stale changes."""
Contributions = dict[Place, Counts]
_NOTHING: Counts = (0, 0, 0)
_Span = tuple[int, int | None]
"""When something is due, and when it came (micros), if it has."""


def promise_name(workflow: str) -> str:
    """The name of the objective every workflow has without asking: all its deadlines together."""
    return f"workflow:{workflow}"


def contributions(progress: Progress, workflow: Workflow, objectives: Collection[Objective]) -> Contributions:
    """The counts an instance adds to its buckets; nothing once it was cancelled before completing."""
    found: Contributions = {}
    progress = standing(progress, workflow)
    for objective in objectives:
        if objective.kind == "success":
            _ended(found, objective, progress, workflow)
    reached = progress.milestones
    if is_cancelled(progress, workflow):
        return found
    _promised(found, workflow.promised_once, progress, workflow, 1)
    seen = views(progress, workflow) if workflow.each else []
    for view in seen:
        own = workflow.each[view.namespace]
        milestones = [one for one in own if one.deadline is not None and one.name not in view.given_up]
        _promised(found, milestones, view.progress, workflow, view.stands_for)
    for objective in objectives:
        if objective.kind == "success" or objective.end not in workflow.by_name:
            continue
        if seen and (each := _parts_between(objective, workflow)):
            spans = _spans_of_parts(objective, [view for view in seen if view.namespace == each], workflow)
        else:
            start = reached.get(objective.start)
            if start is None:
                continue
            spans = [(start.at + objective.within, passed_at(progress, workflow, objective.end))]
        for due, arrival in spans:
            if objective.kind == "latency":
                _item(found, objective.name, due, arrival)
            elif arrival is None:
                _add(found, objective.name, due, (0, 0, 1))
            elif arrival > due:
                _add(found, objective.name, due, (0, 0, 1))
                _add(found, objective.name, arrival - 1 + BUCKET, (0, 0, -1))
    return found


def _promised(
    found: Contributions, milestones: Iterable[Milestone], progress: Progress, workflow: Workflow, items: int
) -> None:
    """Count the deadlines of these milestones, each so many times."""
    reached = progress.milestones
    promise = promise_name(workflow.name)
    given_up = workflow.given_up(reached)
    for milestone in milestones:
        if milestone.name in given_up:
            continue
        mark = reached.get(milestone.name)
        started = surely_started_at(milestone, progress)
        if started is None and mark is None:
            started = started_at(milestone, progress, workflow)
        due = None if started is None else breach_at(milestone, started, progress, workflow)
        if due is None:
            continue
        arrival = mark.at if mark is not None else passed_at(progress, workflow, milestone.name)
        in_time = arrival is not None and arrival <= due
        _add(found, promise, due, (items, 0, 0) if in_time else (0, items, 0))


def _ended(found: Contributions, objective: Objective, progress: Progress, workflow: Workflow) -> None:
    """Count an instance where it ended, well or not; what still waits for its start has not ended.

    Whether it did follows from its events alone: nothing of that depends on what is known of sources, or on the time.
    """
    verdict = beneath(progress, workflow, {}, progress.last_at)
    good = verdict.kind in (VerdictKind.COMPLETED, VerdictKind.COMPLETED_LATE)
    bad = verdict.kind is VerdictKind.FAILED
    bad |= verdict.kind is VerdictKind.INCONSISTENT and verdict.reason is not Reason.ORPHAN
    bad |= verdict.kind is VerdictKind.CANCELLED and objective.cancelled_is_bad
    if good or bad:
        _add(found, objective.name, verdict.since, (int(good), int(bad), 0))


def _parts_between(objective: Objective, workflow: Workflow) -> str:
    """The key whose values reach both ends of an objective, each by itself; empty where it is about the whole."""
    start, end = workflow.by_name.get(objective.start), workflow.by_name[objective.end]
    return end.each if start is not None and start.each == end.each else ""


def _spans_of_parts(objective: Objective, seen: Iterable[View], workflow: Workflow) -> list[_Span]:
    """Of all parts that have begun; for latency the one that counts: the first that is late, else the last due."""
    spans = [
        (start.at + objective.within, passed_at(view.progress, workflow, objective.end))
        for view in seen
        if (start := view.progress.milestones.get(objective.start)) is not None and objective.end not in view.given_up
    ]
    if objective.kind != "latency" or not spans:
        return spans
    late = [(due, arrival) for due, arrival in spans if arrival is None or arrival > due]
    return [min(late, key=_due) if late else max(spans, key=_due)]


def _due(span: _Span) -> int:
    return span[0]


def add(total: Contributions, found: Contributions, sign: int) -> None:
    """Add these counts to the total, or with sign -1 take them away; places that come to nothing stay, with zeros."""
    for place, (good, bad, step) in found.items():
        a = total.get(place, _NOTHING)
        total[place] = (a[0] + sign * good, a[1] + sign * bad, a[2] + sign * step)


def _item(found: Contributions, objective: str, due: int, arrival: int | None) -> None:
    _add(found, objective, due, (1, 0, 0) if arrival is not None and arrival <= due else (0, 1, 0))


def _add(found: Contributions, objective: str, at: int, counts: Counts) -> None:
    place = (objective, at - at % BUCKET)
    a = found.get(place)
    found[place] = counts if a is None else (a[0] + counts[0], a[1] + counts[1], a[2] + counts[2])
