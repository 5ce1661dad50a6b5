"""What mappings say, what sources say before them, and what is taken out before anything is kept."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from collector.log import LetterReason
from collector.sources.exchange import Credentials, Received
from collector.sources.receiving import Mapped, Receiver, credentials_of
from collector.sources.registry import faults_of
from slo_rules.adapter import Secret
from slo_rules.definitions import load
from slo_rules.workflow import Source
from tests.sources import RECEIVED_AT, events_of, received, receiver, samples


def source_of(adapter: str) -> Source:
    """A source that says this."""
    text = f"apiVersion: milepost/v1\nkind: Source\nmetadata: {{name: s}}\nspec: {{adapter: {adapter}}}\n"
    return load({"a.yaml": text}).sources["s"]


def receiving(adapter: str) -> Receiver:
    return Receiver(source_of(adapter), Credentials((b"s",), b"t", b"key"))


def generic(mapping: str, more: str = "") -> Receiver:
    return receiving(f'{{name: generic, secret: "${{S}}", mapping: {mapping}{more}}}')


def post(document: Any, media: str = "application/json") -> Received:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return Received("POST", "", {"content-type": media}, body)


def data_of(mapped: Mapped) -> dict[str, Any]:
    assert mapped.letters == []
    (event,) = events_of(mapped)
    data: dict[str, Any] = event["data"]
    return data


BASE = "id: id, type: {value: order.created}"


class TestLanguage:
    def test_a_type_is_the_word_of_the_system_or_what_it_becomes(self) -> None:
        known = generic("{id: id, type: what, types: {A: order.created, B: ignore}}")
        assert events_of(known.map(post({"id": 1, "what": "A"}), 0))[0]["type"] == "order.created"
        assert known.map(post({"id": 1, "what": "B"}), 0) == Mapped(ignored=1)
        (letter,) = known.map(post({"id": 1, "what": "C"}), 0).letters
        assert letter.reason is LetterReason.CANNOT_BE_MAPPED
        assert "'C' has no event type" in letter.detail
        (letter,) = known.map(post({"id": 1}), 0).letters
        assert "what is not there has no event type" in letter.detail

    def test_an_id_of_several_parts_needs_all_of_them(self) -> None:
        known = generic("{id: [doc.id, rev], type: {value: order.created}}")
        assert events_of(known.map(post({"doc": {"id": "x"}, "rev": 3}), 0))[0]["id"] == "x:3"
        assert "id: there is none" in known.map(post({"doc": {"id": "x"}}), 0).letters[0].detail

    @pytest.mark.parametrize(
        ("time", "value", "said"),
        [
            ("at", "2026-03-02T10:55:02+01:00", "2026-03-02T09:55:02Z"),
            ("{path: at, format: epoch_s}", 1_772_445_302, "2026-03-02T09:55:02Z"),
            ("{path: at, format: epoch_ms}", "1772445302500", "2026-03-02T09:55:02.500000Z"),
            ("{path: at, format: epoch_s}", "2026-03-02T09:55:02Z", "2026-03-02T09:55:02Z"),
            ("[gone, at]", "2026-03-02T09:55:02.123456789Z", "2026-03-02T09:55:02.123457Z"),
            ("at", None, None),
            ("at", "", None),
        ],
    )
    def test_times(self, time: str, value: Any, said: str | None) -> None:
        (event,) = events_of(generic(f"{{{BASE}, time: {time}}}").map(post({"id": 1, "at": value}), 0))
        assert event.get("time") == said

    @pytest.mark.parametrize("value", ["yesterday", "2026-03-02T09:55:02", [1], {"a": 1}, True, 1e300, 9 * 10**17])
    def test_a_time_that_is_none_is_a_fault(self, value: Any) -> None:
        found = generic(f"{{{BASE}, time: {{path: at, format: epoch_s}}}}").map(post({"id": 1, "at": value}), 0)
        assert found.rows == []
        assert found.letters[0].detail.startswith("time:")

    @pytest.mark.parametrize(
        ("amount", "document", "said"),
        [
            ("{path: sum}", {"sum": "48250.50"}, {"amount": 48250.5}),
            ("{path: sum}", {"sum": 7}, {"amount": 7}),
            ("{path: sum, currency: cur, minor_units: true}", {"sum": 125050, "cur": "usd"}, {"amount": 1250.5, "currency": "USD"}),
            ("{path: sum, currency: cur, minor_units: true}", {"sum": 125050, "cur": "jpy"}, {"amount": 125050, "currency": "JPY"}),
            ("{path: sum, currency: cur, minor_units: true}", {"sum": 1250, "cur": "kwd"}, {"amount": 1.25, "currency": "KWD"}),
            ("{path: sum, minor_units: true}", {"sum": "-100"}, {"amount": -1}),
            ("{path: sum}", {"sum": ""}, {}),
            ("{path: sum}", {}, {}),
        ],
    )  # fmt: skip
    def test_amounts(self, amount: str, document: dict[str, Any], said: dict[str, Any]) -> None:
        data = data_of(generic(f"{{{BASE}, amount: {amount}}}").map(post({"id": 1} | document), 0))
        assert {name: data[name] for name in ("amount", "currency") if name in data} == said

    @pytest.mark.parametrize("value", ["much", "NaN", "Infinity", "1e400", "9" * 80])
    def test_an_amount_that_is_none_is_a_fault(self, value: str) -> None:
        found = generic(f"{{{BASE}, amount: {{path: sum}}}}").map(post({"id": 1, "sum": value}), 0)
        assert found.letters[0].detail.startswith("amount:")

    def test_correlation_is_in_the_order_of_the_file_and_stands_under_its_names_too(self) -> None:
        known = generic(f"{{{BASE}, correlation: {{z: c.z, a: [c.gone, c.a], b: c.b}}, fields: {{b: other}}}}")
        data = data_of(known.map(post({"id": 1, "c": {"a": 1, "b": "x", "z": "y"}, "other": "mine"}), 0))
        assert data["correlation"] == [
            {"name": "z", "value": "y"}, {"name": "a", "value": "1"}, {"name": "b", "value": "x"},
        ]  # fmt: skip
        assert (data["a"], data["b"], data["z"]) == ("1", "mine", "y")

    def test_rules_for_a_type_precede_those_for_its_entity_and_those_precede_all(self) -> None:
        known = generic(
            "{id: id, type: what, types: {A: order.created, B: order.closed, C: case.created}, fields: {x: all}, "
            "for: {order: {fields: {x: entity}}, order.closed: {fields: {x: [gone, type]}}}}"
        )
        document = {"all": "all", "entity": "entity", "type": "type"}
        found = [data_of(known.map(post({"id": 1, "what": what} | document), 0))["x"] for what in "ABC"]
        assert found == ["entity", "type", "all"]
        del document["type"]
        assert data_of(known.map(post({"id": 1, "what": "B"} | document), 0))["x"] == "entity"

    def test_each_entry_of_a_list_is_an_event(self) -> None:
        known = generic(f"{{each: page.events, {BASE}}}")
        found = known.map(post({"page": {"events": [{"id": 1}, 2, {"id": 3}]}}), 0, 9)
        assert [event.item for event in found.events] == [0, 2]
        assert [(letter.item, letter.request) for letter in found.letters] == [(1, 9)]
        (letter,) = known.map(post({"page": 1}), 0, 9).letters
        assert (letter.reason, letter.item) == (LetterReason.UNREADABLE_REQUEST, None)

    def test_a_form_is_read_too(self) -> None:
        known = generic(f"{{{BASE}, fields: {{order_id: order}}}}")
        found = known.map(post(b"id=1&order=SO%2D1&empty=", "application/x-www-form-urlencoded"), 0)
        assert data_of(found)["order_id"] == "SO-1"

    def test_ids_are_text_however_they_are_sent(self) -> None:
        data = data_of(generic(f"{{{BASE}, fields: {{order_id: a, order_number: b, count: c}}}}").map(
            post({"id": 1, "a": 31877204519, "b": 7, "c": 7}), 0
        ))  # fmt: skip
        assert (data["order_id"], data["order_number"], data["count"]) == ("31877204519", "7", 7)

    def test_what_the_log_does_not_take_is_a_dead_letter(self) -> None:
        (letter,) = generic(f"{{{BASE}}}").map(post({"id": "x" * 3000}), 0).letters
        assert letter.detail == "id: must be at most 2048 bytes without NUL"
        deep: Any = 1
        for _ in range(120):
            deep = [deep]
        (letter,) = generic(f"{{{BASE}, fields: {{deep: deep}}}}").map(post({"id": "x", "deep": deep}), 0).letters
        assert "nested" in letter.detail


class TestOverrides:
    def test_a_source_adds_to_what_its_adapter_knows(self) -> None:
        known = receiver("hubspot")
        other = receiving(
            '{name: hubspot, secret: "${S}", mapping: {types: {"deal.propertyChange:dealstage=closedwon": '
            "opportunity.signed}, fields: {stage: properties.dealstage}, correlation: {erp_order: properties.amount}}}"
        )
        sample = received(samples("hubspot")[0])
        assert events_of(known.map(sample, 0))[0]["type"] == "opportunity.won"
        first, second, *_ = events_of(other.map(sample, 0))
        assert (first["type"], first["data"]["stage"], first["data"]["outcome"]) == (
            "opportunity.signed", "closedwon", "done",
        )  # fmt: skip
        assert second["data"]["correlation"] == [{"name": "erp_order", "value": "48250"}]

    def test_a_source_can_keep_the_names_that_the_system_gives(self) -> None:
        known = receiving(
            '{name: zendesk, secret: "${S}", mapping: {types: {ticket.created: "zen:event-type:ticket.created"}, '
            "fields: {detail: detail}}}"
        )
        sample = next(one for one in samples("zendesk") if one.name == "ticket.created.json")
        (event,) = events_of(known.map(received(sample), 0))
        assert event["type"] == "zen:event-type:ticket.created"
        assert event["data"]["detail"]["id"] == "5158"

    @pytest.mark.parametrize("system", ["stripe", "zendesk", "hubspot"])
    def test_what_is_of_another_tenant_is_set_aside(self, system: str) -> None:
        known = receiver(system, tenant="elsewhere")
        for sample in samples(system):
            found = known.map(received(sample), RECEIVED_AT)
            if system != "stripe":
                assert found.rows == []
                assert {"of another" in letter.detail for letter in found.letters} == {True}

    def test_a_connected_account_is_a_tenant_of_stripe(self) -> None:
        event = {"id": "evt_1", "object": "event", "type": "invoice.paid", "created": 1, "account": "acct_2"}
        assert receiver("stripe", tenant="acct_1").map(post(event), 0).letters
        assert receiver("stripe", tenant="acct_2").map(post(event), 0).rows


class TestHubSpot:
    def member(self, **changes: Any) -> dict[str, Any]:
        return {"eventId": 1, "portalId": 2, "appId": 3, "occurredAt": 1_773_324_322_410, "attemptNumber": 0} | changes

    def events(self, *members: Any) -> list[dict[str, Any]]:
        return events_of(receiver("hubspot").map(post(list(members)), 0))

    def test_a_merge_says_of_each_loser_which_account_it_is_now(self) -> None:
        found = self.events(
            self.member(subscriptionType="company.merge", primaryObjectId=10, mergedObjectIds=[11, 12], newObjectId=13)
        )
        assert [event["type"] for event in found] == ["account.merged"] * 3
        assert {event["data"]["merged_account_id"]: event["data"]["account_id"] for event in found} == {
            "11": "13", "12": "13", "10": "13",
        }  # fmt: skip
        assert len({event["id"] for event in found}) == 3

    def test_a_merge_into_an_old_account_has_no_other_losers(self) -> None:
        (event,) = self.events(
            self.member(subscriptionType="company.merge", primaryObjectId=10, mergedObjectIds=[10, 11])
        )
        assert (event["data"]["merged_account_id"], event["data"]["account_id"]) == ("11", "10")

    def test_an_association_has_both_ends_and_need_not_have_an_object(self) -> None:
        said = {"subscriptionType": "deal.associationChange", "associationType": "DEAL_TO_COMPANY"}
        said |= {"fromObjectId": 31, "toObjectId": 20, "associationRemoved": False}
        (event,) = self.events(self.member(**said))
        assert event["type"] == "opportunity.associated"
        assert (event["data"]["opportunity_id"], event["data"]["account_id"]) == ("31", "20")
        (event,) = self.events(self.member(**said | {"associationRemoved": True}))
        assert event["type"] == "opportunity.dissociated"

    def test_it_is_the_same_event_however_often_it_is_sent(self) -> None:
        said = {"subscriptionType": "contact.creation", "objectId": 5}
        first, second = (self.events(self.member(**said, attemptNumber=number))[0]["id"] for number in (0, 3))
        assert first == second
        assert first != self.events(self.member(**said, occurredAt=1_773_324_322_411))[0]["id"]

    def test_the_older_name_of_the_field_is_read(self) -> None:
        assert self.events(self.member(eventType="ticket.creation", objectId=5))[0]["type"] == "case.created"

    def test_an_object_of_ones_own_keeps_its_number(self) -> None:
        said = {"subscriptionType": "object.creation", "objectTypeId": "2-77", "objectId": 5}
        assert self.events(self.member(**said))[0]["type"] == "2-77.created"


class TestZendesk:
    def test_a_trigger_may_be_of_any_form_that_is_mapped(self) -> None:
        headers = {"content-type": "application/x-www-form-urlencoded", "x-zendesk-webhook-invocation-id": "01H"}
        found = receiver("zendesk").map(Received("PUT", "", headers, b"ticket_id=7&status=Open"), 0)
        (event,) = events_of(found)
        assert (event["id"], event["type"], event["data"]["case_id"]) == ("01H", "case.updated", "7")

    def test_the_current_value_of_something_else_is_no_status(self) -> None:
        body = {
            "id": "x", "type": "zen:event-type:ticket.priority_changed", "time": "2026-03-02T14:25:30Z",
            "detail": {"id": "7", "status": "OPEN"}, "event": {"current": "HIGH", "previous": "LOW"},
        }  # fmt: skip
        data = data_of(receiver("zendesk").map(post(body), 0))
        assert data["status"] == "OPEN"
        assert "previous_status" not in data


def hidden(known: Receiver, document: Any, media: str = "application/json") -> bytes:
    return known.keep(post(document, media))


class TestSensitive:
    RULE = ', sensitive: {drop: [a.b, "c"], hash: d, key: "${K}"}'

    def known(self) -> Receiver:
        return generic(f"{{{BASE}}}", self.RULE)

    def test_without_a_rule_every_byte_is_kept(self) -> None:
        body = b'{ "a" : 1.50, "a":2 }\n'
        assert generic(f"{{{BASE}}}").keep(post(body)) == body

    def test_paths_find_what_they_name_wherever_it_is(self) -> None:
        found = json.loads(hidden(self.known(), {"a": {"b": 1, "x": 2}, "a.b": 3, "c": None, "d": "Ann", "e": 1}))
        assert found.pop("d") == msgspec.json.decode(hidden(self.known(), {"d": "Ann"}))["d"]
        assert found == {"a": {"x": 2}, "c": None, "e": 1}

    def test_in_a_list_it_is_taken_out_of_each_entry(self) -> None:
        found = json.loads(hidden(self.known(), [{"a": [{"b": 1}, {"b": 2, "x": 3}]}, {"c": 1}]))
        assert found == [{"a": [{}, {"x": 3}]}, {}]

    def test_equal_values_have_equal_hashes_and_other_keys_others(self) -> None:
        first, again, other = (json.loads(hidden(self.known(), {"d": value}))["d"] for value in ("Ann", "Ann", "Anne"))
        assert first == again != other
        assert first.startswith("hash:")
        stranger = Receiver(self.known().source, Credentials((b"s",), None, b"another"))
        assert json.loads(hidden(stranger, {"d": "Ann"}))["d"] != first

    def test_forms_and_xml(self) -> None:
        assert hidden(self.known(), b"c=1&d=2&e=3", "application/x-www-form-urlencoded").endswith(b"&e=3")
        xml = b"<r xmlns='urn:x'><a><b>secret</b><x>1</x></a><c k='v'>gone</c><d>An<i>n</i></d></r>"
        found = hidden(self.known(), xml, "text/xml")
        assert b"secret" not in found
        assert b"gone" not in found
        assert json.loads(hidden(self.known(), {"d": "Ann"}))["d"].encode() in found

    def test_properties_of_hubspot_are_named_by_their_name(self) -> None:
        known = receiving(
            '{name: hubspot, secret: "${S}", sensitive: {drop: properties.phone, hash: properties.email, key: "${K}"}}'
        )
        members = [
            {"propertyName": name, "propertyValue": "x@example.com", "objectId": 1}
            for name in ("email", "phone", "city")
        ]
        email, phone, city = json.loads(hidden(known, members))
        assert email["propertyValue"].startswith("hash:")
        assert "propertyValue" not in phone
        assert city["propertyValue"] == "x@example.com"


class TestDefinitions:
    @pytest.mark.parametrize(
        ("adapter", "field", "words"),
        [
            ("{name: strip}", "name", "did you mean 'stripe'?"),
            ("{name: stripe}", "", "needs a 'secret'"),
            ("{name: salesforce}", "", "anybody could send"),
            ("{name: generic, mapping: {id: id, type: what}}", "", "anybody could send"),
            ('{name: generic, token: "${S}"}', "mapping", "'id', where the id of an event is and 'type'"),
            ('{name: stripe, secret: "${S}", mapping: {each: a}}', "mapping.each", "what in a request is an event"),
            ('{name: stripe, secret: "${S}", url: "https://x.example/"}', "url", "no use for it"),
            ('{name: zendesk, secret: "${S}", authentication: basic}', "authentication", "no use for it"),
            ('{name: stripe, secret: "${S}", zone: UTC}', "zone", "no use for it"),
            (
                '{name: generic, token: "${S}", signature: {header: X}, mapping: {id: id, type: t}}',
                "signature",
                "is made with a 'secret'",
            ),
        ],
    )
    def test_what_an_adapter_cannot_do_is_a_fault(self, adapter: str, field: str, words: str) -> None:
        found = faults_of(source_of(adapter))
        assert any(place == field and words in message for place, message in found), found

    def test_secrets_are_read_and_never_quoted(self, tmp_path: Any) -> None:
        file = tmp_path / "secret"
        file.write_text("whsec_file\n")
        said = source_of(
            f'{{name: stripe, secret: ["${{S}}", {{file: "{file}"}}, "${{GONE}}", {{file: /nowhere}}], token: "${{T}}"}}'
        ).adapter
        assert said is not None
        found, faults = credentials_of(said, {"S": "whsec_env", "T": "a/b"})
        assert found.secrets == (b"whsec_env", b"whsec_file")
        assert faults == [
            ("secret", "the environment variable GONE is not set"),
            ("secret", "the file /nowhere cannot be read: No such file or directory"),
            ("token", "must not hold a '/': it is one part of a path"),
        ]
        assert "whsec" not in repr(found)
        assert Secret(variable="S") in said.secrets
