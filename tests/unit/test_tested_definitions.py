"""Tests beside definitions, run by the server: how they ended, what they cover, and what happens to what cannot be."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from collector.query.definition_tests import counts_of_tests, workflow_tests
from milepost.definition_files import find_tests_beside, packs_folder, read_definitions
from milepost.tested_definitions import DefinitionsTested
from milepost.testing_apart import run_beside
from slo_rules.workflow import Definitions

DEFINITIONS = """
apiVersion: milepost/v1
kind: Workflow
metadata: {name: orders, domain: orders, owner: operations}
spec:
  entity: order
  keys: {order: data.order}
  milestones:
    - {name: won, on: {exact: {source: crm, type: won}}}
    - {name: accepted, on: {exact: {source: sap, type: accepted}}, within: 4h}
    - {name: shipped, on: {exact: {source: wms, type: shipped}}, within: 24h}
  cancels_on: [{exact: {type: cancelled}}]
---
apiVersion: milepost/v1
kind: Objective
metadata: {name: accepted-in-time}
spec: {workflow: orders, latency: {from: won, to: accepted, within: 4h}, target: 0.99, missing_data: exclude}
---
apiVersion: milepost/v1
kind: Workflow
metadata: {name: cases, domain: cases, owner: support}
spec:
  entity: case
  keys: {case: data.case}
  milestones: [{name: opened, on: {exact: {source: desk, type: opened}}}]
"""
TEST = """
apiVersion: milepost/v1
kind: Test
metadata: {name: NAME}
spec:
  now: 2026-03-02T08:00:00Z
  events:
    - {at: 0m, source: crm, type: won, data: {order: A-1}}
    - {at: 5h, source: sap, type: accepted, data: {order: A-1}}
  expect: [{at: 6h, instance: {workflow: orders, key: order=A-1}, verdict: VERDICT}]
"""
OF_BOTH = """
apiVersion: milepost/v1
kind: Test
metadata: {name: both}
spec:
  now: 2026-03-02T08:00:00Z
  events:
    - {at: 0m, source: crm, type: won, data: {order: A-1}}
    - {at: 1m, source: desk, type: opened, data: {case: C-1}}
  expect:
    - {at: 6h, instance: {workflow: orders, key: order=A-1}, verdict: stuck}
    - {at: 6h, instance: {workflow: cases, key: case=C-1}, verdict: completed}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "orders.yaml").write_text(DEFINITIONS)
    return tmp_path


def write(folder: Path, name: str, verdict: str = "on_track") -> None:
    (folder / f"{name}.test.yaml").write_text(TEST.replace("NAME", name).replace("VERDICT", verdict))


def ran(tested: DefinitionsTested) -> dict[str, Any]:
    """What is told once they are through."""

    async def ask() -> dict[str, Any]:
        await tested.get()
        await tested.through()
        return await tested.get()

    return asyncio.run(ask())


def of_orders(found: dict[str, Any], definitions: Definitions, in_sight: set[str] | None = None) -> dict[str, Any]:
    return workflow_tests(found, definitions.workflows["orders"], definitions.objectives.values(), in_sight)


def test_what_tests_cover_and_what_none_does_is_told(folder: Path) -> None:
    write(folder, "late")
    told = of_orders(ran(DefinitionsTested([folder])), read_definitions([folder]))
    assert [(one["name"], one["passed"], one["file"]) for one in told["tests"]] == [("late", True, "late.test.yaml")]
    assert {one["name"]: (one["reached"], one["kept"], one["missed"]) for one in told["milestones"]} == {
        "won": (1, 0, 0),
        "accepted": (1, 0, 1),
        "shipped": (0, 0, 0),
    }
    assert [(one["what"], one["name"]) for one in told["untested"]] == [
        ("milestone", "shipped"),
        ("deadline", "shipped"),
        ("signal", "cancels_on"),
        ("objective", "accepted-in-time"),
    ]
    assert told["in_force"]
    assert told["state"] == "ran"


def test_a_test_that_fails_says_what_was_expected_and_what_was_found(folder: Path) -> None:
    write(folder, "late", "stuck")
    found = ran(DefinitionsTested([folder]))
    (one,) = of_orders(found, read_definitions([folder]))["tests"]
    assert not one["passed"]
    assert "- verdict: stuck" in one["details"]
    assert "+ verdict: on_track" in one["details"]
    assert counts_of_tests(found, ["orders", "cases"], None) == {
        "orders": {"tests": 1, "failed": 1},
        "cases": {"tests": 0, "failed": 0},
    }


