"""A history of orders whose end is known: what was sent for each order, and what must be said of it.

The oracle computes its answers from the facts of one order, in plain code, and knows nothing of the product.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

DEFINITIONS = """
apiVersion: milepost/v1
kind: Workflow
metadata: {name: order-to-cash, domain: orders, owner: order-operations, title: Order to cash}
spec:
  entity: order
  keys:
    order: {path: [data.order_id, data.order.id]}
    sales_order: {path: [data.sales_order, data.sap.order]}
    account: {path: data.account_id, joins: false}
  attributes: {region: data.region, tier: data.tier, connector_version: resource.service.version}
  value: {amount: data.amount, currency: data.currency}
  milestones:
    - {name: order_received, on: {exact: {source: crm, type: order.created}}, starts: true}
    - name: order_accepted
      on: {exact: {source: sap, type: sales_order.created}}
      within: {warn: 3h, breach: 4h}
      owner: erp-platform
    - name: goods_shipped
      on: {all: [{exact: {source: sap}}, {prefix: {type: delivery.posted}}]}
      within: {breach: 3d}
    - name: invoice_posted
      after: order_accepted
      on: {exact: {source: billing, type: invoice.posted}}
      within: {warn: 1d, breach: 2d}
      owner: finance
      require: [{path: data.tax_code, exists: true}]
    - name: payment_received
      after: invoice_posted
      on: {exact: {source: stripe, type: payment.received}}
      within: {warn: 10d, breach: 14d}
    - name: entitlement_active
      on: {span: {exact: {service: entitlement-service, name: activate}}}
      within: 30m
      completes: true
  observes: [{exact: {source: crm, type: order.updated}}, {exact: {source: integration, type: order.linked}}]
  fails_on: [{exact: {source: sap, type: delivery.failed}}]
  cancels_on: [{exact: {source: crm, type: order.cancelled}}]
"""

SOURCES = {
    "order_received": "crm", "order_accepted": "sap", "goods_shipped": "sap", "invoice_posted": "billing",
    "payment_received": "stripe", "entitlement_active": "entitlement-service",
}  # fmt: skip
PROMISED: dict[str, tuple[str, int | None, int]] = {
    "order_accepted": ("order_received", 3 * HOUR, 4 * HOUR),
    "goods_shipped": ("order_accepted", None, 3 * DAY),
    "invoice_posted": ("order_accepted", 1 * DAY, 2 * DAY),
    "payment_received": ("invoice_posted", 10 * DAY, 14 * DAY),
    "entitlement_active": ("payment_received", None, 30 * MINUTE),
}
LATER = {
    "order_received": {"order_accepted", "goods_shipped", "invoice_posted", "payment_received", "entitlement_active"},
    "order_accepted": {"goods_shipped", "invoice_posted", "payment_received", "entitlement_active"},
    "goods_shipped": set[str](),
    "invoice_posted": {"payment_received", "entitlement_active"},
    "payment_received": {"entitlement_active"},
    "entitlement_active": set[str](),
}
OWNERS = {"order_accepted": "erp-platform", "invoice_posted": "finance"}
CONNECTORS = {"invoice_posted": "2.4.1", "entitlement_active": "7.0"}
"""The service versions of the two systems that speak OpenTelemetry."""

TYPES = {
    "order_received": ("crm", "order.created"), "order_accepted": ("sap", "sales_order.created"),
    "goods_shipped": ("sap", "delivery.posted.v2"), "payment_received": ("stripe", "payment.received"),
    "updated": ("crm", "order.updated"), "linked": ("integration", "order.linked"),
    "failed": ("sap", "delivery.failed"), "cancelled": ("crm", "order.cancelled"),
}  # fmt: skip
PLACEHOLDERS = ("0", "N/A", "", "null", "00000000-0000-0000-0000-000000000000", "-", None, "unknown")


@dataclass(slots=True)
class Fact:
    """One thing that happened to an order; `said` is the business content of the event that tells it."""

    kind: str
    at: int
    keys: dict[str, str]
    said: dict[str, Any] = field(default_factory=dict)

    @property
    def attributes(self) -> dict[str, Any]:
        """What it says of the instance's attributes."""
        found = {name: self.said[name] for name in ("region", "tier") if name in self.said}
        if self.kind in CONNECTORS:
            found["connector_version"] = CONNECTORS[self.kind]
        return found


@dataclass(slots=True)
class Order:
    """Its facts, in groups that no event joins: usually one, two where the link was lost."""

    groups: list[list[Fact]]

    @property
    def facts(self) -> list[Fact]:
        """All of them."""
        return [fact for group in self.groups for fact in group]


