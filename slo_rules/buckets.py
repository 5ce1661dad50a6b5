"""Buckets of five minutes, hours and days (UTC), and by which of them a span of time is summed. Pure.

What instances add is kept in all three, so that a window of any length is a few hundred rows, whatever was counted.
"""

from __future__ import annotations

from typing import NamedTuple

from slo_rules.durations import DAY, HOUR, MINUTE

BUCKET = 5 * MINUTE
WIDTHS = (BUCKET, HOUR, DAY)
"""The finest first; each divides the next."""


class Run(NamedTuple):
    """The buckets of one width (micros) that begin from `since` on and before `until`."""

    width: int
    since: int
    until: int


def cover(since: int, until: int) -> list[Run]:
    """The fewest buckets that are just the whole five minutes in a span: runs of each width, in no order of time."""
    found: list[Run] = []
    _cover(-(-since // BUCKET) * BUCKET, until // BUCKET * BUCKET, 0, found)
    return found


def _cover(since: int, until: int, finest: int, found: list[Run]) -> None:
    if since >= until:
        return
    width = WIDTHS[finest]
    if finest + 1 == len(WIDTHS):
        found.append(Run(width, since, until))
        return
    wider = WIDTHS[finest + 1]
    first, last = -(-since // wider) * wider, until // wider * wider
    if first >= last:
        found.append(Run(width, since, until))
        return
    if since < first:
        found.append(Run(width, since, first))
    if last < until:
        found.append(Run(width, last, until))
    _cover(first, last, finest + 1, found)
