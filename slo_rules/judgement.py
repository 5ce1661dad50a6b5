"""Verdicts and their reasons, what they are made from besides progress, and what is awaited.

What they mean is how they are reached: slo_rules/judging.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

import msgspec

from slo_rules.durations import MINUTE
from slo_rules.expectation import Expectation
from slo_rules.workflow import Milestone

CATCHING_UP_LAG = 10 * MINUTE
"""A source whose newest event is older than this on arrival is replaying its past."""
CATCHING_UP_PATIENCE = 2 * MINUTE
"""And counts as catching up for as long after its last arrival."""


class VerdictKind(StrEnum):
    """The verdicts (design.md §1)."""

    # Enum hashes a member in Python by its name; these are looked up for every row.
    __hash__ = str.__hash__

    ON_TRACK = "on_track"
    DUE_SOON = "due_soon"
    STUCK = "stuck"
    BLIND = "blind"
    FAILED = "failed"
    INCONSISTENT = "inconsistent"
    PAUSED = "paused"
    COMPLETED = "completed"
    COMPLETED_LATE = "completed_late"
    CANCELLED = "cancelled"
    WAIVED = "waived"


FINAL = frozenset({VerdictKind.COMPLETED, VerdictKind.COMPLETED_LATE, VerdictKind.CANCELLED})


class Reason(StrEnum):
    """Why a verdict is what it is; the code flows unchanged to the log, the API, the message and the screen."""

    __hash__ = str.__hash__

    CANCELLED = "cancelled"
    FAILURE_EVENT = "failure_event"
    REQUIREMENT_UNMET = "requirement_unmet"
    ALL_IN_TIME = "all_in_time"
    FINISHED_AFTER_DEADLINE = "finished_after_deadline"
    OVERDUE = "overdue"
    SOURCE_SILENT = "source_silent"
    TYPE_SILENT = "type_silent"
    SOURCE_CATCHING_UP = "source_catching_up"
    WARNING_TIME_PASSED = "warning_time_passed"
    WAITING = "waiting"
    NO_DEADLINE = "no_deadline"
    NOT_STARTED = "not_started"
    CLOCK_PAUSED = "clock_paused"
    KEY_NOT_UNIQUE = "key_not_unique"
    WAIVED = "waived"
    IMPOSSIBLE_ORDER = "impossible_order"
    AWAITING_START = "awaiting_start"
    ORPHAN = "orphan"


REASON_OF_FINAL = {
    VerdictKind.CANCELLED: Reason.CANCELLED,
    VerdictKind.COMPLETED: Reason.ALL_IN_TIME,
    VerdictKind.COMPLETED_LATE: Reason.FINISHED_AFTER_DEADLINE,
}
"""What has finished is waiting for nothing and due at no time, and its verdict says the reason."""


class Watermark(msgspec.Struct, gc=False):
    """What is known of a source: its last arrival, the newest event time seen (at most its arrival), what is expected.

    One that was never `heard` has the beginning of the log for both. `types` are the watermarks of its event types that
    are expected by themselves. Whoever notes arrivals moves it; the judge only reads it.
    """

    last_received_at: int
    last_occurred_at: int
    expects: Expectation | None = None
    heard: bool = True
    types: dict[str, Watermark] = {}

    @property
    def lags(self) -> bool:
        """Whether what it sent last was old when it came."""
        return self.last_received_at - self.last_occurred_at > CATCHING_UP_LAG

    @property
    def due(self) -> int | None:
        """The instant (micros) by which something is expected of it, and from which on it is silent; None: never."""
        return None if self.expects is None else self.expects.due(self.last_received_at)

    def sends_past(self, now: int) -> bool:
        """Whether it is catching up at an instant (micros): what it sent last was old, and it has not paused since."""
        return self.lags and now < self.last_received_at + CATCHING_UP_PATIENCE

    def hides(self, deadline: int) -> int | None:
        """From when on silence hides what was due then: None where it was heard since, or can never be silent."""
        return None if self.heard and self.last_received_at >= deadline else self.due


class Verdict(msgspec.Struct, frozen=True, gc=False):
    """A verdict with its arithmetic. Times are micros; `next_check_at` is when it may change without a new event."""

    kind: VerdictKind
    reason: Reason
    since: int
    waiting_for: str | None = None
    source: str | None = None
    owner: str | None = None
    due_at: int | None = None
    deadline_at: int | None = None
    next_check_at: int | None = None
    faults: tuple[str, ...] = ()


class Wait(msgspec.Struct, frozen=True, gc=False):
    """A milestone that is awaited: its clock started at `started_at`; `warn_at` and `deadline_at` may be absent.

    `paused` says that the clock stands, and that the deadline had not come before. A milestone with `each` is awaited
    once for each part: `part` is the value of its key, None for those that must come and are not known yet.
    """

    milestone: Milestone
    started_at: int
    warn_at: int | None
    deadline_at: int | None
    paused: bool = False
    part: str | None = None


Marks = Mapping[str, Watermark]
