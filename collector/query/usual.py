"""What has fallen due today so far, against what usually has by this hour.

Days are those of UTC, and counted in whole hours: what falls due within the present hour is not compared yet.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, date, datetime, timedelta
from statistics import median
from typing import NamedTuple

from collector.query.reader import Reader, Row, rfc3339
from slo_rules.contribution import promise_name

DAYS = 28
"""How many days are looked back."""
LEAST_DAYS = 3
"""Of fewer days nobody can tell what is usual."""


class Counted(NamedTuple):
    """What fell due on one day before an hour: how much of it, and how much of that was missed."""

    due: int
    missed: int


class Usual(NamedTuple):
    """The median of `days` days; with `weekday` they are those of the same weekday."""

    due: float
    missed: float
    days: int
    weekday: bool


NOTHING = Counted(0, 0)


def usual(days: Mapping[date, Counted], began: date | None, today: date) -> Usual | None:
    """What is usual by what was counted on the days before: that of the same weekday where there are enough of them.

    A day of which there is nothing is one on which nothing fell due, if it lies after `began`, the first day of which
    anything is known: that day itself may not be whole. None where too few days are known to tell.
    """
    if began is None:
        return None
    known = [day for back in range(1, DAYS + 1) if (day := today - timedelta(days=back)) > began]
    alike = [day for day in known if day.weekday() == today.weekday()]
    chosen = alike if len(alike) >= LEAST_DAYS else known
    if len(chosen) < LEAST_DAYS:
        return None
    counted = [days.get(day, NOTHING) for day in chosen]
    return Usual(
        median(one.due for one in counted),
        median(one.missed for one in counted),
        len(chosen),
        chosen is alike,
    )


async def today_of(reader: Reader, workflows: Collection[str], now: datetime) -> dict[str, Row]:
    """Of each workflow what fell due today until the last full hour, and what usually has; `usual` may be None."""
    until = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    since = until.replace(hour=0)
    promises = {promise_name(name): name for name in workflows}
    within = {"since": since - timedelta(days=DAYS), "until": until, "hour": until.hour}
    counted: dict[str, dict[date, Counted]] = {}
    for row in await reader.all("days_until_an_hour", within | {"objectives": list(promises)}):
        counted.setdefault(promises[row["objective"]], {})[row["day"]] = Counted(row["good"] + row["bad"], row["bad"])
    names = list(promises)
    asked = {"numbers": list(range(len(names))), "objectives": names, "groups": [""] * len(names)}
    began = {
        promises[names[row["number"]]]: row["bucket"].astimezone(UTC).date()
        for row in await reader.all("begins", asked)
    }
    return {name: _told(counted.get(name, {}), began.get(name), since, until) for name in workflows}


def _told(days: Mapping[date, Counted], began: date | None, since: datetime, until: datetime) -> Row:
    today, found = days.get(since.date(), NOTHING), usual(days, began, since.date())
    return {
        "since": rfc3339(since),
        "until": rfc3339(until),
        "due": today.due,
        "missed": today.missed,
        "usual": found._asdict() if found else None,
    }
