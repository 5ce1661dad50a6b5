from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.ingest.files import CsvMapping, CsvMappingError, Fault, Record, UnreadableFile, read_csv
from tests.examples import examples

PLAIN: dict[str, Any] = {"case": "Case", "type": "Activity", "time": "Time"}


def read(content: bytes | str, mapping: dict[str, Any] | None = None, **options: int) -> list[Record | Fault]:
    stream = io.BytesIO(content.encode() if isinstance(content, str) else content)
    return list(read_csv(stream, CsvMapping.parse(mapping or PLAIN), source="csv:test", **options))


def events(found: list[Record | Fault]) -> list[dict[str, Any]]:
    assert not [entry for entry in found if isinstance(entry, Fault)]
    return [entry.event for entry in found if isinstance(entry, Record)]


def the_fault(found: list[Record | Fault]) -> Fault:
    (fault,) = [entry for entry in found if isinstance(entry, Fault)]
    return fault


def test_a_full_mapping_in_yaml() -> None:
    mapping = CsvMapping.from_yaml("""
        case: Case ID
        type: Activity
        time: {column: When, format: "%d.%m.%Y %H:%M:%S", zone: Europe/Berlin}
        id: Event ID
        source: {column: System}
        data: {amount: {column: Amount, type: float}, paid: {column: Paid, type: bool}, region: Region}
        encoding: cp1252
    """)
    content = (
        "Event ID;System;Case ID;Activity;When;Amount;Paid;Region;Ignored\n"
        "e1;erp;4711;Auftrag geprüft;01.07.2024 12:00:00;12.50;yes;;x\n"
    )
    found = list(read_csv(io.BytesIO(content.encode("cp1252")), mapping, source="unused"))
    assert events(found) == [
        {
            "specversion": "1.0",
            "id": "e1",
            "source": "erp",
            "type": "Auftrag geprüft",
            "time": "2024-07-01T10:00:00Z",
            "data": {"case": "4711", "activity": "Auftrag geprüft", "amount": 12.5, "paid": True},
        }
    ]


def test_without_data_every_other_column_is_taken_and_ids_count_within_the_case() -> None:
    found = read("\ufeffCase,Activity,Time,Region\nA,x,2024-01-01,north\nB,x,2024-01-01,\nA,y,2024-01-02,south\n")
    assert [(event["id"], event["source"], event["data"].get("region", event["data"].get("Region")))
            for event in events(found)] == [
        ("A#1", "csv:test", "north"),
        ("B#1", "csv:test", None),
        ("A#2", "csv:test", "south"),
    ]  # fmt: skip


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found_by_the_header(delimiter: str) -> None:
    rows = [["Case", "Activity", "Time", "a,b;c"], ["A", "x", "2024-01-01", "1"]]
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter).writerows(rows)
    assert events(read(out.getvalue()))[0]["data"]["a,b;c"] == "1"


@pytest.mark.parametrize(
    ("form", "cell", "instant"),
    [
        ("epoch_s", "1700000000.25", "2023-11-14T22:13:20.250000Z"),
        ("epoch_ms", "1700000000123", "2023-11-14T22:13:20.123000Z"),
        ("epoch_us", "1700000000123456", "2023-11-14T22:13:20.123456Z"),
        ("%Y%m%d%H%M%S%z", "20240101000000+0100", "2023-12-31T23:00:00Z"),
    ],
)
def test_time_formats(form: str, cell: str, instant: str) -> None:
    mapping = PLAIN | {"time": {"column": "Time", "format": form}}
    assert events(read(f"Case,Activity,Time\nA,x,{cell}\n", mapping))[0]["time"] == instant
    assert "is no time" in the_fault(read("Case,Activity,Time\nA,x,inf\n", mapping)).reason
    assert "is no time" in the_fault(read(f"Case,Activity,Time\nA,x,{'9' * 5000}\n", mapping)).reason


def test_a_quoted_line_end_stays_and_positions_are_lines() -> None:
    found = read('Case,Activity,Time,Note\nA,x,2024-01-01,"one\r\ntwo"\n\nB,y,2024-01-01,z\n')
    assert events(found)[0]["data"]["Note"] == "one\r\ntwo"
    assert [entry.position for entry in found] == [2, 5]


@pytest.mark.parametrize(
    ("row", "where", "reason"),
    [
        ("A,x", "line 2", "2 cells where the header has 4"),
        ("A,x,2024-01-01,n,more", "line 2", "5 cells where the header has 4"),
        (",x,2024-01-01,n", "line 2", "'Case' is empty"),
        ("A, ,2024-01-01,n", "line 2", "'Activity' is empty"),
        ("A,x,,n", "line 2", "'Time' is empty"),
        ("A,x,soon,n", "line 2", "'soon' is no time"),
        ('A,x,2024-01-01,"n"n', "line 2", "expected after"),
        ("A,x,2024-01-01," + "n" * 300_000, "line 2", "field larger than field limit"),
        ("A,x,2024-01-01," + "n," * 900_000, "line 2", "longer than 1000000 bytes"),
        ('A,x,2024-01-01,"' + "\n".join(["n" * 900] * 200), "lines 2 to", "field larger than field limit"),
    ],
)
def test_a_bad_row_is_a_fault_and_reading_goes_on(row: str, where: str, reason: str) -> None:
    found = read(f"Case,Activity,Time,Note\n{row}\nZ,last,2024-01-02,n\n", max_record_bytes=1_000_000)
    first, last = found[0], found[-1]
    assert isinstance(first, Fault)
    assert first.position == 2
    assert first.where.startswith(where)
    assert reason in first.reason
    assert isinstance(last, Record)
    assert last.event["id"] == "Z#1"


