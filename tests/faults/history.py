"""What is sent in a run, and what must follow from it, computed from the facts in plain code.

Orders come from the history of the acceptance tests, and so does what must be said of them. Lanes are small workflows,
each of which is late once, so that it fires and has to be resolved. Swamps bring what no sender should send.
"""

from __future__ import annotations

import json
import random
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans

from tests.acceptance import sending
from tests.acceptance.enterprise import (
    DAY,
    DEFINITIONS,
    HOUR,
    MINUTE,
    SECOND,
    SOURCES,
    Fact,
    Order,
    expected,
    generate,
    spell,
)

OBJECTIVES = """
---
apiVersion: milepost/v1
kind: Objective
metadata: {name: accepted-in-time}
spec:
  workflow: order-to-cash
  latency: {from: order_received, to: order_accepted, within: 4h}
  target: 0.5
  missing_data: good
  group_by: [region]
---
apiVersion: milepost/v1
kind: Objective
metadata: {name: orders-a-day}
spec:
  workflow: order-to-cash
  volume: {milestone: order_received, per: 24h, at_least: 0}
  target: 0.5
  missing_data: good
"""
SWAMP = """
---
apiVersion: milepost/v1
kind: Workflow
metadata: {name: swamp, domain: swamp, owner: nobody}
spec:
  entity: swamp
  keys: {swamp: {path: data.id}}
  attributes: {what: data.what}
  value: {amount: data.amount, currency: data.currency}
  milestones: [{name: sunk, on: {exact: {source: swamp, type: sunk}}, starts: true, completes: true}]
"""
_LANE = """
---
apiVersion: milepost/v1
kind: Workflow
metadata: {{name: {lane}, domain: lanes, owner: lanes}}
spec:
  entity: lane
  keys: {{lane: {{path: data.lane}}}}
  milestones:
    - {{name: begun, on: {{exact: {{source: {lane}, type: lane.begun}}}}, starts: true}}
    - {{name: ended, on: {{exact: {{source: {lane}, type: lane.ended}}}}, within: 1s, completes: true}}
"""
_ROUTE = """
---
apiVersion: milepost/v1
kind: Route
metadata: {{name: everything}}
spec: {{send_to: [{{webhook: {{url: "http://127.0.0.1:{hook}/hook"}}}}]}}
"""
_OTHER = """
---
apiVersion: milepost/v1
kind: Workflow
metadata: {name: another, domain: others, owner: others}
spec:
  entity: other
  keys: {other: {path: data.other}}
  milestones: [{name: seen, on: {exact: {source: other, type: seen}}, starts: true, completes: true}]
"""
HOSTILE = DEFINITIONS.replace("breach: 4h", "breach: 4 fortnights").replace("starts: true", "begins: true")

_BATCH = 8
_CLOCKS = (0.0, 0.0, 25.0, -45.0, 4.0)
"""Seconds by which the clock of the sender of a lane may be wrong."""
_TOLERATED = 4 * MINUTE
"""Less than the two clocks of an order may differ without a contradiction."""
_COUNTS = ("good", "bad", "waived", "cancelled")


@dataclass(eq=False, slots=True)
class Job:
    """One request. It is sent from `after` on (seconds from the begin) until it is acknowledged; `ids` are its events'.

    What is `faulty` may be refused.
    """

    number: int
    door: str
    media: str
    body: bytes
    ids: list[str]
    after: float
    faulty: bool = False


@dataclass(slots=True)
class Lane:
    """One that begins and is late. It ends when somebody has heard of it (`waits`), or so many seconds later."""

    name: str
    after: float
    lasts: float
    clock: float
    waits: bool
    times: dict[str, int] = field(default_factory=dict)
    """When it began and ended by the clock of its sender (micros)."""


