"""Object-centric logs in their forms become the same events, and whatever else the file is, it is said where."""

from __future__ import annotations

import copy
import gzip
import io
import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.ingest import cloudevents
from collector.ingest.files import Fault, Record, UnreadableFile, open_source, read_ocel_json, read_ocel_xml
from collector.ingest.importing import read_records
from tests.examples import examples

FOLDER = Path(__file__).parents[1] / "data" / "ocel"
LOG: dict[str, Any] = {
    "objectTypes": [{"name": "order", "attributes": [{"name": "status", "type": "string"}]}],
    "eventTypes": [{"name": "place order", "attributes": []}],
    "objects": [
        {
            "id": "SO-1", "type": "order",
            "attributes": [
                {"name": "status", "time": "2026-03-02T10:00:00Z", "value": "paid"},
                {"name": "status", "time": "1970-01-01T00:00:00Z", "value": "placed"},
            ],
            "relationships": [{"objectId": "INV-1", "qualifier": "invoiced by"}],
        },
        {"id": "INV-1", "type": "invoice"},
        {"id": "I-1", "type": "item"},
        {"id": "I-2", "type": "item"},
    ],
    "events": [
        {
            "id": "e1", "type": "place order", "time": "2026-03-02T09:59:59.5Z",
            "attributes": [{"name": "channel", "value": "web"}],
            "relationships": [
                {"objectId": "SO-1", "qualifier": "order"}, {"objectId": "I-1", "qualifier": "line"},
                {"objectId": "I-2", "qualifier": "line"},
            ],
        },
        {
            "id": "e2", "type": "pay", "time": "2026-03-02T10:00:00.5Z",
            "relationships": [{"objectId": "SO-1", "qualifier": ""}],
        },
        {"id": "e3", "type": "send", "time": "2026-03-02T11:00:00", "relationships": []},
    ],
}  # fmt: skip
PLACED = {
    "specversion": "1.0", "id": "e1", "source": "ocel:x", "type": "place order", "time": "2026-03-02T09:59:59.500000Z",
    "data": {
        "activity": "place order",
        "objects": {"order": "SO-1", "item": ["I-1", "I-2"]},
        "related": {"order": "SO-1", "line": ["I-1", "I-2"]},
        "linked": {"invoice": "INV-1"},
        "object": {"order": {"status": "placed"}},
        "event": {"channel": "web"},
    },
}  # fmt: skip


def as_xml(log: dict[str, Any]) -> bytes:
    def attributes(of: dict[str, Any]) -> str:
        found = "".join(
            f"<attribute name={quoteattr(one['name'])}"
            + (f" time={quoteattr(one['time'])}" if "time" in one else "")
            + f">{one['value']}</attribute>"
            for one in of.get("attributes", ())
        )
        return f"<attributes>{found}</attributes>"

    def related(of: dict[str, Any]) -> str:
        found = "".join(
            f"<relationship object-id={quoteattr(one['objectId'])} qualifier={quoteattr(one['qualifier'])}/>"
            for one in of.get("relationships", ())
        )
        return f"<objects>{found}</objects>"

    objects = "".join(
        f'<object id="{one["id"]}" type="{one["type"]}">{attributes(one)}{related(one)}</object>'
        for one in log["objects"]
    )
    events = "".join(
        f'<event id="{one["id"]}" type="{one["type"]}" time="{one["time"]}">{attributes(one)}{related(one)}</event>'
        for one in log["events"]
    )
    # Events first: their objects are found all the same.
    return f'<?xml version="1.0"?><log><events>{events}</events><objects>{objects}</objects></log>'.encode()


