"""How a deadline came about, one step a line: where its clock started, what counted, what was skipped, what is left."""

from __future__ import annotations

from datetime import datetime

from slo_rules.calendars import Calendar, Stretch, Why
from slo_rules.deadline_rules import DeadlineRule
from slo_rules.deadlines import Length, Pause
from slo_rules.durations import format_duration
from slo_rules.instants import to_datetime
from slo_rules.item import Item
from slo_rules.judgement import Verdict, Wait
from slo_rules.judging import is_orphaned, start_of_orphan, waits
from slo_rules.parts import view_of
from slo_rules.progress import Progress
from slo_rules.promises import pauses, started_at
from slo_rules.rounding import clock, rounded
from slo_rules.standing import standing
from slo_rules.workflow import Workflow

MOST_STRETCHES = 12


def arithmetic(progress: Progress, workflow: Workflow, verdict: Verdict, now: int) -> list[str]:
    """The steps behind the deadline of what the verdict waits for; none where no clock runs."""
    progress = standing(progress, workflow)
    if verdict.waiting_for == next(iter(workflow.starting), None) and is_orphaned(progress, workflow):
        return _orphaned(start_of_orphan(progress, workflow), now)
    running = [wait for wait in waits(progress, workflow) if wait.milestone.name == verdict.waiting_for]
    if not running:
        return []
    # Of several parts that wait for the same the verdict is about the one that is due first.
    wait = next((one for one in running if one.deadline_at == verdict.deadline_at), running[0])
    milestone, deadline = wait.milestone, wait.milestone.deadline
    if deadline is None:
        return [_started(workflow, wait), "No deadline was promised for this step."]
    seen = view_of(progress, workflow, milestone.each, wait.part) if milestone.each else progress
    if seen is None or started_at(milestone, seen, workflow) is None:
        assert deadline.start is not None
        return [f"{workflow.by_name[deadline.start].title}, from which it is counted, has not been reached."]
    terms = deadline.terms(progress.attributes)
    calendar = None if terms.calendar is None else workflow.prepared_calendars[terms.calendar]
    lines = [_started(workflow, wait)]
    lines += [f"Its {attribute} is {value}: other terms apply." for attribute, value in terms.tiers]
    lines += _stood(pauses(progress), wait, calendar, now)
    if wait.paused:
        return [*lines, f"While the clock stands, nothing is due. Promised is {_promise(terms.breach, calendar)}."]
    if wait.deadline_at is None:
        return [*lines, f"Promised is {_promise(terms.breach, calendar)}, which cannot be told."]
    if calendar is not None:
        lines += _stretches(calendar, wait)
    if wait.warn_at is not None and terms.warn is not None:
        lines.append(f"Warning {_after(terms.warn, calendar)}: {_both(wait.warn_at, calendar)}.")
    around = "" if calendar is not None else ", around the clock"
    lines.append(f"Breach {_after(terms.breach, calendar)}{around}: {_both(wait.deadline_at, calendar)}.")
    return [*lines, _now(wait.deadline_at, calendar, now)]


def arithmetic_of_item(item: Item, progress: Progress, workflow: Workflow, now: int) -> list[str]:
    """The steps behind when an item of an objective was due, and by how much it missed or met that.

    None where nothing was due: an objective about how instances end has no clock.
    """
    objective = item.objective
    if objective is None or objective.start not in workflow.by_name or objective.end not in workflow.by_name:
        return []
    progress = standing(progress, workflow)
    start, end = workflow.by_name[objective.start], workflow.by_name[objective.end]
    seen = progress if item.part is None else view_of(progress, workflow, end.each, item.part)
    mark = None if seen is None else seen.milestones.get(objective.start)
    if seen is None or mark is None:
        return []
    calendar = objective.open_hours
    wait = Wait(end, mark.at, None, item.at, part=item.part)
    of_part = _of_part(wait)
    lines = [f"{start.title}{of_part} was reached at {clock(mark.at)}: the time for {end.title}{of_part} begins."]
    lines += _stood(pauses(seen), wait, calendar, now)
    lines += _stretches(calendar, wait) if calendar is not None else []
    around = "" if calendar is not None else ", around the clock"
    lines.append(f"Due {_after(objective.within, calendar)}{around}: {_both(item.at, calendar)}.")
    if item.arrival is None:
        return [*lines, f"{end.title}{of_part} has not come. {_now(item.at, calendar, now)}"]
    came = f"{end.title}{of_part} came at {_both(item.arrival, calendar)}"
    if objective.end not in seen.milestones:
        came = f"{end.title}{of_part} was passed at {_both(item.arrival, calendar)}, as what came after it shows"
    return [*lines, f"{came}: {_apart(item.at, calendar, item.arrival)}."]