@dataclass(slots=True)
class History:
    """Everything of one run. `now` is the instant for which the orders were made (micros)."""

    now: int
    orders: list[Order]
    jobs: list[Job]
    lanes: list[Lane]
    skewed: int

    @property
    def groups(self) -> list[list[Fact]]:
        """The facts of each instance of the orders."""
        return [group for order in self.orders for group in order.groups]

    def definitions(self, hook: int, *, other: bool = False) -> str:
        """The files that are in force; the `other` ones say more of other workflows and less of objectives."""
        lanes = "".join(_LANE.format(lane=lane.name) for lane in self.lanes)
        return DEFINITIONS + (_OTHER if other else OBJECTIVES) + SWAMP + lanes + _ROUTE.format(hook=hook)


def make(random_: random.Random, now: int, orders: int, lanes: int, seconds: float) -> History:
    """A history that is sent within so many seconds."""
    seed = random_.getrandbits(32)
    made = generate(orders, now, seed)
    skewed = sum(_skew(random_, order, now) for order in made)
    planned = [*sending.plan(made, seed), sending.nameless(20)]
    parts = [(job.door, job.members[at : at + _BATCH]) for job in planned for at in range(0, len(job.members), _BATCH)]
    random_.shuffle(parts)
    jobs = [_job(number, door, members, seconds * number / len(parts)) for number, (door, members) in enumerate(parts)]
    jobs += [_swamp(len(jobs) + number, random_, random_.uniform(0, seconds)) for number in range(20)]
    found = [
        Lane(
            f"lane-{number:02}",
            random_.uniform(0, seconds * 0.9),
            random_.uniform(2, 25),
            random_.choice(_CLOCKS),
            random_.random() < 0.7,
        )
        for number in range(lanes)
    ]
    return History(now, made, sorted(jobs, key=lambda job: job.after), found, skewed)


def lane_event(lane: Lane, what: str, now: float) -> Job:
    """That it began, or ended, by its own clock; `now` in seconds since the Unix epoch."""
    at = lane.times[what] = int((now + lane.clock) * SECOND)
    event = {
        "specversion": "1.0", "id": f"{lane.name}-{what}", "source": lane.name, "type": f"lane.{what}",
        "time": datetime.fromtimestamp(at / SECOND, UTC).isoformat(timespec="microseconds"), "data": {"lane": lane.name},
    }  # fmt: skip
    lane.times[what] = round(datetime.fromisoformat(str(event["time"])).timestamp() * SECOND)
    return _events(-1, [event], 0.0)


def heartbeats(now: float) -> Job:
    """An event that concerns nobody, from every source of orders: it says that the source is alive and up to date."""
    at = datetime.fromtimestamp(now, UTC).isoformat()
    events = [
        {"specversion": "1.0", "id": f"heartbeat-{at}", "source": source, "type": "heartbeat", "time": at}
        for source in sorted({*SOURCES.values(), "integration"})
    ]
    return _events(-1, events, 0.0)


def cancellations(history: History, number: int) -> list[Job]:
    """What ends every order that is open: it was cancelled at its very beginning."""
    events = []
    for group in history.groups:
        names = {name: value for fact in group for name, value in fact.keys.items()}
        own = {"order_id": names["order"]} if "order" in names else {"sales_order": names["sales_order"]}
        at = datetime.fromtimestamp((min(fact.at for fact in group) - MINUTE) / SECOND, UTC)
        events.append(
            {"specversion": "1.0", "id": f"cancel-{len(events)}", "source": "crm", "type": "order.cancelled",
             "time": at.isoformat(), "data": own}
        )  # fmt: skip
    parts = [events[at : at + 50] for at in range(0, len(events), 50)]
    return [_events(number + place, part, 0.0) for place, part in enumerate(parts)]


