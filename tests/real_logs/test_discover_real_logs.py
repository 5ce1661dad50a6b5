"""The graph that `milepost discover` finds in real logs is the one that the oracle's reading of them gives."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections import Counter
from itertools import pairwise

import pytest

from tests.real_logs.oracle import traces
from tests.real_logs.test_real_logs import RealLog, each_log


@pytest.mark.slow
@each_log
def test_the_graph_is_that_of_the_oracle(log: RealLog) -> None:
    command = [sys.executable, "-m", "milepost.cli", "discover", str(log.path()), "--format", "json"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    taken: dict[tuple[str, str], list[float]] = {}
    starts: Counter[str] = Counter()
    for _, steps in traces(log.path()):
        ordered = sorted(steps, key=lambda step: step[0])
        starts[ordered[0][1]] += 1
        for (at, before), (later, after) in pairwise(ordered):
            taken.setdefault((before, after), []).append((later - at).total_seconds())
    assert (found["cases"], found["events"]) == (log.cases, log.events)
    assert found["keys"] == [{"name": "case", "paths": ["data.case"]}]
    assert {one["type"]: one["starts"] for one in found["activities"] if one["starts"]} == starts
    edges = {(edge["from"]["type"], edge["to"]["type"]): edge for edge in found["edges"]}
    assert {pair: edge["count"] for pair, edge in edges.items()} == {pair: len(times) for pair, times in taken.items()}
    for pair, edge in edges.items():
        assert edge["median_seconds"] == pytest.approx(statistics.median(taken[pair]), abs=1e-6)
