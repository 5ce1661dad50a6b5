"""What tests of definitions may expect of the parts of an instance."""

from __future__ import annotations

from pathlib import Path

import pytest

from milepost.definition_tests import read_with_tests, run
from slo_rules.faults import DefinitionError

DEFINITIONS = """
apiVersion: milepost/v1
kind: Workflow
metadata: {name: orders, domain: orders, owner: operations}
spec:
  entity: order
  keys: {order: data.order, shipment: data.shipment}
  milestones:
    - {name: ordered, on: {exact: {type: ordered}}}
    - {name: shipped, each: shipment, on: {exact: {type: shipped}}, within: 4h}
"""
TEST = """
apiVersion: milepost/v1
kind: Test
metadata: {name: one}
spec:
  now: 2026-03-02T08:00:00Z
  events:
    - {at: 0m, source: crm, type: ordered, data: {order: O-1}}
    - {at: 1h, source: crm, type: shipped, data: {order: O-1, shipment: 8001}}
    - {at: 2h, source: crm, type: shipped, data: {shipment: 8001}}
  expect:
    - {at: 3h, instance: {workflow: orders, key: order=O-1}, parts: %s}
"""


def loaded(folder: Path, parts: str) -> list[tuple[str, str, str]]:
    (folder / "orders.yaml").write_text(DEFINITIONS)
    (folder / "orders.test.yaml").write_text(TEST % parts)
    definitions, tests = read_with_tests([folder])
    (outcome,) = run(tests, definitions)
    return [(one.name, one.expected, one.found) for failure in outcome.failures for one in failure.differences]


@pytest.mark.parametrize("parts", ["{shipped: {8001: 1h}}", '{shipped: {"8001": 2026-03-02T09:00:00Z, "8002": null}}'])
def test_what_is_so_of_parts_is_no_difference(tmp_path: Path, parts: str) -> None:
    assert loaded(tmp_path, parts) == []


def test_what_is_not_so_of_parts_is_shown_with_what_is(tmp_path: Path) -> None:
    assert loaded(tmp_path, "{shipped: {8001: null, 8002: 2h}}") == [
        ("parts.shipped.8001", "none", "1h (2026-03-02 09:00 UTC)"),
        ("parts.shipped.8002", "2h (2026-03-02 10:00 UTC)", "none"),
    ]


@pytest.mark.parametrize(
    ("parts", "fault"),
    [
        ("[shipped]", "spec.expect[0].parts: must be a mapping, not a list"),
        ("{}", "spec.expect[0].parts: must name at least one"),
        ("{shipped: 1h}", "spec.expect[0].parts.shipped: must be a mapping, not text"),
        ("{shipped: {8001: soon}}", "spec.expect[0].parts.shipped.8001: 'soon' is not an instant"),
        ("{ordered: {8001: 1h}}", "spec.expect[0].parts.ordered: there is no milestone of each part 'ordered'"),
        ("null", "spec.expect[0].parts: must not be empty"),
    ],
)
def test_what_cannot_be_expected_of_parts_is_a_fault(tmp_path: Path, parts: str, fault: str) -> None:
    with pytest.raises(DefinitionError) as error:
        loaded(tmp_path, parts)
    assert any(fault in str(one) for one in error.value.faults), [str(one) for one in error.value.faults]
