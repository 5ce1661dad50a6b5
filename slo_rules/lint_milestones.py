"""What is likely not meant of the milestones of a workflow: their filters, their order, their deadlines."""

from __future__ import annotations

from collections.abc import Hashable, Iterable

from slo_rules.deadline_rules import DeadlineRule
from slo_rules.deadlines import AROUND_THE_CLOCK, Deadline, Length
from slo_rules.documents import Path
from slo_rules.durations import format_duration
from slo_rules.filter_logic import canonical, contradiction
from slo_rules.noting import Noting
from slo_rules.periods import Period
from slo_rules.workflow import Milestone, Workflow


def lint_milestones(workflow: Workflow, noting: Noting) -> None:
    """Note what is found at the milestones."""
    _lint_filters(workflow, noting)
    _lint_alternatives(workflow, noting)
    _lint_ends(workflow, noting)
    _lint_parts(workflow, noting)
    for index, milestone in enumerate(workflow.milestones):
        path: Path = ("spec", "milestones", index)
        if milestone.optional and not milestone.after:
            noting.warn(
                (*path, "optional"),
                "nobody waits for a milestone that comes after none; what follows in the list comes after none too",
                "leave 'optional' out, or say 'after'",
            )
        if milestone.any_order and not milestone.after:
            noting.warn(
                (*path, "any_order"),
                f"{milestone.name!r} comes after none, so it has no order to come in anyway",
                "say it at the milestone that may come too early",
            )
        if milestone.any_order and milestone.after and milestone.starts:
            noting.warn(
                (*path, "any_order"),
                f"an instance starts with {milestone.name!r}, so it may come before anything anyway",
                "leave 'any_order' out",
            )
        if milestone.deadline is not None:
            _lint_start(milestone, milestone.deadline, workflow, noting, (*path, "within"))
            _lint_warnings(milestone.deadline, noting, (*path, "within"))


def _lint_filters(workflow: Workflow, noting: Noting) -> None:
    first: dict[tuple[Hashable, int | str, str], str] = {}
    for index, milestone in enumerate(workflow.milestones):
        path: Path = ("spec", "milestones", index, "on")
        why = contradiction(milestone.condition)
        if why is not None:
            message = f"no event reaches {milestone.name!r}: {why}"
            noting.warn(path, message, "for one of several values say any")
            continue
        # The first and the third occurrence of one event may well be two milestones.
        known = first.setdefault((canonical(milestone.condition), milestone.count, milestone.each), milestone.name)
        if known != milestone.name:
            noting.warn(
                path,
                f"every event that reaches {known!r} reaches {milestone.name!r} too: nobody ever waits between them",
                "say in the filter what tells them apart",
            )


def _needed(workflow: Workflow) -> dict[str, list[str]]:
    """For each milestone, those that surely come before it."""
    return {one: [name for name, below in workflow.descendants.items() if one in below] for one in workflow.by_name}


def _lint_alternatives(workflow: Workflow, noting: Noting) -> None:
    needed = _needed(workflow)
    told: set[str] = set()
    for index, milestone in enumerate(workflow.milestones):
        by_choice: dict[str, list[str]] = {}
        for name in (*needed[milestone.name], milestone.name):
            if workflow.by_name[name].choice:
                by_choice.setdefault(workflow.by_name[name].choice, []).append(name)
        names = next((names for names in by_choice.values() if len(names) > 1), None)
        if names is None:
            continue
        told.add(milestone.name)
        if told.isdisjoint(needed[milestone.name]):
            others = " and ".join(repr(name) for name in names if name != milestone.name)
            alternative = ", its own alternative" if milestone.name in names else ", of which one is enough"
            noting.warn(
                noting.first_of(("spec", "milestones", index, "after"), ("spec", "milestones", index)),
                f"nobody ever waits for {milestone.name!r}: it comes after {others}{alternative}",
                "say after: {any: [a, b]}, or another choice",
            )


