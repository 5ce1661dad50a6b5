"""The volume of one source against what is usual, as it is asked for."""

from __future__ import annotations

from datetime import datetime

from collector.query.reader import Reader, Row, rfc3339
from collector.source_volume import KEPT, Hour, week
from slo_rules.instants import to_micros


async def volume_of(reader: Reader, source: str, now: datetime) -> Row:
    """The hours of the last week with what came in each and what usually does."""
    rows = await reader.all("samples_of_source", {"source": source, "since": now - KEPT})
    hours = week([(row["taken"], row["received"]) for row in rows], to_micros(now))
    compared = [one for one in hours[-24:] if one.came is not None and one.usual is not None]
    return {
        "source": source,
        "hours": [_told(one) for one in hours],
        "last_day": {
            "hours": len(compared),
            "count": round(sum(one.came or 0 for one in compared)),
            "usual": round(sum(one.usual.median for one in compared if one.usual)),
        }
        if compared
        else None,
    }


def _told(hour: Hour) -> Row:
    usual = hour.usual
    return {
        "t": rfc3339(hour.at),
        "count": None if hour.came is None else round(hour.came, 1),
        "usual": None
        if usual is None
        else {name: round(value, 1) for name, value in zip(("low", "median", "high"), usual[:3], strict=True)}
        | {"days": usual.days, "weekday": usual.weekday},
    }
