"""What is expected of a source: an arrival every so often, or by the moments of a schedule. Pure.

A cadence may be counted on a business calendar: `every 15m` of office hours is not missed overnight. A schedule is a
rule that recurs: `every business day 06:00`, `end of month + 1 business day`. For each of its moments there is a window
that opens some time before; an arrival in it or later settles the moment, so that a file that is early counts for the
moment it is meant for, and one that is late does not count for the next.
"""

from __future__ import annotations

from functools import cached_property

import msgspec

from slo_rules.calendars import Calendar, CalendarRules, prepared
from slo_rules.deadline_rules import DeadlineRule
from slo_rules.deadlines import Length
from slo_rules.durations import HOUR, format_duration
from slo_rules.periods import Period
from slo_rules.wall_time import spell_time_of_day

DEFAULT_OPENS = 12 * HOUR


class Expectation(msgspec.Struct, frozen=True, dict=True):
    """A cadence (micros) or a rule that recurs, on a calendar; None: around the clock, which a rule cannot do.

    `opens` is how long before a moment of the schedule an arrival counts for it; a cadence has no use for it.
    """

    length: Length
    calendar: CalendarRules | None = None
    opens: int = DEFAULT_OPENS

    @cached_property
    def _prepared(self) -> Calendar | None:
        return None if self.calendar is None else prepared(self.calendar)

    def due(self, last: int) -> int | None:
        """The instant by which the next arrival is expected after one at `last`: from it on there is silence.

        It lies after `last`, and never moves back when `last` moves on. None where the calendar has an end before.
        """
        calendar = self._prepared
        if isinstance(self.length, DeadlineRule):
            assert calendar is not None
            return calendar.next_by(self.length, last + self.opens)
        return last + self.length if calendar is None else calendar.add(last, self.length)

    @property
    def patience(self) -> int:
        """Micros for which there is surely no silence after an arrival."""
        return self.opens if isinstance(self.length, DeadlineRule) else self.length

    @property
    def plain(self) -> int | None:
        """The micros of a cadence around the clock; None for anything else."""
        return self.length if isinstance(self.length, int) and self.calendar is None else None

    @property
    def words(self) -> str:
        """`at least every 15m of the time of EMEA office`, `every business day by 06:00 (Bank days)`."""
        title = "" if self.calendar is None else self.calendar.title or self.calendar.name
        if isinstance(self.length, int):
            return f"at least every {format_duration(self.length)}" + (f" of the time of {title}" if title else "")
        if self.length.period is Period.DAY:
            time = "the close of business" if self.length.time is None else spell_time_of_day(self.length.time)
            return f"every business day by {time} ({title})"
        return f"every {self.length.period} by {self.length} ({title})"
