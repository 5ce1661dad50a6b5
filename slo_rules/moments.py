"""Instants in definitions: a time on the wall of a zone, or one with an offset of its own."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from slo_rules.instants import EPOCH, to_micros
from slo_rules.reading import Reader
from slo_rules.wall_time import opening

LAST_YEAR = 2200


def read_moment(entry: Reader, zone: str) -> int | None:
    """Micros of `2026-12-24T18:00`, on the wall of a zone, or with an offset of its own; None after a fault."""
    try:
        found = datetime.fromisoformat(str(entry.value))
    except ValueError:
        entry.fault(f"{str(entry.value)[:60]!r} is no time; write it like 2026-12-24T18:00")
        return None
    if not EPOCH.year <= found.year <= LAST_YEAR:
        entry.fault(f"must lie between {EPOCH.year} and {LAST_YEAR}")
        return None
    if found.tzinfo is not None:
        return to_micros(found)
    minutes = found.hour * 60 + found.minute
    return opening(ZoneInfo(zone), found.date(), minutes) + found.second * 1_000_000 + found.microsecond
