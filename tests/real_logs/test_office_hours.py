"""Real cases judged in office hours, beside arithmetic that shares nothing with the product but the log's reader.

The second opinion walks from day to day, knows the Dutch holidays by its own reckoning and adds up seconds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import pytest

from collector.ingest.files import Record, open_source, read_xes
from slo_rules.definitions import load
from slo_rules.event import Event, event_key
from slo_rules.instants import to_micros
from slo_rules.judging import judge
from slo_rules.matching import Matcher
from slo_rules.observation import fold
from slo_rules.progress import Progress
from tests.real_logs.test_real_logs import BPIC2019, RECEIPT, RealLog

ZONE = ZoneInfo("Europe/Amsterdam")
OPENS, CLOSES = time(8, 30), time(17, 0)
DEFINITION = """
apiVersion: milepost/v1
kind: Workflow
metadata: {{name: cases, domain: cases, owner: office}}
spec:
  entity: case
  keys: {{case: data.case}}
  milestones:
    - {{name: started, on: {{exact: {{type: "{start}"}}}}}}
    - {{name: done, on: {{exact: {{type: "{complete}"}}}}, within: {{breach: {hours}h, calendar: office}}}}
---
apiVersion: milepost/v1
kind: Calendar
metadata: {{name: office}}
spec:
  zone: Europe/Amsterdam
  hours: {{mon-fri: ["08:30-17:00"]}}
  # Nobody is given Good Friday off by law.
  holidays: {{country: NL, except: [Good Friday]}}
"""
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def easter(year: int) -> date:
    """Gauss' rule for the Gregorian calendar, as Meeus writes it."""
    a, b, c = year % 19, year // 100, year % 100
    d, e = divmod(b, 4)
    g = (8 * b + 13) // 25
    h = (19 * a + b - d - g + 15) % 30
    i, k = divmod(c, 4)
    m = (32 + 2 * e + 2 * i - h - k) % 7
    n = (a + 11 * h + 22 * m) // 451
    month, day = divmod(h + m - 7 * n + 114, 31)
    return date(year, month, day + 1)


@cache
def holidays(year: int) -> frozenset[date]:
    """The Netherlands: whole days only, and Liberation Day in the years in which most are free."""
    monarch = date(year, 4, 27) if year >= 2014 else date(year, 4, 30)
    if monarch.weekday() == 6:
        monarch -= timedelta(days=1)
    movable = [easter(year) + timedelta(days=days) for days in (0, 1, 39, 49, 50)]
    fixed = [date(year, 1, 1), monarch, date(year, 12, 25), date(year, 12, 26)]
    return frozenset([*movable, *fixed, *([date(year, 5, 5)] if year % 5 == 0 else [])])


@cache
def open_on(day: date) -> tuple[datetime, datetime] | None:
    if day.weekday() >= 5 or day in holidays(day.year):
        return None
    opens, closes = (datetime.combine(day, at, ZONE).astimezone(UTC) for at in (OPENS, CLOSES))
    return opens, closes


def open_seconds(start: datetime, end: datetime, enough: float) -> float:
    """Seconds of office hours between two instants; it stops where there are more than enough."""
    seconds = 0.0
    day = start.astimezone(ZONE).date()
    while day <= end.astimezone(ZONE).date() and seconds <= enough:
        hours = open_on(day)
        if hours is not None:
            seconds += max(0.0, (min(end, hours[1]) - max(start, hours[0])).total_seconds())
        day += timedelta(days=1)
    return seconds


def cases(log: RealLog) -> Iterator[tuple[str, list[Event]]]:
    """The events of a log that start or complete a case, by case, as the import would log them."""
    found: dict[str, list[Event]] = {}
    with open_source(log.path()) as opened:
        for entry in read_xes(opened.stream, source=opened.default_source):
            assert isinstance(entry, Record)
            event = entry.event
            if event["type"] in (log.start, log.complete):
                at = to_micros(datetime.fromisoformat(event["time"]))
                one = Event(event["source"], event["type"], at, at, event_key(event["source"], event["id"]), event)
                found.setdefault(event["data"]["case"], []).append(one)
    yield from found.items()


def second_opinion(events: list[Event], log: RealLog, hours: int) -> str:
    times = {
        kind: [
            datetime.fromtimestamp(0, UTC) + timedelta(microseconds=one.occurred_at)
            for one in events
            if one.type == kind
        ]
        for kind in (log.start, log.complete)
    }
    started = min(times[log.start])
    done = min(times[log.complete], default=None)
    taken = open_seconds(started, done or NOW, hours * 3600)
    if done is None:
        return "stuck" if taken >= hours * 3600 else "on_track"
    return "completed" if taken <= hours * 3600 else "completed_late"


@pytest.mark.parametrize(
    ("log", "hours", "expected"),
    [
        pytest.param(RECEIPT, 16, {"completed": 1007, "completed_late": 293, "stuck": 134}, id="permit-receipt"),
        pytest.param(BPIC2019, 500, {"completed": 4409, "completed_late": 3908, "stuck": 3656}, id="purchase-to-pay"),
    ],
)
def test_verdicts_in_office_hours_are_those_of_a_second_opinion(
    log: RealLog, hours: int, expected: dict[str, int]
) -> None:
    text = DEFINITION.format(start=log.start, complete=log.complete, hours=hours)
    workflow = load({"office.yaml": text}).workflows["cases"]
    matcher = Matcher([workflow])
    found: Counter[str] = Counter()
    for case, events in cases(log):
        progress: Progress | None = None
        for event in events:
            ((_, match),) = matcher.matches(event)
            progress = fold(progress, match)
        assert progress is not None
        verdict = judge(progress, workflow, {}, to_micros(NOW))
        assert verdict.kind.value == second_opinion(events, log, hours), case
        found[verdict.kind.value] += 1
    assert found == Counter(expected)
