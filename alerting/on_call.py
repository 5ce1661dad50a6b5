"""Who is on call: rotations, overrides and imported calendars. Pure; instants are micros, UTC.

A rotation hands over at a time of day on the wall of its zone, every so many days: it counts local dates, so that a
shift over a change of clocks is an hour shorter or longer, and the next one begins at its usual time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from zoneinfo import ZoneInfo

from alerting.hours import Hours
from slo_rules.exclusions import Exclusion
from slo_rules.wall_time import local_date, opening

_ONE_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Rotation:
    """Members in turn from `first` on, each for `days` days, handing over `at` minutes after midnight of `zone`.

    With `hours` it counts only while those are open: two rotations with hours follow the sun.
    """

    name: str
    members: tuple[str, ...]
    first: date
    days: int
    at: int
    zone: str
    hours: Hours | None = None

    def on_call(self, now: int) -> str | None:
        """The member at an instant; None before the first shift and outside its hours."""
        if self.hours is not None and not self.hours.is_open(now):
            return None
        shifts = self._shift(now)
        return None if shifts < 0 else self.members[shifts % len(self.members)]

    def hands_over_at(self, now: int) -> int:
        """The next instant at which a shift begins."""
        day = self.first + timedelta(days=(max(self._shift(now), -1) + 1) * self.days)
        return opening(ZoneInfo(self.zone), day, self.at)

    def _shift(self, now: int) -> int:
        zone = ZoneInfo(self.zone)
        today = local_date(zone, now)
        if now < opening(zone, today, self.at):
            today -= _ONE_DAY
        return (today - self.first).days // self.days


@dataclass(frozen=True, slots=True)
class Override:
    """A member who stands in for whoever is on call, from an instant until another."""

    member: str
    since: int
    until: int


@dataclass(frozen=True, slots=True)
class Shift:
    """Shifts of a member in an imported calendar, except those that begin at one of these instants."""

    member: str
    times: Exclusion
    except_: frozenset[int] = frozenset()

    def covers(self, now: int) -> bool:
        """Whether one of them runs."""
        return any(since not in self.except_ for since, _ in self.times.within(now, now + 1))


@dataclass(frozen=True, slots=True)
class Schedule:
    """Overrides go before imported shifts, and these before rotations."""

    rotations: tuple[Rotation, ...] = ()
    overrides: tuple[Override, ...] = ()
    shifts: tuple[Shift, ...] = ()

    def on_call(self, now: int) -> tuple[Sequence[str], str]:
        """Who is on call at an instant, and by what; nobody where nothing covers it."""
        standing_in = [one.member for one in self.overrides if one.since <= now < one.until]
        if standing_in:
            return _once(standing_in), "override"
        imported = [one.member for one in self.shifts if one.covers(now)]
        if imported:
            return _once(imported), "calendar"
        found = [(member, one.name) for one in self.rotations if (member := one.on_call(now)) is not None]
        return _once([member for member, _ in found]), " and ".join(name for _, name in found) or "nobody"


def _once(members: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(members))
