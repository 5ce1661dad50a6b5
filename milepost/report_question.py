"""What a report is asked for, as people say it on the command line: a month or a span of time, and whose."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from collector.query.counted_items import Where
from collector.query.instances import BadQuery
from slo_rules.buckets import BUCKET
from slo_rules.instants import to_datetime, to_micros
from slo_rules.periods import Period
from slo_rules.wall_time import opening, zones
from slo_rules.windows import CalendarWindow

_MONTH = re.compile(r"(\d{4})-(\d{2})")
_FIRST_YEAR = 1970
_LONGEST_VALUE = 500


@dataclass(frozen=True, slots=True)
class ReportQuestion:
    """From when to when (micros, whole five minutes) on whose wall, of which objectives, and of which instances.

    Without names it is about all objectives. `over` says that the time lies wholly behind.
    """

    since: int
    until: int
    zone: str
    over: bool
    month: str | None = None
    names: tuple[str, ...] = ()
    where: Where = ()

    @property
    def period(self) -> str:
        """`October 2026`, `October 2026 so far`, or from when to when."""
        zone = ZoneInfo(self.zone)
        begins, ends = (to_datetime(at).astimezone(zone) for at in (self.since, self.until))
        if self.month is not None:
            return f"{begins:%B %Y}" + ("" if self.over else " so far")
        return f"{_day(begins)} to {_day(ends)}"

    @property
    def whose(self) -> str:
        """`account A-17 and region EMEA`; empty: everybody's."""
        return " and ".join(f"{name} {value}" for name, value in self.where)


def _day(at: datetime) -> str:
    """`1 Oct 2026`, with the time of day where it is not midnight."""
    return f"{at.day} {at:%b %Y}" + ("" if (at.hour, at.minute) == (0, 0) else f" {at:%H:%M}")


def question_of(
    *,
    month: str | None,
    since: str | None,
    until: str | None,
    zone: str,
    names: Sequence[str],
    groups: Sequence[str],
    now: int,
) -> ReportQuestion:
    """The question that these options ask; without a time, that for the last whole month. Raises BadQuery."""
    faults: list[str] = []
    where = [pair for text in groups if (pair := _pair(text, faults)) is not None]
    last = now - now % BUCKET
    if zone not in zones():
        faults.append(f"--zone: {zone[:80]!r} is no time zone such as Europe/Berlin")
        raise BadQuery(*faults)
    if month is not None and (since is not None or until is not None):
        faults.append("--month: cannot be asked for together with --since or --until")
    if since is None and until is None:
        begin, end = _month(month, zone, now, faults)
    else:
        month, begin = None, _instant("--since", since, zone, faults)
        end = last if until is None else _instant("--until", until, zone, faults)
        if since is None:
            faults.append("--since: is needed with --until")
    begin, end, over = begin - begin % BUCKET, -(-end // BUCKET) * BUCKET, end <= last
    end = min(end, last)
    if not faults and begin >= end:
        faults.append(f"{'--month' if month else '--since'}: nothing of that time is behind yet")
    if faults:
        raise BadQuery(*faults)
    spelled = None if since is not None else f"{to_datetime(begin).astimezone(ZoneInfo(zone)):%Y-%m}"
    return ReportQuestion(begin, end, zone, over, spelled, tuple(dict.fromkeys(names)), tuple(where))


def _pair(text: str, faults: list[str]) -> tuple[str, str] | None:
    name, equals, value = text.partition("=")
    if not (name and equals and value) or "\x00" in text or len(text) > _LONGEST_VALUE:
        faults.append(f"--group: {text[:80]!r} is not NAME=VALUE such as region=EMEA")
        return None
    return name, value


def _month(text: str | None, zone: str, now: int, faults: list[str]) -> tuple[int, int]:
    months = CalendarWindow(Period.MONTH, zone)
    if text is None:
        return months.around(months.around(now)[0] - 1)
    found = _MONTH.fullmatch(text)
    try:
        if found is None or int(found[1]) <= _FIRST_YEAR:
            raise ValueError(text)
        return months.around(opening(ZoneInfo(zone), date(int(found[1]), int(found[2]), 1), 0))
    except (ValueError, OverflowError):
        faults.append(f"--month: {text[:80]!r} is no month such as 2026-10")
        return 0, 0


def _instant(option: str, text: str | None, zone: str, faults: list[str]) -> int:
    """Micros of a date, from its midnight on, or of an instant; on the wall of the zone where it names none."""
    if text is None:
        return 0
    try:
        moment = datetime.fromisoformat(text)
        if moment.year <= _FIRST_YEAR:
            raise ValueError(text)
        return to_micros(moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo(zone)))
    except (ValueError, OverflowError):
        faults.append(f"{option}: {text[:80]!r} is no time such as 2026-10-01 or 2026-10-01T09:00:00Z")
        return 0
