"""Where a budget is less than one item: what is told by itself, and how long before."""

from __future__ import annotations

import msgspec
import pytest

from slo_rules.burn_rates import lookbacks
from slo_rules.durations import DAY, HOUR, MINUTE
from slo_rules.small_budget import Singly, singly, soon
from tests.reckoning import KNOWN

OBJECTIVE = msgspec.structs.replace(KNOWN.objectives["accepted-in-time"], target=0.9)


def lately(total: int, of_day: int = 0) -> dict[int, tuple[int, int]]:
    """Good ones in the window, and some of them in the last day."""
    times = lookbacks(OBJECTIVE.window)
    return {time: (of_day if time <= DAY else total, 0) for time in times}


@pytest.mark.parametrize(
    ("counts", "due_soon", "found"),
    [
        (lately(9), 0, Singly(0.9, 1, 0)),
        (lately(9), 2, Singly(0.9, 1, 2)),
        # Exactly one may miss.
        (lately(10), 0, None),
        # One a day will be thirty.
        (lately(1, 1), 0, None),
        (lately(0), 0, None),
        (lately(0), 1, Singly(0.0, 1, 1)),
    ],
)
def test_what_is_told_by_itself(counts: dict[int, tuple[int, int]], due_soon: int, found: Singly | None) -> None:
    assert singly(OBJECTIVE, counts, 1, due_soon) == found


def test_slices_are_not() -> None:
    assert singly(KNOWN.objectives["sap-heard"], lately(1), 1, 0) is None


@pytest.mark.parametrize(
    ("within", "before"), [(4 * HOUR, HOUR), (HOUR + 2 * MINUTE, 15 * MINUTE), (MINUTE, 5 * MINUTE), (90 * DAY, DAY)]
)
def test_the_last_quarter_is_soon(within: int, before: int) -> None:
    assert soon(msgspec.structs.replace(OBJECTIVE, within=within)) == before