def _orphaned(start: Wait, now: int) -> list[str]:
    assert start.deadline_at is not None
    given = format_duration(start.deadline_at - start.started_at)
    return [
        f"The first event occurred at {clock(start.started_at)}: from there on {start.milestone.title} is waited for.",
        f"An orphan after {given}, around the clock: {clock(start.deadline_at)}.",
        _now(start.deadline_at, None, now),
    ]


def _started(workflow: Workflow, wait: Wait) -> str:
    milestone = wait.milestone
    names = milestone.after
    if milestone.deadline is not None and milestone.deadline.start is not None:
        names = (milestone.deadline.start,)
    befores = [workflow.by_name[name] for name in names]
    titles = (" or " if milestone.after_any else " and ").join(
        one.title + (_of_part(wait) if one.each == milestone.each else "") for one in befores
    )
    were = "were" if len(names) > 1 and not milestone.after_any else "was"
    return (
        f"{titles} {were} reached at {clock(wait.started_at)}: the clock of {milestone.title}{_of_part(wait)} starts."
    )


def _of_part(wait: Wait) -> str:
    return "" if wait.part is None else f" of {wait.milestone.each} {wait.part}"


def _promise(length: Length, calendar: Calendar | None) -> str:
    if isinstance(length, DeadlineRule):
        return f"{length} by the calendar {_title(calendar)}"
    return format_duration(length) + (f" of the time of {_title(calendar)}" if calendar else "")


def _after(length: Length, calendar: Calendar | None) -> str:
    if isinstance(length, DeadlineRule):
        return f"by {_promise(length, calendar)}"
    return f"after {_promise(length, calendar)}"


def _title(calendar: Calendar | None) -> str:
    assert calendar is not None
    return calendar.rules.title or calendar.rules.name


def _both(micros: int, calendar: Calendar | None) -> str:
    """The instant, and what the clock on the wall of the calendar says."""
    if calendar is None:
        return clock(micros)
    return f"{clock(micros)} ({_local(micros, calendar):%a %H:%M} {calendar.rules.zone})"


def _local(micros: int, calendar: Calendar) -> datetime:
    return to_datetime(micros).astimezone(calendar.zone)


def _stood(stood: list[Pause], wait: Wait, calendar: Calendar | None, now: int) -> list[str]:
    lines = []
    for start, end in stood:
        if end is not None and end <= wait.started_at:
            continue
        if wait.deadline_at is not None and start >= wait.deadline_at:
            break
        if end is None:
            lines.append(f"The clock has stood since {clock(start)}: {format_duration(rounded(max(0, now - start)))}.")
            continue
        start = max(start, wait.started_at)
        counted = "" if calendar is None else f", {format_duration(rounded(calendar.between(start, end)))} of them open"
        took = format_duration(rounded(end - start))
        lines.append(f"The clock stood from {clock(start)} to {clock(end)}: {took}{counted}.")
    return lines


_CLOSED = {
    Why.OUTSIDE_HOURS: "outside the hours",
    Why.CLOSED_WEEKDAY: "not a working day",
    Why.HOLIDAY: "holiday",
    Why.OWN_DATE: "closed",
    Why.BEYOND_CALENDAR: "beyond the calendar",
}


def _stretches(calendar: Calendar, wait: Wait) -> list[str]:
    assert wait.deadline_at is not None
    return [_stretch(step, calendar) for step in calendar.explain(wait.started_at, wait.deadline_at, MOST_STRETCHES)]


def _stretch(step: Stretch, calendar: Calendar) -> str:
    start, end = _local(step.start, calendar), _local(step.end, calendar)
    until = f"{end:%H:%M}" if start.date() == end.date() else f"{end:%a %Y-%m-%d %H:%M}"
    span = f"{start:%a %Y-%m-%d %H:%M} – {until}"
    if step.why is Why.OPEN:
        return f"{span}: {format_duration(step.counted)} count."
    if step.why is Why.MORE:
        return f"{span}: {format_duration(step.counted)} count, in {step.days} more days."
    named = f" ({step.name})" if step.name else ""
    return f"{span}: {_CLOSED[step.why]}{named}."


def _now(deadline_at: int, calendar: Calendar | None, now: int) -> str:
    return f"Now it is {clock(now)}: {_apart(deadline_at, calendar, now)}."


def _apart(deadline_at: int, calendar: Calendar | None, at: int) -> str:
    """`2h past it, 1h of them open`: where an instant lies from a deadline."""
    side = "past" if at >= deadline_at else "before"
    apart = format_duration(rounded(abs(at - deadline_at)))
    if calendar is None:
        return f"{apart} {side} it"
    open_ = format_duration(rounded(abs(calendar.between(deadline_at, at))))
    return f"{apart} {side} it, {open_} of them open"
