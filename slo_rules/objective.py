"""Objectives: promises over many instances, for a share of them."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from functools import cached_property

import msgspec

from slo_rules.calendars import Calendar, CalendarRules, prepared
from slo_rules.exclusions import Exclusion
from slo_rules.expectation import Expectation
from slo_rules.filters import spell
from slo_rules.windows import Slicing, Window

Group = str
"""The values that tell a group from others, as JSON: `["EMEA","gold"]`, null where there is none; empty is all."""
ALL: Group = ""
_LONGEST_VALUE = 200


class MissingData(StrEnum):
    """What counts while the system that would say so is silent: what falls due then as good, as bad, or not at all.

    With `alert` it does not count either, and the objective itself says that it is not known.
    """

    GOOD = "good"
    BAD = "bad"
    EXCLUDE = "exclude"
    ALERT = "alert"


class Volume(msgspec.Struct, frozen=True):
    """How many items a slice has: `per` so many micros from midnight UTC on, or per period. None: no bound."""

    per: Slicing
    at_least: int | None = None
    at_most: int | None = None


class Objective(msgspec.Struct, frozen=True, dict=True):
    """A promise over many instances, for a share of them.

    `latency` counts items in the window of their deadline: from one milestone to another `within` micros, on a calendar
    if one is named. `freshness` counts five-minute slices in which the oldest change that has not arrived is younger
    than that. `success` counts instances in the window in which they ended: bad are those that failed or are
    inconsistent, with `cancelled_is_bad` also those that were called off; it has neither milestones nor a time.
    `volume` counts slices in which as many reached the milestone `start` as there should.

    Freshness of a `source`, or of its events of one `type`, counts those in which what it `expects` had not arrived.

    `group_by` are attributes by whose values it is told apart as well. With `by_value` what the items are worth counts
    beside their number. `targets` are further ones by name.
    """

    name: str
    title: str
    owner: str
    workflow: str
    kind: str
    start: str
    end: str
    within: int
    target: float
    window: Window
    cancelled_is_bad: bool = False
    missing_data: MissingData = MissingData.BAD
    calendar: CalendarRules | None = None
    volume: Volume | None = None
    group_by: tuple[str, ...] = ()
    by_value: bool = False
    exclude: tuple[Exclusion, ...] = ()
    targets: dict[str, float] = {}
    source: str = ""
    type: str = ""
    expects: Expectation | None = None

    @property
    def in_slices(self) -> bool:
        """Whether it counts slices of time, and not items."""
        return self.kind in ("freshness", "volume")

    @property
    def unit(self) -> str:
        """What it counts: `items` or `slices`."""
        return "slices" if self.in_slices else "items"

    @cached_property
    def plain(self) -> bool:
        """Whether it only counts items, all together."""
        return not self.group_by and not self.by_value

    @cached_property
    def open_hours(self) -> Calendar | None:
        """The calendar on which its time is counted, prepared; None: around the clock."""
        return None if self.calendar is None else prepared(self.calendar)

    def group_of(self, attributes: Mapping[str, object]) -> Group:
        """The group of an instance with these attributes."""
        said = [spell(attributes.get(name)) for name in self.group_by]
        return msgspec.json.encode([None if one is None else one[:_LONGEST_VALUE] for one in said]).decode()

    def has(self, group: Group) -> bool:
        """Whether this can be one of its groups: as many values as it is grouped by."""
        try:
            return len(values_of(group)) == len(self.group_by)
        except ValueError:
            return False


def values_of(group: Group) -> list[str | None]:
    """The values that a group has for `group_by`. ValueError when it is none."""
    try:
        return msgspec.json.decode(group, type=list[str | None])
    except msgspec.DecodeError as error:
        raise ValueError("is no group") from error