def spell(at: int) -> str:
    """RFC 3339 as the API writes it."""
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=at)).isoformat().replace("+00:00", "Z")


def generate(count: int, now: int, seed: int) -> list[Order]:
    """Orders of the last forty days, none of which changes its verdict in the next twenty minutes."""
    random_ = random.Random(seed)
    orders = []
    while len(orders) < count:
        order = _order(random_, len(orders), now)
        if all(expected(group, now) == expected(group, now + 20 * MINUTE) for group in order.groups):
            orders.append(order)
    return orders


def _order(random_: random.Random, number: int, now: int) -> Order:
    chance, between = random_.random, random_.randrange
    id_, sales = f"O-{number:05}", f"45{number:08}"
    both = {"order": id_, "sales_order": sales}
    only_order, only_sales = {"order": id_}, {"sales_order": sales}
    accepted_links = chance() < 0.6
    link_lost = not accepted_links and chance() < 0.2
    facts: list[Fact] = []
    times: dict[str, int] = {}

    def happen(kind: str, at: int, keys: dict[str, str], said: dict[str, Any] | None = None) -> None:
        taken = {fact.at for fact in facts}
        while at in taken:
            at += 1
        facts.append(Fact(kind, at, keys, said or {}))
        times[kind] = min(at, times.get(kind, at))

    def after(kind: str, promised: int) -> int:
        share = random_.uniform(0.05, 0.9) if chance() < 0.85 else random_.uniform(1.05, 2.5)
        return times[kind] + int(promised * share)

    start = now - between(5 * MINUTE, 40 * DAY)
    said = {
        "region": random_.choice(["EMEA", "APAC", "AMER"]), "tier": random_.choice(["gold", "silver"]),
        "amount": random_.choice([between(1, 10**6), between(1, 10**8) / 100, f"{between(1, 10**8) / 100:.2f}"]),
        "currency": random_.choice(["USD", "eur", "JPY"]),
    }  # fmt: skip
    account = {"account": f"ACME-{between(300)}"} if chance() < 0.8 else {}
    happen("order_received", start, only_order | account, said)
    accepted_at = after("order_received", 4 * HOUR)
    happen("order_accepted", accepted_at, both if accepted_links else only_sales)
    if not accepted_links and not link_lost:
        happen("linked", accepted_at + between(-HOUR, 5 * HOUR), both)
    if chance() < 0.9:
        happen("goods_shipped", after("order_accepted", 3 * DAY), only_sales)
    if chance() < 0.1:
        failed_at = times["order_accepted"] + between(HOUR, 4 * DAY)
        happen("failed", failed_at, only_sales)
        if chance() < 0.5:
            happen("goods_shipped", failed_at + between(HOUR, DAY), only_sales)
    if chance() < 0.95:
        untaxed = chance() < 0.1
        at = after("order_accepted", 2 * DAY)
        happen("invoice_posted", at, only_sales, {} if untaxed else {"tax_code": "V1"})
        if untaxed and chance() < 0.5:
            happen("invoice_posted", at + between(HOUR, DAY), only_sales, {"tax_code": "V1"})
        if chance() < 0.9:
            happen("payment_received", after("invoice_posted", 14 * DAY), only_order)
            if chance() < 0.95:
                happen("entitlement_active", after("payment_received", 30 * MINUTE), only_order)
    if chance() < 0.3:
        changed: dict[str, Any] = random_.choice(
            [{"tier": "platinum"}, {"amount": 99.5}, {"region": "LATAM", "currency": "CHF"}]
        )
        other = {"account": f"ACME-{between(300)}"} if chance() < 0.3 else {}
        happen("updated", start + between(-DAY, 10 * DAY), only_order | other, changed)
    if chance() < 0.08:
        happen("cancelled", start + between(HOUR, 20 * DAY), only_order)
    lost = (
        random_.choice(["order_received", "order_accepted", "invoice_posted", "payment_received"])
        if chance() < 0.15
        else ""
    )
    if lost == "order_accepted" and accepted_links:
        link_lost = True
    kept = [fact for fact in facts if fact.kind != lost and fact.at < now - SECOND]
    if not any("order" in fact.keys and "sales_order" in fact.keys for fact in kept):
        by_order = [fact for fact in kept if "order" in fact.keys]
        by_sales = [fact for fact in kept if "order" not in fact.keys]
        return Order([group for group in (by_order, by_sales) if group])
    return Order([kept])


