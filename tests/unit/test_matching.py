"""Which workflows an event concerns, and what it means there."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slo_rules import matching
from slo_rules.definitions import load
from slo_rules.event import Event, event_key
from slo_rules.filters import holds
from slo_rules.match import Besides, Match
from slo_rules.matching import Matcher
from slo_rules.workflow import Workflow

TEXT = """
apiVersion: milepost/v1
kind: Workflow
metadata: {name: orders, domain: orders, owner: operations}
spec:
  entity: order
  keys: {order: data.order, account: {path: data.account, joins: false}}
  milestones:
    - {name: won, on: {exact: {source: crm, type: won}}}
    - {name: big, on: {exact: {source: crm, type: won, data.size: 9}}}
    - {name: served, on: {span: {exact: {service: shop, name: serve}}}}
  observes: [{exact: {type: linked}}, {prefix: {data.note: see}}]
  fails_on: [{exact: {type: failed}}, {exact: {type: won, data.bad: true}}]
  cancels_on: [{suffix: {type: .cancelled}}]
---
apiVersion: milepost/v1
kind: Workflow
metadata: {name: accounts, domain: accounts, owner: operations}
spec:
  entity: account
  keys: {account: data.account}
  milestones: [{name: first_order, on: {exact: {type: won}}}]
"""
WORKFLOWS = load({"a.yaml": TEXT}).workflows
ORDERS = WORKFLOWS["orders"]


def event(source: str, type_: str, **data: Any) -> Event:
    document = {"source": source, "type": type_, "data": data}
    return Event(source, type_, 1, 2, event_key(source, "1"), document)


def seen(workflows: list[Workflow], said: Event) -> dict[tuple[str, int], Match]:
    found = Matcher(workflows).matches(said)
    return {(matcher.workflow.name, matcher.workflow.version): comparable(match) for matcher, match in found}


def match(
    milestones: tuple[str, ...], fails: str | None, cancels: str | None, joining: str = "", searching: str = ""
) -> Match:
    key = event_key("crm", "1")
    besides = Besides(fails=fails, cancels=cancels) if fails or cancels else None
    return Match(1, key, milestones, joining.split(), searching.split(), {}, besides)


def comparable(found: Match) -> Match:
    """Without what events of different sources differ in anyway."""
    return msgspec.structs.replace(found, key=event_key("crm", "1"))


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (event("crm", "won"), match(("won",), None, None)),
        (event("crm", "won", order=1, account="A"), match(("won",), None, None, "order=1", "account=A")),
        (event("crm", "won", size=9), match(("won", "big"), None, None)),
        (event("crm", "won", size=9, bad=True), match(("won", "big"), "won", None)),
        (event("sap", "won", bad=True), match((), "won", None)),
        (event("sap", "failed", order="N/A"), match((), "failed", None)),
        (event("sap", "order.cancelled"), match((), None, "order.cancelled")),
        (event("sap", "linked", order=7), match((), None, None, "order=7")),
        (event("any", "thing", note="see order 7"), match((), None, None)),
    ],
)
def test_what_an_event_means(said: Event, expected: Match) -> None:
    assert seen([ORDERS], said) == {("orders", 1): expected}


@pytest.mark.parametrize(
    "said",
    [
        event("sap", "won"),
        event("crm", "WON"),
        event("crm", "noise", order=1),
        event("crm", "cancelled"),
        event("x", "y", note="so"),
    ],
)
def test_what_concerns_nobody(said: Event) -> None:
    assert seen([ORDERS], said) == {}


def test_one_event_may_concern_several_workflows() -> None:
    found = seen(list(WORKFLOWS.values()), event("crm", "won", order=1, account="A"))
    assert found == {
        ("orders", 1): match(("won",), None, None, "order=1", "account=A"),
        ("accounts", 1): match(("first_order",), None, None, "account=A"),
    }


def test_only_a_span_reaches_a_span_milestone() -> None:
    document = {"source": "shop", "service": "shop", "name": "serve", "data": {}}
    for type_, milestones in (("otel.span", ("served",)), ("log", None)):
        said = Event("shop", type_, 1, 2, event_key("shop", "1"), {**document, "type": type_})
        found = seen([ORDERS], said)
        assert [match.milestones for match in found.values()] == ([milestones] if milestones else [])


def test_versions_come_newest_first() -> None:
    versions = [msgspec.structs.replace(ORDERS, version=number) for number in (1, 3, 2)]
    matcher = Matcher([*versions, WORKFLOWS["accounts"]])
    assert list(matcher.versions) == [("accounts", 1), ("orders", 3), ("orders", 2), ("orders", 1)]
    found = matcher.matches(event("crm", "won"))
    assert [part.workflow.version for part, _ in found] == [1, 3, 2, 1]


def test_a_pair_that_can_match_nothing_has_an_empty_plan() -> None:
    text = TEXT.replace(", {prefix: {data.note: see}}", "")
    matcher = Matcher(load({"a.yaml": text}).workflows.values())
    assert matcher.plan("crm", "noise") == []
    assert [found.workflow.name for found, _ in matcher.plan("crm", "won")] == ["accounts", "orders"]
    assert matcher.plan("crm", "won") is matcher.plan("crm", "won")


def test_plans_are_forgotten_before_they_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matching, "_REMEMBERED_PAIRS", 10)
    matcher = Matcher([ORDERS])
    for number in range(35):
        assert matcher.matches(event("crm", f"noise{number}")) == []
        assert len(matcher._plans) <= 10
    assert matcher.matches(event("crm", "won"))


@given(
    st.sampled_from(["crm", "sap", "shop"]),
    st.sampled_from(["won", "failed", "linked", "x.cancelled", "otel.span", "noise"]),
    st.fixed_dictionaries(
        {},
        optional={
            "size": st.sampled_from([9, 9.0, "9", 8]),
            "bad": st.booleans(),
            "note": st.sampled_from(["see", "no"]),
        },
    ),
)
def test_a_match_says_what_the_filters_say(source: str, type_: str, data: dict[str, Any]) -> None:
    said = event(source, type_, **data)
    document = said.document
    milestones = tuple(m.name for m in ORDERS.milestones if holds(m.condition, document))
    fails, cancels, observes = (
        any(holds(condition, document) for condition in filters)
        for filters in (ORDERS.fails_on, ORDERS.cancels_on, ORDERS.observes)
    )
    expected = (
        match(milestones, type_ if fails else None, type_ if cancels else None)
        if milestones or fails or cancels or observes
        else None
    )
    assert seen([ORDERS], said).get(("orders", 1)) == expected


SPANS = """
apiVersion: milepost/v1
kind: Workflow
metadata: {name: shop, domain: orders, owner: operations}
spec:
  entity: order
  keys: {order: {path: data.order, aliases: [{old: data.old, new: data.order, on: {span: {exact: {name: rename}}}}]}}
  milestones:
    - {name: served, on: {span: {exact: {service: shop, name: serve}}}}
    - {name: paid, on: {span: {all: [{prefix: {name: pay}}, {exact: {status: ok}}, {exact: {data.final: true}}]}}}
    - {name: sent, on: {span: {all: [{not: {exact: {kind: client}}}, {exact: {name: send}}]}}}
  fails_on: [{span: {exact: {status: error, service: till}}}]
  pauses_on: [{span: {exact: {name: hold}}}]
  resumes_on: [{span: {suffix: {name: .go}}}]
  observes: [{exact: {type: otel.span, data.seen: true}}]
"""


@given(
    service=st.sampled_from(["shop", "till", "other"]),
    name=st.sampled_from(["serve", "pay", "pay later", "send", "hold", "now.go", "rename", "noise"]),
    kind=st.sampled_from(["client", "server"]),
    status=st.sampled_from(["unset", "ok", "error"]),
    data=st.fixed_dictionaries({}, optional={"final": st.booleans(), "seen": st.booleans()}),
)
def test_what_is_decided_of_spans_that_are_alike_is_what_each_of_them_means(
    service: str, name: str, kind: str, status: str, data: dict[str, bool]
) -> None:
    matcher = Matcher(load({"a.yaml": SPANS}).workflows.values())
    document = {"source": service, "type": "otel.span", "service": service, "name": name, "kind": kind}
    document |= {"status": status, "data": data}
    means = any(one.means(rules, document) is not None for one, rules in matcher.plan(service, "otel.span"))
    assert holds(matcher.of_span(service, name, kind, status), document) is means
