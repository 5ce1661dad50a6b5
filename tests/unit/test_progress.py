"""What one event adds to what is known, and which of two contradicting events is believed."""

from __future__ import annotations

from typing import Any

import pytest

from slo_rules.definitions import load
from slo_rules.event import Event, event_key
from slo_rules.joining import join
from slo_rules.matching import Matcher
from slo_rules.observation import LONGEST_VALUE, fold
from slo_rules.progress import Progress, Reached, Said, Stamped
from slo_rules.workflow import AMOUNT, CURRENCY

TEXT = """
apiVersion: milepost/v1
kind: Workflow
metadata: {name: orders, domain: orders, owner: operations}
spec:
  entity: order
  keys: {order: data.order, bill: data.bill}
  attributes: {region: [data.region, data.area], version: resource.service.version}
  value: {amount: data.amount, currency: data.currency}
  milestones:
    - {name: won, on: {exact: {type: won}}}
    - {name: accepted, on: {exact: {type: accepted}}, require: [{path: data.tax, exists: true}]}
  observes: [{exact: {type: linked}}]
  fails_on: [{exact: {type: failed}}]
  cancels_on: [{exact: {type: cancelled}}]
"""
MATCHER = Matcher(load({"a.yaml": TEXT}).workflows.values())


def key(id_: str) -> bytes:
    return event_key("crm", id_)


def one(type_: str, at: int, id_: str = "1", resource: dict[str, Any] | None = None, **data: Any) -> Progress:
    document = {"source": "crm", "type": type_, "data": data, "resource": resource or {}}
    event = Event("crm", type_, at, at + 5, key(id_), document)
    ((_found, match),) = MATCHER.matches(event)
    return fold(None, match)


def both(a: Progress, b: Progress) -> Progress:
    assert join(a, b) == join(b, a)
    return join(a, b)


def test_an_event_alone() -> None:
    assert one("won", 7, order=4711, bill="B", region="EU", amount=5, currency=" eur ") == Progress(
        7,
        7,
        {"won": Reached(7, key("1"), 7, key("1"))},
        {"order=4711": Stamped(7, key("1"), ""), "bill=B": Stamped(7, key("1"), "")},
        (Said(7, key("1"), {"region": "EU", AMOUNT: "5", CURRENCY: "EUR"}),),
    )
    assert one("linked", 7) == Progress(7, 7)
    assert one("failed", 7) == Progress(7, 7, failed=Stamped(7, key("1"), "failed"))
    assert one("cancelled", 7) == Progress(7, 7, cancelled=Stamped(7, key("1"), "cancelled"))


def test_a_milestone_keeps_its_first_and_its_last_time() -> None:
    found = both(both(one("won", 5, "b"), one("won", 9, "c")), one("won", 3, "a"))
    assert (found.first_at, found.last_at) == (3, 9)
    assert found.milestones == {"won": Reached(3, key("a"), 9, key("c"))}


def test_faults_are_those_of_the_last_occurrence() -> None:
    unmet, met = one("accepted", 5, "a"), one("accepted", 6, "b", tax="V1")
    assert unmet.milestones["accepted"].faults == ("Accepted: data.tax is missing",)
    assert both(unmet, met).milestones["accepted"] == Reached(5, key("a"), 6, key("b"))
    later = both(one("accepted", 7, "c", tax=None), met)
    assert later.milestones["accepted"] == Reached(6, key("b"), 7, key("c"), ("Accepted: data.tax is missing",))


@pytest.mark.parametrize("tax", [None, ""])
def test_null_and_empty_are_missing(tax: Any) -> None:
    assert one("accepted", 1, tax=tax).milestones["accepted"].faults
    assert not one("accepted", 1, tax=0).milestones["accepted"].faults
    assert not one("accepted", 1, tax=False).milestones["accepted"].faults


def test_the_earliest_event_is_named_as_the_one_that_carried_a_key() -> None:
    found = both(
        both(one("linked", 9, "late", order="1"), one("linked", 3, "early", order="1")), one("linked", 4, "x", bill="1")
    )
    assert found.keys == {"order=1": Stamped(3, key("early"), ""), "bill=1": Stamped(4, key("x"), "")}


