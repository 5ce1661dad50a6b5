"""The other four processes of the enterprise, told one instance at a time."""

from __future__ import annotations

import random

from milepost.demo import faults
from milepost.demo.actions import HOUR, MINUTE, SECOND
from milepost.demo.faults import active
from milepost.demo.story import SAP, Story
from milepost.demo.world import (
    CARD_PROCESSORS,
    LEGAL_ENTITIES,
    Account,
    amount,
    customer,
    new_account,
    supplier,
)

_DECLINES = ("do_not_honor", "insufficient_funds", "card_velocity_exceeded")
_CREDIT_REASONS = ("late_delivery", "damaged_goods", "billing_error", "service_outage")


def onboarding(
    rng: random.Random, region: str, number: int, start: int, anchor: int, *, express: bool = False
) -> Story:
    """Customer onboarding."""
    account = new_account(rng, number, region)
    partner, billed_as = f"{number:010d}", f"cus_Q{number:x}"
    base = {**customer(account), "country": account.country}
    story = Story(rng, "customer-onboarding", ("account", account.id), start, base, express=express)
    story.start("salesforce", "account.created", f"account/{account.id}", {"industry": account.name.split()[-1]})
    if story.chance(0.3):
        story.emit(
            "salesforce",
            "account.updated",
            f"account/{account.id}",
            {"changed": ["BillingAddress"]},
            after=40 * SECOND,
        )
    spans = {
        "business.account.id": account.id,
        "business.region": region,
        "correlation.id": f"acc-{account.id}",
    }
    if region == "APAC" and not express and active(faults.ACCOUNT_SYNC_STOPPED, start - anchor):
        story.cause = faults.ACCOUNT_SYNC_STOPPED.name
        return story
    story.advance("account_synced")
    trace = story.hop("account-sync", spans)
    story.emit(
        "mulesoft",
        "account.synced",
        f"account/{account.id}",
        {"target": "sap"},
        mark="account_synced",
        trace=trace,
    )
    story.advance("erp_customer_validated")
    story.emit(
        "sap",
        "account.created",
        partner,
        {"account_id": partner, "business_partner": partner, "tax_id": f"{account.country}{100_000_000 + number}"},
        mark="erp_customer_validated",
        trace=trace,
    )
    story.advance("credit_approved")
    credit = f"{SAP}creditmanagementaccount.v1.CreditManagementAccount"
    if story.chance(0.008):
        story.fail(
            "sap",
            f"{credit}.Rejected.v1",
            f"business_partner/{partner}",
            {"business_partner": partner, "score": "D"},
        )
        return story
    if story.chance(0.01):
        story.cancel("salesforce", "account.closed", f"account/{account.id}", {"reason": "duplicate"})
        return story
    story.emit(
        "sap",
        f"{credit}.Approved.v1",
        f"business_partner/{partner}",
        {"business_partner": partner, "credit_limit": round(amount(rng, 50_000, 0.6), -2)},
        mark="credit_approved",
    )
    story.advance("billing_customer_created")
    trace = story.hop("account-billing", spans)
    story.emit(
        "stripe",
        "account.created",
        billed_as,
        {"account_id": billed_as, "stripe_customer": billed_as},
        mark="billing_customer_created",
        trace=trace,
    )
    story.advance("support_activated")
    trace = story.hop("account-support", spans, follows=trace)
    story.emit(
        "zendesk",
        "account.created",
        str(number),
        {"account_id": str(number), "organization_id": str(number)},
        mark="support_activated",
        trace=trace,
    )
    return story


def subscription(
    rng: random.Random, account: Account, number: int, start: int, anchor: int, *, express: bool = False
) -> Story:
    """Invoice to entitlement."""
    invoice, entitlement = f"in_1S{number:x}", f"ENT-{number}"
    processor = rng.choices(CARD_PROCESSORS, (50, 50, 0) if express else (45, 35, 20))[0]
    base = {**customer(account), "card_processor": processor, "billing_reason": "subscription_cycle"}
    billed = {"invoice_id": invoice, "amount": amount(rng, 2_400, 0.7), "currency": account.currency}
    story = Story(rng, "invoice-to-entitlement", ("invoice", invoice), start, base, express=express)
    subject = f"invoice/{invoice}"
    story.start("stripe", "invoice.finalized", subject, {"subscription_id": f"sub_{account.id[4:]}", **billed})
    if processor == "northpay" and active(faults.CARD_PROCESSOR_DOWN, start - anchor):
        story.cause = faults.CARD_PROCESSOR_DOWN.name
        for wait in (10 * MINUTE, 80 * MINUTE, 4 * HOUR):
            story.now += wait + rng.randrange(60) * SECOND
            story.emit(
                "stripe",
                "invoice.payment_failed",
                subject,
                {"invoice_id": invoice, "decline_code": "processor_unavailable"},
            )
        if rng.random() < 0.5:
            story.now += rng.randrange(4, 10) * HOUR
            story.fail("stripe", "invoice.marked_uncollectible", subject, {"invoice_id": invoice})
        return story
    if story.chance(0.01):
        story.now += 5 * MINUTE
        story.cancel("stripe", "invoice.voided", subject, {"invoice_id": invoice})
        return story
    if story.chance(0.04):
        story.emit(
            "stripe",
            "invoice.payment_failed",
            subject,
            {"invoice_id": invoice, "decline_code": rng.choice(_DECLINES)},
            after=90 * SECOND,
        )
        story.now += 95 * SECOND
        take = rng.randrange(60, 180) * MINUTE
        story.advance("payment_succeeded", take=None if story.slow else take)
    else:
        story.advance("payment_succeeded")
    spans = {
        "business.account.id": account.id,
        "business.invoice.id": invoice,
        "business.region": account.region,
    }
    trace = story.hop("payment-bridge", spans)
    story.emit("stripe", "invoice.paid", subject, billed, mark="payment_succeeded", trace=trace)
    story.advance("entitlement_provisioned")
    proof = {**spans, "business.entitlement.id": entitlement, "correlation.id": f"ent-{entitlement}"}
    trace = story.hop("entitlement-provision", proof, follows=trace, mark="entitlement_provisioned")
    story.advance("entitlement_active")
    story.emit(
        "salesforce",
        "entitlement.activated",
        f"entitlement/{entitlement}",
        {"entitlement_id": entitlement},
        mark="entitlement_active",
        trace=trace,
    )
    return story


