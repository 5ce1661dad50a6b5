"""Where an instance contradicts what a milestone requires, the order of its milestones, or itself."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from functools import reduce

import msgspec

from slo_rules.durations import format_duration
from slo_rules.filters import spell
from slo_rules.identity import split_key
from slo_rules.joining import later
from slo_rules.occurrences import occurred
from slo_rules.parts import views
from slo_rules.progress import Progress, Scalar, Stamped, current_key, measured_name, other_names
from slo_rules.rounding import clock, rounded
from slo_rules.workflow import Follows, Like, Milestone, Requirement, Workflow

MOST_VALUES = 5
MOST_DISORDERS = 5


class Unmet(msgspec.Struct, frozen=True):
    """What speaks against a milestone that was reached, in words, and since when that is known (micros)."""

    milestone: Milestone
    since: int
    faults: tuple[str, ...]


def unmet(progress: Progress, workflow: Workflow) -> Iterator[Unmet]:
    """The requirements that are not met, in the order of the definition."""
    for milestone in workflow.requiring:
        if milestone.each:
            found = _unmet_of_parts(progress, workflow, milestone)
        else:
            found = _unmet(progress, workflow, milestone, "")
        if found is not None:
            yield found


def _unmet(progress: Progress, workflow: Workflow, milestone: Milestone, part: str) -> Unmet | None:
    mark = progress.milestones.get(milestone.name)
    if mark is None:
        return None
    since, faults = mark.last_at, mark.faults
    for rule in milestone.require:
        if rule.like is not None:
            found = _difference(progress, workflow, milestone, rule, rule.like, part)
            if found is not None:
                since, faults = max(since, found[0]), (*faults, found[1])
    return Unmet(milestone, since, faults) if faults else None


def unmet_of_part(progress: Progress, workflow: Workflow, milestone: Milestone, part: str) -> tuple[str, ...]:
    """What of a milestone's requirements one part does not meet; `progress` is how the part sees its instance."""
    found = _unmet(progress, workflow, milestone, part)
    return tuple(f"{fault} ({milestone.each} {part})" for fault in found.faults) if found else ()


def _unmet_of_parts(progress: Progress, workflow: Workflow, milestone: Milestone) -> Unmet | None:
    """All parts that do not meet the requirements, since the first of them; only some of many are named."""
    since: int | None = None
    faults: list[str] = []
    more = 0
    for view in views(progress, workflow):
        if view.namespace != milestone.each or not view.value:
            continue
        found = _unmet(view.progress, workflow, milestone, view.value)
        if found is not None:
            since = found.since if since is None else min(since, found.since)
            if len(faults) < MOST_VALUES:
                faults += unmet_of_part(view.progress, workflow, milestone, view.value)
            else:
                more += 1
    if more:
        faults.append(f"and {more} more of {milestone.each}")
    return None if since is None else Unmet(milestone, since, tuple(faults))


def doubled(progress: Progress, workflow: Workflow) -> tuple[int, str] | None:
    """Since when, and in what words, an instance has two values of a key of which it can have only one."""
    for namespace in workflow.unique:
        head = namespace + "="
        found = sorted((stamp.at, key[len(head) :]) for key, stamp in progress.keys.items() if key.startswith(head))
        if progress.aliases and len({current_key(progress, head + value) for _, value in found}) == 1:
            continue
        if len(found) > 1:
            values = ", ".join(value for _, value in found[:MOST_VALUES])
            more = f" and {len(found) - MOST_VALUES} more" if len(found) > MOST_VALUES else ""
            return found[1][0], f"{namespace} must be one, but there are {len(found)}: {values}{more}"
    return None


