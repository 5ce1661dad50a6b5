"""Real object-centric logs, counted by statements of their own on the same file."""

from __future__ import annotations

import gzip
import sqlite3
from collections import defaultdict
from contextlib import closing
from pathlib import Path

import pytest

from collector.ingest.files import Record, open_source
from collector.ingest.importing import read_records
from tests.real_logs.test_real_logs import LOGS


def there(name: str) -> Path:
    path = LOGS / name
    if not path.exists():
        pytest.skip(f"{name} is not in {LOGS}; name its folder in MILEPOST_REAL_LOGS")
    return path


def read(path: Path) -> list[dict[str, object]]:
    with open_source(path) as opened:
        found = list(read_records(opened, "log", None))
    assert all(isinstance(one, Record) for one in found)
    return sorted((one.event for one in found if isinstance(one, Record)), key=lambda event: str(event["id"]))


def test_purchases_have_the_events_and_objects_that_the_database_has(tmp_path: Path) -> None:
    zipped = there("ocel2-p2p.sqlite.gz")
    plain = tmp_path / "p2p.sqlite"
    plain.write_bytes(gzip.decompress(zipped.read_bytes()))
    events = read(zipped)
    assert len(events) == 14_671
    with closing(sqlite3.connect(plain)) as conn:
        types = dict(conn.execute("SELECT ocel_id, ocel_type FROM event"))
        related = defaultdict(set)
        for event, object_ in conn.execute("SELECT ocel_event_id, ocel_object_id FROM event_object"):
            related[event].add(object_)
    assert {event["id"]: event["type"] for event in events} == types
    named = 0
    for event in events:
        data = event["data"]
        assert isinstance(data, dict)
        ids = [id_ for said in data["objects"].values() for id_ in ([said] if isinstance(said, str) else said)]
        assert set(ids) == related[event["id"]]
        named += len(ids)
    assert named == 35_927


def test_the_example_of_the_standard_is_the_same_in_xml_and_sqlite_and_but_for_its_times_in_json() -> None:
    xml, sqlite, json = (read(there(f"ocel20_example.{form}")) for form in ("xmlocel", "sqlite", "jsonocel"))
    assert len(xml) == 13
    assert xml == sqlite
    # The three files were written in time zones of their own: the JSON has UTC.
    assert [event | {"time": 0} for event in xml] == [event | {"time": 0} for event in json]
