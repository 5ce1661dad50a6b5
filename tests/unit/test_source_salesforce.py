"""Salesforce as JSON: the same change in every envelope, what was not sent, merges, conversions and platform events."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from collector.log import LetterReason
from collector.sources.exchange import Credentials, Received
from collector.sources.receiving import Mapped, Receiver
from collector.sources.salesforce.records import long_id
from slo_rules.adapter import Mapping, Sensitive
from tests.sources import FOLDER, events_of, receiver

ORGANISATION = "00D5i000000GBXkEAO"


def sample(name: str) -> Any:
    return json.loads((FOLDER / "salesforce" / f"{name}.json").read_text())


def post(document: Any, known: Receiver | None = None) -> Mapped:
    known = known or receiver("salesforce")
    body = known.keep(Received("POST", "", {"content-type": "application/json"}, json.dumps(document).encode()))
    return known.map(Received("POST", "", {"content-type": "application/json"}, body), 0, 1)


def change(**fields: Any) -> dict[str, Any]:
    """A change of an account as CometD brings it; what begins with a lower-case letter is of the header."""
    header = {
        "entityName": "Account", "recordIds": ["0015i00000RkT7pAAF"], "changeType": "UPDATE", "transactionKey": "t1",
        "sequenceNumber": 2, "commitTimestamp": 1_773_324_321_000,
    }  # fmt: skip
    header |= {name: value for name, value in fields.items() if name[0].islower()}
    payload = {"ChangeEventHeader": header} | {name: value for name, value in fields.items() if name[0].isupper()}
    return {"channel": "/data/ChangeEvents", "data": {"payload": payload, "event": {"replayId": 7}}}


def test_one_change_is_one_event_whichever_way_it_comes() -> None:
    forms = [sample(f"cdc-opportunity-update.{form}") for form in ("cometd", "eventrelay", "pubsub")]
    forms.append(forms[0]["data"])
    relayed = forms[1]
    forms.append(relayed | {"source": "aws.partner/appflow.com/1", "detail": relayed["detail"]["payload"]})
    known = receiver("salesforce", tenant=ORGANISATION)
    found = [events_of(post(form, known))[0] for form in forms]
    assert len({event["id"] for event in found}) == 1
    assert {(event["type"], event["time"], event["subject"]) for event in found} == {
        ("opportunity.won", "2026-03-12T14:05:21Z", "0065i00000CzP4nAAF")
    }


def test_an_organisation_is_the_same_in_both_forms_of_its_id() -> None:
    relayed = events_of(
        post(sample("cdc-opportunity-update.eventrelay"), receiver("salesforce", tenant=ORGANISATION[:15]))
    )
    forwarded = events_of(
        post(sample("cdc-opportunity-update.pubsub"), receiver("salesforce", tenant=ORGANISATION[:15]))
    )
    assert relayed[0]["id"] == forwarded[0]["id"]


def test_a_forwarder_may_send_many_at_once() -> None:
    found = post([change(), 3, change(transactionKey="t2"), {"no": "payload"}])
    assert [event["id"] for event in events_of(found)] == ["t1:2:0015i00000RkT7pAAF", "t2:2:0015i00000RkT7pAAF"]
    assert [letter.item for letter in found.letters] == [1, 3]
    assert {letter.reason for letter in found.letters} == {LetterReason.CANNOT_BE_MAPPED}


def test_a_change_of_several_records_is_an_event_for_each() -> None:
    found = events_of(post(change(recordIds=["0015i00000RkT7p", "0015i00000RkT7qAAF"])))
    assert [event["data"]["account_id"] for event in found] == ["0015i00000RkT7pAAF", "0015i00000RkT7qAAF"]
    assert len({event["id"] for event in found}) == 2


@pytest.mark.parametrize(
    ("kind", "type_"),
    [
        ("CREATE", "created"),
        ("UPDATE", "updated"),
        ("DELETE", "deleted"),
        ("UNDELETE", "undeleted"),
        ("GAP_DELETE", "gap"),
    ],
)
def test_what_happened_to_a_record(kind: str, type_: str) -> None:
    found = post(change(changeType=kind))
    (event,) = events_of(found)
    assert event["type"] == f"account.{type_}"
    assert event["data"].get("gap") == (kind if type_ == "gap" else None)
    assert bool(found.letters) == (type_ == "gap")


@pytest.mark.parametrize("type_", ["account.gap", "ignore"])
def test_a_gap_is_set_aside_too_unless_the_source_has_a_word_for_it(type_: str) -> None:
    gap, broken = change(changeType="GAP_UPDATE"), change(transactionKey=None)
    found = post([gap, broken])
    assert found.letters[0].detail == (
        "GAP_UPDATE: of Account it was not sent how 0015i00000RkT7pAAF changed: look it up"
    )
    named = receiver("salesforce", mapping=Mapping(types={"Account:GAP_UPDATE": type_}))
    after = post([gap, broken], named)
    assert (len(after.rows), after.ignored) == ((1, 0) if type_ != "ignore" else (0, 1))
    # What else is wrong keeps its place: a replay asks for it by that.
    assert [letter.item for letter in found.letters] == [1, 2]
    assert [letter.item for letter in after.letters] == [2]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"changeType": "GAP_OVERFLOW", "recordIds": ["000000000000000AAA"]}, "GAP_OVERFLOW: changes of Account"),
        ({"changeType": "GAP_OVERFLOW", "recordIds": ["0015i00000RkT7pAAF"]}, "GAP_OVERFLOW: changes of Account"),
        ({"changeType": "GAP_UPDATE", "recordIds": ["001*"]}, "like 001* changed"),
        ({"changeType": "UPDATE", "recordIds": []}, "of which records is not known"),
        ({"transactionKey": None, "sequenceNumber": ""}, "no transactionKey, no sequenceNumber"),
    ],
)
def test_changes_that_cannot_be_told_are_set_aside_whole(fields: dict[str, Any], words: str) -> None:
    found = post([change(**fields), change()])
    assert len(found.rows) == 1
    (letter,) = found.letters
    assert words in letter.detail
    assert json.loads(letter.body) == change(**fields)


def test_a_change_of_some_records_by_name_and_of_others_by_pattern_loses_neither() -> None:
    found = post(change(changeType="GAP_UPDATE", recordIds=["001*", "0015i00000RkT7pAAF"]))
    (letter,) = found.letters
    assert (letter.item, [event.item for event in found.events]) == (2, [1])
    assert "how 0015i00000RkT7pAAF changed and which of those with ids like 001* changed" in letter.detail


def test_only_what_a_change_says_makes_it_a_victory() -> None:
    opportunity = {"entityName": "Opportunity", "recordIds": ["0065i00000CzP4nAAF"]}
    assert events_of(post(change(**opportunity, NextStep="Call")))[0]["type"] == "opportunity.updated"
    assert events_of(post(change(**opportunity, StageName="Signed", IsWon=True)))[0]["type"] == "opportunity.won"
    assert events_of(post(change(**opportunity, StageName=None, IsWon=None)))[0]["type"] == "opportunity.updated"


def test_a_record_with_a_master_is_merged_into_it() -> None:
    fields = {"changeType": "DELETE", "MasterRecordId": "0015i00000RkT7zAAF"}
    (event,) = events_of(post(change(**fields)))
    assert event["type"] == "account.merged"
    assert (event["data"]["account_id"], event["data"]["merged_account_id"]) == (
        "0015i00000RkT7zAAF", "0015i00000RkT7pAAF",
    )  # fmt: skip
    lead = {"entityName": "Lead", "recordIds": ["00Q5i00000RkT7pAAF"]}
    assert events_of(post(change(**fields, **lead)))[0]["data"]["merged_contact_id"] == "00Q5i00000RkT7pAAF"


def test_a_lead_that_is_converted_says_into_what() -> None:
    (event,) = events_of(
        post(
            change(
                entityName="Lead", recordIds=["00Q5i00000RkT7pAAF"], Status="Qualified", IsConverted=True,
                ConvertedAccountId="001A", ConvertedContactId="003C", ConvertedOpportunityId="006O",
            )
        )
    )  # fmt: skip
    data = event["data"]
    assert event["type"] == "contact.converted"
    assert (data["lead_id"], data["contact_id"], data["account_id"], data["opportunity_id"]) == (
        "00Q5i00000RkT7pAAF", "003C", "001A", "006O",
    )  # fmt: skip
    assert {"name": "transaction_key", "value": "t1"} in data["correlation"]


def test_names_of_people_come_in_parts_and_bitmaps_are_no_names() -> None:
    (event,) = events_of(
        post(
            change(
                entityName="Contact",
                Name={"FirstName": "Ann", "LastName": "Lee"},
                changedFields=["0x4", "2-0x1", "Name.LastName"],
            )
        )
    )
    assert event["data"]["name"] == "Ann Lee"
    assert event["data"]["changed"] == ["Name.LastName"]


class TestPlatformEvents:
    def test_one_without_a_name_is_set_aside(self) -> None:
        bare = sample("pe-order-status-changed.cometd")["data"]
        (letter,) = post(bare).letters
        assert "without its name" in letter.detail
        assert post({"topic_name": "/event/OrderStatusChangedEvent"} | bare).rows

    def test_one_of_a_customer_keeps_its_name_and_is_mapped_by_it(self) -> None:
        document = {
            "source": f"aws.partner/salesforce.com/{ORGANISATION}/0YL", "detail-type": "Account_Merged__e", "id": "e-1",
            "detail": {"payload": {"CreatedDate": 1_773_324_321_000, "Winner__c": "001A", "Loser__c": "001B"}},
        }  # fmt: skip
        (event,) = events_of(post(document))
        assert (event["type"], event["id"], event["time"]) == (
            "Account_Merged__e", f"{ORGANISATION}:Account_Merged__e:e-1", "2026-03-12T14:05:21Z",
        )  # fmt: skip

    def test_without_any_id_what_it_says_tells_it(self) -> None:
        document = sample("pe-order-status-changed.cometd")
        del document["data"]["event"]
        first, again = (events_of(post(document))[0]["id"] for _ in range(2))
        document["data"]["payload"]["CreatedDate"] = "2026-03-12T15:42:10.114Z"
        assert first == again != events_of(post(document))[0]["id"]

    def test_any_other_state_is_a_change_of_state(self) -> None:
        document = sample("pe-order-status-changed.cometd")
        document["data"]["payload"] |= {"NewStatus": "Cancelled", "OldStatus": "Activated"}
        (event,) = events_of(post(document))
        assert event["type"] == "order.status_changed"
        assert (event["data"]["status"], event["data"]["previous_status"]) == ("Cancelled", "Activated")


def test_what_another_organisation_relays_is_set_aside() -> None:
    document = sample("cdc-opportunity-update.eventrelay")
    assert post(document, receiver("salesforce", tenant=ORGANISATION[:15])).rows
    (letter,) = post(document, receiver("salesforce", tenant="00D6i000000GBXk")).letters
    assert "another organisation" in letter.detail


@pytest.mark.parametrize("form", ["cometd", "eventrelay", "pubsub"])
def test_what_is_sensitive_is_named_as_in_the_record(form: str) -> None:
    document = copy.deepcopy(sample(f"cdc-opportunity-update.{form}"))
    known = receiver("salesforce", sensitive=Sensitive(("StageName",), ("Correlation_Id__c",)))
    request = Received("POST", "", {"content-type": "application/json"}, json.dumps(document).encode())
    kept = known.keep(request)
    assert b"Closed Won" not in kept
    assert b"b1f0c6f2" not in kept
    assert events_of(known.map(Received("POST", "", {}, kept), 0))[0]["data"]["correlation_id"].startswith("hash:")


@pytest.mark.parametrize(
    ("short", "long"),
    [
        ("00D5i000000GBXk", "00D5i000000GBXkEAO"), ("0015f00002JUZPD", "0015f00002JUZPDAA5"),
        ("0015f00002JUZPX", "0015f00002JUZPXAA5"), ("001ZM000001n4n5", "001ZM000001n4n5YAA"), ("", ""),
        ("0015f00002JUZPDAA5", "0015f00002JUZPDAA5"), ("x" * 14, "x" * 14), ("ä" * 15, "ä" * 15),
    ],
)  # fmt: skip
def test_short_ids_are_made_long(short: str, long: str) -> None:
    assert long_id(short) == long


def test_a_header_tells_who_sends_where_a_secret_is_said() -> None:
    known = receiver("salesforce", credentials=Credentials((b"s3cret",)))
    request = Received("POST", "", {"authorization": "Bearer s3cret"}, b"{}")
    assert known.refuse(request, 0) == ""
    assert known.refuse(Received("POST", "", {"x-api-key": "s3cret"}, b"{}"), 0) == ""
    bearer = receiver("salesforce", credentials=Credentials((b"s3cret",)), authentication="bearer")
    assert bearer.refuse(Received("POST", "", {"x-api-key": "s3cret"}, b"{}"), 0)
    for text in ("Bearer s3cre", "s3cret x", ""):
        assert known.refuse(Received("POST", "", {"authorization": text}, b"{}"), 0)
    basic = receiver("salesforce", credentials=Credentials((b"eb:pw",)), authentication="basic")
    assert basic.refuse(Received("POST", "", {"authorization": "Basic ZWI6cHc="}, b"{}"), 0) == ""
    assert receiver("salesforce").refuse(Received("POST", "", {}, b"{}"), 0) == ""