def as_sqlite(log: dict[str, Any], path: Path) -> Path:
    kinds = {"event": [one["type"] for one in log["events"]], "object": [one["type"] for one in log["objects"]]}
    with closing(sqlite3.connect(path)) as conn, conn:
        for kind, types in kinds.items():
            conn.execute(f"CREATE TABLE {kind} (ocel_id TEXT, ocel_type TEXT)")
            conn.execute(f"CREATE TABLE {kind}_map_type (ocel_type TEXT, ocel_type_map TEXT)")
            for type_ in dict.fromkeys(types):
                mapped = type_.title().replace(" ", "")
                conn.execute(f"INSERT INTO {kind}_map_type VALUES (?, ?)", (type_, mapped))
                more = "channel TEXT" if kind == "event" else "status TEXT, ocel_changed_field TEXT"
                conn.execute(f'CREATE TABLE "{kind}_{mapped}" (ocel_id TEXT, ocel_time TIMESTAMP, {more})')
        conn.execute("CREATE TABLE event_object (ocel_event_id TEXT, ocel_object_id TEXT, ocel_qualifier TEXT)")
        conn.execute("CREATE TABLE object_object (ocel_source_id TEXT, ocel_target_id TEXT, ocel_qualifier TEXT)")
        for one in log["events"]:
            mapped = one["type"].title().replace(" ", "")
            conn.execute("INSERT INTO event VALUES (?, ?)", (one["id"], one["type"]))
            channel = next((said["value"] for said in one.get("attributes", ())), None)
            conn.execute(f'INSERT INTO "event_{mapped}" VALUES (?, ?, ?)', (one["id"], one["time"], channel))
            for other in one["relationships"]:
                conn.execute("INSERT INTO event_object VALUES (?, ?, ?)", (one["id"], *other.values()))
        for one in log["objects"]:
            mapped = one["type"].title().replace(" ", "")
            conn.execute("INSERT INTO object VALUES (?, ?)", (one["id"], one["type"]))
            for said in one.get("attributes", ()):
                changed = None if said["time"].startswith("1970") else said["name"]
                row = (one["id"], said["time"], said["value"], changed)
                conn.execute(f'INSERT INTO "object_{mapped}" VALUES (?, ?, ?, ?)', row)
            for other in one.get("relationships", ()):
                conn.execute("INSERT INTO object_object VALUES (?, ?, ?)", (one["id"], *other.values()))
    return path


def of_file(path: Path) -> list[Record | Fault]:
    with open_source(path) as opened:
        return list(read_records(opened, opened.default_source, None))


def events(found: list[Record | Fault]) -> dict[str, Any]:
    assert [one for one in found if isinstance(one, Fault)] == []
    return {one.event["id"]: one.event for one in found if isinstance(one, Record)}


def faults(found: list[Record | Fault]) -> list[str]:
    return [f"{one.where} {one.reason}" for one in found if isinstance(one, Fault)]


def written(path: Path, form: str, log: dict[str, Any]) -> Path:
    if form.endswith("sqlite"):
        return as_sqlite(log, path / "x.sqlite")
    content = as_xml(log) if form.startswith("xml") else json.dumps(log).encode()
    file = path / f"x.{form}"
    file.write_bytes(gzip.compress(content) if form.endswith(".gz") else content)
    return file


@pytest.mark.parametrize("form", ["jsonocel", "json", "jsonocel.gz", "xmlocel", "xml", "xmlocel.gz", "sqlite"])
def test_every_form_of_a_log_becomes_the_same_events(tmp_path: Path, form: str) -> None:
    found = events(of_file(written(tmp_path, form, LOG)))
    assert found["e1"] == PLACED
    assert found["e2"]["data"]["object"] == {"order": {"status": "paid"}}
    assert "related" not in found["e2"]["data"]
    assert found["e3"]["time"] == "2026-03-02T11:00:00Z"
    assert found["e3"]["data"] == {"activity": "send", "objects": {}}


def test_a_zipped_database_is_read_too_and_nothing_is_written_beside_a_plain_one(tmp_path: Path) -> None:
    plain = as_sqlite(LOG, tmp_path / "x.sqlite")
    before = plain.read_bytes()
    zipped = tmp_path / "x.sqlite.gz"
    zipped.write_bytes(gzip.compress(before))
    assert events(of_file(zipped)) == events(of_file(plain))
    assert plain.read_bytes() == before
    assert sorted(one.name for one in tmp_path.iterdir()) == ["x.sqlite", "x.sqlite.gz"]


@pytest.mark.parametrize("name", ["minimal.json", "minimal.xml"])
def test_the_samples(name: str) -> None:
    found = events(of_file(FOLDER / name))
    assert found["e1"]["data"]["objects"] == {"order": "SO-20417"}
    assert found["e1"]["data"]["linked"] == {"invoice": "INV-88213"}
    assert found["e1"]["data"]["object"]["order"]["status"] == "placed"
    assert found["e1"]["data"]["event"] == {"channel": "web"}


