"""How an arrival moves what is known of its source, and when that is reason to judge again.

A source of which something is expected is known before it is first heard: it is expected from the beginning of the log
on, that is from the arrival of its first event, which is the same whenever the log is read.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from slo_rules.durations import DAY
from slo_rules.judgement import CATCHING_UP_LAG, CATCHING_UP_PATIENCE, Marks, Watermark
from slo_rules.workflow import Source, Workflow


def unheard(source: Source, began_at: int) -> Watermark:
    """The watermark of a source that has never been heard in a log that began then (micros)."""
    types = {name: Watermark(began_at, began_at, one, heard=False) for name, one in source.types.items()}
    return Watermark(began_at, began_at, source.expects, heard=False, types=types)


def expected(sources: Iterable[Source], began_at: int) -> dict[str, Watermark]:
    """The watermarks of the sources of which something is expected, before any of them is heard."""
    return {one.name: unheard(one, began_at) for one in sources if one.expects is not None or one.types}


def heard(mark: Watermark | None, type_: str | None, received_at: int, occurred_at: int) -> Watermark:
    """The watermark after an arrival; a mark that is there is moved itself. Hearing an event twice changes nothing.

    `type_` matters only where it is expected by itself.
    """
    seen = min(received_at, occurred_at)
    if mark is None:
        return Watermark(received_at, seen)
    if type_ in mark.types:
        heard(mark.types[type_], None, received_at, occurred_at)
    if mark.heard:
        mark.last_received_at = max(mark.last_received_at, received_at)
        mark.last_occurred_at = max(mark.last_occurred_at, seen)
    else:
        mark.last_received_at, mark.last_occurred_at, mark.heard = received_at, seen, True
    return mark


def watermarks_of(
    sources: Iterable[Source],
    began_at: int | None,
    last: Iterable[tuple[str, int, int]],
    last_of_types: Iterable[tuple[str, str, int, int]],
) -> dict[str, Watermark]:
    """The watermarks of the sources by what is kept of each: its last arrival and the newest event time (micros).

    The same of types, which counts where a type is expected by itself. `began_at` is None while the log is empty.
    """
    marks = {} if began_at is None else expected(sources, began_at)
    for name, received_at, occurred_at in last:
        marks[name] = heard(marks.get(name), None, received_at, occurred_at)
    for name, type_, received_at, occurred_at in last_of_types:
        if name in marks and type_ in marks[name].types:
            heard(marks[name].types[type_], None, received_at, occurred_at)
    return marks


def resumes(mark: Watermark | None, type_: str | None, received_at: int, occurred_at: int) -> bool:
    """Whether an arrival changes what can be said of its source: first heard, heard after silence, caught up.

    The same of its type, where that is expected by itself. What is overdue then has to be judged anew, and what fell
    due before has to be judged by what was known before.
    """
    if mark is None or _is_silent(mark, received_at):
        return True
    if type_ in mark.types and _is_silent(mark.types[type_], received_at):
        return True
    if not mark.lags:
        return False
    newest = max(mark.last_occurred_at, min(received_at, occurred_at))
    gap = received_at - mark.last_received_at
    return gap >= CATCHING_UP_PATIENCE or not Watermark(max(received_at, mark.last_received_at), newest).lags


def _is_silent(mark: Watermark, at: int) -> bool:
    due = mark.due
    return not mark.heard or (due is not None and at >= due)


def is_unseen(milestone: str, workflow: Workflow, marks: Marks, now: int) -> bool:
    """Whether a milestone may have come without being seen: its source or its type is silent, or sends its past."""
    awaited = workflow.by_name.get(milestone)
    mark = marks.get(awaited.source or "") if awaited is not None else None
    if mark is None:
        return False
    if mark.sends_past(now):
        return True
    of_type = mark.types.get(workflow.awaited_types.get(milestone, ""))
    return any(one is not None and one.due is not None and now >= one.due for one in (mark, of_type))


def falls_behind(mark: Watermark | None, received_at: int, occurred_at: int) -> bool:
    """Whether with an arrival its source begins to send its past.

    What fell due before has to be judged by what was known before; what is overdue is not called in doubt by it.
    """
    if mark is None or mark.lags:
        return False
    newest = max(mark.last_occurred_at, min(received_at, occurred_at))
    return max(received_at, mark.last_received_at) - newest > CATCHING_UP_LAG


class Ahead(msgspec.Struct):
    """How far a source's clock runs ahead: events that had occurred, as they say, only after they arrived.

    `events` of them ever, the furthest by `most` micros. `day` is the last UTC day (in days since the epoch) on which
    one arrived, and `most_of_day` says how far the furthest of that day was: one event with a wrong year does not
    speak for ever.
    """

    events: int = 0
    most: int = 0
    day: int = -1
    most_of_day: int = 0

    def note(self, received_at: int, by: int) -> None:
        """Count an event that is ahead by so many micros."""
        self.events += 1
        self.most = max(self.most, by)
        day = received_at // DAY
        if day == self.day:
            self.most_of_day = max(self.most_of_day, by)
        elif day > self.day:
            self.day, self.most_of_day = day, by
