"""Rows of the buckets of objectives: what was counted in five minutes, in the hour and in the day as well."""

from __future__ import annotations

from datetime import datetime
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


def within_retention(parameters: dict[str, Any], kept_since: datetime) -> dict[str, Any]:
    """The same where buckets that began earlier have been dropped, which a late correction may still speak of.

    What they counted is no longer asked for. Their steps are, for the level at any instant is the sum of all before:
    they count in the first bucket of their width that is kept.
    """
    buckets = parameters["buckets"]
    if min(buckets) >= kept_since:
        return parameters
    names = ("objectives", "groups", "minutes", "buckets", "units", "good", "bad", "waived", "cancelled", "steps")
    found: dict[tuple[Any, ...], list[Any]] = {}
    for *place, good, bad, waived, cancelled, step in zip(*(parameters[name] for name in names), strict=True):
        if place[3] >= kept_since:
            counts = [good, bad, waived, cancelled, step]
        elif step:
            place[3] = kept_since
            # Of one type with the others, which may be money.
            counts = [good * 0, bad * 0, waived * 0, cancelled * 0, step]
        else:
            continue
        before = found.get(tuple(place))
        found[tuple(place)] = counts if before is None else [a + b for a, b in zip(before, counts, strict=True)]
    columns = zip(*((*place, *counts) for place, counts in found.items()), strict=True) if found else [()] * len(names)
    return {name: list(column) for name, column in zip(names, columns, strict=True)}


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