def test_a_log_of_version_1_is_read_too(tmp_path: Path) -> None:
    log = {
        "ocel:global-log": {"ocel:version": "1.0"},
        "ocel:events": {
            "e1": {
                "ocel:activity": "place", "ocel:timestamp": "2026-03-02 09:10:00", "ocel:omap": ["o1", "i1", "i2"],
                "ocel:vmap": {"price": 12.5},
            },
            "e2": {"ocel:activity": "lost", "ocel:timestamp": "2026-03-02 09:10:00", "ocel:omap": ["gone"]},
            "e3": {"ocel:timestamp": "2026-03-02 09:10:00"},
        },
        "ocel:objects": {
            "o1": {"ocel:type": "order", "ocel:ovmap": {"region": "EMEA"}},
            "i1": {"ocel:type": "item"}, "i2": {"ocel:type": "item", "ocel:ovmap": {}},
        },
    }  # fmt: skip
    path = tmp_path / "old.json"
    path.write_text(json.dumps(log))
    found = of_file(path)
    (event,) = [one.event for one in found if isinstance(one, Record)]
    assert event["data"] == {
        "activity": "place", "objects": {"order": "o1", "item": ["i1", "i2"]},
        "object": {"order": {"region": "EMEA"}}, "event": {"price": 12.5},
    }  # fmt: skip
    assert event["time"] == "2026-03-02T09:10:00Z"
    assert faults(found) == [
        "event 'e2' is related to 'gone', which is no object of the log", "event 'e3' without a type",
    ]  # fmt: skip


@pytest.mark.parametrize("form", ["jsonocel", "xmlocel", "sqlite"])
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda event: event.update(time="yesterday"), "'yesterday' is no time"),
        (lambda event: event.update(id=" "), "without an id"),
        (lambda event: event["relationships"].append({"objectId": "X", "qualifier": "q"}), "'X', which is no object"),
        (lambda event: event.update(id="e1"), "the id of an event before it"),
    ],
)
def test_an_event_that_is_none_is_a_fault_and_the_others_are_read(
    tmp_path: Path, form: str, change: Callable[[dict[str, Any]], Any], reason: str
) -> None:
    log = copy.deepcopy(LOG)
    change(log["events"][1])
    if form == "sqlite" and reason.startswith("the id"):
        # The same id under two types.
        reason = "is no event of the type"
    found = of_file(written(tmp_path, form, log))
    assert any(reason in fault for fault in faults(found)), faults(found)
    assert {"e3"} <= {one.event["id"] for one in found if isinstance(one, Record)}
    assert [one.position for one in found] == list(range(1, len(found) + 1))


def test_what_is_longer_than_a_record_may_be_is_a_fault() -> None:
    log = copy.deepcopy(LOG)
    log["events"][0]["attributes"] = [{"name": "a", "value": "x" * 5000}]
    for found in (
        list(read_ocel_json(io.BytesIO(json.dumps(log).encode()), source="s", max_record_bytes=2000)),
        list(read_ocel_xml(io.BytesIO(as_xml(log)), source="s", max_record_bytes=2000)),
    ):
        assert len(faults(found)) == 1
        assert "longer than 2000" in faults(found)[0]
        assert len(found) == 3
    with pytest.raises(UnreadableFile, match="convert it to OCEL as SQLite"):
        list(read_ocel_json(io.BytesIO(json.dumps(log).encode()), source="s", max_bytes=1000))


@pytest.mark.parametrize(
    "content",
    [
        b"", b"{", b"[]", b"{}", b'{"events": 1}', b'{"objects": []}', b'{"events": [',
        b'{"events": ' + b"[" * 100_000, b"\xff\xfe", b"null",
    ],
)  # fmt: skip
def test_what_is_no_log_as_json_is_said(content: bytes) -> None:
    with pytest.raises(UnreadableFile):
        list(read_ocel_json(io.BytesIO(content), source="s"))


@pytest.mark.parametrize(
    "content",
    [
        b"", b"<log", b"<logs/>", b"<log><events><event id='1'></log>", b"\xff\xfe<\x00",
        b'<!DOCTYPE log [<!ENTITY a "aaaaaaaaaa">]><log>&a;</log>',
        b'<!DOCTYPE log SYSTEM "file:///etc/passwd"><log/>', b"<log>&a;</log>",
    ],
)  # fmt: skip
def test_what_is_no_log_as_xml_is_said(content: bytes) -> None:
    with pytest.raises(UnreadableFile):
        list(read_ocel_xml(io.BytesIO(content), source="s"))


def test_depth_costs_nothing_and_an_endless_element_is_refused() -> None:
    deep = b"<log><events>" + b"<a>" * 50_000 + b"</a>" * 50_000 + b"</events></log>"
    assert list(read_ocel_xml(io.BytesIO(deep), source="s")) == []
    endless = b"<log><events><event id='" + b"x" * 3_000_000
    with pytest.raises(UnreadableFile, match="longer than 1000 bytes"):
        list(read_ocel_xml(io.BytesIO(endless), source="s", max_record_bytes=1000))