def test_the_latest_event_is_believed_about_attributes() -> None:
    found = both(one("linked", 9, "a", region="EU"), one("linked", 3, "b", region="US", amount=7))
    assert found.said == (Said(9, key("a"), {"region": "EU"}), Said(3, key("b"), {AMOUNT: "7"}))
    assert found.attributes == {"region": "EU", AMOUNT: "7"}


def test_a_tie_is_broken_by_the_key_of_the_event_and_then_by_content() -> None:
    a, b = sorted(["1", "2"], key=key)
    found = both(one("linked", 5, a, region="Z"), one("linked", 5, b, region="A"))
    assert found.attributes["region"] == "A"
    liar = both(one("linked", 5, a, region="Z"), one("linked", 5, a, region="A"))
    assert liar.attributes["region"] == "Z"


def test_the_first_cancellation_and_the_last_failure_count() -> None:
    found = both(one("cancelled", 5, "a"), one("cancelled", 3, "b"))
    assert found.cancelled == Stamped(3, key("b"), "cancelled")
    failed = both(one("failed", 5, "a"), one("failed", 3, "b"))
    assert failed.failed == Stamped(5, key("a"), "failed")


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ("EU", "EU"),
        ("", ""),
        (7, 7),
        (7.5, 7.5),
        (True, True),
        (False, False),
        (2**63, str(2**63)),
        ("a\0b", "ab"),
        ("x" * (LONGEST_VALUE + 1), "x" * LONGEST_VALUE),
    ],
)
def test_an_attribute_is_a_short_scalar(value: Any, kept: Any) -> None:
    found = one("linked", 1, region=value).attributes["region"]
    assert (type(found), found) == (type(kept), kept)


@pytest.mark.parametrize("value", [None, [], ["EU"], {"a": 1}, float("nan"), float("inf")])
def test_what_is_no_scalar_is_no_attribute(value: Any) -> None:
    assert one("linked", 1, region=value).attributes == {}


def test_an_attribute_is_the_first_of_its_paths_that_is_present() -> None:
    assert one("linked", 1, region=None, area="EU").attributes["region"] == "EU"
    assert one("linked", 1, resource={"service.version": "2.1"}).attributes["version"] == "2.1"


@pytest.mark.parametrize(
    ("amount", "kept"),
    [
        (5, "5"),
        (-5, "-5"),
        (0, "0"),
        (5.0, "5"),
        (99.5, "99.5"),
        ("12.250", "12.25"),
        (" 12 ", "12"),
        ("1e3", "1000"),
        (0.1, "0.1"),
        ("0.1234567", "0.123457"),
        (10**15 - 1, "999999999999999"),
        ("999999999999999.25", "999999999999999.25"),
    ],
)
def test_an_amount_is_a_decimal(amount: Any, kept: str) -> None:
    assert one("linked", 1, amount=amount).attributes[AMOUNT] == kept


@pytest.mark.parametrize(
    "amount",
    [
        None,
        "",
        "x",
        "12 EUR",
        True,
        [],
        {},
        10**15,
        "1e15",
        1e300,
        float("nan"),
        float("inf"),
        "NaN",
        "sNaN",
        "-Infinity",
    ],
)
def test_what_is_no_amount_is_left_out(amount: Any) -> None:
    assert one("linked", 1, amount=amount).attributes == {}


@pytest.mark.parametrize(
    ("currency", "kept"), [("usd", "USD"), (" EUR ", "EUR"), ("", None), (" ", None), (5, None), ("x" * 13, None)]
)
def test_a_currency_is_a_short_text(currency: Any, kept: str | None) -> None:
    assert one("linked", 1, currency=currency).attributes.get(CURRENCY) == kept


def test_join_leaves_its_sides_as_they_were() -> None:
    a, b = one("won", 5, "a", order="1", region="EU"), one("won", 3, "b", bill="2", region="US")
    before = repr(a), repr(b)
    join(a, b)
    join(b, a)
    assert (repr(a), repr(b)) == before
