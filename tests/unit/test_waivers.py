"""Waivers: what they do to a verdict, what is told of them, and what nobody can say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from collector.copyformat import ReservedSource, event_row
from collector.ingest import cloudevents
from milepost.definition_tests import read_with_tests, run
from slo_rules.acts import ACT_SOURCE, WAIVED, BadAct, read_act, read_waiver, waiver_document
from slo_rules.arithmetic import arithmetic
from slo_rules.definitions import load
from slo_rules.durations import DAY, HOUR
from slo_rules.event import Event
from slo_rules.expectation import Expectation
from slo_rules.explain import explain
from slo_rules.faults import DefinitionError
from slo_rules.instants import rfc3339
from slo_rules.judgement import Reason, VerdictKind, Watermark
from slo_rules.judging import beneath, judge
from slo_rules.matching import Matcher
from slo_rules.observation import fold
from slo_rules.progress import Progress, Waiver
from tests.strategies import START, definitions, make_act, make_event

WORKFLOW = definitions().workflows["orders"]
MATCHER = Matcher([WORKFLOW])
K = VerdictKind


def progress_of(*events: Event) -> Progress:
    progress: Progress | None = None
    for event in events:
        for _, match in MATCHER.matches(event):
            progress = fold(progress, match)
    assert progress is not None
    return progress


def step(type_: str, at: int, **said: Any) -> Event:
    number = abs(hash((type_, at))) % 10**6
    return make_event(type_, at, number, "sap", {"order": "1", "tax_code": "V1", "amount": 1} | said)


WON = step("won", 0)
WAIVER = make_act(HOUR, 1, "order=1", 10 * HOUR)


def judged(now: int, *events: Event) -> VerdictKind:
    return judge(progress_of(*events), WORKFLOW, {}, START + now).kind


@pytest.mark.parametrize(
    ("without", "now", "events"),
    [
        (K.ON_TRACK, 2 * HOUR, [WON]),
        (K.DUE_SOON, 3 * HOUR, [WON]),
        (K.STUCK, 5 * HOUR, [WON]),
        (K.FAILED, 5 * HOUR, [WON, step("failed", 2 * HOUR)]),
        (K.INCONSISTENT, 5 * HOUR, [WON, step("accepted", 2 * HOUR, tax_code="")]),
        (K.PAUSED, 5 * HOUR, [WON, step("paused", 2 * HOUR)]),
    ],
)
def test_what_is_open_is_waived_while_the_waiver_is_in_force(
    without: VerdictKind, now: int, events: list[Event]
) -> None:
    progress = progress_of(*events, WAIVER)
    verdict, under = (ask(progress, WORKFLOW, {}, START + now) for ask in (judge, beneath))
    assert under.kind is without
    assert (verdict.kind, verdict.reason, verdict.since) == (K.WAIVED, Reason.WAIVED, START + HOUR)
    assert (verdict.waiting_for, verdict.source, verdict.owner) == (under.waiting_for, under.source, under.owner)
    assert (verdict.due_at, verdict.deadline_at) == (under.due_at, under.deadline_at)
    assert judge(progress, WORKFLOW, {}, START + 11 * HOUR - 1).kind is K.WAIVED
    assert judge(progress, WORKFLOW, {}, START + 11 * HOUR).kind is not K.WAIVED


def test_blind_is_waived_too() -> None:
    marks = {"sap": Watermark(START, START, Expectation(2 * HOUR))}
    progress = progress_of(WON, WAIVER)
    assert beneath(progress, WORKFLOW, marks, START + 5 * HOUR).kind is K.BLIND
    verdict = judge(progress, WORKFLOW, marks, START + 5 * HOUR)
    assert (verdict.kind, verdict.next_check_at) == (K.WAIVED, START + 11 * HOUR)


def test_what_is_finished_stays_what_it_is() -> None:
    done = [step("accepted", HOUR), step("shipped", 2 * HOUR), step("paid", 2 * HOUR)]
    assert judged(5 * HOUR, WON, *done, WAIVER) is K.COMPLETED
    assert judged(5 * HOUR, WON, step("cancelled", 2 * HOUR), WAIVER) is K.CANCELLED
    assert judge(progress_of(WON, *done, WAIVER), WORKFLOW, {}, START + 5 * HOUR).next_check_at is None


def test_the_last_word_counts_whatever_the_order() -> None:
    longer, withdrawn = make_act(2 * HOUR, 2, "order=1", 2 * DAY), make_act(3 * HOUR, 3, "order=1", None)
    assert judged(20 * HOUR, WON, WAIVER, longer) is judged(20 * HOUR, longer, WON, WAIVER) is K.WAIVED
    assert judged(5 * HOUR, WON, longer, withdrawn) is judged(5 * HOUR, withdrawn, longer, WON) is K.STUCK
    assert judged(5 * HOUR, WON, withdrawn, make_act(4 * HOUR, 4, "order=1", DAY)) is K.WAIVED


def test_it_says_who_waived_it_and_what_it_would_be() -> None:
    progress, now = progress_of(WON, WAIVER), START + 5 * HOUR
    verdict = judge(progress, WORKFLOW, {}, now)
    assert explain(progress, WORKFLOW, verdict, {}, now) == (
        "Waived by person 1 until 2026-09-22 01:13:20 UTC: known, and being mended. Without that it would be stuck: "
        "Accepted from sap was due at 2026-09-21 18:13:20 UTC and has not come: 1h late."
    )
    assert arithmetic(progress, WORKFLOW, verdict, now)[-1].endswith("1h past it.")


def test_an_act_means_nothing_to_other_workflows_and_joins_by_joining_keys_only() -> None:
    assert MATCHER.matches(make_act(0, 1, "order=1", HOUR, workflow="others")) == []
    for key, joining in (("order= 1 ", ["order=1"]), ("account=A", []), ("order=N/A", []), ("order", [])):
        ((_, match),) = MATCHER.matches(make_act(0, 1, key, HOUR))
        assert (match.joining, match.searching, match.milestones) == (joining, [], ())
    assert MATCHER.plan(ACT_SOURCE, "won") == []


def test_no_definition_can_take_an_act_for_a_milestone() -> None:
    text = """
