"""Dynamics 365: who may send, what records and states are, and the answers that keep a subscription alive."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.sources.dataverse.context import instant_of
from collector.sources.exchange import Credentials, Received
from collector.sources.receiving import Mapped, Receiver
from slo_rules.adapter import Sensitive
from tests.sources import FOLDER, events_of, headers_of, receiver, samples

SECRET = b"test-shared-secret-1f2e3d4c"
STATE = b"bc-shared-secret-9a8b7c6d"
ACCOUNT, CONTACT = "a7c3e2b1-05d9-f011-8406-6045bd9a1c22", "c7c3e2b1-05d9-f011-8406-6045bd9a1c22"


def sample(system: str, name: str) -> Any:
    return json.loads((FOLDER / system / f"{name}.json").read_text())


def post(known: Receiver, document: Any, **headers: str) -> Mapped:
    body = json.dumps(document).encode()
    return known.map(Received("POST", "", {"content-type": "application/json"} | headers, body), 0, 1)


def reference(table: str, id_: str, name: str | None = None) -> dict[str, Any]:
    return {"__type": "EntityReference:http", "Id": id_, "LogicalName": table, "Name": name, "KeyAttributes": []}


def pairs(**values: Any) -> list[dict[str, Any]]:
    return [{"key": name, "value": value} for name, value in values.items()]


def context(table: str = "opportunity", message: str = "Update", **changes: Any) -> dict[str, Any]:
    """What a step posts."""
    said = {
        "MessageName": message, "PrimaryEntityName": table, "PrimaryEntityId": ACCOUNT.upper(), "OrganizationId": "org",
        "OrganizationName": "unqorg", "OperationId": "op-1", "OwningExtension": {"Id": "step-1"}, "CorrelationId": "c-1",
        "OperationCreatedOn": "/Date(1773324330000)/", "Depth": 1, "Stage": 40, "InputParameters": [],
    }  # fmt: skip
    return said | changes


def target(**columns: Any) -> list[dict[str, Any]]:
    return pairs(Target={"LogicalName": "x", "Id": ACCOUNT, "Attributes": pairs(**columns)})


def event_of(document: dict[str, Any], **headers: str) -> dict[str, Any]:
    found = post(receiver("dataverse"), document, **headers)
    assert found.letters == []
    (event,) = events_of(found)
    return event


class TestWhoSends:
    @pytest.mark.parametrize("system", ["dataverse", "dynamics_fno"])
    @pytest.mark.parametrize(
        ("headers", "query"),
        [
            ({"x-ingest-key": SECRET.decode()}, {}), ({"authorization": f"Bearer {SECRET.decode()}"}, {}),
            ({}, {"code": SECRET.decode()}), ({"a": "b"}, {"x": "y", "key": SECRET.decode()}),
        ],
    )  # fmt: skip
    def test_the_secret_may_come_under_any_name(
        self, system: str, headers: dict[str, str], query: dict[str, str]
    ) -> None:
        known = receiver(system, credentials=Credentials((b"former", SECRET)))
        assert known.refuse(Received("POST", "", headers, b"{}", "", query), 0) == ""

    @pytest.mark.parametrize("system", ["dataverse", "dynamics_fno"])
    def test_no_other_text_is_the_secret(self, system: str) -> None:
        known = receiver(system, credentials=Credentials((SECRET,)))
        for place in range(len(SECRET)):
            other = (SECRET[:place] + bytes([SECRET[place] ^ 1]) + SECRET[place + 1 :]).decode()
            assert known.refuse(Received("POST", "", {"x-ingest-key": other}, b"{}", "", {"code": other}), 0)
        for headers in ({}, {SECRET.decode(): "x"}, {"x": SECRET.decode() + " "}, {"x": "Bearer"}):
            assert known.refuse(Received("POST", "", headers, SECRET), 0)

    @pytest.mark.parametrize("one", samples("dataverse"), ids=lambda one: one.name)
    def test_the_samples_bring_theirs(self, one: Any) -> None:
        known = receiver("dataverse", credentials=Credentials((SECRET,)))
        assert known.refuse(Received("POST", "", headers_of(one), one.read_bytes()), 0) == ""

    def test_the_secret_is_not_kept(self) -> None:
        known = receiver("dataverse", credentials=Credentials((SECRET,)))
        kept = known.kept_headers(Received("POST", "", headers_of(samples("dataverse")[0]), b"{}"))
        assert SECRET.decode() not in kept.values()


class TestDataverse:
    def test_a_size_exceeded_body_says_that_it_is_incomplete(self) -> None:
        whole = context("salesorder", InputParameters=target(name="x"))
        assert "incomplete" not in event_of(whole)["data"]
        assert event_of(whole, **{"x-ms-dynamics-msg-size-exceeded": "anything"})["data"]["incomplete"] is True
        del whole["InputParameters"]
        assert event_of(whole)["data"]["incomplete"] is True

    @pytest.mark.parametrize(
        ("table", "message", "column", "type_"),
        [
            ("opportunity", "Update", {"statecode": {"Value": 1}}, "opportunity.won"),
            ("opportunity", "Update", {"statecode": {"Value": 2}}, "opportunity.lost"),
            ("opportunity", "Update", {"statuscode": {"Value": 1}}, "opportunity.updated"),
            ("salesorder", "Update", {"statecode": {"Value": 2}}, "order.cancelled"),
            ("incident", "Update", {"statecode": {"Value": 1}}, "case.resolved"),
            ("account", "Delete", {}, "account.deleted"),
            ("lead", "Create", {}, "contact.created"),
            ("new_thing", "new_Approve", {}, "new_thing.new_approve"),
        ],
    )
    def test_what_happened(self, table: str, message: str, column: dict[str, Any], type_: str) -> None:
        assert event_of(context(table, message, InputParameters=target(**column)))["type"] == type_

    def test_what_an_image_says_of_the_state_happened_before(self) -> None:
        image = [
            {"key": "image", "value": {"Attributes": pairs(statecode={"Value": 1}, new_correlationid="c", name="A")}}
        ]
        event = event_of(context(InputParameters=target(name="B"), PreEntityImages=image))
        assert (event["type"], event["data"]["correlation_id"], event["data"]["name"]) == (
            "opportunity.updated",
            "c",
            "B",
        )
        after = [{"key": "image", "value": {"Attributes": pairs(statecode={"Value": 1}, name="C")}}]
        event = event_of(context(InputParameters=target(x="B"), PreEntityImages=image, PostEntityImages=after))
        assert (event["type"], event["data"]["name"], event["data"]["state"]) == ("opportunity.updated", "C", 1)

    def test_a_column_that_was_emptied_is_not_what_it_was_before(self) -> None:
        image = [{"key": "image", "value": {"Attributes": pairs(new_correlationid="c")}}]
        event = event_of(context(InputParameters=target(new_correlationid=None), PreEntityImages=image))
        assert "correlation_id" not in event["data"]

    def test_a_customer_is_an_account_or_a_contact(self) -> None:
        for table, field in (("account", "account_id"), ("contact", "contact_id")):
            data = event_of(context("salesorder", InputParameters=target(customerid=reference(table, CONTACT))))["data"]
            assert data[field] == data["customer_id"] == CONTACT
            assert ("account_id" in data) == (table == "account")

    @pytest.mark.parametrize(
        ("message", "parameters", "type_"),
        [
            (
                "Win",
                pairs(
                    OpportunityClose={"Attributes": pairs(opportunityid=reference("opportunity", ACCOUNT))},
                    Status={"Value": 3},
                ),
                "opportunity.won",
            ),
            (
                "SetState",
                pairs(EntityMoniker=reference("opportunity", ACCOUNT), State={"Value": 2}),
                "opportunity.lost",
            ),
            ("Assign", pairs(Target=reference("opportunity", ACCOUNT)), "opportunity.assigned"),
        ],
    )
    def test_a_record_is_found_where_the_message_has_it(self, message: str, parameters: Any, type_: str) -> None:
        said = context(
            "opportunity", message, InputParameters=parameters, PrimaryEntityId="0" * 8 + "-0000-0000-0000-" + "0" * 12
        )
        event = event_of(said)
        assert (event["type"], event["subject"]) == (type_, ACCOUNT)

    def test_without_a_record_it_is_set_aside(self) -> None:
        (letter,) = post(receiver("dataverse"), context(PrimaryEntityId=None)).letters
        assert "of no record" in letter.detail

    def test_a_merge_says_of_the_loser_which_account_it_is_now(self) -> None:
        said = context(
            "account", "Merge", InputParameters=pairs(Target=reference("account", ACCOUNT), SubordinateId=CONTACT)
        )
        event = event_of(said)
        assert (event["type"], event["data"]["account_id"], event["data"]["merged_account_id"]) == (
            "account.merged", ACCOUNT, CONTACT,
        )  # fmt: skip

    def test_a_repetition_has_the_same_id_and_another_step_another(self) -> None:
        first = event_of(context())["id"]
        assert first == event_of(context(RequestId="other"))["id"] == "org:op-1:step-1"
        assert first != event_of(context(OwningExtension={"Id": "step-2"}))["id"]
        none = {"OperationId": "00000000-0000-0000-0000-000000000000"}
        assert event_of(context(**none))["id"] == f"org:c-1:Update:opportunity:{ACCOUNT}:1:40"

    def test_the_time_is_that_of_the_record_and_otherwise_that_of_the_operation(self) -> None:
        said = context(
            OperationCreatedOn="/Date(1506409448000-0700)/", InputParameters=target(modifiedon="/Date(1506384247000)/")
        )
        event = event_of(said)
        assert event["time"] == "2017-09-26T00:04:07Z"
        assert "time_approximate" not in event["data"]
        event = event_of(said | {"InputParameters": []})
        assert (event["time"], event["data"]["time_approximate"]) == ("2017-09-26T00:04:08Z", True)

    @pytest.mark.parametrize(
        ("text", "instant"),
        [
            ("/Date(1731053106922)/", ("2024-11-08T08:05:06.922000Z", True)),
            ("/Date(1773324330000+0000)/", ("2026-03-12T14:05:30Z", True)),
            ("/Date(-1000)/", ("1969-12-31T23:59:59Z", True)),
            ("/Date(999999999999999)/", None), ("/Date(x)/", None), ("2026-03-12T14:05:30Z", None), (None, None),
        ],
    )  # fmt: skip
    def test_dates(self, text: Any, instant: Any) -> None:
        assert instant_of(text) == instant

    @given(st.integers(-(10**16), 10**16), st.from_regex(r"[+-][0-9]{4}", fullmatch=True))
    def test_any_date_is_an_instant_or_none(self, ms: int, offset: str) -> None:
        found = instant_of(f"/Date({ms}{offset})/")
        assert found is None or found[0].endswith("Z")

    def test_the_organisation_may_be_said_in_three_ways(self) -> None:
        for tenant in ("org", "UNQORG", "globex.crm4.dynamics.com"):
            known = receiver("dataverse", tenant=tenant)
            assert post(known, context(), **{"x-ms-dynamics-organization": "globex.crm4.dynamics.com"}).rows, tenant
        assert "another organisation" in post(receiver("dataverse", tenant="other"), context()).letters[0].detail

    def test_what_is_sensitive_is_named_by_its_column_wherever_it_stands(self) -> None:
        known = receiver("dataverse", sensitive=Sensitive(("emailaddress1", "customerid.Name"), ("new_correlationid",)))
        columns = {
            "emailaddress1": "ann@example.com", "new_correlationid": "c-77", "customerid": reference("account", ACCOUNT, "Ann"),
        }  # fmt: skip
        inner = {"Attributes": pairs(**columns), "FormattedValues": pairs(emailaddress1="ann@example.com")}
        said = context("incident", InputParameters=pairs(Target=inner), PostEntityImages=pairs(image=inner))
        said["ParentContext"] = context(InputParameters=pairs(Target=inner))
        kept = known.keep(Received("POST", "", {}, json.dumps(said).encode()))
        assert b"ann@" not in kept
        assert b"Ann" not in kept
        assert b"c-77" not in kept
        (event,) = events_of(known.map(Received("POST", "", {}, kept), 0))
        assert event["data"]["correlation_id"].startswith("hash:")
        assert event["data"]["account_id"] == ACCOUNT


class TestFinanceAndOperations:
    def test_older_versions_write_ids_and_times_otherwise(self) -> None:
        event = sample("dynamics_fno", "salesinvoiceposted")
        older = event | {
            "EventId": "{" + event["EventId"] + "}",
            "EventTimeIso8601": None,
            "BusinessEventLegalEntity": None,
        }
        known = receiver("dynamics_fno")
        (now,), (then,) = events_of(post(known, event)), events_of(post(known, older))
        assert now["id"] == then["id"] == "0d6e5b1a-7c42-4f9e-a0b3-5d18c2e97f64"
        assert (then["time"], then["data"]["legal_entity"]) == ("2026-03-19T08:00:00Z", "usmf")

    def test_an_event_without_a_canonical_type_keeps_its_name(self) -> None:
        said = sample("dynamics_fno", "salesinvoiceposted") | {"BusinessEventId": "PurchaseOrderConfirmedBusinessEvent"}
        assert events_of(post(receiver("dynamics_fno"), said))[0]["type"] == "PurchaseOrderConfirmedBusinessEvent"

    def test_event_grid_wraps_and_asks_first(self) -> None:
        known, event = receiver("dynamics_fno"), sample("dynamics_fno", "salesinvoiceposted")
        found = post(known, [{"id": "g", "eventType": "x", "data": event}, {"data": {}}, 7])
        assert [one["type"] for one in events_of(found)] == ["invoice.posted"]
        assert [letter.item for letter in found.letters] == [1, 2]
        asked = [{"eventType": "Microsoft.EventGrid.SubscriptionValidationEvent", "data": {"validationCode": 'a"b'}}]
        request = Received("POST", "", {"aeg-event-type": "SubscriptionValidation"}, json.dumps(asked).encode())
        answer = known.handshake(request)
        assert answer is not None
        assert json.loads(answer.body) == {"validationResponse": 'a"b'}
        assert known.handshake(Received("POST", "", {}, request.body)) is None
        for body in (b"x", b"[]", b"{}", b"[1]", b'[{"eventType": "x"}]'):
            assert known.handshake(Received("POST", "", request.headers, body)) is None

    def test_another_legal_entity_and_another_form_are_set_aside(self) -> None:
        event = sample("dynamics_fno", "salesinvoiceposted")
        assert post(receiver("dynamics_fno", tenant="USMF"), event).rows
        assert "another legal entity" in post(receiver("dynamics_fno", tenant="dat"), event).letters[0].detail
        assert "adapter dataverse" in post(receiver("dynamics_fno"), context()).letters[0].detail


class TestBusinessCentral:
    def known(self, **more: Any) -> Receiver:
        return receiver("business_central", credentials=Credentials((STATE,)), **more)

    def request(self, *states: Any) -> Received:
        entry = sample("business_central", "notifications")["value"][0]
        return Received(
            "POST", "", {}, json.dumps({"value": [entry | {"clientState": one} for one in states]}).encode()
        )

    def test_the_secret_is_in_the_body(self) -> None:
        known = self.known()
        assert known.refuse(self.request(STATE.decode()), 0) == ""
        assert known.refuse(self.request("a subscription of yore", STATE.decode()), 0) == ""
        for place in range(len(STATE)):
            other = (STATE[:place] + bytes([STATE[place] ^ 1]) + STATE[place + 1 :]).decode()
            assert known.refuse(self.request(other), 0)
        for state in (None, 1, "", [STATE.decode()]):
            assert known.refuse(self.request(state), 0)
        for body in (b"", b"x", b"[]", b"{}", b'{"value": []}', b'{"value": [1]}'):
            assert known.refuse(Received("POST", "", {"x": STATE.decode()}, body), 0)

    def test_the_secret_is_not_kept(self) -> None:
        request = self.request(STATE.decode(), "other secret")
        kept = self.known().keep(request)
        assert STATE not in kept
        assert b"other secret" not in kept
        assert len(events_of(self.known().map(Received("POST", "", {}, kept), 0))) == 2

    def test_no_answer_ends_a_subscription(self) -> None:
        adapter = self.known().adapter
        for status in (400, 404, 405, 413, 415, 422):
            answer = adapter.refused(status, "why")
            assert answer is not None
            assert answer.status == 503
        dropped = adapter.refused(401, "why")
        assert dropped is not None
        assert dropped.status == 200
        assert adapter.refused(429, "") is adapter.refused(503, "") is None
        assert adapter.elsewhere == 503

    def test_a_token_is_sent_back_as_text(self) -> None:
        asked = sample("business_central", "handshake.headers")
        answer = self.known().handshake(Received("POST", "", {}, b"", "", asked["query"]))
        assert answer is not None
        assert answer.body.decode() == asked["_expected_response"]["body"]
        assert answer.headers["content-type"].startswith("text/plain")
        assert self.known().handshake(Received("POST", "", {}, b"", "", {})) is None
        assert self.known().handshake(Received("POST", "", {}, b"", "", {"validationToken": "x" * 3000})) is None

    @pytest.mark.parametrize(
        ("resource", "type_"),
        [
            ("/api/v2.0/companies(A)/salesOrders(B)", "order.updated"),
            ("api/v2.0/companies(A)/salesQuotes(B)", "quote.updated"),
            ("api/pub/grp/v1.0/companies(A)/rentals(B)", "rentals.updated"),
            ("companies(A)/salesCreditMemos(B)", "credit.updated"),
        ],
    )
    def test_the_entity_stands_in_the_resource(self, resource: str, type_: str) -> None:
        entry = {
            "subscriptionId": "s",
            "resource": resource,
            "changeType": "updated",
            "lastModifiedDateTime": "2026-03-12T14:12:46Z",
        }
        (event,) = events_of(post(self.known(), {"value": [entry]}))
        assert (event["type"], event["data"]["native_id"], event["data"]["company_id"]) == (type_, "b", "a")

    def test_a_slash_before_it_makes_no_other_event(self) -> None:
        entry = sample("business_central", "notifications")["value"][0]
        other = entry | {"resource": "/" + entry["resource"]}
        first, second = events_of(post(self.known(), {"value": [entry, other]}))
        assert first["id"] == second["id"]

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            ({"resource": "api/v2.0/companies(A)"}, "resource:"), ({"resource": 7}, "resource:"),
            ({"lastModifiedDateTime": None}, "no lastModifiedDateTime"), ({"changeType": "collection"}, "more salesOrders changed"),
        ],
    )  # fmt: skip
    def test_what_names_no_record_is_set_aside(self, change: dict[str, Any], words: str) -> None:
        entry = sample("business_central", "notifications")["value"][0] | change
        (letter,) = post(self.known(), {"value": [entry]}).letters
        assert words in letter.detail