def expected(facts: list[Fact], now: int) -> dict[str, Any]:
    """What the API must say of the instance that these facts make."""
    in_order = sorted(facts, key=lambda fact: fact.at)
    first: dict[str, int] = {}
    latest: dict[str, Fact] = {}
    attributes: dict[str, Any] = {}
    amount = currency = None
    keys: list[tuple[str, str]] = []
    for fact in in_order:
        if fact.kind in SOURCES:
            first.setdefault(fact.kind, fact.at)
            latest[fact.kind] = fact
        attributes |= fact.attributes
        amount = fact.said.get("amount", amount)
        currency = fact.said.get("currency", currency)
        keys += [key for key in fact.keys.items() if key not in keys]
    verdict = _verdict(in_order, first, latest, now)
    names = dict(keys)
    return {
        "title": names.get("order", names.get("sales_order")),
        "milestones": {name: spell(at) for name, at in first.items()},
        "keys": sorted(keys),
        "value": None if amount is None else (float(amount), str(currency).upper() if currency else ""),
        "attributes": attributes,
        "started_at": spell(first.get("order_received", in_order[0].at)),
        "updated_at": spell(in_order[-1].at),
        **verdict,
    }


def _verdict(in_order: list[Fact], first: dict[str, int], latest: dict[str, Fact], now: int) -> dict[str, Any]:
    done = first.get("entitlement_active")
    cancelled = [fact.at for fact in in_order if fact.kind == "cancelled"]
    failed = [fact.at for fact in in_order if fact.kind == "failed"]
    if cancelled and (done is None or cancelled[0] < done):
        return _say("cancelled")
    name, due, deadline = _awaited(first)
    if failed and all(fact.at <= failed[-1] for fact in latest.values()):
        return _say("failed", name, due, deadline)
    if "invoice_posted" in latest and "tax_code" not in latest["invoice_posted"].said:
        return _say("inconsistent", "invoice_posted")
    orphan = in_order[0].at + HOUR if first and "order_received" not in first else None
    if orphan is not None and now >= orphan:
        return _say("inconsistent", "order_received", None, orphan)
    said = _of_journey(first, done, name, due, deadline, now)
    if orphan is not None and said["verdict"] in ("on_track", "completed", "completed_late"):
        return _say("on_track", "order_received", None, orphan)
    return said


def _of_journey(
    first: dict[str, int], done: int | None, name: str | None, due: int | None, deadline: int | None, now: int
) -> dict[str, Any]:
    if done is not None:
        late = any(
            start in first and (at := _passed(first, milestone)) is not None and at > first[start] + within
            for milestone, (start, _, within) in PROMISED.items()
        )
        return _say("completed_late" if late else "completed")
    if deadline is None:
        return _say("on_track", next(name for name in SOURCES if name not in first))
    if now >= deadline:
        return _say("stuck", name, due, deadline)
    return _say("due_soon" if due is not None and now >= due else "on_track", name, due, deadline)


def _awaited(first: dict[str, int]) -> tuple[str | None, int | None, int | None]:
    """The milestone that must come next, its warning time and its deadline: the earliest deadline of those running."""
    running = [
        (at + within, milestone, None if warn is None else at + warn)
        for milestone, (start, warn, within) in PROMISED.items()
        if _passed(first, milestone) is None and (at := _passed(first, start)) is not None
    ]
    if not running:
        return None, None, None
    deadline, milestone, due = min(running)
    return milestone, due, deadline


def _passed(first: dict[str, int], milestone: str) -> int | None:
    """When a milestone was reached; where its own message was lost, the first thing that can only come after it."""
    if milestone in first:
        return first[milestone]
    return min((first[later] for later in LATER[milestone] & first.keys()), default=None)


def _say(
    verdict: str, milestone: str | None = None, due: int | None = None, deadline: int | None = None
) -> dict[str, Any]:
    return {
        "verdict": verdict,
        "waiting_for": milestone,
        "source_awaited": SOURCES.get(milestone or ""),
        "owner": OWNERS.get(milestone or "", "order-operations"),
        "due_at": None if due is None else spell(due),
        "deadline_at": None if deadline is None else spell(deadline),
        "stuck_since": spell(deadline) if verdict == "stuck" and deadline is not None else None,
    }


def comparable(row: dict[str, Any]) -> dict[str, Any]:
    """An instance of the API in the oracle's form."""
    same = ("title", "milestones", "attributes", "started_at", "updated_at", "verdict", "waiting_for", "source_awaited")
    times = ("owner", "due_at", "deadline_at", "stuck_since")
    return {name: row[name] for name in same + times} | {
        "keys": sorted((key["namespace"], key["value"]) for key in row["keys"]),
        "value": None if row["value"] is None else (row["value"]["amount"], row["value"]["currency"]),
    }
