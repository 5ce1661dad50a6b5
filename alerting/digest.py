"""Digests: once a day a team hears what of its own is overdue, whatever it was told of causes. Pure.

Instants are micros, UTC.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from alerting.hours import read_calendar_name
from alerting.incident import Money
from alerting.message import Notice, counted, milestone_name, money, shorten
from alerting.reader import Reader as Locale
from slo_rules.calendars import CalendarRules, prepared
from slo_rules.durations import HOUR
from slo_rules.reading import Reader, suggestion
from slo_rules.wall_time import MINUTES_A_DAY, local_date, opening, parse_time_of_day, zones

LATE = 4 * HOUR
"""What could not be told at its time is told up to so much later; then the next day's is waited for."""
MOST_LINES = 10
_ONE_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Digest:
    """It is told `at` minutes after midnight of `zone`, on the business days of `calendar`, every day without one.

    `empty`: also where nothing is overdue.
    """

    at: int
    zone: str = "UTC"
    calendar: CalendarRules | None = None
    empty: bool = False

    def due(self, now: int) -> date | None:
        """The local date whose digest is to be told now, if it was not yet; None where none is."""
        zone = ZoneInfo(self.zone)
        today = local_date(zone, now)
        for day in (today, today - _ONE_DAY):
            begins = opening(zone, day, self.at)
            if begins <= now < begins + LATE:
                return day if self.calendar is None or prepared(self.calendar).is_business_day(day) else None
        return None


@dataclass(frozen=True, slots=True)
class Overdue:
    """So many instances of an owner that are stuck before one milestone, the oldest since an instant."""

    workflow: str
    waiting_for: str | None
    title: str | None
    entity: str | None
    count: int
    oldest_since: int
    value: Money = ()


def digest_notice(owner: str, found: Sequence[Overdue], now: int, public_url: str, locale: Locale) -> Notice:
    """What is said of all that is overdue of an owner; times and money are spelled for whoever reads it."""
    count = sum(one.count for one in found)
    oldest = min((one.oldest_since for one in found), default=None)
    worth = _together(found)
    title = f"{locale.number(count)} overdue of {shorten(owner, 200)}" if count else f"Nothing overdue of {owner}"
    said = f"Nothing of {owner} is overdue."
    if oldest is not None:
        be = "is" if count == 1 else "are"
        since = f"{'since' if count == 1 else 'the oldest since'} {locale.instant(oldest, now)}"
        value = money(worth, locale)
        said = f"{locale.number(count)} of {owner} {be} overdue{f', worth {value}' if value else ''}, {since}: "
        said += "; ".join(_line(one, now, locale) for one in found[:MOST_LINES])
        said += f"; and {len(found) - MOST_LINES} more kinds." if len(found) > MOST_LINES else "."
    return Notice(
        transition="note",
        reason="digest",
        at=now,
        severity="info",
        verdict="stuck",
        count=count,
        value=worth,
        oldest_since=oldest,
        owner=owner,
        owners=(owner,),
        workflows=sorted({one.workflow for one in found}),
        said_title=title,
        said=said,
        link=overdue_link(public_url, owner) if public_url else None,
    )


def overdue_link(public_url: str, owner: str) -> str:
    """The page with exactly what is overdue of an owner."""
    return f"{public_url.rstrip('/')}/dashboard/worklist?{urlencode({'verdict': 'stuck', 'owner': owner})}"


def digest_id(key: str, day: date, number: int) -> str:
    """The same for the same place in a digest, known by a key, and a day, whatever becomes of targets meanwhile."""
    spelled = f"{key}\x1f{day.isoformat()}\x1f{number}"
    return "digest_" + hashlib.sha256(spelled.encode()).hexdigest()[:32]


def read_digest(entry: Reader | None, calendars: Mapping[str, CalendarRules | None]) -> Digest | None:
    """`digest: {at: "08:30", calendar: office}`, or None where there is none or it has faults."""
    if entry is None or not entry.mapping(("at", "calendar", "zone", "empty"), ("at",)):
        return None
    named, zone, empty = (entry.optional(one) for one in ("calendar", "zone", "empty"))
    if named and zone:
        entry.fault("say one of 'calendar', which has a zone, and 'zone'")
    rules = read_calendar_name(named, calendars) if named else None
    where = zone.text() if zone else ""
    if zone and where and where not in zones():
        zone.fault(f"there is no time zone {where[:60]!r}{suggestion(where, zones())}")
        where = ""
    also = empty.flag() if empty else False
    time = entry.optional("at")
    if time is None:
        return None
    try:
        at = parse_time_of_day(str(time.value))
    except ValueError as error:
        time.fault(str(error))
        return None
    if at == MINUTES_A_DAY:
        time.fault("must lie before 24:00")
    return Digest(at, rules.zone if rules else where or "UTC", rules, also)


def _line(one: Overdue, now: int, locale: Locale) -> str:
    awaited = milestone_name(one.waiting_for, one.title) or "the next step"
    value = money([(currency, str(amount)) for currency, amount in one.value], locale)
    worth = f" worth {value}" if value else ""
    since = locale.instant(one.oldest_since, now)
    return f"{counted(one.count, one.entity, locale)}{worth} waiting for {awaited} ({one.workflow}), since {since}"


def _together(found: Sequence[Overdue]) -> list[tuple[str, str]]:
    totals: dict[str, Decimal] = {}
    for one in found:
        for currency, amount in one.value:
            totals[currency] = totals.get(currency, Decimal()) + amount
    return [(currency, str(total)) for currency, total in sorted(totals.items())]