apiVersion: milepost/v1
kind: Workflow
metadata: {name: greedy, domain: d, owner: o}
spec:
  entity: order
  keys: {order: data.key}
  milestones: [{name: anything, on: {prefix: {type: m}}}, {name: more, on: {exact: {source: milepost}}, within: 1h}]
"""
    greedy = Matcher(load({"greedy.yaml": text}).workflows.values())
    assert greedy.matches(WAIVER) == []


GOOD = {"by": "jo", "reason": "known", "until": rfc3339(START + HOUR)}


@pytest.mark.parametrize(
    ("said", "fields"),
    [
        ({}, ["by", "reason", "until"]),
        ({"by": 1, "reason": None, "until": 5}, ["by", "reason", "until"]),
        (GOOD | {"by": " ", "reason": "\t"}, ["by", "reason"]),
        (GOOD | {"reason": "a\nb"}, ["reason"]),
        (GOOD | {"reason": "a\x1b[2Jb"}, ["reason"]),
        (GOOD | {"by": "ada\u202eimda"}, ["by"]),
        (GOOD | {"by": "\ud800"}, ["by"]),
        (GOOD | {"by": "x" * 201, "reason": "x" * 1001}, ["by", "reason"]),
        (GOOD | {"until": rfc3339(START)}, ["until"]),
        (GOOD | {"until": "2026-11-21"}, ["until"]),
        (GOOD | {"until": "2026-11-21T09:00:00"}, ["until"]),
        (GOOD | {"until": "9999-12-31T23:59:59-23:59"}, ["until"]),
        (GOOD | {"until": "soon"}, ["until"]),
        (GOOD | {"untill": "x"}, ["untill"]),
    ],
)
def test_every_fault_of_a_waiver_is_named(said: dict[str, Any], fields: list[str]) -> None:
    faults: list[str] = []
    assert read_waiver(said, START, b"k", withdraws=False, faults=faults) is None
    assert [fault.partition(": ")[0] for fault in faults] == fields


def test_a_name_of_any_script_is_a_name() -> None:
    faults: list[str] = []
    said = {"by": " Нина 山田\u200c ", "reason": "“known” — 100 % 👩🏽‍🔧", "until": rfc3339(START + 1)}
    waiver = read_waiver(said, START, b"k", withdraws=False, faults=faults)
    assert (waiver, faults) == (Waiver(START, b"k", START + 1, said["by"].strip(), said["reason"]), [])
    said.pop("until")
    withdrawal = read_waiver(said, START, b"k", withdraws=True, faults=faults)
    assert withdrawal is not None
    assert withdrawal.withdraws


def test_what_is_written_is_what_is_read() -> None:
    for waiver in (
        Waiver(START + 7, WAIVER.key, START + HOUR + 1, "jo", "why"),
        Waiver(START, b"", START, "jo", "why"),
    ):
        document = waiver_document("id", "orders", "order=1", waiver)
        event = Event(ACT_SOURCE, document["type"], waiver.at, waiver.at, waiver.key, document)
        assert read_act(event).waiver == waiver


@pytest.mark.parametrize("data", [None, [], "x", {}, {"workflow": "orders"}, {"workflow": 7, "key": None} | GOOD])
def test_an_act_that_says_nothing_is_refused(data: Any) -> None:
    with pytest.raises(BadAct):
        MATCHER.matches(Event(ACT_SOURCE, WAIVED, START, START, b"", {"data": data}))


def test_no_row_of_a_door_can_be_an_act() -> None:
    with pytest.raises(ReservedSource):
        event_row(0, b"milepost", b"1", WAIVED.encode(), None, None, None, b"{}")
    event_row(0, b"milepost ", b"1", WAIVED.encode(), None, None, None, b"{}")


@pytest.mark.parametrize(
    "body",
    [
        b'{"specversion":"1.0","id":"1","source":"milepost","type":"milepost.waived"}',
        b'{"specversion":"1.0","id":"1","source":"\\u006dilepost","type":"x"}',
        b'{"specversion":"1.0","id":"1","source":"crm","source":"milepost","type":"x"}',
        b'{"specversion":"1.0","id":"1","source":"milepost","type":"x","extension":1}',
    ],
)
def test_events_cannot_be_acts(body: bytes) -> None:
    rows, refused = cloudevents.decode([body], START)
    assert rows == []
    assert [(fault.field, fault.message) for fault in refused[0].faults] == [
        ("source", "'milepost' is reserved for what people do in Milepost itself")
    ]


def test_no_source_can_be_called_like_that() -> None:
    with pytest.raises(DefinitionError, match="reserved for what people do"):
        load({"s.yaml": "apiVersion: milepost/v1\nkind: Source\nmetadata: {name: milepost}\nspec: {}\n"})


FLOW = """
apiVersion: milepost/v1
kind: Workflow
metadata: {name: orders, domain: orders, owner: operations}
spec:
  entity: order
  keys: {order: data.order}
  milestones:
    - {name: won, on: {exact: {source: crm, type: won}}}
    - {name: accepted, on: {exact: {source: sap, type: accepted}}, within: 4h}
