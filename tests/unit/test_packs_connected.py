"""A system that is connected as `docs/sources/packs.md` says reaches the shipped packs: each milestone that waits for one.

What is sent is as the systems send it: their samples, and what differs from them in type and fields alone.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from collector.ingest import cloudevents
from collector.sources.exchange import Credentials, Received
from collector.sources.receiving import Receiver
from milepost.definition_files import PACKS, definition_texts, read_definitions
from slo_rules.adapter import Adapter, Mapping
from slo_rules.definitions import load
from slo_rules.event import Event
from slo_rules.matching import Matcher
from slo_rules.workflow import Definitions, Source
from tests.sources import FOLDER, RECEIVED_AT, events_of, received, samples
from tests.unit.test_docs import TOP, blocks

PAGE = TOP / "docs" / "sources" / "packs.md"
SOURCES = load(blocks(PAGE, "yaml source")).sources
SHIPPED = read_definitions([PACKS])
Reached = set[tuple[str, str]]
"""Workflows and their milestones."""


def posted(document: Any, path: str = "", **headers: str) -> Received:
    return Received("POST", path, {"content-type": "application/json"} | headers, json.dumps(document).encode())


def reached(source: Source, request: Received) -> Reached:
    """The milestones that the events of a request reach, by a key with which an instance can be told."""
    mapped = Receiver(source, Credentials()).map(request, RECEIVED_AT)
    assert mapped.letters == []
    found: Reached = set()
    for event in mapped.events:
        said = cloudevents.as_event(event.body, RECEIVED_AT)
        assert isinstance(said, Event)
        for matcher, match in Matcher(SHIPPED.workflows.values()).matches(said):
            assert match.joining, (matcher.workflow.name, event.type)
            found |= {(matcher.workflow.name, name) for name in match.milestones}
    return found


def change(object_: str, kind: str, **fields: Any) -> Received:
    """A change of Change Data Capture as CometD delivers it."""
    sample = json.loads((FOLDER / "salesforce" / "cdc-case-create.cometd.json").read_bytes())
    header = sample["data"]["payload"]["ChangeEventHeader"] | {"entityName": object_, "changeType": kind}
    payload = {"ChangeEventHeader": header | {"recordIds": [fields.pop("Id", "0015i00000RkT7pAAF")]}} | fields
    return posted({"channel": f"/data/{object_}ChangeEvent", "data": sample["data"] | {"payload": payload}})


def published(name: str, **fields: Any) -> Received:
    """A platform event."""
    sample = json.loads((FOLDER / "salesforce" / "pe-order-status-changed.cometd.json").read_bytes())
    return posted({"channel": f"/event/{name}", "data": sample["data"] | {"payload": fields}})


def sap(event: str, **data: Any) -> Received:
    """An event of S/4HANA: `SalesOrder.Created`."""
    sample = json.loads((FOLDER / "sap" / "salesorder-created.json").read_bytes())
    object_ = event.partition(".")[0]
    return posted(sample | {"type": f"sap.s4.beh.{object_.lower()}.v1.{event}.v1", "data": data})


def stripe(type_: str, sample: str = "invoice.paid", **fields: Any) -> Received:
    event = json.loads((FOLDER / "stripe" / f"{sample}.json").read_bytes())
    object_ = event["data"]["object"] | fields
    return posted(event | {"type": type_, "data": {"object": object_}})


def ticket(type_: str, event: dict[str, Any], *tags: str) -> Received:
    sample = json.loads((FOLDER / "zendesk" / "ticket.status_changed.json").read_bytes())
    detail = sample["detail"] | {"tags": list(tags)}
    return posted(sample | {"type": f"zen:event-type:ticket.{type_}", "event": event, "detail": detail})


def organization(type_: str, **event: Any) -> Received:
    detail = {"id": "8447346622462", "name": "Globex", "external_id": "0015i00000RkT7pAAF"}
    document = {"account_id": 22129848, "id": "org-1", "time": "2026-03-02T09:14:07Z", "detail": detail, "event": event}
    return posted(
        document | {"type": f"zen:event-type:organization.{type_}", "subject": "zen:organization:8447346622462"}
    )


OPPORTUNITY, QUOTE, LEAD, CONTRACT = (
    "0065i00000CzP4nAAF",
    "0Q05i00000AbCdEAAV",
    "00Q5i00000LeAdIAAV",
    "8005i00000CoNtRAAV",
)
RENEWAL = {"Id": OPPORTUNITY, "Type": "Renewal", "Amount": 48250}
RENEWED = {"Id": QUOTE, "OpportunityId": OPPORTUNITY, "Quote_Type__c": "Renewal", "Total__c": 48250}
QUOTED = {"Id": QUOTE, "OpportunityId": OPPORTUNITY}
RETURNED = {"Id": "5005i00000Tn3VfAAJ", "Type": "Return", "CaseNumber": "00041872"}
BP = {"BusinessPartner": "0001000667"}
SENT: list[tuple[str, Received, Reached]] = [
    ("salesforce", change("Account", "CREATE", Name="Globex"), {("customer-onboarding", "account_created")}),
    ("salesforce", change("Account", "UPDATE", Change_Id__c="MDC-7"), {("customer-master-change", "change_requested")}),
    ("salesforce", published("Account_Merged__e", Winner_Id__c="0015i1", Loser_Id__c="0015i2"),
     {("account-merge", "accounts_merged")}),
    ("salesforce", change("Lead", "CREATE", Id=LEAD, LeadSource="Web"), {("lead-to-order", "lead_captured")}),
    ("salesforce", change("Lead", "UPDATE", Id=LEAD, Status="Working - Contacted"),
     {("lead-to-order", "lead_contacted")}),
    ("salesforce", change("Lead", "UPDATE", Id=LEAD, IsConverted=True, ConvertedOpportunityId=OPPORTUNITY),
     {("lead-to-order", "lead_qualified")}),
    ("salesforce", change("Opportunity", "CREATE", Id=OPPORTUNITY, StageName="Qualification"),
     {("lead-to-order", "opportunity_opened")}),
    ("salesforce", published("Demo_Held__e", Opportunity__c=OPPORTUNITY), {("lead-to-order", "demo_held")}),
    ("salesforce", change("Quote", "UPDATE", Status="Approved", **QUOTED), {("lead-to-order", "discount_approved")}),
    ("salesforce", change("Quote", "UPDATE", Status="Presented", **QUOTED), {("lead-to-order", "quote_presented")}),
    ("salesforce", change("Opportunity", "UPDATE", Id=OPPORTUNITY, StageName="Closed Won"),
     {("lead-to-order", "won"), ("order-to-cash", "opportunity_won")}),
    ("salesforce", change("Order", "CREATE", Id="8015i1", Status="Draft", OpportunityId=OPPORTUNITY),
     {("lead-to-order", "order_created")}),
    ("salesforce", change("Order", "UPDATE", Id="8015i1", Status="Activated", ERP_Order__c="3016329"),
     {("order-status-propagation", "crm_shows_confirmed")}),
    ("salesforce", change("Shipment", "CREATE", Id="0OB5i1", ERP_Order__c="3016329", TrackingNumber="1Z"),
     {("order-status-propagation", "crm_shows_all")}),
    ("salesforce", change("Opportunity", "CREATE", **RENEWAL), {("renewal", "renewal_opened")}),
    ("salesforce", change("Quote", "UPDATE", Status="Presented", **RENEWED), {("renewal", "quote_presented")}),
    ("salesforce", change("Quote", "UPDATE", Status="Accepted", **RENEWED), {("renewal", "renewal_accepted")}),
    ("salesforce", change("Opportunity", "UPDATE", IsClosed=True, IsWon=False, StageName="Churned", **RENEWAL),
     {("renewal", "churned")}),
    ("salesforce", change("Contract", "UPDATE", Id=CONTRACT, Status="Activated", Opportunity__c=OPPORTUNITY),
     {("renewal", "contract_activated")}),
    ("salesforce", change("Entitlement", "UPDATE", Id="5505i1", Contract__c=CONTRACT, EndDate="2027-05-31"),
     {("renewal", "entitlement_extended")}),
    ("salesforce", change("Entitlement", "CREATE", Id="5505i1", Invoice__c="in_1"),
     {("invoice-to-entitlement", "entitlement_active")}),
    ("salesforce", published("Credit_Request_Approved__e", Ticket_Id__c="5158", Request_Id__c="CR-1", Total__c=80),
     {("case-to-credit", "credit_approved")}),
    ("salesforce", change("Case", "CREATE", Status="New", **RETURNED), {("case-to-return", "return_requested")}),
    ("salesforce", change("Case", "UPDATE", Status="Closed", **RETURNED), {("case-to-return", "case_closed")}),
    ("sap", sap("BusinessPartner.Created", YY1_TaxId="DE1", **BP), {("customer-onboarding", "erp_customer_validated")}),
    ("sap", sap("CreditManagementAccount.Approved", **BP), {("customer-onboarding", "credit_approved")}),
    ("sap", sap("BusinessPartner.Changed", YY1_ChangeId="MDC-7", **BP), {("customer-master-change", "erp_updated")}),
    ("sap", sap("BusinessPartner.Changed", YY1_MergedAccount="0015i2", YY1_CrmAccount="0015i1", **BP),
     {("account-merge", "erp_alias_recorded")}),
    ("sap", sap("SalesOrder.Created", SalesOrder="3016329", SalesOrderType="OR", YY1_OrderId="SO-20417"),
     {("order-to-cash", "erp_accepted"), ("order-status-propagation", "order_confirmed")}),
    ("sap", sap("OutboundDelivery.GoodsIssued", OutboundDelivery="80001234", YY1_SalesOrder="3016329"),
     {("order-to-cash", "shipped")}),
    ("sap", sap("CreditMemoRequest.Created", CreditMemoRequest="70000017", YY1_CreditRequest="CR-1"),
     {("case-to-credit", "credit_memo_posted")}),
    ("sap", sap("CustomerReturn.Created", CustomerReturn="60000017", YY1_CaseNumber="00041872", YY1_Parcels=1),
     {("case-to-return", "return_approved")}),
    ("sap", sap("CreditMemoRequest.Created", CreditMemoRequest="70000018", CustomerReturn="60000017", YY1_Amount=80),
     {("case-to-return", "credit_issued")}),
    ("sap", sap("MaterialDocument.Created", PurchaseOrder="4500017", MaterialDocument="4900000001"),
     {("procure-to-pay", "goods_received")}),
    ("sap", sap("SupplierInvoice.Created", PurchaseOrder="4500017", SupplierInvoice="5100000001"),
     {("procure-to-pay", "invoice_received")}),
    ("sap", sap("JournalEntry.Cleared", SupplierInvoice="5100000001"), {("procure-to-pay", "cleared")}),
    ("sap", sap("JournalEntry.Created", AccountingDocument="1900000017", YY1_UsagePeriod="UP-7", YY1_Amount=1250),
     {("usage-to-revenue", "revenue_recognised")}),
    ("stripe", stripe("customer.created", id="cus_1", object="customer"),
     {("customer-onboarding", "billing_customer_created")}),
    ("stripe", stripe("customer.updated", id="cus_1", metadata={"change_id": "MDC-7"}),
     {("customer-master-change", "billing_updated")}),
    ("stripe", stripe("customer.updated", id="cus_1", metadata={"merged_account_id": "0015i2"}),
     {("account-merge", "billing_alias_recorded")}),
    ("stripe", stripe("invoice.finalized", billing_reason="manual"), {("order-to-cash", "invoice_posted")}),
    ("stripe", stripe("invoice.paid", billing_reason="manual"), {("order-to-cash", "paid")}),
    ("stripe", stripe("invoice.finalized"), {("invoice-to-entitlement", "invoice_posted")}),
    ("stripe", stripe("invoice.finalized", billing_reason="subscription", metadata={"usage_period": "UP-7"}),
     {("usage-to-revenue", "usage_billed")}),
    ("stripe", stripe("checkout.session.completed", metadata={"opportunity_id": OPPORTUNITY}),
     {("lead-to-order", "checkout_completed")}),
    ("zendesk", organization("created"), {("customer-onboarding", "support_activated")}),
    ("zendesk", organization("custom_field_changed", current="MDC-7", previous="MDC-6"),
     {("customer-master-change", "support_updated")}),
    ("zendesk", organization("external_id_changed", current="0015i1", previous="0015i2"),
     {("account-merge", "support_alias_recorded")}),
    ("zendesk", ticket("status_changed", {"current": "CLOSED", "previous": "SOLVED"}), {("case-resolution", "closed")}),
    ("zendesk", ticket("status_changed", {"current": "SOLVED", "previous": "OPEN"}, "billing", "credit_needed"),
     {("case-resolution", "solved"), ("case-to-credit", "case_solved")}),
    ("zendesk", ticket("comment_added", {"comment": {"is_public": True, "author": {"is_staff": True}}},
                       "credit_needed", "informed_credit"),
     {("case-resolution", "first_response"), ("case-to-credit", "customer_informed")}),
    ("coupa", posted([{"id": 981, "status": "approved", "updated-at": "2026-03-01T08:30:00-08:00"}], "requisitions"),
     {("procure-to-pay", "requisition_approved")}),
]  # fmt: skip
SAMPLES: dict[str, Reached] = {
    "salesforce/cdc-opportunity-update.cometd.json": {("lead-to-order", "won"), ("order-to-cash", "opportunity_won")},
    "salesforce/outbound-opportunity.xml": {("lead-to-order", "won"), ("order-to-cash", "opportunity_won")},
    "salesforce/pe-order-status-changed.cometd.json": {("order-status-propagation", "crm_shows_confirmed")},
    "sap/salesorder-created.json": {("order-to-cash", "erp_accepted"), ("order-status-propagation", "order_confirmed")},
    "sap/salesorder-created-minimal.json": {("order-to-cash", "erp_accepted")},
    "stripe/invoice.paid.json": {("invoice-to-entitlement", "payment_succeeded")},
    "zendesk/ticket.created.json": {("case-resolution", "case_opened")},
    "zendesk/ticket.comment_added.json": {("case-resolution", "first_response")},
    "zendesk/ticket.status_changed.json": {("case-resolution", "solved")},
    "coupa/purchase_order.json": {("procure-to-pay", "po_issued")},
    "coupa/purchase_order.as_xml.xml": {("procure-to-pay", "po_issued")},
}
IN_THE_PLACE_OF = [
    ("netsuite", "salesorder-create.json", "sap", ("order-to-cash", "erp_accepted")),
    ("infor", "sync-salesorder.xml", "sap", ("order-to-cash", "erp_accepted")),
    ("hubspot", "batch-classic.json", "salesforce", ("order-to-cash", "opportunity_won")),
    ("freshdesk", "ticket_created.json", "zendesk", ("case-resolution", "case_opened")),
]
ALL = [(f"{name} {number}", name, request, wanted) for number, (name, request, wanted) in enumerate(SENT)] + [
    (name, name.partition("/")[0], received(FOLDER / name), wanted) for name, wanted in SAMPLES.items()
]


@pytest.mark.parametrize(
    ("source", "request_", "wanted"), [one[1:] for one in ALL], ids=[f"{one[0]} {min(one[3])[1]}" for one in ALL]
)
def test_what_a_connected_system_sends_reaches_a_pack(source: str, request_: Received, wanted: Reached) -> None:
    assert reached(SOURCES[source], request_) == wanted


def test_every_milestone_that_waits_for_a_connected_system_is_reached_by_what_that_sends() -> None:
    awaited = {
        (workflow.name, milestone.name)
        for workflow in SHIPPED.workflows.values()
        for milestone in workflow.milestones
        if milestone.source in SOURCES
    }
    assert awaited == {one for *_, wanted in ALL for one in wanted}


def test_a_milestone_names_one_source_and_one_type() -> None:
    for workflow in SHIPPED.workflows.values():
        for milestone in workflow.milestones:
            if milestone.source in SOURCES:
                assert milestone.name in workflow.awaited_types, (workflow.name, milestone.name)


@pytest.mark.parametrize(("adapter", "sample", "name", "wanted"), IN_THE_PLACE_OF)
def test_another_system_can_take_the_place(adapter: str, sample: str, name: str, wanted: tuple[str, str]) -> None:
    source = Source(name, adapter=Adapter(adapter, mapping=Mapping()))
    assert wanted in reached(source, received(FOLDER / adapter / sample))


def test_purchase_orders_of_infor_are_kept_out_as_the_page_says() -> None:
    source = Source("sap", adapter=Adapter("infor", mapping=Mapping(types={"Sync.PurchaseOrder": "ignore"})))
    assert reached(source, received(FOLDER / "infor" / "sync-purchaseorder.xml")) == set()


def test_the_sources_of_the_page_stand_beside_the_packs(tmp_path: Path) -> None:
    (tmp_path / "sources.yaml").write_text("---\n".join(blocks(PAGE, "yaml source").values()))
    together: Definitions = read_definitions([PACKS, tmp_path])
    assert {name for name, source in together.sources.items() if source.adapter} == set(SOURCES)
    assert definition_texts([PACKS, tmp_path])


def test_no_sample_of_these_systems_makes_a_dead_letter_of_a_pack() -> None:
    for system, source in SOURCES.items():
        for sample in samples(system):
            mapped = Receiver(source, Credentials()).map(received(sample), RECEIVED_AT)
            for event, said in zip(mapped.events, events_of(mapped), strict=True):
                decoded = cloudevents.as_event(event.body, RECEIVED_AT)
                assert isinstance(decoded, Event)
                for _, match in Matcher(SHIPPED.workflows.values()).matches(decoded):
                    assert match.joining, said
