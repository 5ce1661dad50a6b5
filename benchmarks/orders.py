"""The business that is measured: orders of six milestones from four systems, many of them under way at once."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from random import Random

import orjson

from benchmarks.load import request

MILESTONES = (
    ("crm", "opportunity.won"),
    ("crm", "order.created"),
    ("sap", "sales_order.created"),
    ("wms", "shipped"),
    ("stripe", "invoice.posted"),
    ("stripe", "paid"),
)
PER_ORDER = len(MILESTONES)
PER_REQUEST = 100
UNDER_WAY = 2_000
"""Orders under way at once: how far the events of one order lie apart in the stream."""

DEFINITIONS = """
apiVersion: milepost/v1
kind: Workflow
metadata: {name: order-to-cash, domain: orders, owner: order-operations}
spec:
  entity: order
  orphans: tolerate
  keys:
    opportunity: data.opportunity_id
    order: data.order_id
    sales_order: data.sales_order
    account: {path: data.account_id, joins: false}
  attributes: {region: data.region, tier: data.tier}
  value: {amount: data.amount, currency: data.currency}
  milestones:
    - {name: won, on: {exact: {source: crm, type: opportunity.won}}}
    - {name: created, on: {exact: {source: crm, type: order.created}}, within: 4h}
    - {name: accepted, on: {exact: {source: sap, type: sales_order.created}}, within: {warn: 3h, breach: 4h}}
    - {name: shipped, on: {exact: {source: wms, type: shipped}}, within: 2d}
    - {name: invoiced, on: {exact: {source: stripe, type: invoice.posted}}, within: 1d}
    - {name: paid, on: {exact: {source: stripe, type: paid}}, within: 30d}
"""


def events(name: str, orders: int, shuffled: float) -> list[bytes]:
    """The events of `orders` orders as CloudEvents, in the order in which they are sent.

    Orders begin one after the other and their events are interleaved at random; those of a share `shuffled` of the
    orders arrive in any order, so that instances have to be joined.
    """
    random = Random(name)
    begin = datetime.now(UTC) - timedelta(minutes=5)
    placed: list[tuple[float, bytes]] = []
    for number in range(orders):
        start = random.random() * orders
        places = [start, *sorted(start + random.random() * UNDER_WAY for _ in range(PER_ORDER - 1))]
        times = [begin + timedelta(milliseconds=place) for place in places]
        if random.random() < shuffled:
            random.shuffle(places)
        for step, (place, at) in enumerate(zip(places, times, strict=True)):
            placed.append((place, _event(name, number, step, at)))
    placed.sort(key=lambda one: one[0])
    return [event for _, event in placed]


def _event(name: str, number: int, step: int, at: datetime) -> bytes:
    source, type_ = MILESTONES[step]
    data: dict[str, object] = {}
    if step <= 1:
        data["opportunity_id"] = f"OPP-{name}-{number}"
    if step >= 1:
        data["order_id"] = f"SO-{name}-{number}"
    if step >= 2:
        data["sales_order"] = f"47-{name}-{number}"
    data |= {
        "account_id": f"A{number % 997}",
        "region": "EMEA",
        "tier": "gold",
        "amount": 1000 + number % 77,
        "currency": "USD",
        "tax_code": "V1",
    }
    return orjson.dumps(
        {
            "specversion": "1.0",
            "id": f"{name}-{number}-{step}",
            "source": source,
            "type": type_,
            "time": at.isoformat().replace("+00:00", "Z"),
            "data": data,
        }
    )


def batched(members: list[bytes]) -> list[bytes]:
    """Requests of PER_REQUEST events each."""
    bodies = (b"[" + b",".join(members[at : at + PER_REQUEST]) + b"]" for at in range(0, len(members), PER_REQUEST))
    return [request("/events", "application/cloudevents-batch+json", body) for body in bodies]


def requests(name: str, orders: int, shuffled: float) -> list[bytes]:
    """The events of these orders as requests."""
    return batched(events(name, orders, shuffled))


def opened(name: str, numbers: range, deadlines: tuple[float, float] | None) -> list[bytes]:
    """Orders that were created and not accepted, as requests.

    `deadlines` (seconds since the epoch) are first and last of their deadlines, which lie evenly between; without it
    they lie hours ahead.
    """
    members = []
    for place, number in enumerate(numbers):
        at = time.time()
        if deadlines is not None:
            at = deadlines[0] + (deadlines[1] - deadlines[0]) * place / len(numbers) - ACCEPTED_WITHIN_SECONDS
        members.append(_event(name, number, 1, datetime.fromtimestamp(at, UTC)))
    return batched(members)


ACCEPTED_WITHIN_SECONDS = 4 * 3600