"""
TEST = """
apiVersion: milepost/v1
kind: Test
metadata: {{name: a-waived-order-comes-back}}
spec:
  now: 2026-03-02T08:00:00Z
  events:
    - {{at: 0m, source: crm, type: won, data: {{order: SO-1}}}}
    - {{at: 1h, source: milepost, type: {type}, data: {data}}}
  expect:
    - {{at: 5h, instance: {{workflow: orders, key: order=SO-1}}, verdict: waived, waiting_for: accepted}}
    - {{at: 10h, instance: {{workflow: orders, key: order=SO-1}}, verdict: stuck}}
"""
SAID = "{workflow: orders, key: order=SO-1, by: jo, reason: known, until: 2026-03-02T18:00:00Z}"


def test_a_test_of_a_definition_can_waive(tmp_path: Path) -> None:
    (tmp_path / "orders.yaml").write_text(FLOW)
    (tmp_path / "orders.test.yaml").write_text(TEST.format(type=WAIVED, data=SAID))
    definitions_, tests = read_with_tests([tmp_path])
    (outcome,) = run(tests, definitions_)
    assert outcome.failures == ()
    (tmp_path / "orders.test.yaml").write_text(TEST.format(type=WAIVED, data=SAID.replace("SO-1", "SO-2")))
    definitions_, tests = read_with_tests([tmp_path])
    (outcome,) = run(tests, definitions_)
    assert "names no instance of orders: it becomes a dead letter" in outcome.notes[0]


@pytest.mark.parametrize(
    ("type_", "data", "said"),
    [
        ("milepost.forgiven", SAID, "must be one of milepost.waived, milepost.waiver_withdrawn"),
        ("milepost.join_rejected", SAID, "must be one of milepost.waived, milepost.waiver_withdrawn"),
        (WAIVED, "{workflow: orders, key: order=SO-1, by: jo, until: 2026-03-01T00:00:00Z}", "reason: is missing"),
        (
            WAIVED,
            "{workflow: orders, key: order=SO-1, by: jo, reason: x, until: 2026-03-01T00:00:00Z}",
            "in the future",
        ),
    ],
)
def test_faults_of_an_act_in_a_test_are_named(tmp_path: Path, type_: str, data: str, said: str) -> None:
    (tmp_path / "orders.yaml").write_text(FLOW)
    (tmp_path / "orders.test.yaml").write_text(TEST.format(type=type_, data=data))
    with pytest.raises(DefinitionError, match=said):
        read_with_tests([tmp_path])


def test_time_beneath_a_waiver_goes_on() -> None:
    """Asked at every instant at which it may change, it never misses what is awaited beneath."""
    progress, now = progress_of(WON, WAIVER), START + HOUR
    checks = []
    while (verdict := judge(progress, WORKFLOW, {}, now)).next_check_at is not None:
        now = verdict.next_check_at
        checks.append(now - START)
    assert checks == [3 * HOUR, 4 * HOUR, 11 * HOUR]
    assert verdict.kind is K.STUCK
    assert verdict.since == START + 4 * HOUR
