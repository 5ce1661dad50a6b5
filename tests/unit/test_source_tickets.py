"""ServiceNow and Freshdesk: cases, in the forms that their customers write."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

import pytest

from collector.ingest.kafka.records import Record, Taken
from collector.ingest.kafka.sources import as_kept, keep
from collector.sources.exchange import Credentials, Received
from slo_rules.adapter import Mapping, Sensitive, Signature
from slo_rules.durations import MINUTE, SECOND
from tests.sources import FOLDER, becomes, posted, received, receiver, why


def of(name: str, **changes: Any) -> Received:
    return received(FOLDER / name, **changes)


class TestServiceNow:
    NAME = "servicenow/incident-br.json"

    def sent(self, **changes: Any) -> Received:
        return posted(json.loads((FOLDER / self.NAME).read_text()) | changes)

    def test_the_published_vector(self) -> None:
        known = receiver("servicenow", credentials=Credentials((b"sample_key",)))
        headers = {"x-hmac-signature": "4VWUI48lJvmGSF6MYmOVWA9c0hfu55Ur+3e+fUFFFr4="}
        assert known.refuse(Received("POST", "", headers, b"sample_data"), 0) == ""
        assert known.refuse(Received("POST", "", headers, b"sample_Data"), 0)

    def test_a_convention_of_the_customers_own(self) -> None:
        rule = Signature("x-mac", timestamp="x-at", signs="{timestamp}.{body}", encoding="base64")
        known = receiver("servicenow", credentials=Credentials((b"k",)), signature=rule)
        made = base64.b64encode(hmac.new(b"k", b"12.{}", hashlib.sha256).digest()).decode()
        assert known.refuse(posted({}, **{"x-mac": made, "x-at": "12"}), 12 * SECOND) == ""
        assert known.refuse(posted({}, **{"x-mac": made, "x-at": "12"}), 12 * MINUTE)
        assert known.refuse(posted({}, **{"x-hmac-signature": made}), 12 * SECOND)

    def test_times_are_of_the_zone_of_the_source(self) -> None:
        assert becomes(receiver("servicenow"), self.sent())["time"] == "2026-03-03T08:12:45Z"
        shown = receiver("servicenow", zone="America/Los_Angeles")
        assert becomes(shown, self.sent())["time"] == "2026-03-03T16:12:45Z"
        assert "is not a time" in why(receiver("servicenow").map(self.sent(occurred_at="03/03/2026 08:12"), 0))

    @pytest.mark.parametrize(
        ("changes", "type_"),
        [
            ({"operation": "insert", "previous_state": ""}, "case.created"),
            ({"previous_state": "6"}, "case.updated"),
            ({"state_display": "Auf Eis", "state": "3"}, "case.status_changed"),
            ({"state_display": "Closed", "state": "7"}, "case.closed"),
            ({"operation": "delete", "previous_state": ""}, "case.deleted"),
            ({"table": "sn_customerservice_case", "state_display": "Closed"}, "case.closed"),
            ({"table": "sc_req_item"}, "order.status_changed"),
            ({"operation": "", "event_type": "incident.inserted", "previous_state": ""}, "case.created"),
        ],
    )
    def test_what_happened(self, changes: dict[str, str], type_: str) -> None:
        assert becomes(receiver("servicenow"), self.sent(**changes))["type"] == type_

    def test_a_number_of_a_state_has_a_type_where_a_source_says_so(self) -> None:
        known = receiver("servicenow", mapping=Mapping(types={"incident:state=6": "case.solved"}))
        assert becomes(known, self.sent())["type"] == "case.solved"

    def test_without_an_event_id_a_version_of_a_record_is_one_event(self) -> None:
        first = becomes(receiver("servicenow"), self.sent(event_id=""))
        assert first["id"] == "incident:46f67787a9fe198101e06dfcf3a78e99:4"
        assert "id: there is none" in why(receiver("servicenow").map(self.sent(event_id="", sys_mod_count=""), 0))

    def test_an_empty_text_is_nothing(self) -> None:
        data = becomes(receiver("servicenow"), self.sent(account="", correlation_id=""))["data"]
        assert data["account_id"] == "31bea3d53790200044e0bfc8bcbe5dec"
        assert "external_id" not in data

    def test_another_instance_is_set_aside(self) -> None:
        for tenant in ("acme", "acme.service-now.com"):
            assert receiver("servicenow", tenant=tenant).map(self.sent(), 0).events
        assert "of another instance" in why(receiver("servicenow", tenant="other").map(self.sent(), 0))


VALUE = {"number": "INC0010046", "caller_id": "Beth Anglin", "priority": "3", "state": "6"}


class TestServiceNowOverKafka:
    KEY = "9d385017c611228701d22104cc95c371"
    HEADERS = (("origin", b"sn_business_rule"), ("ce_id", b"5f0d2c7e"))

    def kept(self, value: Any, headers: Any = HEADERS, key: bytes | None = KEY.encode(), **more: Any) -> Taken:
        taken = Taken()
        body = value if value is None or isinstance(value, bytes) else json.dumps(value).encode()
        keep(taken, Record("acme.incidents", 2, 17, body, headers, None, key), receiver("servicenow", **more))
        return taken

    def event(self, *said: Any, **more: Any) -> dict[str, Any]:
        (request,) = self.kept(*said, **more).batch.requests
        assert (request.source, request.method, request.path) == ("servicenow", "KAFKA", "")
        known = receiver("servicenow", mapping=Mapping(type_value="case.updated"))
        return becomes(known, Received(request.method, request.path, request.headers, request.body))

    def test_a_record_is_of_the_key_and_the_id_that_it_has(self) -> None:
        event = self.event(VALUE)
        assert (event["id"], event["subject"], event["data"]["case_number"]) == ("5f0d2c7e", self.KEY, "INC0010046")

    def test_without_an_id_its_place_is_one_and_any_other_key_is_none_of_servicenows(self) -> None:
        event = self.event(VALUE, (), b"my-key")
        assert (event["id"], "subject" in event) == ("acme.incidents:2:17", False)
        assert self.event(VALUE, None)["id"] == "acme.incidents:2:17"
        whole = self.event(VALUE | {"event_id": "own", "sys_id": "0" * 32})
        assert (whole["id"], whole["subject"]) == ("own", "0" * 32)

    def test_nobody_says_where_a_record_stands_but_its_topic(self) -> None:
        event = self.event(VALUE, [("kafka-place", b"other:0:0"), ("Kafka-Key", b"x" * 32)])
        assert (event["id"], event["subject"]) == ("acme.incidents:2:17", self.KEY)

    def test_what_is_sensitive_is_not_kept_and_what_cannot_be_told_of_neither(self) -> None:
        hidden = Sensitive(("caller_id",))
        (request,) = self.kept(VALUE, sensitive=hidden).batch.requests
        assert b"Beth" not in request.body
        record = Record("acme.incidents", 2, 17, b"Beth Anglin", (), None)
        assert as_kept(record, self.kept(VALUE, sensitive=hidden)) == record._replace(value=request.body)
        assert b"Beth" not in (as_kept(record, self.kept(b"Beth", sensitive=hidden)).value or b"")
        assert as_kept(record, self.kept(None)).value is None
        taken = self.kept(b"Beth Anglin", sensitive=hidden)
        (letter,) = taken.batch.dead_letters
        assert (taken.batch.requests, taken.rejected, letter.source) == ([], 1, "servicenow")
        assert b"Beth" not in letter.body
        assert "topic acme.incidents, partition 2, offset 17" in letter.detail

    def test_a_record_without_a_value_is_passed_over(self) -> None:
        taken = self.kept(None)
        assert (taken.passed_over, taken.batch.size) == (1, 0)


class TestFreshdesk:
    def sent(self, **changes: Any) -> Received:
        return posted(json.loads((FOLDER / "freshdesk" / "advanced-recommended.json").read_text()) | changes)

    @pytest.mark.parametrize(
        ("triggered", "type_", "changes"),
        [
            ("{ticket_action:created}", "case.created", {"ticket_action": "created"}),
            ("{status:{from:2,to:5}}", "case.status_changed", {"status": {"from": "Open", "to": "Closed"}}),
            ("{priority:{from:1,to:4}}", "case.priority_changed", {"priority": {"from": "Low", "to": "Urgent"}}),
            ("{note_type:private}", "case.note_added", {"note_type": "private"}),
            ("{reply_sent:sent}", "case.updated", {"reply_sent": "sent"}),
            (
                "{priority: {from: 1, to: 2}, status: {from: 2, to: 7}}", "case.status_changed",
                {"priority": {"from": "Low", "to": "Medium"}, "status": {"from": "Open", "to": "7"}},
            ),
            ("{status:{from:,to:4}}", "case.status_changed", {"status": {"from": "", "to": "Resolved"}}),
            ("", "case.updated", None),
            ("nonsense {{{", "case.updated", None),
        ],
    )  # fmt: skip
    def test_what_triggered_a_rule_is_read_though_it_is_no_json(
        self, triggered: str, type_: str, changes: dict[str, Any] | None
    ) -> None:
        event = becomes(receiver("freshdesk"), self.sent(event=triggered))
        assert (event["type"], event["data"].get("changes")) == (type_, changes)

    def test_a_label_has_a_type_where_a_source_says_so_whichever_way_it_comes(self) -> None:
        types = {"status=Resolved": "case.resolved", "onTicketUpdate:status=Resolved": "case.resolved"}
        known = receiver("freshdesk", mapping=Mapping(types=types))
        assert becomes(known, self.sent())["type"] == "case.resolved"
        assert becomes(known, of("freshdesk/app-ticket-update.json"))["type"] == "case.resolved"

    def test_what_a_template_spoils_is_kept_whole_and_says_why(self) -> None:
        spoiled = b'{"ticket_id": "11", "subject": "the "large" one"}'
        mapped = receiver("freshdesk").map(posted(spoiled), 0)
        assert "not escaped" in why(mapped)
        assert mapped.letters[0].body == spoiled

    def test_a_form_is_read_too(self) -> None:
        form = Received(
            "POST", "", {"content-type": "application/x-www-form-urlencoded"}, b"ticket_id=11&event=%7Bstatus%3A%7Bfrom%3A2%2Cto%3A4%7D%7D"
        )  # fmt: skip
        assert becomes(receiver("freshdesk"), form)["type"] == "case.status_changed"

    def test_what_comes_again_counts_once_and_what_is_otherwise_does_not(self) -> None:
        known = receiver("freshdesk")
        later = self.sent(updated_at="2026-03-03T08:12:46Z")
        ids = [becomes(known, sent)["id"] for sent in (self.sent(), self.sent(), later)]
        assert ids[0] == ids[1] != ids[2]
        assert "id: there is none" in why(known.map(self.sent(ticket_id=""), 0))

    def test_another_account_is_set_aside(self) -> None:
        for name in ("default-simple", "app-ticket-update"):
            assert receiver("freshdesk", tenant="acme.freshdesk.com").map(of(f"freshdesk/{name}.json"), 0).events
            other = receiver("freshdesk", tenant="other.freshdesk.com").map(of(f"freshdesk/{name}.json"), 0)
            assert "of another account" in why(other)
