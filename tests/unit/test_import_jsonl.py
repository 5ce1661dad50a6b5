from __future__ import annotations

import gzip
import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.ingest.files import Fault, Record, UnreadableFile, open_source, read_jsonl
from tests.examples import examples

GOOD: dict[str, Any] = {"specversion": "1.0", "id": "1", "source": "crm", "type": "order.created"}


def read(content: bytes, **options: int) -> list[Record | Fault]:
    return list(read_jsonl(io.BytesIO(content), **options))


def line(**changes: Any) -> bytes:
    return json.dumps({name: value for name, value in (GOOD | changes).items() if value is not None}).encode() + b"\n"


def test_blank_lines_are_skipped_and_positions_are_lines() -> None:
    content = b"\xef\xbb\xbf" + line() + b"\n  \r\n" + line(id="2").replace(b"\n", b"\r\n") + line(id="3")[:-1]
    assert [(r.position, r.event["id"]) for r in read(content) if isinstance(r, Record)] == [
        (1, "1"),
        (4, "2"),
        (5, "3"),
    ]


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (b"{", "not JSON"),
        (b'{"id": "\xff"}', "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b'{"x": NaN}', "not JSON"),
        (b"[1]", "not a JSON object"),
        (line(id="", type=None)[:-1], "without id, type"),
        (line(source=7)[:-1], "without source"),
        (line(specversion="0.3")[:-1], "0.3"),
        (line(data="x" * 2_000_000)[:-1], "longer than 1000000"),
    ],
)
def test_a_bad_line_is_a_fault_and_the_next_is_read(bad: bytes, reason: str) -> None:
    first, fault, last = read(line() + bad + b"\n" + line(id="2"), max_record_bytes=1_000_000)
    assert isinstance(fault, Fault)
    assert (fault.position, fault.where) == (2, "line 2")
    assert reason in fault.reason
    assert isinstance(first, Record)
    assert isinstance(last, Record)
    assert last.position == 3


def test_a_megabyte_of_text_is_read() -> None:
    (record,) = read(line(data={"note": "x" * 1_000_000}))
    assert isinstance(record, Record)


def test_records_before_the_cut_of_a_truncated_gzip_are_given(tmp_path: Path) -> None:
    path = tmp_path / "cut.jsonl.gz"
    path.write_bytes(gzip.compress(b"".join(line(id=str(n * n * 7919)) for n in range(5000)))[:-1000])
    records: list[Record | Fault] = []
    with open_source(path) as opened, pytest.raises(UnreadableFile, match="cut off"):
        records.extend(read_jsonl(opened.stream))
    assert len(records) > 1000
    assert all(isinstance(record, Record) for record in records)


text = st.text(st.characters(exclude_categories=["Cs"]))
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=10,
)
events = st.fixed_dictionaries(
    {
        "specversion": st.just("1.0"),
        "id": text.filter(bool),
        "source": text.filter(bool),
        "type": text.filter(bool),
        "data": json_values,
    }
)


@settings(max_examples=examples(60))
@given(st.lists(events, max_size=5), st.booleans())
def test_what_is_written_is_read(written: list[dict[str, Any]], escaped: bool) -> None:
    content = "\n".join(json.dumps(event, ensure_ascii=escaped) for event in written).encode()
    found = read(content)
    assert [record.event for record in found if isinstance(record, Record)] == written
    assert [record.position for record in found] == list(range(1, len(written) + 1))


@settings(max_examples=examples(60))
@given(st.binary(max_size=400))
def test_no_bytes_raise(content: bytes) -> None:
    positions = [found.position for found in read(content)]
    assert positions == sorted(set(positions))