def test_until_they_ran_it_is_said_that_they_run_and_nobody_waits(folder: Path) -> None:
    write(folder, "late")
    tested = DefinitionsTested([folder])

    async def first() -> dict[str, Any]:
        found = await tested.get()
        await tested.close()
        return found

    found = asyncio.run(first())
    told = of_orders(found, read_definitions([folder]))
    assert (told["state"], told["tests"], told["untested"]) == ("running", [], [])
    assert counts_of_tests(found, ["orders"], None) == {}


def test_after_a_file_changed_they_are_run_anew(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("milepost.tested_definitions.LOOKED_EVERY_SECONDS", 0.0)

    async def story() -> list[bool]:
        tested = DefinitionsTested([folder])
        seen = []
        for verdict in ("stuck", "on_track"):
            write(folder, "late", verdict)
            before = await tested.get()
            assert before["state"] == ("ran" if seen else "running"), "what came of them before is told meanwhile"
            await tested.through()
            seen.append((await tested.get())["tests"][0]["passed"])
        return seen

    assert asyncio.run(story()) == [False, True]


def test_a_file_with_a_fault_is_named_and_the_others_are_run(folder: Path) -> None:
    write(folder, "late")
    (folder / "broken.test.yaml").write_text(
        TEST.replace("NAME", "broken").replace("VERDICT", "stuck").replace("won,", "won, bad: 1,")
    )
    found = run_beside([folder])
    assert [one.name for one in found.tests] == ["late"]
    assert len(found.faults) == 1
    assert found.faults[0].startswith("broken.test.yaml:8: ")
    assert str(folder) not in found.faults[0], "where files are on the machine is nobody's business"


def test_definitions_that_cannot_be_read_any_more_are_told_as_faults(folder: Path) -> None:
    write(folder, "late")
    (folder / "orders.yaml").write_text("kind: [")
    told = ran(DefinitionsTested([folder]))
    assert told["state"] == "failed"
    assert told["faults"]


def test_files_that_say_something_else_than_what_is_in_force_are_told_apart(folder: Path) -> None:
    write(folder, "late")
    in_force = read_definitions([folder])
    (folder / "orders.yaml").write_text(DEFINITIONS.replace("within: 24h", "within: 25h"))
    found = ran(DefinitionsTested([folder]))
    assert not of_orders(found, in_force)["in_force"]
    assert of_orders(found, read_definitions([folder]))["in_force"]


def test_tests_that_never_end_are_ended(folder: Path) -> None:
    write(folder, "late")
    told = ran(DefinitionsTested([folder], most_seconds=0.01))
    assert told["state"] == "failed"
    assert "took longer" in told["faults"][0]


def test_without_tests_there_are_none(folder: Path) -> None:
    assert ran(DefinitionsTested([folder]))["state"] == "none"
    assert ran(DefinitionsTested([]))["state"] == "none"
    told = of_orders({"state": "none"}, read_definitions([folder]))
    assert (told["tests"], told["untested"], told["in_force"]) == ([], [], True)


def test_a_test_that_asks_about_what_is_out_of_sight_is_not_told(folder: Path) -> None:
    write(folder, "late")
    (folder / "both.test.yaml").write_text(OF_BOTH)
    (folder / "broken.test.yaml").write_text("kind: [")
    found = ran(DefinitionsTested([folder]))
    definitions = read_definitions([folder])
    everything = of_orders(found, definitions)
    assert [one["name"] for one in everything["tests"]] == ["both", "late"]
    assert everything["faults"]
    narrow = of_orders(found, definitions, {"orders"})
    assert [one["name"] for one in narrow["tests"]] == ["late"]
    assert narrow["faults"] == []


def test_tests_of_a_single_file_stand_beside_it_or_in_a_folder_beside_it(folder: Path) -> None:
    write(folder, "orders")
    write(folder, "others")
    assert [one.name for one in find_tests_beside([folder / "orders.yaml"])] == ["orders.test.yaml"]
    assert [one.name for one in find_tests_beside([packs_folder() / "renewal.yaml"])] == ["renewal.test.yaml"]
    assert len(find_tests_beside([folder])) == 2
