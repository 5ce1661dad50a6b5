"""Oracle Fusion and NetSuite, and how they and others that no vendor signs for are known to be themselves."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.sources.exchange import Credentials, Received
from collector.sources.receiving import Receiver
from collector.sources.times import with_zone
from collector.sources.trees import fingerprint
from slo_rules.adapter import Sensitive
from slo_rules.durations import MINUTE, SECOND
from tests.sources import FOLDER, RECEIVED_AT, becomes, headers_of, posted, received, receiver, why

SIGNED = {
    "oracle_fusion/oic-forward-order-status.json": (b"oic-test-secret-55d0e1", "x-ingest-timestamp"),
    "netsuite/salesorder-create.json": (b"ns-test-secret-8c1d7e52f0", "x-ns-timestamp"),
    "servicenow/incident-br.json": (b"sn-shared-secret", ""),
}
BY_AUTHORIZATION = ("oracle_fusion", "netsuite", "infor", "servicenow", "freshdesk")


def of(name: str, **changes: Any) -> Received:
    return received(FOLDER / name, **changes)


@pytest.mark.parametrize("name", SIGNED)
class TestSignatures:
    def known(self, name: str, *secrets: bytes, **more: Any) -> Receiver:
        return receiver(name.partition("/")[0], credentials=Credentials(secrets or (SIGNED[name][0],)), **more)

    def at(self, name: str) -> int:
        header = SIGNED[name][1]
        return int(headers_of(FOLDER / name)[header]) * SECOND if header else RECEIVED_AT

    def test_the_vector_verifies(self, name: str) -> None:
        assert self.known(name).refuse(of(name), self.at(name) + SECOND) == ""
        assert self.known(name, b"former", SIGNED[name][0]).refuse(of(name), self.at(name)) == ""

    def test_no_other_byte_verifies(self, name: str) -> None:
        body = of(name).body
        for place in range(len(body)):
            other = body[:place] + bytes([body[place] ^ 1]) + body[place + 1 :]
            assert self.known(name).refuse(of(name, body=other), self.at(name)), place
        for other in (body + b"\n", body[:-1], b""):
            assert self.known(name).refuse(of(name, body=other), self.at(name))

    def test_no_other_secret_and_no_absent_header_verifies(self, name: str) -> None:
        assert self.known(name, b"other").refuse(of(name), self.at(name))
        headers = headers_of(FOLDER / name)
        signing = [header for header in headers if header.endswith(("-signature", "-timestamp"))]
        assert signing
        for absent in signing:
            less = {header: text for header, text in headers.items() if header != absent}
            assert self.known(name).refuse(of(name, headers=less), self.at(name)), absent

    def test_a_signature_that_holds_a_time_counts_for_a_while(self, name: str) -> None:
        late = self.known(name).refuse(of(name), self.at(name) + 5 * MINUTE + 2 * SECOND)
        early = self.known(name).refuse(of(name), self.at(name) - 5 * MINUTE - 2 * SECOND)
        assert bool(late) is bool(early) is bool(SIGNED[name][1])

    def test_where_the_secret_is_brought_no_signature_counts(self, name: str) -> None:
        assert self.known(name, authentication="bearer").refuse(of(name), self.at(name))


@pytest.mark.parametrize("system", BY_AUTHORIZATION)
def test_user_and_password_or_a_bearer_token_will_do(system: str) -> None:
    basic = receiver(system, credentials=Credentials((b"ingest:secret",)), authentication="basic")
    given = "Basic " + base64.b64encode(b"ingest:secret").decode()
    assert basic.refuse(posted({}, authorization=given), 0) == ""
    assert basic.refuse(posted({}, authorization=given[:-4]), 0)
    bearer = receiver(system, credentials=Credentials((b"s3cret",)), authentication="bearer")
    assert bearer.refuse(posted({}, authorization="Bearer s3cret"), 0) == ""
    assert bearer.refuse(posted({}, authorization="Bearer s3cre"), 0)
    assert bearer.refuse(posted({}), 0)


class TestOracleFusion:
    NAME = "oracle_fusion/oic-forward-order-status.json"

    def event(self, body: bytes, **more: Any) -> dict[str, Any]:
        return becomes(receiver("oracle_fusion", **more), posted(body))

    def test_what_is_delivered_again_through_another_instance_counts_once(self) -> None:
        first = json.loads((FOLDER / self.NAME).read_text())
        again = first | {"eventId": "fusion:oic:instance:other", "integration": {"instanceId": "other"}}
        other = first | {"status": {"old": "CLOSED", "new": "REOPENED"}}
        ids = [self.event(json.dumps(one).encode())["id"] for one in (first, again, other)]
        assert ids[0] == ids[1] != ids[2]

    def test_events_are_found_whatever_is_around_them(self) -> None:
        sample = (FOLDER / "oracle_fusion" / "purchaseorder-event.xml").read_bytes()
        start, end = sample.index(b"<ns0:EventActionCode"), sample.index(b" </ns0:Value>")
        names = b' xmlns:ns0="urn:other"'
        inner = sample[start:end]
        bare = b"<Value" + names + b">" + inner + b"</Value>"
        whole = b"<e:onEvent xmlns:e='urn:e'><result>" + bare + b"</result></e:onEvent>"
        found = [self.event(body) for body in (sample, bare, whole)]
        assert found[0] == found[1] == found[2]
        assert found[0]["type"] == "order.created"

    def test_a_time_without_a_zone_is_believed_where_the_zone_is_said(self) -> None:
        sample = (FOLDER / "oracle_fusion" / "invoice-hold-applied.xml").read_bytes()
        assert "time" not in self.event(sample)
        assert self.event(sample, zone="America/Los_Angeles")["time"] == "2021-06-04T13:27:33Z"
        assert "time" not in self.event(sample.replace(b"2021-06-04T06:27:33", b"04-JUN-2021"), zone="UTC")

    def test_an_event_that_nobody_named_keeps_its_name(self) -> None:
        sample = json.loads((FOLDER / self.NAME).read_text())
        held = sample | {"eventName": "Hold Applied"}
        assert self.event(json.dumps(held).encode())["type"] == "order.hold_applied"
        line = sample | {"entity": {"type": "FulfillmentLine", "lineId": "3", "headerId": "2"}}
        event = self.event(json.dumps(line).encode())
        assert (event["type"], event["data"]["shipment_id"], event["data"]["order_id"]) == (
            "shipment.status_changed", "3", "2",
        )  # fmt: skip
        journal = receiver("oracle_fusion").map(posted(sample | {"eventName": "Journal Posted", "entity": {}}), 0)
        assert "'Journal Posted' has no event type" in why(journal)

    def test_another_pod_and_what_is_no_event_are_set_aside(self) -> None:
        known = receiver("oracle_fusion", tenant="other")
        assert "of another pod" in why(known.map(of(self.NAME), 0))
        for body in (b"{}", b"<onEvent/>", b"<a>b</a>", b"[]", b"<!DOCTYPE a><a><b/></a>"):
            assert why(receiver("oracle_fusion").map(posted(body), 0)), body

    def test_what_is_sensitive_is_taken_out_of_both_forms(self) -> None:
        known = receiver("oracle_fusion", sensitive=Sensitive(("SoldToLegalEntityName", "entity.orderNumber")))
        for name in (self.NAME, "oracle_fusion/purchaseorder-event.xml"):
            kept = known.keep(of(name))
            assert b"US1 Legal" not in kept
            assert b"104817" not in kept
            assert known.map(posted(kept), 0).events


class TestNetSuite:
    NAME = "netsuite/salesorder-create.json"

    def sent(self, **changes: Any) -> Received:
        return posted(json.loads((FOLDER / self.NAME).read_text()) | changes)

    def test_a_deleted_record_is_known_from_what_it_was(self) -> None:
        record = {"id": "1", "type": "salesorder", "fields": {"tranid": "SO-1", "otherrefnum": "PO-1"}}
        sent = self.sent(eventType="delete", newRecord=None, oldRecord=record, correlationId=None, externalId=None)
        event = becomes(receiver("netsuite"), sent)
        assert (event["type"], event["data"]["purchase_order"]) == ("order.deleted", "PO-1")

    @pytest.mark.parametrize(
        ("kind", "happened", "type_"),
        [
            ("salesorder", "xedit", "order.updated"), ("salesorder", "approve", "order.approved"),
            ("itemfulfillment", "ship", "shipment.shipped"), ("customerpayment", "create", "payment.created"),
            ("estimate", "create", "quote.created"), ("invoice", "paybills", "invoice.paybills"),
            ("salesOrder", "create", "order.created"),
        ],
    )  # fmt: skip
    def test_records_become_entities_and_events_verbs(self, kind: str, happened: str, type_: str) -> None:
        assert becomes(receiver("netsuite"), self.sent(recordType=kind, eventType=happened))["type"] == type_

    def test_an_invoice_knows_its_order(self) -> None:
        record = {"id": "91533", "type": "invoice", "fields": {"createdfrom": "88412", "tranid": "INV-1"}}
        data = becomes(receiver("netsuite"), self.sent(recordType="invoice", recordId="91533", newRecord=record))[
            "data"
        ]
        assert (data["invoice_id"], data["order_id"]) == ("91533", "88412")

    def test_a_record_without_an_envelope_is_of_the_account_of_its_header(self) -> None:
        raw = {"id": 7, "type": "salesorder", "fields": {"id": "7", "tranid": "SO-7", "total": ""}}
        known = receiver("netsuite", tenant="TSTDRV1")
        event = becomes(known, posted(raw, **{"x-ns-account": "TSTDRV1"}))
        assert event["type"] == "order.updated"
        assert event["id"].startswith("netsuite:TSTDRV1:salesorder:7:")
        assert "of another account" in why(known.map(posted(raw, **{"x-ns-account": "TSTDRV2"}), 0))
        assert becomes(known, posted(raw))["id"] == event["id"]

    def test_what_is_no_record_is_set_aside(self) -> None:
        for document in ({}, {"links": []}, {"links": [{"rel": "self", "href": "https://x/y"}]}, {"fields": {}}, []):
            assert why(receiver("netsuite").map(posted(document), 0)), document
        assert "needs both" in why(receiver("netsuite").map(self.sent(recordType=None), 0))
        assert "no event type" in why(receiver("netsuite").map(self.sent(recordType="job"), 0))


@pytest.mark.parametrize(
    ("text", "zone", "at"),
    [
        ("2026-03-03 08:12:45", "UTC", "2026-03-03T08:12:45Z"),
        ("2026-03-03T08:12:45.25", "Europe/Berlin", "2026-03-03T07:12:45.250000Z"),
        ("2026-10-25 02:30:00", "Europe/Berlin", "2026-10-25T00:30:00Z"),
        ("2026-03-03T08:12:45Z", "Europe/Berlin", "2026-03-03T08:12:45Z"),
        ("2026-03-03T08:12:45+02:00", "Europe/Berlin", "2026-03-03T08:12:45+02:00"),
        ("2026-13-03 08:12:45", "UTC", "2026-13-03 08:12:45"),
        ("0001-01-01 00:00:00", "Asia/Tokyo", "0001-01-01 00:00:00"),
        ("3/12/2026 7:25 am", "UTC", "3/12/2026 7:25 am"),
        ("2026-03-03 08:12:45", "", "2026-03-03 08:12:45"),
    ],
)
def test_times_without_a_zone_get_the_one_that_is_said(text: str, zone: str, at: str) -> None:
    assert with_zone(text, zone) == at


@given(st.text(max_size=25))
def test_any_text_is_read_as_a_time_or_left(text: str) -> None:
    assert isinstance(with_zone(text, "UTC"), str)


def test_a_fingerprint_is_that_of_what_is_said_and_not_of_its_order() -> None:
    assert fingerprint({"a": 1, "b": [1, 2]}) == fingerprint({"b": [1, 2], "a": 1})
    assert fingerprint({"a": 1, "b": [1, 2]}) != fingerprint({"a": 1, "b": [2, 1]})
