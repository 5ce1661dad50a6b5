"""Tests of definitions: what a file may say, what is said of its faults, and what comes of running it."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from collector.ingest import otlp
from milepost import definition_tests
from milepost.definition_files import packs_folder, read_definitions
from milepost.definition_test_report import as_junit, in_words
from milepost.definition_tests import Outcome, read_with_tests, run
from milepost.expectations import Expectation
from slo_rules.faults import DefinitionError
from tests.unit.test_docs import TOP, blocks

DEFINITIONS = """
apiVersion: milepost/v1
kind: Workflow
metadata: {name: orders, domain: orders, owner: operations}
spec:
  entity: order
  keys: {opportunity: data.opportunity, order: data.order, account: {path: data.account, joins: false}}
  attributes: {region: data.region, units: data.units, express: data.express}
  value: {amount: data.amount, currency: data.currency}
  milestones:
    - {name: won, on: {exact: {source: crm, type: won}}}
    - {name: accepted, on: {exact: {source: sap, type: accepted}}, within: {warn: 3h, breach: 4h}}
    - {name: active, on: {span: {exact: {service: shop, name: activate, kind: server}}}}
"""
HEAD = "apiVersion: milepost/v1\nkind: Test\nmetadata: {name: one}\nspec:\n  now: 2026-03-02T08:00:00Z\n"
WON = "{at: 0m, source: crm, type: won, data: {opportunity: A-1, account: A, region: EMEA, units: 3, express: true}}"
PAGE = TOP / "docs" / "testing-definitions.md"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "orders.yaml").write_text(DEFINITIONS)
    return tmp_path


def write(folder: Path, events: str, expect: str, name: str = "orders.test.yaml") -> None:
    (folder / name).write_text(f"{HEAD}  events: [{events}]\n  expect: [{expect}]\n")


def outcomes(folder: Path) -> list[Outcome]:
    definitions, tests = read_with_tests([folder])
    return run(tests, definitions)


def differences(folder: Path, events: str, expect: str) -> list[tuple[str, str, str]]:
    """What differs from an expectation of the order A-1 at the start."""
    instance = "" if "instance:" in expect else "instance: {workflow: orders, key: opportunity=A-1}, "
    at = "" if "at:" in expect.split() else "at: 0m, "
    write(folder, events, f"{{{at}{instance}{expect}}}")
    (outcome,) = outcomes(folder)
    return [(one.name, one.expected, one.found) for failure in outcome.failures for one in failure.differences]


def faults(folder: Path, text: str) -> list[str]:
    """The faults of a test file, with line and path."""
    (folder / "orders.test.yaml").write_text(text)
    with pytest.raises(DefinitionError) as error:
        read_with_tests([folder])
    return [str(fault).removeprefix(f"{folder}/") for fault in error.value.faults]


def faults_of(folder: Path, events: str, expect: str) -> list[str]:
    """The faults of events and expectations without their places in the file."""
    found = faults(folder, f"{HEAD}  events: [{events}]\n  expect: [{expect}]\n")
    return [fault.split(":", 2)[2].strip() for fault in found]


# Expectations


@pytest.mark.parametrize(
    "expect",
    [
        "verdict: on_track",
        "reason: waiting",
        "waiting_for: accepted",
        "source: sap",
        "owner: operations",
        "since: 0m",
        "due_at: 3h",
        "deadline_at: 2026-03-02T13:00:00+01:00",
        "milestones: {won: 0, accepted: null}",
        "keys: [account=A, opportunity=A-1]",
        "attributes: {region: EMEA, units: 3.0, express: true}",
        "value: {amount: null, currency: null}",
        "instances: 1",
        "absent: false, verdict: on_track",
        "instance: {workflow: orders, key: order=O-1}, absent: true",
        "instance: {workflow: orders, key: opportunity=N/A}, absent: true",
        "instance: {workflow: orders, key: account=A}, verdict: on_track",
        "instance: {workflow: orders}, instances: 1",
    ],
)
def test_what_is_so_is_no_difference(folder: Path, expect: str) -> None:
    assert differences(folder, WON, expect) == []


@pytest.mark.parametrize(
    ("expect", "expected", "found"),
    [
        ("verdict: stuck", "stuck", "on_track"),
        ("reason: overdue", "overdue", "waiting"),
        ("waiting_for: active", "active", "accepted"),
        ("waiting_for: null", "none", "accepted"),
        ("source: crm", "crm", "sap"),
        ("owner: nobody", "nobody", "operations"),
        ("since: 1m", "1m (2026-03-02 08:01 UTC)", "0s (2026-03-02 08:00 UTC)"),
        ("since: 2026-03-02T08:00:00.5Z", "2026-03-02T08:00:00.500000Z", "0s (2026-03-02 08:00 UTC)"),
        ("deadline_at: null", "none", "4h (2026-03-02 12:00 UTC)"),
        ("milestones: {won: null}", "none", "0s (2026-03-02 08:00 UTC)"),
        ("milestones: {accepted: 2h}", "2h (2026-03-02 10:00 UTC)", "none"),
        ("keys: [opportunity=A-1]", "opportunity=A-1", "account=A, opportunity=A-1"),
        ("attributes: {region: null}", "none", '"EMEA"'),
        ('attributes: {units: "3"}', '"3"', "3"),
        ("attributes: {express: 1}", "1", "true"),
        ("value: {amount: 10}", "10", "none"),
        ("instances: 2", "2", "1"),
        ("instance: {workflow: orders, key: order=O-1}, verdict: stuck", "order=O-1", "none"),
        ("absent: true", "none", "account=A, opportunity=A-1 (on_track)"),
    ],
)
def test_what_is_not_so_is_shown_with_what_is(folder: Path, expect: str, expected: str, found: str) -> None:
    assert [one[1:] for one in differences(folder, WON, expect)] == [(expected, found)]


def test_a_key_that_several_carry_names_none_of_them(folder: Path) -> None:
    both = f"{WON}, {WON.replace('A-1', 'A-2')}"
    found = differences(folder, both, "instance: {workflow: orders, key: account=A}, verdict: on_track")
    assert found == [("instance", "account=A", "2 that carry it, which is no joining key")]


def test_amounts_are_compared_as_numbers(folder: Path) -> None:
    event = '{at: 0m, source: crm, type: won, data: {opportunity: A-1, amount: "10.50", currency: eur}}'
    assert differences(folder, event, "value: {amount: 10.5, currency: EUR}") == []


def test_expectations_hold_in_the_order_of_their_time(folder: Path) -> None:
    of = "instance: {workflow: orders, key: opportunity=A-1}"
    late = WON.replace("at: 0m", "at: 0m, received: 1h")
    write(folder, late, f"{{at: 5h, {of}, verdict: stuck}}, {{at: 30m, {of}, absent: true}}")
    assert outcomes(folder)[0].failures == ()


# Events


def test_events_without_use_are_named_where_something_fails(folder: Path) -> None:
    events = (
        "{at: 0m, source: crm, type: lost, data: {opportunity: A-1}}, "
        "{at: 1m, source: crm, type: won, data: {opportunity: unknown}}, "
        "{at: 2m, span: {service: shop, name: activate, kind: client}}"
    )
    write(folder, events, "{at: 2m, instance: {workflow: orders, key: opportunity=A-1}, verdict: on_track}")
    assert outcomes(folder)[0].notes == (
        "No workflow asks for otel.span from shop at 2m (2026-03-02 08:02 UTC) [event-3].",
        "No workflow asks for lost from crm at 0s (2026-03-02 08:00 UTC) [event-1].",
        "won from crm at 1m (2026-03-02 08:01 UTC) [event-2] says something to orders, but carries none of its keys: it becomes a dead letter.",
    )


def test_a_span_reaches_a_milestone_by_what_a_span_says(folder: Path) -> None:
    span = "{at: 5m, span: {service: shop, name: activate, kind: server}, data: {opportunity: A-1}}"
    assert differences(folder, f"{WON}, {span}", "at: 5m, milestones: {active: 5m}, verdict: completed_late") == [
        ("verdict", "completed_late", "completed")
    ]


def test_what_spans_may_be_is_what_the_door_makes_of_them() -> None:
    assert tuple(otlp.KINDS) == definition_tests.SPAN_KINDS
    assert tuple(otlp.STATUSES) == definition_tests.SPAN_STATUSES


def test_events_come_from_a_file_beside_the_test_as_the_door_reads_them(folder: Path) -> None:
    base = {"specversion": "1.0", "source": "crm", "type": "won"}
    timed = base | {"id": "1", "time": "2026-03-02T08:10:00Z", "data": {"opportunity": "A-1"}}
    encoded = base | {"id": "2", "data_base64": "eyJvcHBvcnR1bml0eSI6ICJBLTIifQ=="}
    (folder / "events").mkdir()
    (folder / "events" / "crm.jsonl").write_text("\ufeff" + json.dumps(timed) + "\n\n" + json.dumps(encoded) + "\r\n")
    assert differences(folder, "{file: events/crm.jsonl}", "at: 10m, milestones: {won: 10m}, instances: 2") == []
    assert differences(folder, "{file: events/crm.jsonl, received: 1h}", "at: 59m, absent: true") == []
    assert differences(folder, "{file: events/crm.jsonl, received: 1h}", "at: 1h, since: 10m, instances: 2") == []


def test_extensions_are_attributes_of_the_event(folder: Path) -> None:
    definitions = (folder / "orders.yaml").read_text().replace("region: data.region", "region: region")
    (folder / "orders.yaml").write_text(definitions)
    event = "{at: 0m, source: crm, type: won, extensions: {region: APAC}, data: {opportunity: A-1}}"
    assert differences(folder, event, "attributes: {region: APAC}") == []


# Faults


def test_every_fault_is_named_at_once_with_its_place(folder: Path) -> None:
    found = faults(
        folder,
        """apiVersion: milepost/v2
