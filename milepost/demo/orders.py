"""Order to cash: from the won opportunity to the money."""

from __future__ import annotations

import random
from typing import Any

from milepost.demo import faults
from milepost.demo.actions import HOUR, MINUTE, SECOND
from milepost.demo.story import Story
from milepost.demo.world import LEGAL_ENTITIES, Account, amount, customer

_OLD_CONNECTORS = ("2.2.4", "2.2.7", "2.2.7", "2.2.7")
_NEW_CONNECTOR = "2.3.0"
_ROLLOUT = 6 * HOUR


def _connector(rng: random.Random, region: str, channel: str, since_anchor: int, *, express: bool) -> str:
    if region == "EMEA":
        drops_for = since_anchor - faults.offset(faults.CONNECTOR_DROPS_EMEA.since)
        if express or drops_for < 0:
            return rng.choice(_OLD_CONNECTORS)
        share = min(0.6 + 0.4 * drops_for / _ROLLOUT, 1.0) if channel == "edi" else 0.1
        return _NEW_CONNECTOR if rng.random() < share else rng.choice(_OLD_CONNECTORS)
    return _NEW_CONNECTOR if since_anchor > -30 * HOUR and rng.random() < 0.4 else rng.choice(_OLD_CONNECTORS)


def order(
    rng: random.Random,
    account: Account,
    number: int,
    start: int,
    anchor: int,
    channel: str,
    *,
    express: bool = False,
    take: tuple[int, int] | None = None,
) -> Story:
    """Order to cash. `take` fixes the micros of the first two steps."""
    opportunity, order_id, sales_order = f"OPP-{number}", f"SO-{number}", f"{number:010d}"
    value = {"amount": amount(rng, 18_000, 0.9), "currency": account.currency}
    story = Story(rng, "order-to-cash", ("opportunity", opportunity), start, customer(account), express=express)
    story.start(
        "salesforce",
        "opportunity.won",
        f"opportunity/{opportunity}",
        {"opportunity_id": opportunity, "stage": "Closed Won", **value},
    )
    story.advance("order_created", take=take[0] if take else None)
    since_anchor = story.now - anchor
    taxless = take is None and story.chance(faults.NO_TAX_CODE.share)
    entity = faults.NO_TAX_CODE.affects["legal_entity"] if taxless else rng.choice(LEGAL_ENTITIES[account.region])
    connector = "2.2.7"
    if not taxless and not take:
        connector = _connector(rng, account.region, channel, since_anchor, express=express)
    spans = {
        "business.order.id": order_id,
        "business.account.id": account.id,
        "business.region": account.region,
        "business.legal_entity": entity,
        "correlation.id": f"o2c-{order_id}",
    }
    trace = story.hop("order-intake", spans)
    story.emit(
        "mulesoft",
        "order.created",
        f"order/{order_id}",
        {
            "opportunity_id": opportunity,
            "order_id": order_id,
            "channel": channel,
            "legal_entity": entity,
            "connector_version": connector,
            **value,
        },
        mark="order_created",
        trace=trace,
    )
    if story.chance(0.5):
        story.emit(
            "salesforce",
            "order.activated",
            f"order/{order_id}",
            {"opportunity_id": opportunity, "order_id": order_id},
            after=3 * SECOND,
        )
    if rng.random() < 0.008 and take is None:
        story.now += 2 * SECOND
        story.cancel(
            "salesforce",
            "order.cancelled",
            f"order/{order_id}",
            {"order_id": order_id, "reason": "customer_request"},
        )
        return story
    versions = {"sap-connector": connector}
    if account.region == "EMEA" and connector == _NEW_CONNECTOR:
        story.cause = faults.CONNECTOR_DROPS_EMEA.name
        story.now += rng.randrange(4, 40) * SECOND
        note = (
            "message.discarded",
            {"reason": "no mapping for sales organisation", "sales_organisation": entity},
        )
        story.hop("order-dropped", spans, follows=trace, versions=versions, note=note)
        return story
    story.advance("erp_accepted", take=take[1] if take else None)
    in_erp = {"external_id": order_id, "order_id": sales_order, "sales_order": sales_order}
    if take is None and story.chance(0.003):
        story.hop("order-to-erp", spans, follows=trace, versions=versions, error="422 credit limit exceeded")
        story.fail(
            "sap",
            "order.rejected",
            sales_order,
            {**in_erp, "rejection_reason": "credit limit exceeded"},
        )
        return story
    trace = story.hop("order-to-erp", spans, follows=trace, versions=versions)
    accepted = {**in_erp, "sales_order_type": "OR", "sales_organization": entity, "legal_entity": entity}
    if not taxless:
        accepted["tax_code"] = "A1" if account.region == "EMEA" else "S1"
    story.emit(
        "sap",
        "order.created",
        sales_order,
        accepted,
        mark="erp_accepted",
        trace=trace,
        flawed=taxless,
    )
    if taxless:
        story.cause = faults.NO_TAX_CODE.name
        return story
    if story.chance(0.3):
        story.emit(
            "sap",
            "order.changed",
            sales_order,
            {"order_id": sales_order, "sales_order": sales_order, "change": "delivery_block_released"},
            after=5 * MINUTE,
        )
    if rng.random() < 0.007 and take is None:
        story.now += rng.randrange(10, 60) * SECOND
        story.cancel(
            "salesforce",
            "order.cancelled",
            f"order/{order_id}",
            {"order_id": order_id, "reason": "customer_request"},
        )
        return story
    _fulfil(story, number, order_id, sales_order, spans, value)
    return story


def _fulfil(
    story: Story, number: int, order_id: str, sales_order: str, spans: dict[str, Any], value: dict[str, Any]
) -> None:
    delivery, invoice = f"8{number:09d}", f"in_1O{number:x}"
    story.advance("shipped")
    trace = story.hop("delivery-notice", {**spans, "business.delivery.id": delivery})
    story.emit(
        "sap",
        "shipment.goods_issued",
        delivery,
        {"sales_order": sales_order, "shipment_id": delivery, "delivery": delivery},
        mark="shipped",
        trace=trace,
    )
    story.advance("invoice_posted")
    trace = story.hop("invoice-bridge", {**spans, "business.invoice.id": invoice}, follows=trace)
    billed = {"invoice_id": invoice, "billing_reason": "manual", **value}
    story.emit(
        "stripe",
        "invoice.finalized",
        f"invoice/{invoice}",
        {"order_id": order_id, **billed},
        mark="invoice_posted",
        trace=trace,
    )
    story.advance("paid")
    trace = story.hop("payment-bridge", {**spans, "business.invoice.id": invoice})
    story.emit("stripe", "invoice.paid", f"invoice/{invoice}", billed, mark="paid", trace=trace)
