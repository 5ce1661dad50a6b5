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
from slo_rules.workflow import Objective, Workflow

BUCKET = 5 * MINUTE

Place = tuple[str, int]
"""An objective's name and the start of a bucket."""
Counts = tuple[int, int, int]
"""Good items, bad items, and the step in the number of stale changes."""
Contributions = dict[Place, Counts]


def promise_name(workflow: str) -> str:
    """The name of the objective every workflow has without asking: all its deadlines together."""
    return f"workflow:{workflow}"


def contributions(progress: Progress, workflow: Workflow, objectives: Iterable[Objective]) -> Contributions:
    """The counts an instance adds to its buckets; nothing once it was cancelled before completing."""
    found: Contributions = {}
    reached = progress.milestones
    if is_cancelled(progress, workflow):
        return found
    promise = promise_name(workflow.name)
    for milestone in workflow.milestones:
        if milestone.breach is None or milestone.after is None:
            continue
        start, mark = reached.get(milestone.after), reached.get(milestone.name)
        if start is None and mark is not None:
            continue
        start_at = start.at if start is not None else passed_at(progress, workflow, milestone.after)
        if start_at is not None:
            arrival = mark.at if mark is not None else passed_at(progress, workflow, milestone.name)
            _item(found, promise, start_at + milestone.breach, arrival)
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


def difference(old: Contributions, new: Contributions) -> Contributions:
    """`new − old`, without the places where nothing changed."""
    if not old:
        return new
    changed: Contributions = {}
    for place in old.keys() | new.keys():
        a, b = old.get(place, (0, 0, 0)), new.get(place, (0, 0, 0))
        if a != b:
            changed[place] = (b[0] - a[0], b[1] - a[1], b[2] - a[2])
    return changed


def _item(found: Contributions, objective: str, due: int, arrival: int | None) -> None:
    _add(found, objective, due, (1, 0, 0) if arrival is not None and arrival <= due else (0, 1, 0))


def _add(found: Contributions, objective: str, at: int, counts: Counts) -> None:
    place = (objective, at - at % BUCKET)
    a = found.get(place)
    found[place] = counts if a is None else (a[0] + counts[0], a[1] + counts[1], a[2] + counts[2])