def case(rng: random.Random, account: Account, number: int, start: int, *, express: bool = False) -> Story:
    """Case to credit."""
    case_id, request, memo = f"CS-{number}", f"CR-{number}", f"{number + 6_000_000_000}"
    value = {"amount": amount(rng, 480, 0.8), "currency": account.currency}
    base = {**customer(account), "case_id": case_id}
    story = Story(rng, "case-to-credit", ("case", case_id), start, base, express=express)
    solved = {"status": "SOLVED", "previous_status": "OPEN", "tags": {"credit": "needed"}}
    story.start(
        "zendesk",
        "case.status_changed",
        case_id,
        {**solved, "reason_code": rng.choice(_CREDIT_REASONS), **value},
    )
    story.advance("credit_approved")
    if story.chance(0.03):
        story.cancel(
            "salesforce",
            "credit_request.rejected",
            f"credit_request/{request}",
            {"credit_request_id": request},
        )
        return story
    story.emit(
        "salesforce",
        "credit_request.approved",
        f"credit_request/{request}",
        {"credit_request_id": request, **value},
        mark="credit_approved",
    )
    story.advance("credit_memo_posted")
    spans = {
        "business.case.id": case_id,
        "business.account.id": account.id,
        "correlation.id": f"c2c-{case_id}",
    }
    if story.chance(0.004):
        trace = story.hop("credit-memo", spans, error="409 billing block on account")
        story.fail(
            "sap",
            "credit.blocked",
            memo,
            {"credit_request_id": request, "credit_id": memo},
        )
        return story
    trace = story.hop("credit-memo", spans)
    story.emit(
        "sap",
        "credit.created",
        memo,
        {"credit_request_id": request, "credit_id": memo, **value},
        mark="credit_memo_posted",
        trace=trace,
    )
    story.advance("customer_informed")
    trace = story.hop("customer-notice", spans, follows=trace)
    story.emit(
        "zendesk",
        "case.comment_added",
        case_id,
        {"public": True, "by_staff": True, "tags": {"credit": "needed", "informed": "credit"}},
        mark="customer_informed",
        trace=trace,
    )
    return story


def purchase(rng: random.Random, region: str, number: int, start: int, *, express: bool = False) -> Story:
    """Procure to pay."""
    requisition, order_number, invoice = f"REQ-{number}", f"45{number:08d}", f"51{number:08d}"
    supplier_id, supplier_name = supplier(rng)
    value = {"amount": amount(rng, 9_000, 1.0), "currency": "USD" if region != "EMEA" else "EUR"}
    base = {
        "region": region,
        "supplier_id": supplier_id,
        "supplier_name": supplier_name,
        "legal_entity": rng.choice(LEGAL_ENTITIES[region]),
        "cost_center": f"CC{rng.randrange(10, 40)}00",
    }
    story = Story(rng, "procure-to-pay", ("requisition", requisition), start, base, express=express)
    story.start(
        "coupa",
        "requisition.approved",
        f"requisition/{requisition}",
        {"requisition_id": requisition, **value},
    )
    story.advance("po_issued")
    subject = f"purchase_order/{order_number}"
    trace = story.hop(
        "purchase-order", {"business.purchase_order.id": order_number, "correlation.id": f"p2p-{requisition}"}
    )
    story.emit(
        "coupa",
        "purchase_order.issued",
        subject,
        {"requisition_id": requisition, "po_number": order_number, **value},
        mark="po_issued",
        trace=trace,
    )
    if story.chance(0.015):
        story.now += 3 * MINUTE
        story.cancel("coupa", "purchase_order.cancelled", subject, {"po_number": order_number})
        return story
    if story.chance(0.6):
        story.emit("coupa", "purchase_order.acknowledged", subject, {"po_number": order_number}, after=25 * MINUTE)
    story.advance("goods_received")
    story.emit(
        "sap",
        f"{SAP}materialdocument.v1.MaterialDocument.Created.v1",
        subject,
        {"po_number": order_number, "material_document": f"49{number:08d}"},
        mark="goods_received",
    )
    story.advance("invoice_received")
    story.emit(
        "sap",
        f"{SAP}supplierinvoice.v1.SupplierInvoice.Created.v1",
        f"supplier_invoice/{invoice}",
        {"po_number": order_number, "supplier_invoice": invoice},
        mark="invoice_received",
    )
    if story.chance(0.007):
        story.now += 30 * MINUTE
        story.fail("coupa", "invoice.disputed", subject, {"po_number": order_number, "supplier_invoice": invoice})
        return story
    story.advance("cleared")
    story.emit(
        "sap",
        f"{SAP}journalentry.v1.JournalEntry.Cleared.v1",
        f"supplier_invoice/{invoice}",
        {"supplier_invoice": invoice},
        mark="cleared",
    )
    return story
