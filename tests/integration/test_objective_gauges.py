"""The gauges of objectives say what the buckets say, also when a late event takes something back."""

from __future__ import annotations

import math

import pytest
from prometheus_client import REGISTRY

from collector.catalogue import Catalogue
from collector.objective_gauges import measure_objectives
from collector.query.objectives import list_objectives
from collector.query.reader import Reader
from collector.store.database import Connection
from slo_rules.buckets import BUCKET
from slo_rules.definitions import load
from slo_rules.durations import DAY, HOUR
from slo_rules.instants import to_datetime, to_micros
from tests.projecting import enroll, log_events, project
from tests.strategies import DEFINITIONS, START, make_event


def now_of(conn: Connection) -> int:
    row = conn.execute("SELECT clock_timestamp()").fetchone()
    conn.commit()
    assert row is not None
    return to_micros(row[0])


def gauge(name: str, objective: str, **labels: str) -> float | None:
    said = {"objective": objective, "workflow": "orders"} | labels
    return REGISTRY.get_sample_value(f"milepost_objective_{name}", said)


def counts(objective: str, window: str) -> tuple[float | None, float | None]:
    return gauge("good", objective, window=window), gauge("bad", objective, window=window)


def measure(conn: Connection, catalogue: Catalogue, now: int) -> None:
    measure_objectives(conn, to_datetime(now), catalogue)


def test_a_correction_takes_back_what_was_bad(conn: Connection) -> None:
    catalogue = enroll(conn, load({"a.yaml": DEFINITIONS}))
    now = now_of(conn)
    now -= now % BUCKET

    def at(type_: str, ago: int, number: int, source: str, **data: object) -> None:
        event = make_event(type_, now - START - ago, number, source, {"order": "SO-1", "tax_code": "V1"} | data)
        log_events(conn, [event])
        project(conn, catalogue)

    measure(conn, catalogue, now)
    assert counts("accepted-in-time", "30d") == (0, 0)
    left = gauge("budget_left_ratio", "accepted-in-time")
    assert left is not None
    assert math.isnan(left)

    at("won", DAY, 1, "crm")
    measure(conn, catalogue, now)
    assert [counts("accepted-in-time", window) for window in ("6h", "1d", "3d", "30d")] == [(0, 0), *[(0, 1)] * 3]
    assert gauge("budget_left_ratio", "accepted-in-time") == pytest.approx(-9)
    assert counts("accepted-fresh", "1h") == (0, 12)

    # It had come in time: the event was only late.
    at("accepted", DAY - 2 * HOUR, 2, "sap")
    measure(conn, catalogue, now)
    assert [counts("accepted-in-time", window) for window in ("6h", "1d", "3d", "30d")] == [(0, 0), *[(1, 0)] * 3]
    assert gauge("budget_left_ratio", "accepted-in-time") == pytest.approx(1)
    assert counts("accepted-fresh", "1h") == (12, 0)
    # Slices are counted since the first change was due, half an hour after it was won; it came after two hours.
    assert counts("accepted-fresh", "1d") == (22 * HOUR // BUCKET, 3 * HOUR // 2 // BUCKET)


@pytest.mark.parametrize("window", ["30d", "{period: month, zone: Europe/Berlin}", "{period: day}"])
async def test_the_own_window_is_as_on_the_page_of_objectives(conn: Connection, database_url: str, window: str) -> None:
    """Also where it is a period of the calendar, beside which the usual times are looked back over."""
    text = DEFINITIONS.replace("target: 0.9,", f"target: 0.9, window: {window},")
    catalogue = enroll(conn, load({"a.yaml": text}))
    base = now_of(conn)
    for number, hours in enumerate((2, 9, 30, 200, 500)):
        data = {"order": f"SO-{number}", "tax_code": "V1"}
        log_events(conn, [make_event("won", base - START - hours * HOUR, number, "crm", data)])
    project(conn, catalogue)
    reader = Reader(database_url)
    await reader.open()
    try:
        while True:
            now = now_of(conn)
            rows = await list_objectives(reader, catalogue)
            if now_of(conn) // BUCKET == now // BUCKET:
                break
    finally:
        await reader.close()
    measure(conn, catalogue, now)
    label = {"30d": "30d", "{period: day}": "day of UTC"}.get(window, "month of Europe/Berlin")
    for row in rows:
        assert counts(row["name"], label) == (row["good"], row["bad"])
    assert sum(row["bad"] for row in rows) > 0 or window == "{period: day}"
    assert gauge("bad", "accepted-in-time", window="1h") is not None
