"""Questions to objectives of every kind, and answers counted item by item and slice by slice.

Counting so knows nothing of buckets, sums and spans: what instances are counted as is all it takes from the rules.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from itertools import count
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from slo_rules.definitions import load
from slo_rules.durations import HOUR, MINUTE
from slo_rules.event import Event
from slo_rules.exclusions import Exclusion
from slo_rules.instants import to_datetime, to_micros
from slo_rules.item import Item, Outcome
from slo_rules.items import items
from slo_rules.objective import ALL, MissingData, Objective
from slo_rules.progress import Progress
from slo_rules.reckoning import Asked, Reckoned
from slo_rules.workflow import AMOUNT, CURRENCY, Workflow
from tests.strategies import DEFINITIONS, START, make_act, make_event

MORE = """
---
apiVersion: milepost/v1
kind: Objective
metadata: {name: in-groups-by-value}
spec:
  workflow: orders
  latency: {from: won, to: accepted, within: 2h}
  target: 0.9
  missing_data: exclude
  group_by: [region]
  by_value: true
  exclude:
    - {from: "2026-09-22T02:00", to: "2026-09-22T05:00", reason: once}
---
apiVersion: milepost/v1
kind: Maintenance
metadata: {name: evenings}
spec:
  match: {reason: [in-groups-by-value, in-office-hours]}
  from: "2026-09-21T17:00"
  for: 95m
  repeat: FREQ=DAILY
  zone: Europe/Berlin
  reason: every evening
  exclude_from_objectives: true
---
apiVersion: milepost/v1
kind: Objective
metadata: {name: in-office-hours}
spec:
  workflow: orders
  latency: {from: won, to: shipped, within: 1h30m, calendar: office}
  target: 0.9
  missing_data: good
  by_value: true
---
apiVersion: milepost/v1
kind: Objective
metadata: {name: parts-fresh-in-groups}
spec:
  workflow: orders
  freshness: {from: delivered, to: signed, within: 20m}
  target: 0.9
  missing_data: alert
  group_by: [region]
  exclude: [{from: "2026-09-14T20:00", for: 6h, repeat: FREQ=WEEKLY;BYDAY=MO, zone: Asia/Kolkata, reason: Mondays}]
---
apiVersion: milepost/v1
kind: Objective
metadata: {name: ends-in-groups-by-value}
spec: {workflow: orders, success: {}, target: 0.9, missing_data: bad, group_by: [region], by_value: true}
---
apiVersion: milepost/v1
kind: Objective
metadata: {name: enough-an-hour}
spec:
  workflow: orders
  volume: {milestone: won, per: 1h, at_least: 1}
  target: 0.9
  missing_data: good
  exclude: [{from: "2026-09-21T20:20", for: 30m, reason: once}]
---
apiVersion: milepost/v1
kind: Objective
metadata: {name: not-too-many}
spec:
  workflow: orders
  volume: {milestone: accepted, per: 15m, at_most: 0}
  target: 0.9
  missing_data: bad
  group_by: [region]
---
apiVersion: milepost/v1
kind: Objective
metadata: {name: some-a-day}
spec:
  workflow: orders
  volume: {milestone: won, per: {period: day, zone: Asia/Kolkata}, at_least: 1, at_most: 2}
  target: 0.9
  missing_data: exclude
---
apiVersion: milepost/v1
kind: Objective
metadata: {name: crm-heard}
spec:
  workflow: orders
  freshness: {source: crm, within: 40m}
  target: 0.9
  exclude: [{from: "2026-09-21T20:20", for: 30m, reason: once}]
---
apiVersion: milepost/v1
kind: Objective
metadata: {name: sap-heard-in-office-hours}
spec:
  workflow: orders
  freshness: {source: sap, within: 1h, calendar: office}
  target: 0.9
  window: {last: 16h, calendar: office}
