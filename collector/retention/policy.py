"""For how long what is kept is kept, by class, and what cannot be asked for. Pure.

Every length is in micros; None keeps for good.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from slo_rules.durations import DAY, format_duration
from slo_rules.windows import CalendarWindow, Window, began
from slo_rules.workflow import Definitions


class Kept(StrEnum):
    """The classes of what is kept."""

    EVENTS = "events"
    SPANS = "spans"
    INSTANCES = "instances"
    BUCKETS = "buckets"
    AUDIT = "audit"


@dataclass(frozen=True, slots=True)
class Retention:
    """How long each class is kept after it came (micros; None: for good), and from what age on the log is compressed.

    `events`: what was received, but for what instances that are not finished need, and with it the dead letters.
    `spans`: what traces brought. `instances`: finished ones after the last event of theirs arrived, with their keys,
    links and verdict changes. `buckets`: what objectives counted, in every width. `audit`: what people did, and
    incidents after they were resolved. `compress_after`: only with TimescaleDB; None: never.
    """

    events: int | None = 90 * DAY
    spans: int | None = 14 * DAY
    instances: int | None = 400 * DAY
    buckets: int | None = 800 * DAY
    audit: int | None = None
    compress_after: int | None = 7 * DAY

    def of(self, kept: Kept) -> int | None:
        """How long a class is kept."""
        found: int | None = getattr(self, kept)
        return found


FLOORS = {
    "events": (7 * DAY, "the log is dropped by the week, and what is said of last week is explained from it"),
    "spans": (DAY, "an instance that is looked into today shows its traces"),
    "instances": (7 * DAY, "the numbers of last week open to the instances behind them"),
    "buckets": (32 * DAY, "a month is counted from them"),
    "audit": (30 * DAY, "who did what in the last month stays on record"),
    "compress_after": (DAY, "what is still written to is not compressed"),
}
"""The shortest that can be asked for (micros), and why."""


def faults(retention: Retention, definitions: Definitions, now: int) -> list[str]:
    """Where the definitions in force need more than is kept, each with the reason; `now` in micros."""
    return [
        f"retention_{kept}: {format_duration(asked)} is shorter than {format_duration(least)}, which {who} needs: {why}"
        for kept, least, who, why in _needs(definitions, now)
        if (asked := retention.of(kept)) is not None and asked < least
    ]


def _needs(definitions: Definitions, now: int) -> Iterator[tuple[Kept, int, str, str]]:
    for one in definitions.objectives.values():
        # A day more: buckets are dropped by the day, and a window may begin within one.
        reach = _length(one.window, now) + DAY
        who = f"the window of the objective {one.name}"
        yield Kept.BUCKETS, reach, who, "it is counted from buckets that reach so far back"
        yield Kept.INSTANCES, reach, who, "every number opens to the instances behind it"
    for source in definitions.sources.values():
        for name, expected in [("", source.expects), *source.types.items()]:
            if expected is not None and isinstance(expected.length, int):
                who = f"the source {source.name}" + (f" with its type {name}" if name else "")
                why = "whether it is silent is told from when it was heard before"
                yield Kept.EVENTS, expected.length + DAY, who, why


def _length(window: Window, now: int) -> int:
    """How far back a window reaches when it reaches furthest; of those that holidays stretch, as they are now."""
    if isinstance(window, int):
        return window
    if isinstance(window, CalendarWindow):
        begins, ends = window.around(now)
        return ends - begins
    return now - began(window, now)