@pytest.mark.parametrize("form", ["jsonocel", "jsonocel.gz", "xmlocel", "xmlocel.gz", "sqlite"])
def test_a_file_that_is_cut_off_is_said_to_be(tmp_path: Path, form: str) -> None:
    log = copy.deepcopy(LOG)
    log["events"] += [
        {"id": f"f{n * 7919}", "type": "send", "time": "2026-03-02T11:00:00Z", "relationships": []} for n in range(3000)
    ]
    path = written(tmp_path, form, log)
    path.write_bytes(path.read_bytes()[: -path.stat().st_size // 3])
    with pytest.raises(UnreadableFile):
        of_file(path)


class TestHostileDatabases:
    def refuses(self, path: Path, match: str) -> None:
        with pytest.raises(UnreadableFile, match=match):
            of_file(path)

    def changed(self, tmp_path: Path, *statements: str) -> Path:
        path = as_sqlite(LOG, tmp_path / "x.sqlite")
        with closing(sqlite3.connect(path)) as conn, conn:
            for statement in statements:
                conn.execute(statement)
        return path

    @pytest.mark.parametrize(
        "content", [b"", b"SQLite format 3\x00", b"SQLite format 3\x00" + b"\xff" * 5000, b"PK\x03"]
    )
    def test_what_is_no_database(self, tmp_path: Path, content: bytes) -> None:
        path = tmp_path / "x.sqlite"
        path.write_bytes(content)
        self.refuses(path, "not an OCEL log|not a database|malformed")

    def test_a_view_that_never_ends_is_never_run(self, tmp_path: Path) -> None:
        endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i, i, i FROM n"
        for table in ("event", "event_object", "object_map_type", "event_Pay"):
            path = self.changed(
                tmp_path, f'DROP TABLE "{table}"', f'CREATE VIEW "{table}" (ocel_id, ocel_type, x) AS {endless}'
            )
            self.refuses(path, f"no table {table}")
            path.unlink()

    def test_a_column_that_is_worked_out_may_call_nothing(self, tmp_path: Path) -> None:
        made = "CREATE TABLE event_Pay (ocel_id TEXT, ocel_time TEXT AS (length(zeroblob(9))), channel TEXT)"
        self.refuses(
            self.changed(tmp_path, "DROP TABLE event_Pay", made, "INSERT INTO event_Pay (ocel_id) VALUES ('e2')"),
            "no table event_Pay",
        )

    def test_a_virtual_table_is_none(self, tmp_path: Path) -> None:
        path = self.changed(
            tmp_path, "DROP TABLE event_Pay", "CREATE VIRTUAL TABLE event_Pay USING fts5(ocel_id, ocel_time)"
        )
        self.refuses(path, "no table event_Pay")

    def test_a_cell_longer_than_a_record_is_refused(self, tmp_path: Path) -> None:
        self.refuses(self.changed(tmp_path, "UPDATE event_Pay SET channel = hex(zeroblob(5000000))"), "too big")

    def test_a_name_is_only_a_name(self, tmp_path: Path) -> None:
        path = self.changed(
            tmp_path,
            'ALTER TABLE event_Pay RENAME TO "event_x""; DROP TABLE event; --"',
            "UPDATE event_map_type SET ocel_type_map = 'x\"; DROP TABLE event; --' WHERE ocel_type = 'pay'",
        )
        assert set(events(of_file(path))) == {"e1", "e2", "e3"}

    def test_an_event_without_a_row_of_its_own_is_a_fault(self, tmp_path: Path) -> None:
        path = self.changed(tmp_path, "DELETE FROM event_Pay")
        assert faults(of_file(path)) == ["event 'e2' of the type 'pay' has no row with its time"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["id", "type", "time", "attributes", "relationships", "objectId", "qualifier", "name", "value"]),
        inner, max_size=4,
    ),
    max_leaves=10,
)  # fmt: skip


@given(st.lists(JSON, max_size=4), st.lists(JSON, max_size=4), st.booleans())
@settings(max_examples=examples(200))
def test_whatever_stands_in_a_log_every_event_is_a_record_or_a_fault(objects: Any, said: Any, known: bool) -> None:
    log = {"objects": [*objects, *(LOG["objects"] if known else ())], "events": [*said, *LOG["events"]]}
    found = list(read_ocel_json(io.BytesIO(json.dumps(log).encode()), source="s"))
    assert len(found) == len(log["events"])
    members = [json.dumps(one.event).encode() for one in found if isinstance(one, Record)]
    assert len(cloudevents.decode(members, 0)[0]) == len(members)
    assert bool(members) or not known