---
apiVersion: milepost/v1
kind: Objective
metadata: {name: sap-heard}
spec: {workflow: orders, freshness: {source: sap}, target: 0.9}
"""
KNOWN = load({"orders.yaml": DEFINITIONS + MORE})
GROUPS = ['["EMEA"]', '["APAC"]', "[null]", '["7"]', '["true"]']
BEGIN = -(START % (5 * MINUTE))
"""From START back to the begin of its five minutes."""
ODD = st.sampled_from([0, BEGIN, BEGIN, BEGIN + 5 * MINUTE, BEGIN - 1, 1, MINUTE])
INSTANTS = st.builds(lambda at, odd: START + at * 20 * MINUTE + odd, st.integers(-10, 150), ODD)
"""Few, so that they meet what happens: at the edges of five minutes, and just within."""


STEPS = ("won", "accepted", "shipped", "delivered", "signed", "paid")
TWISTS = ("waived", "waived", "accepted", "won", "cancelled", "failed", "paused", "resumed")
PAUSES = st.sampled_from([7 * MINUTE, 40 * MINUTE, 40 * MINUTE, HOUR, 2 * HOUR, 5 * HOUR])
WAIVED_FOR = st.sampled_from([None, HOUR, 30 * HOUR, 2000 * HOUR, 2000 * HOUR])
LATENESS = st.sampled_from([0, 0, 0, MINUTE, 3 * HOUR, 20 * HOUR])


@st.composite
def busy(draw: st.DrawFn) -> list[Event]:
    """Orders of which most things happen, in the order of arrival: halves that merge, late corrections and waivers."""
    numbers, found = count(), []
    for order in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, 60)) * 20 * MINUTE
        worth = {"region": draw(st.sampled_from(["EMEA", "APAC", 7, None]))}
        worth |= draw(st.sampled_from([{"amount": 10, "currency": "EUR"}, {"amount": "0.25"}, {}]))

        def happens(type_: str, at: int, carried: dict[str, Any]) -> None:
            source = "crm" if type_ == "won" else "sap"
            found.append(make_event(type_, at, next(numbers), source, carried, at + draw(LATENESS)))

        for step in STEPS:
            if draw(st.integers(0, 4)) or step == "won":
                # What was won says nothing of the order yet: the two halves are one from the link on.
                own = {"opportunity": f"A-{order}"} if step == "won" else {"order": f"O-{order}"}
                parcel = {"parcel": f"P-{order}-{draw(st.integers(1, 2))}"} if step in ("delivered", "signed") else {}
                happens(step, at, own | worth | parcel | {"tax_code": "V1"})
            at += draw(PAUSES)
        if draw(st.integers(0, 4)):
            happens("linked", at - draw(PAUSES) * 2, {"opportunity": f"A-{order}", "order": f"O-{order}"})
        for twist in draw(st.lists(st.sampled_from(TWISTS), max_size=3)):
            when = at - draw(PAUSES) * 2
            if twist == "waived":
                key = draw(st.sampled_from([f"opportunity=A-{order}", f"order=O-{order}"]))
                found.append(make_act(when, next(numbers), key, draw(WAIVED_FOR), when + draw(LATENESS)))
            else:
                happens(twist, when, {"order": f"O-{order}"})
    return sorted(found, key=lambda event: event.received_at)


@st.composite
def questions(draw: st.DrawFn) -> list[Asked]:
    """The same span asked of every objective, in all and in a group, with or without silence."""
    since = draw(INSTANTS)
    until = since + draw(st.sampled_from([5 * MINUTE, HOUR, 9 * HOUR, 60 * HOUR])) + draw(ODD)
    missing_since = draw(st.one_of(st.none(), INSTANTS))
    group = draw(st.sampled_from(GROUPS))
    return [
        Asked(objective, since, until, asked, missing_since)
        for objective in KNOWN.objectives.values()
        for asked in ((ALL, group) if objective.group_by else (ALL,))
    ]


SLICE = 5 * MINUTE
WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
Numbers = dict[tuple[str, str], Decimal]
"""How much, by what its time is (counted, excluded or missing) and what it is (good, bad, waived or cancelled)."""


def reckon_one_by_one(
    asked: Asked, world: list[tuple[Progress, Workflow]], history: list[Event]
) -> dict[str, Reckoned]:
    """The answer by unit; what was received in this order has made the instances what they are."""
    objective = asked.objective
    counted = [
        (item, progress)
        for progress, workflow in world
        for item in items(progress, workflow, [objective])
        if item.objective is not None and asked.group in ("", objective.group_of(progress.attributes))
    ]
    found: dict[str, Numbers] = {"": defaultdict(Decimal)}
    if objective.source:
        heard_at = [event.received_at for event in history if event.source == objective.source]
        _count_heard_slices(asked, heard_at, history[0].received_at if history else None, found[""])
    elif objective.kind == "freshness":
        _count_fresh_slices(asked, [item for item, _ in counted], found[""])
    elif objective.kind == "volume":
        _count_full_slices(asked, [item for item, _ in counted], found[""])
    else:
        for item, progress in counted:
            time = _time(asked, item.at // SLICE * SLICE)
            if time is None:
                continue
            found[""][time, item.outcome.value] += 1
            amount = Decimal(str(progress.attributes.get(AMOUNT, "0")))
            if objective.by_value and amount > 0:
                currency = str(progress.attributes.get(CURRENCY, "XXX"))
                found.setdefault(currency, defaultdict(Decimal))[time, item.outcome.value] += amount
    return {unit: _of_policy(objective, numbers) for unit, numbers in found.items()}


def _of_policy(objective: Objective, numbers: Numbers) -> Reckoned:
    good, bad = numbers["counted", "good"], numbers["counted", "bad"]
    unknown = numbers["missing", "good"] + numbers["missing", "bad"]
    if objective.missing_data == MissingData.GOOD:
        good += unknown
    if objective.missing_data == MissingData.BAD:
        good, bad = good + numbers["missing", "good"], bad + numbers["missing", "bad"]
    return Reckoned(
        good,
        bad,
        numbers["counted", "waived"] + numbers["missing", "waived"],
        numbers["counted", "cancelled"] + numbers["missing", "cancelled"],
        numbers["excluded", "good"] + numbers["excluded", "bad"],
        unknown,
    )


def _time(asked: Asked, at: int) -> str | None:
    """What the five minutes from an instant on are to a question; None: not asked for, or not as a whole."""
    if at < asked.since or at + SLICE > asked.until:
        return None
    if any(_excludes(one, at) for one in asked.objective.exclude):
        return "excluded"
    return "missing" if asked.missing_since is not None and at + SLICE > asked.missing_since else "counted"


def _excludes(exclusion: Exclusion, at: int) -> bool:
    if not exclusion.repeat:
        return exclusion.since <= at < exclusion.since + exclusion.length
    zone = ZoneInfo(exclusion.zone)
    first = to_datetime(exclusion.since).astimezone(zone)
    weekday = exclusion.repeat.partition("BYDAY=")[2]
    day = to_datetime(at - exclusion.length).astimezone(zone).date()
    while day <= to_datetime(at).astimezone(zone).date():
        begins = to_micros(first.replace(year=day.year, month=day.month, day=day.day))
        if (
            begins >= exclusion.since
            and weekday in ("", WEEKDAYS[day.weekday()])
            and begins <= at < begins + exclusion.length
        ):
            return True
        day += timedelta(days=1)
    return False


def _count_fresh_slices(asked: Asked, changes: list[Item], found: Numbers) -> None:
    """A slice is bad while any change was due before its end and had not arrived before its begin."""
    if not changes:
        return
    late = [(one.at // SLICE * SLICE, one.arrival) for one in changes if one.outcome is Outcome.BAD]
    for at in _slices(asked, min(one.at for one in changes)):
        if (time := _time(asked, at)) is not None:
            stale = any(due <= at and (arrival is None or arrival > at) for due, arrival in late)
            found[time, "bad" if stale else "good"] += 1


def _count_heard_slices(asked: Asked, heard_at: list[int], began_at: int | None, found: Numbers) -> None:
    if began_at is None:
        return
    for at in _slices(asked, began_at):
        if (time := _time(asked, at)) is not None:
            found[time, "bad" if overdue(asked.objective, heard_at, began_at, at) else "good"] += 1


def overdue(objective: Objective, heard_at: list[int], began_at: int, at: int) -> bool:
    """Whether anything was overdue from a source in the five minutes from an instant on."""
    assert objective.expects is not None
    for place, last in enumerate([began_at, *heard_at]):
        due, following = objective.expects.due(last), heard_at[place] if place < len(heard_at) else 2**62
        if due is not None and due < min(following, at + SLICE) and following > at:
            return True
    return False


def _count_full_slices(asked: Asked, reached: list[Item], found: Numbers) -> None:
    if not reached:
        return
    volume = asked.objective.volume
    assert volume is not None
    first = min(one.at for one in reached) // SLICE * SLICE
    slices: dict[int, list[int]] = {}
    """The five minutes in each slice, by when it begins: all that there are."""
    for at in _slices(asked, first):
        begins = at // volume.per * volume.per if isinstance(volume.per, int) else volume.per.around(at)[0]
        slices.setdefault(begins, []).append(at)
    for begins, parts in slices.items():
        ends = begins + volume.per if isinstance(volume.per, int) else volume.per.around(begins)[1]
        times = {_time(asked, at) for at in parts}
        if len(parts) * SLICE != ends - begins or None in times:
            continue
        items = sum(begins <= one.at < ends and one.outcome is Outcome.GOOD for one in reached)
        enough = (volume.at_least is None or items >= volume.at_least) and (
            volume.at_most is None or items <= volume.at_most
        )
        time = next(one for one in ("excluded", "missing", "counted") if one in times)
        found[time, "good" if enough else "bad"] += 1


def _slices(asked: Asked, first: int) -> Iterator[int]:
    return iter(range(max(first, asked.since) // SLICE * SLICE, asked.until, SLICE))
