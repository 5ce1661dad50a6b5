"""How an objective went over a span of time: hours of a short one, else the days of its own zone. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from itertools import dropwhile
from zoneinfo import ZoneInfo

from collector.query.reader import Row, rfc3339
from slo_rules.durations import DAY, HOUR
from slo_rules.instants import to_datetime, to_micros
from slo_rules.reckoning import Reckoned

LONGEST = 400 * DAY
"""Micros: of so much history a day is still seen in a figure."""
IN_HOURS = 3 * DAY
"""Micros: up to this long a span is told hour by hour."""
Span = tuple[int, int]


def span_faults(since: int, until: int) -> list[str]:
    """What is wrong with a span (micros) that somebody asks about."""
    if since >= until:
        return ["since: must be before until, by five minutes at least"]
    return [f"since: at most {LONGEST // DAY} days before until"] if until - since > LONGEST else []


def steps(since: int, until: int, zone: str) -> tuple[str, list[Span]]:
    """`hour` or `day`, and the spans (micros) that a span falls into: the first and the last need not be whole."""
    if until - since <= IN_HOURS:
        first = since - since % HOUR
        return "hour", [(max(at, since), min(at + HOUR, until)) for at in range(first, until, HOUR)]
    day = to_datetime(since).astimezone(ZoneInfo(zone)).date()
    found = []
    while (begin := _begin(day, zone)) < until:
        found.append((max(begin, since), min(_begin(day + timedelta(days=1), zone), until)))
        day += timedelta(days=1)
    return "day", [one for one in found if one[0] < one[1]]


def _begin(day: date, zone: str) -> int:
    return to_micros(datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone)))


def told(step: str, zone: str, spans: Sequence[Span], answers: Sequence[Reckoned], allowed: float | None) -> Row:
    """The steps with what each came to, and what was left of an allowance after each.

    `t` is when the whole step begins, also of one that is not whole. What lies before anything was counted is left out.
    """
    known = list(dropwhile(lambda pair: not any(pair[1]), zip(spans, answers, strict=True)))
    series, left, used = [], [], 0.0
    for (begin, _), found in known:
        at = rfc3339(begin - begin % HOUR if step == "hour" else _begin(_day_of(begin, zone), zone))
        used += float(found.bad)
        left.append({"t": at, "left_ratio": None if not allowed else (allowed - used) / allowed})
        names = ("good", "bad", "waived", "cancelled", "excluded", "missing")
        series.append({"t": at, **{name: _number(getattr(found, name)) for name in names}})
    return {"step": step, "zone": zone, "series": series, "budget_series": left}


def _day_of(at: int, zone: str) -> date:
    return to_datetime(at).astimezone(ZoneInfo(zone)).date()


def _number(value: float) -> int | float:
    return int(value) if value == int(value) else float(value)
