"""What Coupa, Workato and Boomi say beyond their samples, and how the latter two are asked."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.sources.exchange import Received, Unreadable
from collector.sources.named_ids import named_ids
from collector.sources.polled import Polled, State
from collector.sources.receiving import Receiver
from collector.sources.registry import adapter_of, faults_of, names
from slo_rules.adapter import Adapter, Mapping, Poll, Rules, Secret, Sensitive
from slo_rules.durations import MINUTE, SECOND
from slo_rules.workflow import Source
from tests.examples import examples
from tests.sources import FOLDER, events_of, receiver

NOW = 1_772_445_302 * SECOND
POLLED = [name for name in names() if isinstance(adapter_of(name), Polled)]


def posted(known: Receiver, body: Any, path: str = "", **headers: str) -> list[Any]:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = Received("POST", path, {"content-type": "application/json"} | headers, content)
    kept = Received("POST", path, known.kept_headers(request), known.keep(request))
    found = known.map(kept, NOW)
    return [*events_of(found), *(letter.detail for letter in found.letters)]


def sample(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FOLDER / name).read_text())
    return found


class TestCoupa:
    def test_an_order_tells_its_state_and_what_happened_to_it(self) -> None:
        order = sample("coupa/purchase_order.json") | {
            "status": "closed", "acknowledged-at": "2026-03-03T08:00:00-08:00",
            "last-exported-at": "2026-03-02T10:00:00-08:00",
        }  # fmt: skip
        found = posted(receiver("coupa"), order)
        assert [(one["type"], one["time"]) for one in found] == [
            ("purchase_order.closed", "2026-03-02T17:05:12Z"),
            ("purchase_order.acknowledged", "2026-03-03T16:00:00Z"),
            ("purchase_order.exported", "2026-03-02T18:00:00Z"),
        ]
        # What happened once is told once, whatever else changes.
        later = posted(receiver("coupa"), order | {"internal-revision": 9, "updated-at": "2026-03-09T08:00:00-08:00"})
        assert [one["id"] for one in later][1:] == [one["id"] for one in found][1:]
        assert later[0]["id"] != found[0]["id"]

    def test_an_invoice_that_is_paid_says_so_once_and_one_of_two_orders_names_both(self) -> None:
        invoice = sample("coupa/invoice.json") | {"paid": True}
        invoice["invoice-lines"].append({"id": 9002, "po-number": "4500018"})
        approved, paid = posted(receiver("coupa"), invoice)
        assert (paid["type"], paid["id"]) == ("invoice.paid", "invoices:7781:paid")
        assert approved["data"]["purchase_orders"] == ["4500017", "4500018"]
        assert "po_number" not in approved["data"]

    def test_a_credit_note_is_a_credit(self) -> None:
        (one,) = posted(receiver("coupa"), sample("coupa/invoice.json") | {"document-type": "Credit Note"})
        assert one["type"] == "credit.approved"
        assert (one["data"]["credit_id"], one["data"]["credit_number"]) == ("7781", "V-2026-0319")

    def test_a_list_is_taken_member_by_member_and_each_can_be_replayed_by_itself(self) -> None:
        order = sample("coupa/purchase_order.json")
        body = [order, 7, order | {"id": 26, "updated-at": "never"}, {"id": 3}]
        known = receiver("coupa")
        found = known.map(Received("POST", "", {"content-type": "application/json"}, json.dumps(body).encode()), NOW)
        assert [event.item for event in found.events] == [0]
        assert [(letter.item, letter.detail.split(":")[0]) for letter in found.letters] == [
            (4, "not an object of Coupa"), (8, "time"),
            (12, "cannot be told what it is of"),
        ]  # fmt: skip

    def test_the_path_says_what_the_fields_do_not(self) -> None:
        body = {"id": 981, "status": "approved", "updated-at": "2026-03-01T08:00:00-08:00"}
        (one,) = posted(receiver("coupa"), body, "requisitions")
        assert (one["type"], one["data"]["requisition_id"]) == ("requisition.approved", "981")

    def test_lists_as_xml(self) -> None:
        order = (FOLDER / "coupa/purchase_order.as_xml.xml").read_text().partition("?>")[2]
        body = f'<order-headers type="array">{order}{order.replace(">25<", ">26<")}</order-headers>'.encode()
        found = posted(receiver("coupa"), body, **{"content-type": "application/xml"})
        assert [one["data"]["purchase_order_id"] for one in found] == ["25", "26"]
        assert "no object of Coupa's" in posted(receiver("coupa"), b"<html><body/></html>")[0]


class TestWorkato:
    def test_a_job_in_test_mode_is_not_taken_unless_somebody_says_so(self) -> None:
        job = sample("workato/audit-job-succeeded.json") | {"is_test": True}
        assert posted(receiver("workato"), job) == []
        asked = receiver("workato", mapping=Mapping(types={"job:test": "integration.job.tested"}))
        assert posted(asked, job)[0]["type"] == "integration.job.tested"

    def test_the_ids_of_a_title_become_keys_by_a_mapping(self) -> None:
        mapping = Mapping(rules=Rules((("order_id", ("named.so",)),)))
        (one,) = posted(receiver("workato", mapping=mapping), sample("workato/audit-job-failed.json"))
        assert one["data"]["order_id"] == "SO-20419"

    @pytest.mark.parametrize("wrap", [lambda job: job, lambda job: [job], json.dumps])
    def test_a_wrapped_job_is_the_same_and_nobody_s_address_is_kept(self, wrap: Any) -> None:
        job = sample("workato/audit-job-succeeded.json")
        plain = posted(receiver("workato"), job)
        assert posted(receiver("workato"), {"source": "workato", "logEntries": wrap(job)}) == plain

    @pytest.mark.parametrize(
        "wrap",
        [
            lambda job: job,
            lambda job: {"logEntries": job},
            lambda job: {"logEntries": [job]},
            lambda job: {"logEntries": json.dumps(job)},
        ],
    )
    def test_nobody_s_address_is_kept(self, wrap: Any) -> None:
        known = receiver("workato", sensitive=Sensitive(drop=("title", "logEntries.title")))
        body = json.dumps(wrap(sample("workato/audit-job-succeeded.json"))).encode()
        kept = known.keep(Received("POST", "", {}, body))
        assert b"acme.example" not in kept
        assert b"synced" not in kept

    def test_another_account_is_set_aside(self) -> None:
        known = receiver("workato", tenant="1")
        assert posted(known, sample("workato/audit-job-failed.json")) == ["of another account than '1'"]

    def test_what_a_recipe_sends_keeps_its_type(self) -> None:
        body = {"event_id": "1", "event_type": "order.synced", "occurred_at": "2026-03-02T10:00:00Z", "order_id": "SO-1",
                "correlation_id": "wf-1"}  # fmt: skip
        (one,) = posted(receiver("workato"), body)
        assert (one["type"], one["time"], one["data"]["order_id"]) == ("order.synced", "2026-03-02T10:00:00Z", "SO-1")
        assert one["data"]["correlation_id"] == "wf-1"

    def test_a_topic_is_asked_on_from_the_last_message_or_its_time(self) -> None:
        adapter, poll = polled("workato"), Poll("https://x", ("7",))
        first = adapter.ask(poll, "7", {}, NOW)
        assert (first.method, first.path) == ("POST", "/api/v1/topics/7/consume")
        assert json.loads(first.body)["since_time"] == "2026-03-01T09:55:02Z"
        answer = {"messages": [{"message_id": f"m{n}", "time": "2026-03-02T10:15:09.123Z"} for n in range(50)]}
        step = adapter.step(poll, "7", {}, json.dumps(answer).encode(), NOW)
        assert (step.more, step.holds) == (True, True)
        asked = json.loads(adapter.ask(poll, "7", step.state, NOW).body)
        assert asked["after_message_id"] == "m49"
        assert "since_time" not in asked
        over = adapter.step(poll, "7", step.state, b'{"messages": []}', NOW)
        assert (over.state, over.more, over.holds) == (step.state, False, False)
        state = adapter.without_place(step.state)
        assert state is not None
        assert json.loads(adapter.ask(poll, "7", state, NOW).body)["since_time"] == "2026-03-02T10:15:09.123Z"
        assert adapter.without_place(state) is None
        with pytest.raises(Unreadable):
            adapter.step(poll, "7", step.state, json.dumps(answer).encode(), NOW)


class TestBoomi:
    @pytest.mark.parametrize(
        ("event", "type_"),
        [
            ({"eventType": "process.execution", "status": "ERROR"}, "integration.execution.error"),
            ({"eventType": "process.missedSchedule"}, "integration.execution.missed"),
            ({"eventType": "atom.status", "status": "OFFLINE"}, "integration.runtime.offline"),
            ({"eventType": "user.notification", "status": "Order SO-1 is late"}, "integration.notification"),
        ],
    )
    def test_events_of_the_platform(self, event: dict[str, Any], type_: str) -> None:
        body = {"@type": "QueryResult", "result": [{"eventId": "e1", "eventDate": "2026-03-02T10:15:32Z"} | event]}
        (one,) = posted(receiver("boomi"), body)
        assert (one["type"], one["id"], one["time"]) == (type_, "e1", "2026-03-02T10:15:32Z")

    def test_a_record_tells_each_of_its_states_once(self) -> None:
        body = sample("boomi/execution-record.json")
        body["result"][0]["status"] = "INPROCESS"
        (running,) = posted(receiver("boomi"), body)
        (complete,) = posted(receiver("boomi"), sample("boomi/execution-record.json"))
        assert running["type"] == "integration.execution.inprocess"
        assert running["id"].removesuffix("INPROCESS") == complete["id"].removesuffix("COMPLETE")

    def test_the_header_counts_where_the_body_says_no_correlation(self) -> None:
        body = sample("boomi/process-http-client.json")
        del body["correlationId"]
        (one,) = posted(receiver("boomi"), body, **{"x-correlation-id": "wf-7"})
        assert one["data"]["correlation_id"] == "wf-7"

    def test_a_message_is_known_again_by_what_it_holds(self) -> None:
        body = sample("boomi/event-streams-publish-multi.json")
        found = posted(receiver("boomi"), body)
        assert found == posted(receiver("boomi"), {"messages": body["messages"]})
        body["messages"][0]["properties"]["correlationId"] = "other"
        assert posted(receiver("boomi"), body)[0]["id"] != found[0]["id"]

    def test_the_platform_is_asked_page_by_page_within_a_stretch_of_time(self) -> None:
        adapter, poll = polled("boomi"), Poll("https://x", ("Event",), overlap=2 * MINUTE)
        asked = adapter.ask(poll, "Event", {}, NOW)
        assert asked.path == "/Event/query"
        assert json.loads(asked.body)["QueryFilter"]["expression"] == {
            "operator": "BETWEEN", "property": "eventDate", "argument": ["2026-03-01T09:55:02Z", "2026-03-02T09:55:02Z"],
        }  # fmt: skip
        page = {"@type": "QueryResult", "result": [{"eventId": "1"}], "queryToken": "t1"}
        step = adapter.step(poll, "Event", {}, json.dumps(page).encode(), NOW)
        assert step.more
        more = adapter.ask(poll, "Event", step.state, NOW + MINUTE)
        assert (more.path, more.body) == ("/Event/queryMore", b"t1")
        assert adapter.without_place(step.state) == {"since": NOW - 86_400 * SECOND}
        with pytest.raises(Unreadable):
            adapter.step(poll, "Event", step.state, json.dumps(page).encode(), NOW + MINUTE)
        del page["queryToken"]
        last = adapter.step(poll, "Event", step.state, json.dumps(page).encode(), NOW + MINUTE)
        assert (last.more, last.holds) == (False, True)
        again = json.loads(adapter.ask(poll, "Event", last.state, NOW + 5 * MINUTE).body)
        assert again["QueryFilter"]["expression"]["argument"][0] == "2026-03-02T09:53:02Z"


def polled(name: str) -> Polled:
    found = adapter_of(name)
    assert isinstance(found, Polled)
    return found


@pytest.mark.parametrize("name", POLLED)
@given(
    st.binary(max_size=60)
    | st.recursive(
        st.none() | st.integers() | st.text(max_size=4),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["messages", "message_id", "time", "result", "queryToken", "@type", "id"]),
                inner,
                max_size=3,
            )
        ),
        max_leaves=8,
    ).map(lambda found: json.dumps(found).encode())
)
@settings(max_examples=examples(100))
def test_whatever_a_system_answers_is_a_step_or_unreadable(name: str, answer: bytes) -> None:
    adapter = polled(name)
    poll = Poll("https://x", ("Event",))
    state: State = {}
    for _ in range(3):
        adapter.ask(poll, "Event", state, NOW)
        try:
            state = adapter.step(poll, "Event", state, answer, NOW).state
        except Unreadable:
            return
        json.dumps(state)
        adapter.without_place(state)


@pytest.mark.parametrize(
    ("adapter", "fault"),
    [
        (Adapter("stripe", (Secret("S"),), poll=Poll("https://x", ("a",), Secret("A"))), ("poll", "the adapter stripe cannot ask; its system sends by itself")),
        (Adapter("coupa"), ("", "say a 'secret' or a 'token': without one anybody could send in its name")),
        (Adapter("coupa", poll=Poll("https://x", ("invoices", "orders"), Secret("A"))), ("poll.objects", "'orders' cannot be asked for")),
    ],
)  # fmt: skip
def test_what_cannot_be_asked_is_a_fault(adapter: Adapter, fault: tuple[str, str]) -> None:
    (found,) = faults_of(Source("s", adapter=adapter))
    assert found[0] == fault[0]
    assert found[1].startswith(fault[1])


def test_who_is_only_asked_needs_no_secret_for_senders() -> None:
    for name, one in (("coupa", "invoices"), ("workato", "17"), ("boomi", "Event")):
        assert faults_of(Source("s", adapter=Adapter(name, poll=Poll("https://x", (one,), Secret("A"))))) == []


def test_ids_within_a_text() -> None:
    assert named_ids("Order SO-20417 synced to INV_88213, again so-9") == {"so": "SO-20417", "inv": "INV_88213"}
    assert named_ids("no id: a-b, 2026-03-02, x") == {}
    assert named_ids(None) == {}
    assert len(named_ids(" ".join(f"a{chr(97 + n % 26)}{chr(97 + n // 26)}-1" for n in range(500)))) == 50
    assert named_ids("a" * 100_000 + "-" * 100_000) == {}
