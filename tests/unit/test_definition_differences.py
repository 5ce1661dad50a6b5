"""What two versions of a definition say differently."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings

from slo_rules.definition_differences import differences, newly_asked, reads_alike, workflow_differences
from slo_rules.definitions import fingerprint, load
from slo_rules.faults import DefinitionError
from slo_rules.workflow import Definitions
from tests.definition_texts import FULL, changed, spelled, values_of
from tests.examples import examples
from tests.strategies import DEFINITIONS

BEFORE = load({"a.yaml": FULL})


def after(*edits: tuple[str, str]) -> Definitions:
    text = FULL
    for old, new in edits:
        assert old in text
        text = text.replace(old, new)
    return load({"a.yaml": text})


def told(*edits: tuple[str, str]) -> list[str]:
    """What has changed of the workflow, in words."""
    return list(map(str, workflow_differences(BEFORE.workflows["orders"], after(*edits).workflows["orders"])))


def test_equal_definitions_differ_in_nothing() -> None:
    assert told() == []
    for before in (BEFORE.objectives, BEFORE.calendars, BEFORE.sources):
        for one in before.values():
            assert differences(one, one) == []


def test_each_difference_has_its_path_and_is_written_as_in_a_file() -> None:
    assert told(
        ("breach: 2 business days 16:00", "breach: 3 business days 16:00"),
        ("silver: 4h", "silver: 90m"),
        ("joins: false, ", ""),
        ("owner: erp\n", "owner: sap-team\n"),
        ("completion: all", "completion: any"),
        ("currency: data.currency", "currency: [data.currency, data.cur]"),
        ("domain: sales, owner: operations", "domain: shop, owner: operations"),
    ) == [
        "metadata.domain: sales → shop",
        "keys.account.joins: false → true",
        "milestones.checked.within.breach: 2 business days 16:00 → 3 business days 16:00",
        "milestones.checked.within.by.tier.silver.breach: 4h → 1h30m",
        "milestones.checked.owner: erp → sap-team",
        "value.currency: data.currency → data.currency, data.cur",
        "completion: true → false",
    ]


def test_requirements_are_told_as_a_whole() -> None:
    before, after_ = "{path: data.status, exists: true, equals: 7}", "{path: data.status, exists: true, equals: 8}"
    (line,) = told(("equals: 7", "equals: 8"))
    assert line.startswith("milestones.checked.require: {path: data.tax_code, exists: true}, ")
    one, other = line.split(" → ")
    assert before in one
    assert other == one.partition(": ")[2].replace(before, after_)


def test_filters_are_written_as_filters() -> None:
    assert told(
        ("{exact: {type: failed}}", "{any: [{exact: {type: failed, source: x}}, {not: {span: {suffix: {name: a}}}}]}")
    ) == [
        "fails_on: {exact: {type: failed}} → {any: [{exact: {type: failed, source: x}}, {not: {span: {suffix: {name: a}}}}]}"
    ]


def test_what_is_added_or_removed_as_a_whole_is_told_once() -> None:
    assert told(
        ("    - {name: noted, optional: true, on: {exact: {type: noted, data.kind: 1}}}\n", ""),
        (
            "    - {name: shipped,",
            "    - {name: seen, after: won, on: {exact: {type: seen}}, within: 2d}\n    - {name: shipped,",
        ),
    ) == [
        "milestones.seen: added: title Seen, on {exact: {type: seen}}, after won, within breach 2d, calendar office, owner operations, count 1",
        "milestones.noted: removed",
    ]


def test_what_the_same_events_reach_under_another_name_was_renamed() -> None:
    assert told(("name: packed", "name: boxed"), ("{any: [packed", "{any: [boxed")) == [
        "milestones.packed: renamed to boxed",
        "milestones.boxed.title: Packed → Boxed",
        "milestones.shipped.after: packed, reserved → boxed, reserved",
    ]
    assert told(("    order: data.order\n", "    number: data.order\n"), ("[sales_order, order]", "[sales_order]")) == [
        "keys.order: renamed to number",
        "title: sales_order, order → sales_order",
    ]


def test_another_order_is_a_difference() -> None:
    keys = "    order: data.order\n    parcel: data.parcel\n"
    other = "    parcel: data.parcel\n    order: data.order\n"
    assert told((keys, other)) == [
        "keys.order: order, parcel, contract, sales_order, account → parcel, order, contract, sales_order, account"
    ]


def test_another_order_of_attributes_is_none() -> None:
    attributes = "attributes: {region: data.region, tier: [data.tier, resource.tier], parcels: data.parcels}"
    other = "attributes: {tier: [data.tier, resource.tier], region: data.region, parcels: data.parcels}"
    assert told((attributes, other)) == []
    assert fingerprint(after((attributes, other)).workflows["orders"]) == fingerprint(BEFORE.workflows["orders"])


def test_other_kinds_are_told_in_their_own_words() -> None:
    new = after(
        ('fri: "08:00-15:00"', 'fri: "22:00-06:00"'),
        ("2026-12-24, ", "2026-12-23, "),
        (
            "latency: {from: won, to: checked, within: 4h, calendar: office}",
            "latency: {from: won, to: paid, within: 5h}",
        ),
        ("target: 0.99\n", "target: 0.9\n"),
        ("missing_data: alert", "missing_data: good"),
        ("group_by: [region, tier]", "group_by: [tier]"),
        ("for: 4h, zone", "for: 5h, zone"),
        ("stretch: 0.999", "stretch: 0.9999"),
        ("{every: 15m, calendar: office}", "{every: 20m, calendar: office}"),
        ("{type: totals, by: end of month + 1 business day, calendar: asia}", "{type: totals, every: 1d}"),
        ("opens: 4h", "opens: 5h"),
    )
    assert [str(one) for one in differences(BEFORE.objectives["in-time"], new.objectives["in-time"])] == [
        "to: checked → paid",
        "within: 4h → 5h",
        "target: 0.99 → 0.9",
        "missing_data: alert → good",
        "group_by: region, tier → tier",
        "exclude.SAP maintenance, from 2026-01-04 02:00 Europe/Berlin for 5h, FREQ=WEEKLY;BYDAY=SU: added",
        "exclude.SAP maintenance, from 2026-01-04 02:00 Europe/Berlin for 4h, FREQ=WEEKLY;BYDAY=SU: removed",
        "targets.stretch: 0.999 → 0.9999",
        "calendar: removed",
    ]
    assert [str(one) for one in differences(BEFORE.calendars["office"], new.calendars["office"])] == [
        "hours.fri: 08:00-15:00 → 22:00-06:00",
        "closed.2026-12-23: added",
        "closed.2026-12-24: removed",
    ]
    assert [str(one) for one in differences(BEFORE.sources["sap"], new.sources["sap"])] == [
        "expect.every: 15m → 20m",
        "expect.type.check.file.opens: 4h → 5h",
        "expect.type.totals.every: added: 1d",
        "expect.type.totals.by: removed",
        "expect.type.totals.opens: removed",
        "expect.type.totals.calendar: removed",
    ]
    assert workflow_differences(BEFORE.workflows["orders"], new.workflows["orders"])[-1].path == "calendars.office"


def test_filters_that_were_not_there_ask_for_something_new() -> None:
    new = after(
        ("{exact: {type: paid}}", "{exact: {type: paid, source: bank}}"),
        ("pauses_on: [{exact: {type: paused}}]", "pauses_on: [{exact: {type: paused}}, {exact: {type: held}}]"),
        ("{any: [{exact: {type: a}}, {suffix: {type: b}}]}", "{exact: {type: reopened}}"),
    )
    assert newly_asked(BEFORE.workflows["orders"], new.workflows["orders"]) == ["milestones.paid", "pauses_on"]


@given(changed())
@settings(max_examples=examples(300))
def test_definitions_that_make_another_version_differ_in_words(values: list[Any]) -> None:
    try:
        new = load({"a.yaml": spelled(values)})
    except DefinitionError:
        return
    olds = [load({"a.yaml": spelled(values_of(text))}).workflows["orders"] for text in (FULL, DEFINITIONS)]
    for workflow in new.workflows.values():
        for old in olds:
            found = workflow_differences(old, workflow)
            same_name = workflow.name == old.name
            assert (found == []) == (fingerprint(old) == fingerprint(workflow)) or not same_name
            assert all(str(one) and one.path for one in found)


@pytest.mark.parametrize(
    ("edit", "alike"),
    [
        (("breach: 2 business days 16:00", "breach: 3 business days 16:00"), True),
        (("owner: erp\n", "owner: sap-team\n"), True),
        (("completion: all", "completion: any"), True),
        (("joins: false, ", ""), False),
        (("currency: data.currency", "currency: [data.currency, data.cur]"), False),
        (("equals: 7", "equals: 8"), False),
    ],
)
def test_versions_read_alike_that_only_promise_something_else(edit: tuple[str, str], alike: bool) -> None:
    before, other = BEFORE.workflows["orders"], after(edit).workflows["orders"]
    assert reads_alike(before, other) is alike
    assert reads_alike(before, before)