kind: Test
metadata: {name: Not A Name}
spec:
  now: yesterday
  event: []
  events:
    - {at: soon, source: crm, type: won}
    - {at: 0m, source: crm, typ: won}
    - {at: 0m, received: 99999w, source: [crm], type: won, extensions: {data: 1}, resource: text}
    - {file: nowhere.jsonl}
    - {at: 0m, span: {service: shop, kind: servr, duration_ms: -1}}
    - plain
  expect:
    - {at: 2026-03-02T08:00:00, instance: {workflow: ordrs, key: order=O-1}, verdict: stuck}
    - {at: 2026-13-02T08:00:00Z, instance: {workflow: orders, key: ordr=O-1}, verdict: stcuk, reason: null}
    - at: 0001-01-01T00:00:00Z
      instance: {workflow: orders, key: order=N/A}
      waiting_for: acepted
      milestones: {wonn: 0m, won: later}
      attributes: {regin: EMEA, region: [EMEA]}
      value: {amount: much, curency: EUR}
      keys: [O-1]
      instances: -1
    - {at: 0m, instance: {workflow: orders}, verdict: stuck}
    - {at: 0m, instance: {workflow: orders, key: order=O-1}}
    - {at: 0m, instance: {workflow: orders, key: order=O-1}, absent: true, verdict: stuck}
    - {at: 0m, instance: orders, milestones: {}, absnt: true}
