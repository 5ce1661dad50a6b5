"""Rows of the buckets of objectives: what was counted in five minutes, in the hour and in the day as well."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from slo_rules.buckets import WIDTHS
from slo_rules.contribution import NOTHING, Contributions, Counts, Place
from slo_rules.durations import DAY, MINUTE
from slo_rules.instants import to_datetime


def bucket_parameters(total: Contributions) -> dict[str, Any] | None:
    """The parameters of the statements that add to buckets; None when there is nothing to add."""
    if not total:
        return None
    rows = [(place, WIDTHS[0] // MINUTE, counts) for place, counts in sorted(total.items())]
    for width in WIDTHS[1:]:
        rows += [(place, width // MINUTE, counts) for place, counts in sorted(_wider(total, width).items())]
    return {
        "objectives": [place[0] for place, _, _ in rows],
        "groups": [place[1] for place, _, _ in rows],
        "minutes": [minutes for _, minutes, _ in rows],
        "buckets": [to_datetime(place[3]) for place, _, _ in rows],
        "units": [place[2] for place, _, _ in rows],
        "good": _of_one_type([counts[0] for _, _, counts in rows]),
        "bad": _of_one_type([counts[1] for _, _, counts in rows]),
        "waived": _of_one_type([counts[2] for _, _, counts in rows]),
        "cancelled": _of_one_type([counts[3] for _, _, counts in rows]),
        "steps": [counts[4] for _, _, counts in rows],
    }


def _of_one_type(numbers: list[Decimal | int]) -> list[Decimal | int]:
    """Items are whole and money is not, and an array has numbers of one type."""
    return numbers if all(isinstance(one, int) for one in numbers) else list(map(Decimal, numbers))


def _wider(total: Contributions, width: int) -> dict[Place, Counts]:
    """The same in buckets of a width, without those in which nothing changes.

    A day in which steps are others stays, for it is known by it that they are (collector/query/staleness.py).
    """
    found: dict[Place, Counts] = {}
    stepped: set[Place] = set()
    for (objective, group, unit, bucket), counts in total.items():
        place = (objective, group, unit, bucket - bucket % width)
        if width == DAY and counts[4]:
            stepped.add(place)
        a = found.get(place, NOTHING)
        found[place] = (
            a[0] + counts[0],
            a[1] + counts[1],
            a[2] + counts[2],
            a[3] + counts[3],
            a[4] + counts[4],
        )
    return {place: counts for place, counts in found.items() if counts != NOTHING or place in stepped}
