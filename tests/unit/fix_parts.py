"""Orders with shipments of their own, stories of them, and what is said of them."""

from __future__ import annotations

from functools import reduce
from typing import Any

from slo_rules.definitions import load
from slo_rules.durations import HOUR
from slo_rules.event import Event
from slo_rules.explain import Step, StepState, explain, journey
from slo_rules.joining import join
from slo_rules.judging import judge, waits
from slo_rules.matching import Matcher
from slo_rules.objective import Objective
from slo_rules.observation import fold
from slo_rules.progress import Progress
from slo_rules.standing import standing
from slo_rules.workflow import Workflow
from tests.strategies import START, make_event

HEAD = """
apiVersion: milepost/v1
kind: Workflow
metadata: {name: orders, domain: orders, owner: operations}
spec:
  entity: order
  keys:
    order: data.order
    shipment:
      path: data.shipment
      aliases: [{on: {exact: {type: relabelled}}, old: data.shipment, new: data.new}]
    invoice: data.invoice
  attributes: {parcels: data.parcels}
  observes: [{exact: {type: named}}, {exact: {type: relabelled}}]
"""
OBJECTIVES = """
---
apiVersion: milepost/v1
kind: Objective
metadata: {name: quick}
spec: {workflow: orders, latency: {from: shipped, to: delivered, within: 20h}, target: 0.9, missing_data: bad}
---
apiVersion: milepost/v1
kind: Objective
metadata: {name: fresh}
spec: {workflow: orders, freshness: {from: shipped, to: delivered, within: 20h}, target: 0.9, missing_data: bad}
"""


def workflow(milestones: str) -> Workflow:
    return load({"a.yaml": HEAD + milestones}).workflows["orders"]


DELIVERY = HEAD + """
  milestones:
    - {name: ordered, on: {exact: {type: ordered}}}
    - {name: shipped, each: shipment, count: parcels, on: {exact: {type: shipped}}, within: 10h,
       require: [{path: data.weight, exists: true}]}
    - {name: delivered, each: shipment, on: {exact: {source: dhl, type: delivered}}, within: {warn: 20h, breach: 24h},
       require: [{path: data.weight, equals: {of: shipped}}]}
    - {name: billed, after: shipped, on: {exact: {type: billed}}, within: 5h}
    - {name: closed, after: [delivered, billed], on: {exact: {type: closed}}, within: 1h}
  fails_on: [{exact: {type: damaged}}]
  pauses_on: [{exact: {type: held}}]
""" + OBJECTIVES  # fmt: skip
LOADED = load({"a.yaml": DELIVERY})
ORDER = LOADED.workflows["orders"]
ENDS = workflow("""
  completion: all
  milestones:
    - {name: ordered, on: {exact: {type: ordered}}}
    - {name: delivered, after: ordered, each: shipment, choice: end, completes: true,
       on: {exact: {type: delivered}}, within: 9h}
    - {name: called_off, after: ordered, each: shipment, choice: end, on: {exact: {type: called_off}}}
    - {name: thanked, after: delivered, each: shipment, optional: true, on: {exact: {type: thanked}}}
    - {name: billed, after: delivered, completes: true, on: {exact: {type: billed}}, within: 3h}
""")
AGAIN = workflow("""
  milestones:
    - {name: ordered, on: {exact: {type: ordered}}}
    - {name: shipped, each: shipment, on: {exact: {type: shipped}}, within: 10h}
    - {name: closed, on: {exact: {type: closed}}, within: 1h}
  restarts_on: [{exact: {type: returned}}]
""")
TWO = workflow("""
  milestones:
    - {name: ordered, on: {exact: {type: ordered}}}
    - {name: shipped, each: shipment, on: {exact: {type: shipped}}, within: 10h}
    - {name: billed, each: invoice, on: {exact: {type: billed}}, within: 5h}
    - {name: paid, each: invoice, on: {exact: {type: paid}}, within: 100h}
    - {name: archived, each: shipment, on: {exact: {type: archived}}, within: 1h}
""")
ALL = (ORDER, ENDS, AGAIN, TWO)

Told = tuple[Any, ...]
"""A type, hours after START, the shipment, and what else is said."""


def event_of(number: int, type_: str, hours: float, shipment: str | None = None, **said: Any) -> Event:
    data = {"order": "1", "weight": 5} | ({"shipment": shipment} if shipment else {}) | said
    return make_event(type_, int(hours * HOUR), number, "dhl" if type_ == "delivered" else "crm", data)


def told(flow: Workflow, *story: Told, **said: Any) -> Progress:
    parts = []
    for number, one in enumerate(story):
        more = one[3] if len(one) > 3 else {}
        ((_matcher, match),) = Matcher([flow]).matches(event_of(number, *one[:3], **said | more))
        parts.append(fold(None, match))
    return reduce(join, parts)


def awaited(flow: Workflow, *story: Told, **said: Any) -> dict[str, float | None]:
    """The deadlines of what is awaited, by milestone and part, in hours after START."""
    return {
        f"{wait.milestone.name} {wait.part or '?'}" if wait.milestone.each else wait.milestone.name: None
        if wait.deadline_at is None
        else (wait.deadline_at - START) / HOUR
        for wait in waits(standing(told(flow, *story, **said), flow), flow)
    }


def verdict(flow: Workflow, now: float, *story: Told, **said: Any) -> tuple[str, str | None, float]:
    found = judge(told(flow, *story, **said), flow, {}, START + int(now * HOUR))
    return found.kind, found.waiting_for, (found.since - START) / HOUR


def words(flow: Workflow, now: float, *story: Told, **said: Any) -> str:
    progress, at = told(flow, *story, **said), START + int(now * HOUR)
    return explain(progress, flow, judge(progress, flow, {}, at), {}, at)


def step(flow: Workflow, name: str, now: float, *story: Told, **said: Any) -> Step:
    steps = journey(told(flow, *story, **said), flow, START + int(now * HOUR))
    return next(one for one in steps if one.milestone.name == name)


def states(found: Step) -> dict[str, StepState]:
    return {part.value: part.state for part in found.parts}


def objectives() -> tuple[Objective, ...]:
    return tuple(LOADED.objectives.values())


ORDERED: Told = ("ordered", 0)
TWO_SHIPPED: list[Told] = [ORDERED, ("shipped", 1, "A"), ("shipped", 6, "B")]
