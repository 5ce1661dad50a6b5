"""The faults of deadlines, shapes, pauses and comparisons, each named at its place; `test_definition_faults.py` has the rest."""

from __future__ import annotations

import pytest

from slo_rules.deadline_rules import parse_deadline_rule
from slo_rules.deadlines import Deadline, Tier
from slo_rules.definitions import load
from slo_rules.durations import HOUR
from slo_rules.faults import DefinitionError
from slo_rules.workflow import KeyRule, Like, Requirement

GOOD = """\
apiVersion: milepost/v1
kind: Workflow
metadata: {name: orders, domain: orders, owner: operations}
spec:
  entity: order
  keys: {order: {path: data.order, case: upper, strip_prefix: [SO-, ORD], strip_zeros: true}}
  attributes: {tier: data.tier, region: data.region, parcels: data.parcels}
  calendar: office
  completion: all
  milestones:
    - {name: won, on: {exact: {type: won}}}
    - name: accepted
      on: {exact: {type: accepted}}
      within: {warn: 3h, breach: 4h, from: won, by: {tier: {gold: 1h, 7: {warn: 1h}}, region: {US: {calendar: none}}}}
    - {name: shipped, on: {exact: {type: shipped}}, count: parcels, within: next_business_day 16:00}
    - {name: collected, after: accepted, choice: way, on: {exact: {type: collected}}}
    - {name: posted, after: accepted, choice: way, on: {exact: {type: posted}}}
    - {name: noted, optional: true, on: {exact: {type: noted}}}
    - name: billed
      after: {any: [collected, posted]}
      on: {exact: {type: billed}}
      require: [{path: data.amount, equals: {of: accepted, path: data.total, tolerance: 1.5%}}]
  pauses_on: [{exact: {type: pending}}]
  resumes_on: [{exact: {type: resumed}}]
  restarts_on: [{exact: {type: reopened}}]
---
apiVersion: milepost/v1
kind: Calendar
metadata: {name: office}
spec: {zone: Europe/Berlin, hours: {mon-fri: ["09:00-17:00"]}}
"""
WITHIN = "spec.milestones[1].within"
RULES = "none of the named deadlines"


def faults(old: str, new: str) -> list[tuple[int, str, str]]:
    assert old in GOOD
    with pytest.raises(DefinitionError) as caught:
        load({"a.yaml": GOOD.replace(old, new, 1)})
    return [(fault.line, fault.path, fault.message) for fault in caught.value.faults]