def disordered(progress: Progress, workflow: Workflow, follows: tuple[Follows, ...]) -> Unmet | None:
    """The milestones that came before what they can only come after, by more than clocks may differ; by the first.

    What counts is the last time a milestone was reached, and the first time of the one before it: whatever of the two
    is sent again, the instance is in order as soon as one occurrence of the later came after one of the earlier.
    `progress` is what stands, and `follows` of the situation that it is in.
    """
    disorders = [disorder for one in follows if (disorder := _disorder(progress, workflow, one))]
    if not disorders:
        return None
    faults = [disorder.faults[0] for disorder in disorders[:MOST_DISORDERS]]
    if len(disorders) > MOST_DISORDERS:
        faults.append(f"and {len(disorders) - MOST_DISORDERS} more")
    return msgspec.structs.replace(disorders[0], faults=tuple(faults))


def _disorder(progress: Progress, workflow: Workflow, follows: Follows) -> Unmet | None:
    """The contradiction in words, if there is one."""
    name, first, tolerance, others = follows
    milestone, came = workflow.by_name[name], progress.milestones[name].last_at
    began, before = min((_began(progress, workflow, one), one) for one in (first, *others))
    early = began - came
    if early <= tolerance:
        return None
    other = workflow.by_name[before]
    words = (
        f"{milestone.title} at {clock(came)} came {format_duration(rounded(early))} before {other.title} "
        f"at {clock(began)}; {_clocks(milestone, other)} may differ by {format_duration(tolerance)}"
    )
    return Unmet(milestone, began, (words,))


def _began(progress: Progress, workflow: Workflow, name: str) -> int:
    """When a milestone first occurred: what comes after several of its occurrences may overlap with the others.

    An event that begins everything anew stands for where it starts.
    """
    since = progress.restarted
    at = progress.milestones[name].at
    if since is not None and workflow.by_name[name].starts:
        return min(at, since.at)
    found = occurred(name, progress)
    return found[0].at if found else at


def _clocks(a: Milestone, b: Milestone) -> str:
    if a.source is not None and a.source == b.source:
        return f"times of {a.source}"
    known = sorted(source for source in (a.source, b.source) if source is not None)
    return f"the clocks of {' and '.join(known)}" if len(known) == 2 else "their clocks"


def _difference(
    progress: Progress, workflow: Workflow, milestone: Milestone, rule: Requirement, like: Like, part: str
) -> tuple[int, str] | None:
    """Since when and in what words the value differs; None while the other milestone is not reached."""
    mine = _measured(progress, milestone, rule.path, part)
    other = _measured(progress, workflow.by_name[like.milestone], like.path, part)
    if mine is None or other is None or _alike(mine.value, other.value, like):
        return None
    expected = f"as in {workflow.by_name[like.milestone].title}"
    if like.tolerance != "0":
        expected += f" (± {f'{(Decimal(like.tolerance) * 100).normalize():f}%' if like.share else like.tolerance})"
    wanted = "nothing" if other.value == "" else repr(spell(other.value))
    found = "nothing" if mine.value == "" else repr(spell(mine.value))
    return max(mine.at, other.at), f"{milestone.title}: {rule.path} should be {wanted} {expected}, found {found}"


def _measured(progress: Progress, milestone: Milestone, path: str, part: str) -> Stamped | None:
    """What the last event that reached a milestone had at a path; of one part, where parts reach it."""
    if not milestone.each:
        return progress.measured.get(measured_name(milestone.name, path))
    values = [part]
    if progress.aliases:
        values += [split_key(name)[1] for name in other_names(progress, f"{milestone.each}={part}")]
    found = [progress.measured.get(measured_name(milestone.name, path, value)) for value in values]
    stamps = [stamp for stamp in found if stamp is not None]
    return reduce(later, stamps) if stamps else None


def _alike(a: Scalar, b: Scalar, like: Like) -> bool:
    x, y = _number(a), _number(b)
    if x is None or y is None:
        return spell(a) == spell(b)
    allowed = Decimal(like.tolerance)
    return abs(x - y) <= (allowed * abs(y) if like.share else allowed)


def _number(value: Scalar) -> Decimal | None:
    """What can be compared as a number; texts such as 1.50 are, as senders write amounts so."""
    if isinstance(value, bool):
        return None
    try:
        number = Decimal(str(value).strip())
    except InvalidOperation:
        return None
    return number if number.is_finite() and number.adjusted() < 30 else None