""",
    )
    assert sorted(fault.removeprefix("orders.test.yaml:") for fault in found) == sorted(
        [
            "1: apiVersion: must be milepost/v1, not 'milepost/v2'",
            "3: metadata.name: 'Not A Name' is not a name: use lower-case letters, digits, '-', '_' or '.', at most 63 characters",
            "5: spec.now: must be an instant such as 2026-11-21T09:14:00Z",
            "6: spec.event: unknown field 'event' — did you mean 'events'?",
            "8: spec.events[0].at: 'soon' is not an instant: write an offset such as 20m, or 2026-11-21T09:14:00Z",
            "9: spec.events[1].typ: unknown field 'typ' — did you mean 'type'?",
            "9: spec.events[1]: the field 'type' is missing",
            "10: spec.events[2].extensions.data: 'data' is an attribute of every event: write it beside 'extensions'",
            "10: spec.events[2].received: '99999w' is longer than ten years",
            "10: spec.events[2].resource: must be a mapping, not text",
            "10: spec.events[2].source: must be text, not a list",
            "11: spec.events[3].file: 'nowhere.jsonl' cannot be read: No such file or directory",
            "12: spec.events[4].span.duration_ms: must be a number of milliseconds",
            "12: spec.events[4].span.kind: must be one of unspecified, internal, server, client, producer, consumer — did you mean 'server'?",
            "12: spec.events[4].span: the field 'name' is missing",
            "13: spec.events[5]: must be a mapping, not text",
            "15: spec.expect[0].at: must say its zone: end it with Z or an offset",
            "15: spec.expect[0].instance.workflow: there is no workflow 'ordrs' — did you mean 'orders'?",
            "16: spec.expect[1].at: '2026-13-02T08:00:00Z' is not an RFC 3339 timestamp such as 2026-11-21T09:14:00Z",
            "16: spec.expect[1].instance.key: there is no key 'ordr' — did you mean 'order'?",
            "16: spec.expect[1].reason: must not be empty",
            "16: spec.expect[1].verdict: there is no verdict 'stcuk' — did you mean 'stuck'?",
            "17: spec.expect[2].at: must lie between the years 1000 and 8999",
            "18: spec.expect[2].instance.key: 'N/A' is a placeholder or too long: no instance carries it",
            "19: spec.expect[2].waiting_for: there is no milestone 'acepted' — did you mean 'accepted'?",
            "20: spec.expect[2].milestones.won: 'later' is not an instant: write an offset such as 20m, or 2026-11-21T09:14:00Z",
            "20: spec.expect[2].milestones.wonn: there is no milestone 'wonn' — did you mean 'won'?",
            "21: spec.expect[2].attributes.regin: there is no attribute 'regin' — did you mean 'region'?",
            "21: spec.expect[2].attributes.region: must be text, a number, true, false or null",
            "22: spec.expect[2].value.amount: must be a number such as 99.50",
            "22: spec.expect[2].value.curency: unknown field 'curency' — did you mean 'currency'?",
            "23: spec.expect[2].keys[0]: a key is written namespace=value, such as order=SO-1",
            "24: spec.expect[2].instances: must be a number of instances such as 1",
            "25: spec.expect[3].instance: without the key of an instance only 'instances' can be expected",
            "26: spec.expect[4]: expects nothing: say one of verdict, reason, waiting_for, source, owner, since, due_at, deadline_at, milestones, parts, keys, attributes, value, instances or absent",
            "27: spec.expect[5]: nothing but 'instances' can be expected of an instance that is absent",
            "28: spec.expect[6].absnt: unknown field 'absnt' — did you mean 'absent'?",
            "28: spec.expect[6].instance: must be a mapping, not text",
            "28: spec.expect[6].milestones: must name at least one",
        ]
    )


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("kind: [", "not YAML"),
        ("- 1", "document: must be a mapping, not a list"),
        ("apiVersion: milepost/v1\nkind: Workflow\nmetadata: {name: a}\nspec: {}", "kind: must be Test"),
        ("kind: null\napiVersion: 1\nmetadata: 1\nspec: 1", "document: the field 'kind' is missing"),
        ("apiVersion: milepost/v1\nkind: Test\nmetadata: 1\nspec: 1", "spec: must be a mapping, not a number"),
        (f"{HEAD}  events: {{}}\n  expect: 5", "spec.events: must be a list, not a mapping"),
        (f"{HEAD}  events: []\n  expect: []", "spec.expect: must expect at least one thing"),
        (f"{HEAD}  events: [{{at: true, source: a, type: b}}]\n  expect: []", "'True' is not an instant"),
        (f"{HEAD}  events: [{{file: orders.yaml}}]\n  expect: []", "not JSON"),
        (f"{HEAD}  events: [{{file: .}}]\n  expect: []", "'.' cannot be read: Is a directory"),
        (f'{HEAD}  events: [{{file: "a\\u0000"}}]\n  expect: []', "NUL"),
        (f"{HEAD}  events: [{{at: --1h, source: a, type: b}}]\n  expect: []", "'--1h' is not an instant"),
    ],
)
def test_hostile_files_are_faults_and_no_crash(folder: Path, text: str, fault: str) -> None:
    assert any(fault in one for one in faults(folder, text)), faults(folder, text)


def test_a_line_that_is_no_event_is_named_with_its_file(folder: Path) -> None:
    lines = ["{}", "no", '{"specversion": "1.0", "id": "1", "source": "s", "type": "t", "time": "today"}']
    (folder / "crm.jsonl").write_text("\n".join(lines))
    found = faults(folder, f"{HEAD}  events: [{{file: crm.jsonl}}]\n  expect: []")
    assert [fault.split(": not JSON")[0] for fault in found if fault.startswith("crm")] == [
        "crm.jsonl:1: id: is missing",
        "crm.jsonl:1: source: is missing",
        "crm.jsonl:1: specversion: is missing",
        "crm.jsonl:1: type: is missing",
        "crm.jsonl:2: document",
        "crm.jsonl:3: time: must be an RFC 3339 timestamp such as 2026-11-21T09:14:00Z",
    ]


def test_a_name_is_given_once(folder: Path) -> None:
    expect = "{at: 0m, instance: {workflow: orders}, instances: 1}"
    write(folder, WON, expect, "a.test.yaml")
    write(folder, WON, expect, "b.test.yml")
    with pytest.raises(DefinitionError, match=r"b\.test\.yml:3: metadata\.name: a Test named 'one' is defined twice"):
        read_with_tests([folder])


def test_faults_of_definitions_and_of_tests_are_named_together(folder: Path) -> None:
    (folder / "orders.yaml").write_text(DEFINITIONS.replace("entity: order", "entiti: order"))
    found = faults_of(
        folder, WON, "{at: 0m, instance: {workflow: unknown, key: a=1}, milestones: {b: 0m}, instances: x}"
    )
    assert [fault for fault in found if fault.startswith("spec.expect")] == [
        "spec.expect[0].instances: must be a number of instances such as 1"
    ]
    assert len(found) == 3


def test_a_test_in_a_file_of_definitions_says_where_it_belongs(folder: Path) -> None:
    (folder / "tests.yaml").write_text(f"{HEAD}  events: []\n  expect: []\n")
    with pytest.raises(DefinitionError, match=r"tests stand in files named \*\.test\.yaml"):
        read_definitions([folder])


def test_loading_definitions_passes_over_tests_whatever_is_in_them(folder: Path) -> None:
    (folder / "orders.test.yaml").write_text("{")
    (folder / "only").mkdir()
    (folder / "only" / "more.test.yml").write_text("}")
    assert list(read_definitions([folder]).workflows) == ["orders"]
    assert not read_definitions([folder / "only"]).workflows
    assert not read_definitions([folder / "orders.test.yaml"]).workflows


# Reports


@pytest.fixture
def mixed(folder: Path) -> list[Outcome]:
    write(folder, WON, "{at: 0m, instance: {workflow: orders}, instances: 1}", "good.test.yaml")
    (folder / "good.test.yaml").write_text((folder / "good.test.yaml").read_text().replace("name: one", "name: good"))
    bell = '{at: 0m, source: "c\\a<&", type: won, data: {}}'
    write(folder, f"{WON}, {bell}", "{at: 0m, instance: {workflow: orders, key: opportunity=A-1}, verdict: stuck}")
    return outcomes(folder)


def test_a_failure_is_told_with_its_place_its_difference_and_its_reason(mixed: list[Outcome], folder: Path) -> None:
    told = in_words(mixed)
    assert told.replace(f"{folder}/", "").splitlines() == [
        "FAILED one (orders.test.yaml:3)",
        "  at 0s (2026-03-02 08:00 UTC), orders opportunity=A-1 (line 7):",
        "    - verdict: stuck",
        "    + verdict: on_track",
        "    Waiting for Accepted from sap, due by 2026-03-02 12:00 UTC.",
        "    Reached: won at 0s.",
        "    Keys: account=A, opportunity=A-1.",
        "  No workflow asks for won from c\a<& at 0s (2026-03-02 08:00 UTC) [event-2].",
        "",
        "2 tests, 1 failed (- expected, + found).",
    ]
    assert in_words(mixed[:1]) == "1 test, all passed."


def test_junit_has_a_suite_a_file_and_a_case_a_test(mixed: list[Outcome], folder: Path) -> None:
    top = ET.fromstring(as_junit(mixed))
    assert (top.tag, top.get("tests"), top.get("failures"), top.get("errors")) == ("testsuites", "2", "1", "0")
    suites = {str(suite.get("name")): suite for suite in top}
    assert list(suites) == [str(folder / "good.test.yaml"), str(folder / "orders.test.yaml")]
    assert [suite.get("failures") for suite in suites.values()] == ["0", "1"]
    good, bad = (case for suite in top for case in suite)
    assert (good.get("name"), bad.get("name"), bad.get("line"), list(good)) == ("good", "one", "3", [])
    assert str(bad.get("classname")).endswith(".orders")
    assert all(float(str(case.get("time"))) >= 0 for case in (good, bad))
    (failure,) = bad
    assert failure.get("message") == "not as expected: verdict"
    assert "- verdict: stuck" in str(failure.text)
    assert "c\N{REPLACEMENT CHARACTER}<&" in str(failure.text)


# What is shipped


def test_the_shipped_packs_pass_their_tests() -> None:
    definitions, tests = read_with_tests([Path("packs")])
    assert [(one.test.name, one.failures) for one in run(tests, definitions) if one.failures] == []
    told = {one.name: 0 for one in definitions.workflows.values()}
    for test in tests:
        if isinstance(first := test.expectations[0], Expectation):
            told[first.workflow] += 1
    assert all(count >= 3 for count in told.values()), told
    assert {Path(test.file).parent for test in tests} == {packs_folder() / "tests"}


def test_the_example_of_the_documentation_passes_and_fails_as_it_says(tmp_path: Path) -> None:
    (definition,) = blocks(PAGE, "yaml definition").values()
    (test,) = blocks(PAGE, "yaml test").values()
    (shown,) = blocks(PAGE, "text").values()
    (tmp_path / "orders.yaml").write_text(definition)
    (tmp_path / "orders.test.yaml").write_text(test)
    assert in_words(outcomes(tmp_path)) == "1 test, all passed."
    (tmp_path / "orders.test.yaml").write_text(test.replace("at: 4h30m", "at: 30m"))
    assert in_words(outcomes(tmp_path)).replace(f"{tmp_path}/", "") == shown.strip()
    (shown,) = blocks(PAGE, "text objective").values()
    (tmp_path / "orders.test.yaml").write_text(test.replace("{region: EMEA}, bad: 1", "{region: EMEA}, bad: 0"))
    assert in_words(outcomes(tmp_path)).replace(f"{tmp_path}/", "") == shown.strip()


def test_the_example_of_alerting_passes_and_fails_as_it_says(tmp_path: Path) -> None:
    for word in ("yaml definition", "yaml alerting definition"):
        (definition,) = blocks(PAGE, word).values()
        (tmp_path / f"{word.replace(' ', '-')}.yaml").write_text(definition)
    (test,) = blocks(PAGE, "yaml alerting test").values()
    (shown,) = blocks(PAGE, "text alerting").values()
    (tmp_path / "orders.test.yaml").write_text(test)
    assert in_words(outcomes(tmp_path)) == "1 test, all passed."
    untaken = [line for line in test.splitlines() if "acknowledge:" not in line]
    (tmp_path / "orders.test.yaml").write_text("\n".join(untaken))
    assert shown in in_words(outcomes(tmp_path))
