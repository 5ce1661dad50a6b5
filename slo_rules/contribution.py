"""What one instance adds to each objective: a pure function of its progress.

An item belongs to the five-minute bucket of its deadline and is bad there unless the milestone came in time. It is
so from the moment its clock starts: a deadline still ahead lies in a bucket that no window has reached yet, so the
passage of time needs no work and a late correction subtracts itself (design.md, ideas 3 and 4).

Freshness adds the interval in which a change was older than promised as two steps, +1 where it begins and -1 after it
ends; the running sum over slices says in which of them something was stale.
"""

from __future__ import annotations

from collections.abc import Iterable

from slo_rules.durations import MINUTE
from slo_rules.progress import Progress, is_cancelled, passed_at
from slo_rules.promises import breach_at, started_at, surely_started_at
from slo_rules.standing import standing
from slo_rules.workflow import Objective, Workflow

BUCKET = 5 * MINUTE

Place = tuple[str, int]
"""An objective's name and the start of a bucket."""
Counts = tuple[int, int, int]
"""Good items, bad items, and the step in the number of stale changes."""
Contributions = dict[Place, Counts]
_NOTHING: Counts = (0, 0, 0)


def promise_name(workflow: str) -> str:
    """The name of the objective every workflow has without asking: all its deadlines together."""
    return f"workflow:{workflow}"


def contributions(progress: Progress, workflow: Workflow, objectives: Iterable[Objective]) -> Contributions:
    """The counts an instance adds to its buckets; nothing once it was cancelled before completing."""
    found: Contributions = {}
    progress = standing(progress, workflow)
    reached = progress.milestones
    if is_cancelled(progress, workflow):
        return found
    promise = promise_name(workflow.name)
    given_up = workflow.given_up(reached)
    for milestone in workflow.promised:
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
        place = (promise, due - due % BUCKET)
        good, bad, step = found.get(place, _NOTHING)
        found[place] = (good + 1, bad, step) if arrival is not None and arrival <= due else (good, bad + 1, step)
    for objective in objectives:
        start = reached.get(objective.start)
        if start is None or objective.end not in workflow.by_name:
            continue
        due = start.at + objective.within
        arrival = passed_at(progress, workflow, objective.end)
        if objective.kind == "latency":
            _item(found, objective.name, due, arrival)
        elif arrival is None:
            _add(found, objective.name, due, (0, 0, 1))
        elif arrival > due:
            _add(found, objective.name, due, (0, 0, 1))
            _add(found, objective.name, arrival - 1 + BUCKET, (0, 0, -1))
    return found


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
