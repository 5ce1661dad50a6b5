"""Runs the tests that stand beside definitions in a process of its own, and writes what came of them as JSON.

    python -m milepost.testing_apart PATH…

A test may take seconds, and that of whoever has just edited it may never end: neither is to hold up a process that
takes in events.
"""

from __future__ import annotations

import os
import sys
import threading
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import msgspec

from milepost.definition_files import find_tests_beside, read_definitions, read_texts
from milepost.definition_test_report import details
from milepost.definition_tests import Outcome, read_tests, run
from milepost.exercised import SIGNALS, Exercised
from milepost.rehearsed_alerting import Assumed, all_targets
from milepost.routes import read_alerting
from slo_rules.definitions import fingerprint
from slo_rules.faults import DefinitionError, Fault
from slo_rules.workflow import Definitions, Workflow


class TestedOne(msgspec.Struct, frozen=True):
    """One test: `details` says what was not as expected, a line each; empty where it passed."""

    name: str
    file: str
    line: int
    passed: bool
    seconds: float
    workflows: list[str]
    details: str


class Exercise(msgspec.Struct, frozen=True):
    """By how many tests a milestone was reached, and its deadline kept and missed."""

    reached: int
    kept: int
    missed: int


class WorkflowTested(msgspec.Struct, frozen=True):
    """What tests do with one workflow: by milestone, and how many of them ask each signal and objective of it.

    `fingerprint` tells the definition that was tested from others.
    """

    fingerprint: str
    milestones: dict[str, Exercise]
    signals: dict[str, int]
    objectives: dict[str, int]


class TestedBeside(msgspec.Struct, frozen=True):
    """What came of all tests; `faults` are those of the files, whose tests are not run."""

    tests: list[TestedOne]
    workflows: dict[str, WorkflowTested]
    faults: list[str]


def run_beside(paths: list[Path]) -> TestedBeside:
    """Run the tests beside these definitions. A file of tests with a fault is named, and its tests are left out."""
    try:
        definitions = read_definitions(paths)
    except DefinitionError as error:
        return TestedBeside([], {}, [_told(fault) for fault in error.faults])
    texts, faults = read_texts(find_tests_beside(paths))
    try:
        targets = all_targets(read_alerting(definitions, Assumed()))
    except DefinitionError as error:
        targets = None
        faults += error.faults
    tests = read_tests(texts, definitions, faults, targets)
    faulty = {fault.file for fault in faults}
    usable = [one for one in tests if one.file not in faulty and not (one.is_of_alerting and targets is None)]
    outcomes = run(usable, definitions)
    return TestedBeside(
        [_said(one) for one in outcomes],
        {name: _tested(one, outcomes, definitions) for name, one in definitions.workflows.items()},
        [_told(fault) for fault in faults],
    )


def _said(outcome: Outcome) -> TestedOne:
    test = outcome.test
    asked = [one.workflow for one in outcome.exercised]
    file = Path(test.file).name
    return TestedOne(
        test.name, file, test.line, not outcome.failures, round(outcome.seconds, 3), asked, details(outcome)
    )


def _told(fault: Fault) -> str:
    """Without the folder, which says where the files of a machine are."""
    return str(replace(fault, file=Path(fault.file).name))


def _tested(workflow: Workflow, outcomes: Iterable[Outcome], definitions: Definitions) -> WorkflowTested:
    outcomes = list(outcomes)
    of_it: list[Exercised] = [one for o in outcomes for one in o.exercised if one.workflow == workflow.name]
    asked = Counter(name for o in outcomes for name in o.objectives)
    return WorkflowTested(
        fingerprint(workflow),
        {
            milestone.name: Exercise(
                sum(milestone.name in one.reached for one in of_it),
                sum(milestone.name in one.kept for one in of_it),
                sum(milestone.name in one.missed for one in of_it),
            )
            for milestone in workflow.milestones
        },
        {name: sum(name in one.signals for one in of_it) for name in SIGNALS if getattr(workflow, name)},
        {one.name: asked[one.name] for one in definitions.objectives.values() if one.workflow == workflow.name},
    )


def _end_with_parent() -> None:
    """Whoever started this holds its standard input open; one that was killed tells nobody to end."""
    while os.read(0, 4096):
        pass
    os._exit(1)


if __name__ == "__main__":
    threading.Thread(target=_end_with_parent, daemon=True).start()
    os.nice(19)
    sys.stdout.buffer.write(msgspec.json.encode(run_beside([Path(word) for word in sys.argv[1:]])))