def test_a_row_of_endless_quoted_cells_is_given_up() -> None:
    content = 'Case,Activity,Time\nA,x,"' + '","\n'.join(["n" * 90_000] * 20)
    fault = read(content, max_record_bytes=1_000_000)[0]
    assert fault == Fault(2, "lines 2 to 13", "longer than 1000000 bytes")


def test_a_quote_never_closed_says_which_lines_it_took() -> None:
    fault = the_fault(read('Case,Activity,Time\nA,x,2024-01-01\nB,"x,2024-01-01\nC,x,2024-01-01\n'))
    assert (fault.position, fault.where) == (3, "lines 3 to 4")


def test_a_row_of_another_encoding_is_a_fault() -> None:
    fault = the_fault(read(b"Case,Activity,Time\nA,gepr\xfcft,2024-01-01\nB,x,2024-01-01\n"))
    assert fault.position == 2
    assert "utf-8" in fault.reason


def test_a_typed_cell_that_is_not_is_a_fault() -> None:
    for type_, cell in (
        ("int", "1.5"),
        ("int", str(2**63)),
        ("float", "nan"),
        ("bool", "maybe"),
        ("time", "soon"),
    ):
        mapping = PLAIN | {"data": {"n": {"column": "N", "type": type_}}}
        assert f"is no {type_}" in the_fault(read(f"Case,Activity,Time,N\nA,x,2024-01-01,{cell}\n", mapping)).reason


def test_every_fault_of_a_mapping_at_once() -> None:
    with pytest.raises(CsvMappingError) as caught:
        CsvMapping.parse(
            {
                "type": {"column": "A", "value": "b"},
                "time": {"format": "soon", "zone": "Mars/Olympus"},
                "id": 7,
                "data": {"case": "X", "n": {"column": "N", "type": "money"}, "m": {}},
                "delimiter": "::",
                "encoding": "utf-16",
                "colour": "red",
            }
        )
    joined = "\n".join(caught.value.faults)
    for part in (
        "'colour'", "case is missing", "exactly one of column, value", "time.column is missing", "'soon'",
        "Mars/Olympus", "id is not a text", "data.case", "'money'", "data.m names no column", "'::'", "'utf-16'",
    ):  # fmt: skip
        assert part in joined


@pytest.mark.parametrize("document", [None, [], "case", 7, {"case": [], "type": {}, "time": [], "data": 3, 4: 5}])
def test_no_document_breaks_the_parser(document: object) -> None:
    with pytest.raises(CsvMappingError):
        CsvMapping.parse(document)


@pytest.mark.parametrize("text", ["a: [", "&a [*a]", "!!python/object:os.system {}", "\x00", "case: 2024-99-99"])
def test_no_yaml_breaks_the_parser(text: str) -> None:
    with pytest.raises(CsvMappingError):
        CsvMapping.from_yaml(text)


def test_every_unknown_column_is_named() -> None:
    with pytest.raises(CsvMappingError) as caught:
        read("Case,Time,Twice,Twice\n", PLAIN | {"id": "Nr", "data": {"t": "Twice"}})
    assert len(caught.value.faults) == 3
    assert "no column 'Activity'; the file has 'Case', 'Time'" in str(caught.value)
    assert "'Nr'" in str(caught.value)
    assert "'Twice' occurs 2 times" in str(caught.value)
    with pytest.raises(CsvMappingError, match=r"overwrite data\.activity"):
        read("Case,Activity,Time,activity\n")


@pytest.mark.parametrize("content", [b"", b"\n\n", b"x" * 5_000_000, "Case\n".encode("utf-16"), b'"Case\n'])
def test_a_file_without_a_header_is_unreadable(content: bytes) -> None:
    with pytest.raises(UnreadableFile):
        read(content)


cell = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
filled = cell.filter(lambda text: text.strip() != "")


@settings(max_examples=examples(80))
@given(st.lists(st.tuples(filled, filled, st.datetimes(), cell), max_size=6), st.sampled_from(",;\t|"))
def test_what_is_written_is_read(rows: list[tuple[Any, ...]], delimiter: str) -> None:
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter, quoting=csv.QUOTE_ALL)
    writer.writerow(["Case", "Activity", "Time", "Note"])
    writer.writerows([case, activity, at.isoformat(), note] for case, activity, at, note in rows)
    found = events(read(out.getvalue(), PLAIN | {"delimiter": delimiter}))
    assert [
        (event["data"]["case"], event["type"], event["time"], event["data"].get("Note", "")) for event in found
    ] == [(case, activity, at.isoformat() + "Z", note) for case, activity, at, note in rows]
    assert len({event["id"] for event in found}) == len(rows)


@settings(max_examples=examples(80))
@given(st.binary(max_size=300))
def test_no_bytes_raise_after_the_header(content: bytes) -> None:
    positions = [entry.position for entry in read(b"Case,Activity,Time\n" + content)]
    assert positions == sorted(set(positions))