def _lint_ends(workflow: Workflow, noting: Noting) -> None:
    needed, ends = _needed(workflow), workflow.completing
    told: set[str] = set()
    for index, milestone in enumerate(workflow.milestones):
        before = [name for name in ends if name in needed[milestone.name]]
        over = len(before) == len(ends) if workflow.completes_with_all else bool(before)
        if not over or milestone.optional:
            continue
        told.add(milestone.name)
        if told.isdisjoint(needed[milestone.name]):
            noting.warn(
                ("spec", "milestones", index),
                f"nobody ever waits for {milestone.name!r}: the instance is complete with {before[0]!r} before it",
                "let the last milestone complete it, say completion: all, or make it optional",
            )
    if all(workflow.by_name[name].optional and workflow.by_name[name].after for name in ends):
        index = next(index for index, one in enumerate(workflow.milestones) if one.name in ends)
        noting.warn(
            ("spec", "milestones", index, "optional"),
            f"nobody waits for {ends[0]!r}, and nothing else completes an instance: it may stay open for ever",
            "say 'completes' at a milestone that is waited for",
        )


def _lint_parts(workflow: Workflow, noting: Noting) -> None:
    for index, milestone in enumerate(workflow.milestones):
        if milestone.each and not milestone.after:
            noting.warn(
                ("spec", "milestones", index, "each"),
                f"nobody waits for a milestone that comes after none: a {milestone.each} that is heard of and never "
                "reaches it holds the instance open, and nothing is ever due",
                "let it come after another milestone",
            )


def _lint_start(milestone: Milestone, deadline: Deadline, workflow: Workflow, noting: Noting, path: Path) -> None:
    start = deadline.start
    if start is None:
        return
    if start in workflow.descendants[milestone.name]:
        noting.warn(
            (*path, "from"),
            f"the clock never runs: {start!r} can only come after {milestone.name!r}",
            "count from a milestone that comes before",
        )
        return
    for between in _between(start, milestone.name, workflow):
        own = between.deadline
        if (
            own is None
            or own.tiers
            or deadline.tiers
            or deadline.calendar not in (None, AROUND_THE_CLOCK, own.calendar)
        ):
            continue
        starts = between.after if own.start is None else (own.start,)
        later = {start, *workflow.descendants[start]}
        if not isinstance(own.breach, int) or not isinstance(deadline.breach, int) or between.after_any:
            continue
        if not later.isdisjoint(starts) and own.breach > deadline.breach:
            noting.warn(
                noting.first_of((*path, "breach"), path),
                f"{format_duration(deadline.breach)} after {start!r} it is due, when {between.name!r} on the way to it "
                f"may still take {format_duration(own.breach)}",
                f"promise more time, or less for {between.name!r}",
            )
            return


def _between(start: str, end: str, workflow: Workflow) -> Iterable[Milestone]:
    """The milestones on every way from one to another."""
    return (
        one
        for one in workflow.milestones
        if end in workflow.descendants[one.name] and one.name in workflow.descendants[start]
    )


def _lint_warnings(deadline: Deadline, noting: Noting, path: Path) -> None:
    if _never_before(deadline.warn, deadline.breach):
        noting.warn((*path, "warn"), "the warning never comes before the breach", "warn earlier")
    for number, tier in enumerate(deadline.tiers):
        if tier.warn is None:
            continue
        place = (*path, "by", tier.attribute, tier.value, "warn")
        if _never_before(tier.warn, tier.breach):
            noting.warn(place, "the warning never comes before the breach", "warn earlier")
        elif tier.breach is None and _never_before(tier.warn, deadline.breach):
            noting.warn(
                place,
                f"the warning never comes before the breach, which is still {_spelled(deadline.breach)}",
                "warn earlier, or give it a breach of its own",
            )
        elif tier.breach is None:
            for other in deadline.tiers[:number]:
                if other.attribute != tier.attribute and _never_before(tier.warn, other.breach):
                    noting.warn(
                        place,
                        f"where {other.attribute} is {other.value!r}, the warning never comes before the breach",
                        f"write {other.attribute} below {tier.attribute}, or warn earlier",
                    )
                    break


def _spelled(length: Length) -> str:
    return format_duration(length) if isinstance(length, int) else str(length)


def _never_before(warn: Length | None, breach: Length | None) -> bool:
    """Whether what is counted from the same start on the same calendar can never come earlier."""
    if isinstance(warn, int) and isinstance(breach, int):
        return warn >= breach
    if not isinstance(warn, DeadlineRule) or not isinstance(breach, DeadlineRule):
        return False
    if warn == breach:
        return True
    # Rules that name a period move on when they have passed, and business may close after midnight.
    days = warn.period is breach.period is Period.DAY and min(warn.business_days, breach.business_days) > 0
    if not days or warn.time is None or breach.time is None:
        return False
    return (warn.business_days, warn.time) >= (breach.business_days, breach.time)
