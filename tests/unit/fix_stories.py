"""Stories of one instance through a shipped pack, told in events as its systems send them.

Times are those on the wall in Berlin, in 2026: `03-02 09:00`, which is a Monday.
"""

from __future__ import annotations

from datetime import datetime
from functools import reduce
from importlib.resources import files
from typing import Any
from zoneinfo import ZoneInfo

from slo_rules.definitions import load
from slo_rules.event import Event, event_key
from slo_rules.instants import to_datetime, to_micros
from slo_rules.joining import join
from slo_rules.judging import judge, waits
from slo_rules.matching import Matcher
from slo_rules.observation import fold
from slo_rules.progress import Progress
from slo_rules.standing import standing

BERLIN = ZoneInfo("Europe/Berlin")
PACKS = load({
    entry.name: entry.read_text("utf-8")
    for entry in (files("slo_rules") / "packs").iterdir()
    if entry.name.endswith(".yaml")
})  # fmt: skip
Said = dict[str, Any]
Told = tuple[str, str, str, Said]
"""When, source, type, data."""


def at(wall: str) -> int:
    """`03-02 09:00` of 2026."""
    return to_micros(datetime.fromisoformat(f"2026-{wall}").replace(tzinfo=BERLIN))


def told(pack: str, *story: Told) -> Progress:
    """The progress of one instance; every event of the story must speak of it, and of no other."""
    matcher = Matcher([PACKS.workflows[pack]])
    parts: list[Progress] = []
    groups: list[set[str]] = []
    for number, (wall, source, type_, data) in enumerate(story):
        document: Said = {"id": str(number), "source": source, "type": type_, "data": data}
        if source == "customer-portal":
            document |= {"type": "otel.span", "service": source, "name": type_, "status": "unset", "resource": {}}
        event = Event(source, document["type"], at(wall), at(wall), event_key(source, str(number)), document)
        found = matcher.matches(event)
        assert len(found) == 1, (type_, data)
        keys = set(found[0][1].joining)
        assert keys, (type_, data)
        joined = [group for group in groups if group & keys]
        groups = [group for group in groups if not group & keys] + [keys.union(*joined)]
        parts.append(fold(None, found[0][1]))
    assert len(groups) == 1, groups
    return reduce(join, parts)


def judged(pack: str, now: str, *story: Told) -> tuple[str, str | None]:
    """The verdict, and what it waits for."""
    verdict = judge(told(pack, *story), PACKS.workflows[pack], {}, at(now))
    return verdict.kind, verdict.waiting_for


def due(pack: str, *story: Told) -> dict[str, str | None]:
    """When what is awaited is due, on the wall."""
    workflow = PACKS.workflows[pack]
    return {
        wait.milestone.name: None
        if wait.deadline_at is None
        else f"{to_datetime(wait.deadline_at).astimezone(BERLIN):%m-%d %H:%M}"
        for wait in waits(standing(told(pack, *story), workflow), workflow)
    }


def faults(pack: str, now: str, *story: Told) -> tuple[str, ...]:
    return judge(told(pack, *story), PACKS.workflows[pack], {}, at(now)).faults