def buckets(history: History) -> dict[tuple[str, str, int, str], tuple[int, ...]]:
    """What objectives must have counted, by name, group, width (minutes) and begin: good, bad, waived and cancelled."""
    found: dict[tuple[str, str, int, str], list[int]] = defaultdict(lambda: [0, 0, 0, 0])

    def count(objective: str, groups: Iterable[str], at: int, outcome: str) -> None:
        for minutes in (5, 60, 1440):
            for group in groups:
                begin = spell(at - at % (minutes * MINUTE))
                found[objective, group, minutes, begin][_COUNTS.index(outcome)] += 1

    for group in history.groups:
        said = expected(group, history.now)
        times = {fact.kind: fact.at for fact in sorted(group, key=lambda fact: -fact.at)}
        if "order_received" not in times:
            continue
        begin, due = times["order_received"], times["order_received"] + 4 * HOUR
        cancelled = said["verdict"] == "cancelled"
        shown = ("order_accepted", "goods_shipped", "invoice_posted", "payment_received", "entitlement_active")
        arrival = times.get("order_accepted") or min((times[one] for one in shown if one in times), default=None)
        outcome = "good" if arrival is not None and arrival <= due else "bad"
        region = json.dumps([said["attributes"].get("region")])
        count("accepted-in-time", ["", region], due, "cancelled" if cancelled else outcome)
        count("orders-a-day", [""], begin, "cancelled" if cancelled else "good")
    return {place: tuple(counts) for place, counts in found.items()}


def _skew(random_: random.Random, order: Order, now: int) -> bool:
    """The clock of the ERP was wrong when it told of one order in ten; whether it was of this one."""
    by = random_.choice([-_TOLERATED, _TOLERATED])
    if random_.random() >= 0.1:
        return False
    mine = [fact for fact in order.facts if fact.kind in ("order_accepted", "goods_shipped", "failed")]
    before = [fact.at for fact in mine]
    for fact in mine:
        fact.at += by
    stands = all(fact.at < now - SECOND for fact in mine) and all(
        expected(group, now) == expected(group, now + 20 * MINUTE) for group in order.groups
    )
    if not stands:
        for fact, at in zip(mine, before, strict=True):
            fact.at = at
    return bool(mine) and stands


def _job(number: int, door: str, members: Any, after: float) -> Job:
    if door == "/events":
        return _events(number, list(members), after)
    if door == "/v1/traces":
        ids = [f"{one.context.trace_id:032x}/{one.context.span_id:016x}" for one in members]
        return Job(number, door, "application/x-protobuf", encode_spans(members).SerializeToString(), ids, after)
    return Job(number, door, "application/x-protobuf", encode_logs(members).SerializeToString(), [], after)


def _events(number: int, events: list[dict[str, Any]], after: float) -> Job:
    ids = [f"{event['source']} {event['id']}" for event in events]
    return Job(number, "/events", "application/cloudevents-batch+json", json.dumps(events).encode(), ids, after)


def _swamp(number: int, random_: random.Random, after: float) -> Job:
    """A batch in which one event is good and the others are not what they should be."""
    deep: Any = "x"
    for _ in range(random_.randrange(20, 400)):
        deep = [deep]
    odd = [
        {"what": "\x00"}, {"what": deep}, {"amount": 1e308, "currency": "€" * 999}, {"amount": "9" * 400},
        {"amount": -1, "currency": None}, {"what": "\ud800"}, {"id": {"id": 1}}, {"what": "x" * 70_000}, [], None,
    ]  # fmt: skip
    events: list[Any] = [
        {"specversion": "1.0", "id": f"good-{number}", "source": "swamp", "type": "sunk", "data": {"id": f"S-{number}"}}
    ]
    for place, data in enumerate(random_.sample(odd, 5)):
        time = random_.choice(["2026-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z", "soon"])
        said = {"id": f"S-{number}-{place}"} | data if isinstance(data, dict) else data
        events.append(
            {
                "specversion": "1.0",
                "id": f"odd-{number}-{place}",
                "source": "swamp",
                "type": "sunk",
                "time": time,
                "data": said,
            }
        )
    events += random_.sample(
        [{"id": ""}, 7, "x", {"specversion": "9", "id": "1", "source": "swamp", "type": "sunk"}], 2
    )
    random_.shuffle(events)
    return Job(
        number,
        "/events",
        "application/cloudevents-batch+json",
        json.dumps(events).encode(),
        [f"swamp good-{number}"],
        after,
        faulty=True,
    )


DAYS_BACK = 41 * DAY
"""Nothing of an order is older."""
