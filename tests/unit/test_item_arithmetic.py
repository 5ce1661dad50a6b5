"""How an item of an objective came to be late or in time, in words."""

from __future__ import annotations

from functools import reduce

from slo_rules.arithmetic import arithmetic_of_item
from slo_rules.contributors import items_of
from slo_rules.definitions import load
from slo_rules.durations import HOUR, MINUTE
from slo_rules.event import Event
from slo_rules.joining import join
from slo_rules.matching import Matcher
from slo_rules.observation import fold
from slo_rules.progress import Progress
from tests import strategies
from tests.strategies import START, make_event

MORE = """
---
apiVersion: milepost/v1
kind: Objective
metadata: {name: in-office-hours}
spec: {workflow: orders, latency: {from: won, to: accepted, within: 4h, calendar: office}, target: 0.9, missing_data: bad}
"""
DEFINITIONS = load({"orders.yaml": strategies.DEFINITIONS + MORE})
WORKFLOW = DEFINITIONS.workflows["orders"]
NOW = START + 100 * HOUR


def told(objective: str, *events: Event) -> list[list[str]]:
    matcher = Matcher([WORKFLOW])
    parts = [fold(None, match) for event in events for _, match in matcher.matches(event)]
    progress: Progress = reduce(join, parts)
    items = items_of(DEFINITIONS.objectives[objective], progress, WORKFLOW)
    return [arithmetic_of_item(item, progress, WORKFLOW, NOW) for item in items]


def event(type_: str, minutes: int, **said: str) -> Event:
    return make_event(type_, minutes * MINUTE, minutes, "crm" if type_ != "accepted" else "sap", {"order": "1"} | said)


def test_what_came_late() -> None:
    assert told("accepted-in-time", event("won", 0), event("accepted", 5 * 60)) == [
        [
            "Won was reached at 2026-09-21 14:13:20 UTC: the time for Accepted begins.",
            "Due after 4h, around the clock: 2026-09-21 18:13:20 UTC.",
            "Accepted came at 2026-09-21 19:13:20 UTC: 1h past it.",
        ]
    ]


def test_what_came_in_time_and_what_has_not_come() -> None:
    ((*_, last),) = told("accepted-in-time", event("won", 0), event("accepted", 30))
    assert last == "Accepted came at 2026-09-21 14:43:20 UTC: 3h30m before it."
    ((*_, last),) = told("accepted-in-time", event("won", 0))
    assert last == "Accepted has not come. Now it is 2026-09-25 18:13:20 UTC: 4d past it."


def test_what_only_its_successor_shows_and_a_pause() -> None:
    events = (event("won", 0), event("paused", 30), event("resumed", 90), event("paid", 6 * 60))
    (lines,) = told("accepted-in-time", *events)
    assert "The clock stood from 2026-09-21 14:43:20 UTC to 2026-09-21 15:43:20 UTC: 1h." in lines
    assert lines[-1] == ("Accepted was passed at 2026-09-21 20:13:20 UTC, as what came after it shows: 1h past it.")


def test_a_calendar_says_what_counted() -> None:
    (lines,) = told("in-office-hours", event("won", 0))
    # START is a Monday, 16:13:20 in Berlin.
    assert lines[1].endswith("16:13 – 17:00: 46m40s count.")
    assert lines[-2] == ("Due after 4h of the time of office: 2026-09-22 10:13:20 UTC (Tue 12:13 Europe/Berlin).")
    assert lines[-1].endswith("of them open.")


def test_each_part_has_its_own_clock() -> None:
    events = (event("delivered", 0, parcel="P1"), event("delivered", 60, parcel="P2"), event("signed", 70, parcel="P2"))
    first, second = told("signed-fresh", *events)
    assert first[0].startswith("Delivered of parcel P1 was reached at 2026-09-21 14:13:20 UTC")
    assert second[-1].startswith("Signed of parcel P2 came at")


def test_how_an_instance_ends_has_no_clock() -> None:
    assert told("ended-well", event("won", 0), event("failed", 5)) == [[]]
