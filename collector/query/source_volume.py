"""The volume of one source against what is usual, as it is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from collector.query.instances import BadQuery
from collector.query.reader import Reader, Row, rfc3339
from collector.source_volume import KEPT, SHOWN_DAYS, USUAL_DAYS, Hour, hours_of
from slo_rules.durations import DAY, HOUR
from slo_rules.instants import to_datetime, to_micros

_GAP = timedelta(hours=2)


async def volume_of(
    reader: Reader, source: str, now: datetime, since: int | None = None, until: int | None = None
) -> Row:
    """The hours of the last week, or of another time (micros), with what came in each and what usually does.

    `kept_since` is from when on that is still known. `last_day` compares the last day where it ends now, and `whole`
    all of a time that was asked about. Raises BadQuery.
    """
    kept_since = to_micros(now - KEPT)
    end = to_micros(now) if until is None else until
    begin = end // HOUR * HOUR - SHOWN_DAYS * DAY if since is None else since
    if end <= kept_since:
        raise BadQuery(f"until: what came in which hour is known for {KEPT.days} days")
    begin = max(begin, kept_since)
    wanted = {"since": to_datetime(begin - USUAL_DAYS * DAY) - _GAP, "until": to_datetime(end) + _GAP}
    rows = await reader.all("samples_of_source", {"source": source, **wanted})
    hours = hours_of([(row["taken"], row["received"]) for row in rows], begin, end)
    return {
        "source": source,
        "kept_since": rfc3339(kept_since),
        "hours": [_told(one) for one in hours],
        "last_day": _compared(hours[-24:]) if until is None else None,
        "whole": None if since is None and until is None else _compared(hours),
    }


def _compared(hours: Sequence[Hour]) -> Row | None:
    """What came and what usually does in those hours of which both are known; None where there are none."""
    compared = [one for one in hours if one.came is not None and one.usual is not None]
    if not compared:
        return None
    return {
        "hours": len(compared),
        "count": round(sum(one.came or 0 for one in compared)),
        "usual": round(sum(one.usual.median for one in compared if one.usual)),
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
