"""What a deadline is made of, and its arithmetic: durations and named rules, business calendars, tiers, pauses.

A deadline says how long after its start a milestone is due: a duration around the clock or on a business calendar, or a
named rule of a calendar. Attributes of the instance may change its terms. While the clock is paused nothing runs: a
duration goes on with what was left, and a named deadline moves by the business time that was paused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property

import msgspec

from slo_rules.calendars import Calendar
from slo_rules.deadline_rules import DeadlineRule
from slo_rules.filters import spell

Length = int | DeadlineRule
"""A duration (micros), or a named rule of a calendar."""
Pause = tuple[int, int | None]
"""From when to when the clock stood; None while it still stands."""


class Tier(msgspec.Struct, frozen=True):
    """Other terms for instances whose attribute has this value; what is None stays as it is.

    With a breach of its own comes a warning of its own, or none.
    """

    attribute: str
    value: str
    breach: Length | None = None
    warn: Length | None = None
    calendar: str | None = None


class Terms(msgspec.Struct, frozen=True):
    """The terms that apply: to what they are counted, on which calendar (None: around the clock), and because of what.

    `tiers` are the attributes and values that changed them.
    """

    breach: Length
    warn: Length | None
    calendar: str | None
    tiers: tuple[tuple[str, str], ...] = ()


class Deadline(msgspec.Struct, frozen=True, dict=True):
    """When a milestone is due after the milestone `start`, or after those it comes after where that is None.

    Of several tiers that apply the later in the list wins.
    """

    start: str | None
    breach: Length
    warn: Length | None = None
    calendar: str | None = None
    tiers: tuple[Tier, ...] = ()

    @cached_property
    def plain(self) -> bool:
        """Whether it is nothing but durations around the clock."""
        lengths = isinstance(self.breach, int) and (self.warn is None or isinstance(self.warn, int))
        return lengths and self.calendar is None and not self.tiers

    def terms(self, attributes: Mapping[str, object]) -> Terms:
        """The terms for an instance with these attributes."""
        breach, warn, calendar = self.breach, self.warn, self.calendar
        applied = []
        for tier in self.tiers:
            if tier.attribute in attributes and spell(attributes[tier.attribute]) == tier.value:
                applied.append((tier.attribute, tier.value))
                if tier.breach is not None:
                    breach, warn = tier.breach, tier.warn
                elif tier.warn is not None:
                    warn = tier.warn
                calendar = tier.calendar or calendar
        return Terms(breach, warn, None if calendar == AROUND_THE_CLOCK else calendar, tuple(applied))


AROUND_THE_CLOCK = "none"
"""The name that says: no calendar, where there would be one."""


class Due(msgspec.Struct, frozen=True, gc=False):
    """When something is due (micros). An instant is None where none was promised, and while it cannot be told.

    `paused` says that the clock stands and the breach has not come before.
    """

    warn_at: int | None
    breach_at: int | None
    paused: bool = False


def due(terms: Terms, at: int, pauses: Sequence[Pause], calendars: Mapping[str, Calendar]) -> Due:
    """When what starts at `at` is due by these terms; `pauses` are in order and do not overlap."""
    calendar = None if terms.calendar is None else calendars[terms.calendar]
    breach_at, paused = reach(terms.breach, at, pauses, calendar)
    warn_at = None if terms.warn is None else reach(terms.warn, at, pauses, calendar)[0]
    return Due(warn_at, breach_at, paused)


def reach(length: Length, at: int, pauses: Sequence[Pause], calendar: Calendar | None) -> tuple[int | None, bool]:
    """The instant at which so much has run since `at`, and whether the clock stands before that.

    None while it stands, and where the calendar never opens that long.
    """
    if isinstance(length, DeadlineRule):
        assert calendar is not None
        moment = calendar.by(length, at)
        if moment is None or not any(start < moment and (end is None or end > at) for start, end in pauses):
            return moment, False
        left = calendar.between(at, moment)
    else:
        left = length
    for start, end in pauses:
        if end is not None and end <= at:
            continue
        if start > at:
            ran = start - at if calendar is None else calendar.between(at, start)
            if ran >= left:
                break
            left -= ran
        if end is None:
            return None, True
        at = max(at, end)
    return (at + left if calendar is None else calendar.add(at, left)), False


def ran(at: int, until: int, pauses: Sequence[Pause], calendar: Calendar | None) -> int:
    """How much of the time from `at` to `until` a clock counts that `reach` would count on; 0 where that is no time."""
    total = 0
    for start, end in (*pauses, (until, None)):
        stop = min(start, until)
        if stop > at:
            total += stop - at if calendar is None else calendar.between(at, stop)
        at = until if end is None else max(at, end)
    return total
