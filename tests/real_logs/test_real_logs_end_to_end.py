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
from collector.query.objectives import named
from collector.query.reader import Reader
from collector.query.reckoning import reckon
from collector.store.database import connect
from slo_rules.contribution import ITEMS
from slo_rules.instants import to_datetime, to_micros
from slo_rules.periods import Period
from slo_rules.reckoning import Asked
from slo_rules.windows import CalendarWindow, last_periods
from tests.real_logs.oracle import contradictions, traces
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


def month_by_month(log: RealLog) -> dict[tuple[int, int], tuple[int, int]]:
    """Good and bad by the month (UTC) of the deadline, counted from the log without Milepost."""
    found: dict[tuple[int, int], tuple[int, int]] = {}
    for _, steps in traces(log.path()):
        started = min(at for at, activity in steps if activity == log.start)
        ended = [at for at, activity in steps if activity == log.complete]
        due = (started + timedelta(hours=log.within_hours)).astimezone(UTC)
        in_time = bool(ended) and min(ended) <= due
        good, bad = found.get((due.year, due.month), (0, 0))
        found[due.year, due.month] = (good + in_time, bad + (not in_time))
    return found


@pytest.mark.slow
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
        objective = named(catalogue, log.objective)
        assert objective is not None
        months = list(last_periods(CalendarWindow(Period.MONTH), to_micros(datetime(2021, 1, 1, tzinfo=UTC)), 400))
        spans = [(to_micros(datetime(1900, 1, 1, tzinfo=UTC)), to_micros(datetime(2900, 1, 1, tzinfo=UTC))), *months]
        whole, *of_months = await reckon(reader, [Asked(objective, since, until) for since, until in spans])
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
    assert whole[ITEMS].bad == figures["late"] + (figures["cases"] - figures["completed"])
    assert whole[ITEMS].good == figures["completed"] - figures["late"]
    by_month = month_by_month(log)
    for (since, _), answer in zip(months, of_months, strict=True):
        month = to_datetime(since)
        found = (answer[ITEMS].good, answer[ITEMS].bad)
        assert found == by_month.pop((month.year, month.month), (0, 0)), month
    assert sum(map(sum, by_month.values())) < log.cases / 100, "nearly all months were compared"
    print(json.dumps(figures))


@pytest.mark.slow
def test_importing_twice_is_importing_once(database_url: str) -> None:
    from tests.real_logs.test_real_logs import RECEIPT

    definition = HERE / "definitions" / RECEIPT.definition
    run_import(database_url, RECEIPT, definition)
    said = run_import(database_url, RECEIPT, definition)
    assert "0 events appended" in said
    assert "8,577 records had been imported before" in said
