"""The parts of an instance, such as the shipments of an order: the values it carries of a key that milestones name.

To each part the instance looks like a journey of its own: what the part itself has reached of the milestones with
`each`, beside what the instance as a whole has reached of all others. That view is a progress like any other, so that
what judges, counts and explains an instance does the same for its parts.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from slo_rules.occurrences import needed, occurred
from slo_rules.progress import Progress, Reached, current_key
from slo_rules.workflow import Workflow

MOST_PARTS = 1000
"""Of an instance that carries more values of the key, those that became known first are its parts."""

Time = tuple[int, bytes]
"""An instant (micros) and the key of the event that occurred then."""


class View(msgspec.Struct, frozen=True, gc=False):
    """The progress of an instance as one of its parts sees it.

    Without a `value` it is that of the parts that must come and are not known yet, as many as it stands for.
    `given_up` are the milestones that the part itself chose others instead of; that the whole instance went on does not
    show that it passed them.
    """

    namespace: str
    value: str | None
    progress: Progress
    given_up: frozenset[str] = frozenset()
    stands_for: int = 1


class Whole(Progress, frozen=True, array_like=True, gc=False):
    """What stands of an instance, with how its parts see it: that is asked several times, and costs most."""

    seen: tuple[View, ...] = ()


def views(progress: Progress, workflow: Workflow) -> tuple[View, ...]:
    """How each part sees what stands of an instance, by key, in the order in which the parts became known."""
    if isinstance(progress, Whole):
        return progress.seen
    return tuple(view for namespace in workflow.each for view in _views(progress, workflow, namespace))


def view_of(progress: Progress, workflow: Workflow, namespace: str, value: str | None) -> Progress | None:
    """What stands of an instance as one part sees it; None where there is no such part."""
    seen = (one for one in views(progress, workflow) if one.namespace == namespace and one.value == value)
    return next((one.progress for one in seen), None)


def carried(progress: Progress, namespace: str) -> int:
    """How many values of a key the instance carries, whether they count as parts or not."""
    return sum(key.startswith(namespace + "=") for key in progress.keys)


def with_parts(progress: Progress, workflow: Workflow) -> Whole:
    """What stands of an instance, with the milestones that all its parts have reached, passed or given up.

    At least one must have reached it itself. It was reached when the last of them was there.
    """
    said = {name: getattr(progress, name) for name in Progress.__struct_fields__}
    progress, once = Progress(**said), progress.milestones
    seen: list[View] = []
    # What all parts of one key have reached may show parts of another key to have passed what comes before it.
    for _ in workflow.each:
        reached = dict(once)
        seen = [view for namespace in workflow.each for view in _views(progress, workflow, namespace)]
        for namespace, milestones in workflow.each.items():
            of_key = [view for view in seen if view.namespace == namespace]
            for milestone in milestones:
                mark = _reached_by_all(milestone.name, of_key, workflow)
                if mark is not None:
                    reached[milestone.name] = mark
        progress = msgspec.structs.replace(progress, milestones=reached)
    if len(workflow.each) > 1:
        seen = [view for namespace in workflow.each for view in _views(progress, workflow, namespace)]
    return Whole(**said | {"milestones": progress.milestones, "seen": tuple(seen)})


def reached_at_all(progress: Progress, workflow: Workflow) -> dict[str, int]:
    """When each milestone was first reached (micros), be it by a single part; `progress` is what stands."""
    reached = {name: mark.at for name, mark in progress.milestones.items()}
    for view in views(progress, workflow) if workflow.each else ():
        for name, mark in view.progress.milestones.items():
            reached[name] = min(mark.at, reached.get(name, mark.at))
    return reached


def moved_after(progress: Progress, at: int) -> bool:
    """Whether any part has reached anything after that instant (micros)."""
    return any(one.part and one.at > at for found in progress.occurrences.values() for one in found)


def _views(progress: Progress, workflow: Workflow, namespace: str) -> list[View]:
    others = {name: mark for name, mark in progress.milestones.items() if workflow.by_name[name].each != namespace}
    found = [
        View(namespace, value, msgspec.structs.replace(progress, milestones=others | own), workflow.given_up(own))
        for value, own in _parts(progress, workflow, namespace).items()
    ]
    missing = needed(workflow.each[namespace][0], progress) - len(found)
    if missing > 0:
        found.append(View(namespace, None, msgspec.structs.replace(progress, milestones=others), stands_for=missing))
    return found


def _parts(progress: Progress, workflow: Workflow, namespace: str) -> dict[str, dict[str, Reached]]:
    """What each part has reached itself, by the value of the key, in the order in which the parts became known.

    After a restart those are parts that were heard of since: that reached anything, or were not known before.
    """
    head, since = namespace + "=", progress.restarted
    own: dict[str, dict[str, Reached]] = {}
    for milestone in workflow.each[namespace]:
        for one in occurred(milestone.name, progress):
            if one.part:
                part = current_key(progress, head + one.part)[len(head) :] if progress.aliases else one.part
                marks = own.setdefault(part, {})
                first = marks.get(milestone.name, Reached(one.at, one.key, one.at, one.key))
                marks[milestone.name] = Reached(first.at, first.key, one.at, one.key, one.faults)
    known = sorted((stamp.at, key[len(head) :]) for key, stamp in progress.keys.items() if key.startswith(head))
    if progress.aliases:
        # What was renumbered is one part, known since its first number was.
        since_when: dict[str, int] = {}
        for at, value in known:
            since_when.setdefault(current_key(progress, head + value)[len(head) :], at)
        known = [(at, value) for value, at in since_when.items()]
    if since is not None:
        known = [(at, value) for at, value in known if at >= since.at or value in own]
    return {value: own.get(value, {}) for _, value in known[:MOST_PARTS]}


def _reached_by_all(name: str, seen: list[View], workflow: Workflow) -> Reached | None:
    times: list[Time] = []
    last: Reached | None = None
    for view in seen:
        mark = view.progress.milestones.get(name)
        if mark is not None and (last is None or (mark.last_at, mark.last_key) > (last.last_at, last.last_key)):
            last = mark
        marks = view.progress.milestones
        if name in view.given_up:
            own = {one: mark for one, mark in marks.items() if workflow.by_name[one].each == view.namespace}
            time = _given_up(name, own, workflow)
        else:
            time = _passed(name, marks, workflow)
        if time is None or view.value is None:
            return None
        times.append(time)
    if last is None:
        return None
    at, key = max(times)
    return Reached(at, key, last.last_at, last.last_key)


def _passed(name: str, marks: Mapping[str, Reached], workflow: Workflow) -> Time | None:
    if name in marks:
        return marks[name].at, marks[name].key
    return min(((marks[one].at, marks[one].key) for one in workflow.descendants[name] if one in marks), default=None)


def _given_up(name: str, own: Mapping[str, Reached], workflow: Workflow) -> Time | None:
    """When a part chose another instead of a milestone, or of what that comes after; None where it did not."""
    if name not in workflow.given_up(own):
        return None
    milestone = workflow.by_name[name]
    if milestone.choice:
        others = (one.name for one in workflow.milestones if one.choice == milestone.choice)
        taken = [at for other in others if (at := _passed(other, own, workflow)) is not None]
        if taken:
            return min(taken)
    gone = [at for before in milestone.after if (at := _given_up(before, own, workflow)) is not None]
    return max(gone) if milestone.after_any else min(gone)
