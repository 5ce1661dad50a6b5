"""Real process logs against the oracle beside this file.

The logs are not part of the repository: their folder is named by MILEPOST_REAL_LOGS, or is `shared/logs` beside the
repository. Where it is absent the tests are skipped, saying so.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from collector.ingest.files import Record, open_source, read_xes
from slo_rules.definitions import load

HERE = Path(__file__).parent
LOGS = Path(os.environ.get("MILEPOST_REAL_LOGS") or HERE.parents[2] / "shared" / "logs")


@dataclass(frozen=True)
class RealLog:
    """A log, what its definition takes for start and completion, and the oracle's figures as last seen.

    The activities come in that order, but for those that are free to come when they like.
    """

    file: str
    definition: str
    workflow: str
    objective: str
    start: str
    complete: str
    within_hours: int
    cases: int
    events: int
    completed: int
    late: int
    median_seconds: float
    order: tuple[str, ...]
    free: frozenset[str]
    contradicting: int

    def path(self) -> Path:
        path = LOGS / self.file
        if not path.exists():
            pytest.skip(f"{self.file} is not in {LOGS}; name its folder in MILEPOST_REAL_LOGS")
        return path


RECEIPT = RealLog(
    file="receipt.xes.gz",
    definition="receipt.yaml",
    workflow="permit-receipt",
    objective="permits-confirmed-in-time",
    start="Confirmation of receipt",
    complete="T05 Print and send confirmation of receipt",
    within_hours=7 * 24,
    cases=1434,
    events=8577,
    completed=1300,
    late=159,
    median_seconds=343.1975,
    order=(
        "Confirmation of receipt",
        "T02 Check confirmation of receipt",
        "T04 Determine confirmation of receipt",
        "T05 Print and send confirmation of receipt",
    ),
    free=frozenset(),
    contradicting=0,
)
BPIC2019 = RealLog(
    file="bpic2019_1t_per_variant.xes.gz",
    definition="bpic2019.yaml",
    workflow="purchase-to-pay",
    objective="purchases-paid-in-time",
    start="Create Purchase Order Item",
    complete="Clear Invoice",
    within_hours=120 * 24,
    cases=11973,
    events=338247,
    completed=8317,
    late=1355,
    median_seconds=7008840.0,
    order=("Create Purchase Order Item", "Record Goods Receipt", "Record Invoice Receipt", "Clear Invoice"),
    free=frozenset(["Record Invoice Receipt"]),
    contradicting=9,
)

each_log = pytest.mark.parametrize("log", [RECEIPT, BPIC2019], ids=lambda log: log.workflow)


@cache
def oracle(log: RealLog) -> dict[str, Any]:
    """The oracle's figures, from a process of its own."""
    command = [sys.executable, str(HERE / "oracle.py"), str(log.path()), "--complete", log.complete]
    command += ["--start", log.start, "--within", str(log.within_hours)]
    figures: dict[str, Any] = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return figures


@each_log
def test_the_oracle_says_what_it_said(log: RealLog) -> None:
    figures = oracle(log)
    assert {name: figures[name] for name in ("cases", "events", "completed", "late", "median_seconds")} == {
        "cases": log.cases,
        "events": log.events,
        "completed": log.completed,
        "late": log.late,
        "median_seconds": log.median_seconds,
    }
    assert (figures["without_start"], figures["negative"]) == (0, 0)


@each_log
def test_the_reader_and_the_oracle_agree(log: RealLog) -> None:
    figures = oracle(log)
    starts: dict[str, list[datetime]] = defaultdict(list)
    ends: dict[str, list[datetime]] = defaultdict(list)
    cases: set[str] = set()
    ids: set[str] = set()
    with open_source(log.path()) as opened:
        for entry in read_xes(opened.stream, source=opened.default_source):
            assert isinstance(entry, Record), entry
            case = entry.event["data"]["case"]
            cases.add(case)
            ids.add(entry.event["id"])
            for activity, instants in ((log.start, starts), (log.complete, ends)):
                if entry.event["type"] == activity:
                    instants[case].append(datetime.fromisoformat(entry.event["time"]))
        assert opened.consumed() == opened.total_bytes
    taken = [(min(ends[case]) - min(starts[case])).total_seconds() for case in ends]
    assert (len(cases), len(ids), len(ends)) == (figures["cases"], figures["events"], figures["completed"])
    assert statistics.median(taken) == pytest.approx(figures["median_seconds"], abs=1e-6)


@each_log
def test_the_definition_is_without_fault_and_means_what_the_oracle_measures(log: RealLog) -> None:
    text = (HERE / "definitions" / log.definition).read_text()
    definitions = load({log.definition: text})
    workflow, objective = definitions.workflows[log.workflow], definitions.objectives[log.objective]
    (start,) = [milestone for milestone in workflow.milestones if milestone.starts]
    (complete,) = [milestone for milestone in workflow.milestones if milestone.completes]
    assert (objective.start, objective.end) == (start.name, complete.name)
    assert objective.within == log.within_hours * 3_600_000_000
    assert f'type: "{log.start}"' in text
    assert f'type: "{log.complete}"' in text
