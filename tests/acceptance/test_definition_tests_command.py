"""`milepost test` and `milepost check` on tests of definitions, started as a user would."""

from __future__ import annotations

import subprocess
import time
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from tests.acceptance.process import COMMAND, environment

pytestmark = pytest.mark.acceptance

TOP = Path(__file__).parents[2]
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
"""
TEST = """
apiVersion: milepost/v1
kind: Test
metadata: {name: NAME}
spec:
  now: 2026-03-02T08:00:00Z
  events:
    - {at: 0m, source: crm, type: won, data: {order: SO-1}}
  expect:
    - {at: 5h, instance: {workflow: orders, key: order=SO-1}, verdict: VERDICT}
"""


def milepost(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    surroundings = environment() | {"PYTHONPATH": str(TOP)}
    return subprocess.run(
        [*COMMAND, *arguments], cwd=cwd, env=surroundings, capture_output=True, text=True, check=False, timeout=240
    )


def a_test(name: str, verdict: str) -> str:
    return TEST.replace("NAME", name).replace("VERDICT", verdict)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "orders.yaml").write_text(DEFINITIONS)
    (tmp_path / "orders.test.yaml").write_text(a_test("good", "stuck") + "---" + a_test("bad", "on_track"))
    return tmp_path


def test_one_failure_among_the_tests_of_this_folder_ends_with_1(folder: Path) -> None:
    done = milepost("test", "--junit", "results.xml", cwd=folder)
    assert (done.returncode, done.stderr) == (1, "")
    assert "FAILED bad (orders.test.yaml:14)" in done.stdout
    assert "    - verdict: on_track\n    + verdict: stuck\n" in done.stdout
    assert done.stdout.endswith("2 tests, 1 failed (- expected, + found).\n")
    top = ET.fromstring((folder / "results.xml").read_bytes())
    assert [case.get("name") for case in top.iter("testcase")] == ["good", "bad"]


def test_only_the_tests_that_are_asked_for_run(folder: Path) -> None:
    done = milepost("test", str(folder), "--only", "g*", cwd=folder)
    assert (done.returncode, done.stdout) == (0, "1 test, all passed.\n")
    done = milepost("test", str(folder), "--only", "god", cwd=folder)
    assert (done.returncode, done.stderr) == (2, "There is no test 'god' — did you mean 'good'?\n")


def test_without_tests_it_says_so_and_ends_with_2(folder: Path) -> None:
    (folder / "orders.test.yaml").unlink()
    done = milepost("test", cwd=folder)
    assert (done.returncode, done.stderr) == (2, "There are no tests: they stand in files named *.test.yaml.\n")


def test_files_with_faults_end_with_2_and_with_1_where_they_are_checked(folder: Path) -> None:
    (folder / "orders.test.yaml").write_text(a_test("one", "stucked"))
    fault = (
        "orders.test.yaml:10: spec.expect[0].verdict: there is no verdict 'stucked' — did you mean 'stuck'?\n1 fault.\n"
    )
    done = milepost("test", cwd=folder)
    assert (done.returncode, done.stderr) == (2, fault)
    done = milepost("check", ".", cwd=folder)
    assert (done.returncode, done.stderr) == (1, fault)


def test_results_that_cannot_be_written_end_with_2(folder: Path) -> None:
    done = milepost("test", "--junit", "nowhere/results.xml", cwd=folder)
    assert (done.returncode, done.stderr) == (2, "nowhere/results.xml cannot be written: No such file or directory\n")


def test_checking_counts_the_tests(folder: Path) -> None:
    done = milepost("check", str(folder), cwd=folder)
    assert (done.returncode, done.stdout) == (
        0,
        "No faults: 1 workflow, 0 objectives, 0 calendars, 0 sources, 0 routes, 2 tests.\n",
    )


def test_hundreds_of_tests_take_seconds(folder: Path) -> None:
    (folder / "orders.test.yaml").unlink()
    for number in range(10):
        text = "---".join(a_test(f"test-{number}-{one}", "stuck") for one in range(50))
        (folder / f"{number}.test.yaml").write_text(text)
    began = time.monotonic()
    done = milepost("test", cwd=folder)
    assert (done.returncode, done.stdout) == (0, "500 tests, all passed.\n")
    assert time.monotonic() - began < 20
