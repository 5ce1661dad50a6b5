"""The real logs all the way: file → import → log → projection → API, against the oracle."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from collector.catalogue import load_catalogue
from collector.query import Query
from collector.query.reader import Reader
from collector.store.database import connect
from tests.real_logs.oracle import contradictions
from tests.real_logs.test_real_logs import HERE, RealLog, each_log, oracle


async def everything(query: Query, workflow: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    cursor = None
    while True:
        page = await query.instances(workflow=workflow, sort="started_at", limit=500, cursor=cursor)
        found += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            assert len(found) == page["total"]
            return found


def run_import(url: str, log: RealLog, definition: Path) -> str:
    command = [sys.executable, "-m", "milepost.cli", "import", str(log.path()), "--workflow", log.workflow]
    command += ["--definitions", str(definition), "--database-url", url]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.timeout(400)
@each_log
async def test_what_the_api_says_equals_what_the_oracle_computes(database_url: str, log: RealLog) -> None:
    figures = oracle(log)
    definition = HERE / "definitions" / log.definition
    assert f"{log.events:,} events appended" in run_import(database_url, log, definition)
    with connect(database_url, "test") as conn:
        catalogue = load_catalogue(conn)
        assert conn.execute("SELECT sum(received), sum(duplicates) FROM source_state").fetchone() == (log.events, 0)
        assert conn.execute("SELECT count(*) FROM instance_event").fetchone() == (log.events,)
        assert conn.execute("SELECT count(*) FROM dead_letter").fetchone() == (0,)
    reader = Reader(database_url)
    await reader.open()
    try:
        query = Query(reader, catalogue)
        instances = await everything(query, log.workflow)
        buckets = await reader.one(
            "items",
            {
                "objectives": [log.objective],
                "since": [datetime(1900, 1, 1, tzinfo=UTC)],
                "until": datetime(2900, 1, 1, tzinfo=UTC),
            },
        )
    finally:
        await reader.close()
    workflow = catalogue.current[log.workflow]
    first, last = workflow.milestones[0].name, workflow.completing[0]
    durations = []
    contrary = contradictions(log.path(), log.order, log.free, timedelta(minutes=5))
    for instance in instances:
        times = {name: datetime.fromisoformat(at) for name, at in instance["milestones"].items()}
        told = instance["reason"] == "impossible_order"
        assert told == (instance["title"] in contrary)
        if last in times:
            assert told or instance["verdict"] in ("completed", "completed_late")
            durations.append((times[last] - times[first]).total_seconds())
        else:
            # Blind, for two minutes after the import, where the log ends before the deadline.
            assert told or instance["verdict"] in ("stuck", "blind")
    assert len(instances) == figures["cases"] == log.cases
    assert len(durations) == figures["completed"] == log.completed
    assert statistics.median(durations) == figures["median_seconds"] == log.median_seconds
    assert buckets is not None
    assert buckets["bad"] == figures["late"] + (figures["cases"] - figures["completed"])
    assert buckets["good"] == figures["completed"] - figures["late"]
    print(json.dumps(figures))


@pytest.mark.slow
def test_importing_twice_is_importing_once(database_url: str) -> None:
    from tests.real_logs.test_real_logs import RECEIPT

    definition = HERE / "definitions" / RECEIPT.definition
    run_import(database_url, RECEIPT, definition)
    said = run_import(database_url, RECEIPT, definition)
    assert "0 events appended" in said
    assert "8,577 records had been imported before" in said