def test_the_model_is_what_the_file_says() -> None:
    found = load({"a.yaml": GOOD})
    workflow = found.workflows["orders"]
    by_name = workflow.by_name
    assert workflow.keys == (KeyRule("order", ("data.order",), True, "upper", ("SO-", "ORD"), True),)
    assert by_name["accepted"].deadline == Deadline(
        "won",
        4 * HOUR,
        3 * HOUR,
        "office",
        (Tier("tier", "gold", HOUR), Tier("tier", "7", None, HOUR), Tier("region", "US", None, None, "none")),
    )
    assert by_name["shipped"].deadline == Deadline(None, parse_deadline_rule("next_business_day 16:00"), None, "office")
    assert (by_name["shipped"].count, by_name["collected"].choice, by_name["noted"].optional) == (
        "parcels",
        "way",
        True,
    )
    assert (by_name["billed"].after, by_name["billed"].after_any) == (("collected", "posted"), True)
    assert by_name["billed"].require == (
        Requirement("data.amount", like=Like("accepted", "data.total", "0.015", share=True)),
    )
    assert workflow.completes_with_all
    assert workflow.calendars == {"office": found.calendars["office"]}
    assert (len(workflow.pauses_on), len(workflow.resumes_on), len(workflow.restarts_on)) == (1, 1, 1)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("case: upper", "case: Upper", [(6, "spec.keys.order.case", "must be 'upper' or 'lower'")]),
        ("strip_zeros: true", "strip_zeros: 1", [(6, "spec.keys.order.strip_zeros", "must be true or false, not a number")]),
        ("[SO-, ORD]", "[SO-, '']", [(6, "spec.keys.order.strip_prefix[1]", "must be text, not an empty text")]),
        ("strip_zeros: true", "strip_zeros: true, joins: false, aliases: [{on: {exact: {type: x}}, old: data.a}]", [
            (6, "spec.keys", "no key joins: at least one key must identify the instance"),
            (6, "spec.keys.order.aliases",
             "only a key that joins can have aliases: say them where the key identifies the instance"),
            (6, "spec.keys.order.aliases[0]", "the field 'new' is missing")]),
        ("strip_zeros: true", "strip_zeros: true, aliases: {on: x}", [
            (6, "spec.keys.order.aliases", "must be a list, not a mapping")]),
        ("calendar: office", "calendar: ofice", [
            (8, "spec.calendar", "there is no calendar 'ofice' — did you mean 'office'?")]),
        ("completion: all", "completion: most", [
            (9, "spec.completion", "must be 'any' or 'all': whether one completing milestone is enough")]),
        ("warn: 3h, ", "warn: 4h, ", [(14, f"{WITHIN}.warn", "the warning must come before the breach")]),
        ("from: won", "from: wno", [
            (14, f"{WITHIN}.from", "there is no milestone 'wno' to count from — did you mean 'won'?")]),
        ("from: won", "from: accepted", [(14, f"{WITHIN}.from", "'accepted' cannot be counted from itself")]),
        ("{tier: {gold", "{teir: {gold", [
            (14, f"{WITHIN}.by.teir", "there is no attribute 'teir' — did you mean 'tier'?")]),
        ("gold: 1h", "gold: soon", [
            (14, f"{WITHIN}.by.tier.gold", "'soon' is not a duration; write it like 90s, 15m, 4h, 2d or 1h30m")]),
        ("gold: 1h", "gold: {}", [(14, f"{WITHIN}.by.tier.gold", "says nothing: give it warn, breach or calendar")]),
        ("gold: 1h", "gold: {breech: 1h}", [
            (14, f"{WITHIN}.by.tier.gold.breech", "unknown field 'breech' — did you mean 'breach'?")]),
        ("{tier: {gold: 1h, 7: {warn: 1h}}, ", "{tier: gold, ", [
            (14, f"{WITHIN}.by.tier", "must be a mapping, not text")]),
        ("{US: {calendar: none}}", "{US: {calendar: nowhere}}", [
            (14, f"{WITHIN}.by.region.US.calendar", "there is no calendar 'nowhere'")]),
        ("{US: {calendar: none}}", "{US: {calendar: none, breach: end of week}}", [
            (14, f"{WITHIN}.by.region.US",
             "a named deadline needs a calendar: name one here or for the whole workflow")]),
        ("  calendar: office\n", "", [
            (14, "spec.milestones[2].within",
             "a named deadline needs a calendar: name one here or for the whole workflow")]),
        ("count: parcels", "count: parcel", [
            (15, "spec.milestones[2].count", "there is no attribute 'parcel' — did you mean 'parcels'?")]),
        ("count: parcels", "count: 0", [
            (15, "spec.milestones[2].count",
             "must be a whole number from 1 to 1000, or the name of an attribute that says it")]),
        ("count: parcels", "count: true", [
            (15, "spec.milestones[2].count",
             "must be a whole number from 1 to 1000, or the name of an attribute that says it")]),
        ("choice: way", "choice: ways", [
            (16, "spec.milestones[3].choice", "the choice 'ways' has no other milestone"),
            (17, "spec.milestones[4].choice", "the choice 'way' has no other milestone")]),
        ("optional: true", "optional: true, within: 1h", [
            (18, "spec.milestones[5].within", "what is optional is not waited for, and has no deadline")]),
        ("{any: [collected, posted]}", "{all: [collected]}", [
            (20, "spec.milestones[6].after", "the field 'any' is missing"),
            (20, "spec.milestones[6].after.all", "unknown field 'all'")]),
        ("{any: [collected, posted]}", "[]", [(20, "spec.milestones[6].after", "must name at least one milestone")]),
        ("{any: [collected, posted]}", "[collected, psted]", [
            (20, "spec.milestones[6].after", "there is no milestone 'psted' to come after — did you mean 'posted'?")]),
        ("{any: [collected, posted]}", "[billed, posted]", [
            (20, "spec.milestones[6].after", "'billed' waits for itself through its 'after' milestones")]),
        ("of: accepted", "of: billed", [
            (22, "spec.milestones[6].require[0].equals.of", "there is no other milestone 'billed'")]),
        ("of: accepted, ", "", [(22, "spec.milestones[6].require[0].equals", "the field 'of' is missing")]),
        ("tolerance: 1.5%", "tolerance: -1", [
            (22, "spec.milestones[6].require[0].equals.tolerance",
             "'-1' is no tolerance: write a number such as 0.01, or a share such as 1%")]),
        ("path: data.total", "path: data..total", [
            (22, "spec.milestones[6].require[0].equals.path",
             "'data..total' is not a path: write it like data.order_id, resource.service.name or source")]),
        ("pauses_on: [{exact", "pauses_on: [{exactly", [
            (23, "spec.pauses_on[0].exactly", "unknown field 'exactly' — did you mean 'exact'?")]),
    ],
)  # fmt: skip
def test_a_fault_is_named_at_its_place(old: str, new: str, expected: list[tuple[int, str, str]]) -> None:
    assert faults(old, new) == expected


def test_a_named_deadline_that_is_none_lists_those_there_are() -> None:
    ((line, path, message),) = faults("next_business_day 16:00", "next_bussiness_day 16:00")
    assert (line, path) == (15, "spec.milestones[2].within")
    assert "next_business_day 16:00" in message
    assert "end of month - 2 business days" in message
