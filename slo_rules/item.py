"""What an objective counts of one instance."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from slo_rules.objective import Objective


class Outcome(StrEnum):
    """What an item counts as. Waived and cancelled items are neutral."""

    # Enum hashes a member in Python by its name; these are looked up for every item.
    __hash__ = str.__hash__

    GOOD = "good"
    BAD = "bad"
    WAIVED = "waived"
    CANCELLED = "cancelled"


class Item(msgspec.Struct, frozen=True, gc=False):
    """What an objective counts, or where that is None the workflow's promise: at `at` (micros), so many times.

    `arrival` is when what was due came, if it has; None for what ended, too. `milestone` is what was promised by the
    workflow, empty for an objective; `part` the part of the instance that it is about, None for the whole.
    """

    objective: Objective | None
    at: int
    arrival: int | None
    outcome: Outcome
    stands_for: int = 1
    milestone: str = ""
    part: str | None = None
