"""How long the steps of the five processes take, and how long they may.

The deadlines repeat those of the shipped packs on purpose: the simulator and its oracle judge on their own,
and a test holds the two against each other. Medians are micros; `express` is the pace of what starts while
live.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

from milepost.demo.actions import HOUR, MINUTE, SECOND

EARLIEST = 0.15
"""Of the median: no step is faster."""
IN_TIME = 0.85
"""Of the deadline: a healthy step is never slower."""


@dataclass(frozen=True, slots=True)
class Step:
    """A milestone after the first: the source it is awaited from, its deadline and its usual latency."""

    milestone: str
    source: str
    breach: int
    median: int
    express: int


STARTS = {
    "customer-onboarding": "account_created",
    "order-to-cash": "opportunity_won",
    "invoice-to-entitlement": "invoice_posted",
    "case-to-credit": "case_solved",
    "procure-to-pay": "requisition_approved",
}

STEPS: dict[str, tuple[Step, ...]] = {
    "customer-onboarding": (
        Step("account_synced", "mulesoft", 30 * MINUTE, 4 * MINUTE, 6 * SECOND),
        Step("erp_customer_validated", "sap", 4 * HOUR, 40 * MINUTE, 15 * SECOND),
        Step("credit_approved", "sap", 8 * HOUR, 2 * HOUR, 25 * SECOND),
        Step("billing_customer_created", "stripe", HOUR, 8 * MINUTE, 8 * SECOND),
        Step("support_activated", "zendesk", 2 * HOUR, 20 * MINUTE, 12 * SECOND),
    ),
    "order-to-cash": (
        Step("order_created", "mulesoft", 30 * MINUTE, 4 * MINUTE, 5 * SECOND),
        Step("erp_accepted", "sap", 2 * HOUR, 15 * MINUTE, 12 * SECOND),
        Step("shipped", "sap", 24 * HOUR, 9 * HOUR, 40 * SECOND),
        Step("invoice_posted", "stripe", 4 * HOUR, 45 * MINUTE, 15 * SECOND),
        Step("paid", "stripe", 36 * HOUR, 14 * HOUR, 45 * SECOND),
    ),
    "invoice-to-entitlement": (
        Step("payment_succeeded", "stripe", 4 * HOUR, 12 * MINUTE, 10 * SECOND),
        Step("entitlement_provisioned", "entitlement-service", 30 * MINUTE, 3 * MINUTE, 8 * SECOND),
        Step("entitlement_active", "salesforce", 30 * MINUTE, 5 * MINUTE, 6 * SECOND),
    ),
    "case-to-credit": (
        Step("credit_approved", "salesforce", 12 * HOUR, 3 * HOUR, 30 * SECOND),
        Step("credit_memo_posted", "sap", 4 * HOUR, 40 * MINUTE, 15 * SECOND),
        Step("customer_informed", "zendesk", 2 * HOUR, 20 * MINUTE, 10 * SECOND),
    ),
    "procure-to-pay": (
        Step("po_issued", "coupa", 8 * HOUR, 2 * HOUR, 20 * SECOND),
        Step("goods_received", "sap", 48 * HOUR, 18 * HOUR, 50 * SECOND),
        Step("invoice_received", "sap", 24 * HOUR, 8 * HOUR, 30 * SECOND),
        Step("cleared", "sap", 36 * HOUR, 12 * HOUR, 40 * SECOND),
    ),
}

BY_MILESTONE = {(name, step.milestone): step for name, steps in STEPS.items() for step in steps}
_LOG = {value: math.log(value) for steps in STEPS.values() for s in steps for value in (s.median, s.express)}


def latency(rng: random.Random, step: Step, *, express: bool) -> int:
    """Micros (whole milliseconds) of a healthy step: log-normal around its median, within its deadline."""
    median = step.express if express else step.median
    drawn = math.exp(_LOG[median] + rng.gauss(0.0, 0.45))
    ceiling = 5.0 * median if express else IN_TIME * step.breach
    return int(min(max(drawn, EARLIEST * median), ceiling)) // 1000 * 1000


def slow_latency(rng: random.Random, step: Step) -> int:
    """The micros of a step that misses its deadline."""
    return int(step.breach * rng.uniform(1.05, 1.9)) // 1000 * 1000
