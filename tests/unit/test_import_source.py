from __future__ import annotations

import gzip
import io
from pathlib import Path

import pytest

from collector.ingest.files import UnreadableFile, open_source
from collector.ingest.files.source import bounded_lines, chunks
from collector.ingest.files.timestamps import rfc3339


def test_a_file_is_known_by_its_first_bytes_and_named_by_its_stem(tmp_path: Path) -> None:
    lying = tmp_path / "orders.csv"
    lying.write_bytes(gzip.compress(b"a,b\n" * 100_000))
    with open_source(lying) as opened:
        assert opened.compressed
        assert (opened.format, opened.default_source) == ("csv", "csv:orders")
        assert opened.consumed() == 0
        assert sum(map(len, chunks(opened.stream))) == 400_000
        assert opened.consumed() == opened.total_bytes == lying.stat().st_size


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("receipt.xes.gz", "xes:receipt"),
        ("a.b.NDJSON", "jsonl:a.b"),
        ("export.tsv", "csv:export"),
        ("dump.bin", "file:dump.bin"),
    ],
)
def test_the_default_source_says_format_and_stem(tmp_path: Path, name: str, source: str) -> None:
    (tmp_path / name).write_bytes(b"")
    with open_source(tmp_path / name) as opened:
        assert opened.default_source == source
        assert opened.total_bytes == 0


def test_what_cannot_be_opened_is_said(tmp_path: Path) -> None:
    for path in (tmp_path / "absent.xes", tmp_path):
        with pytest.raises(UnreadableFile, match="cannot open"):
            open_source(path)


def test_a_truncated_gzip_gives_what_it_holds_and_then_its_place(tmp_path: Path) -> None:
    lines = b"".join(b"%d\n" % (n * n * 7919) for n in range(20_000))
    path = tmp_path / "cut.jsonl.gz"
    path.write_bytes(gzip.compress(lines)[:-2000])
    got = b""
    with open_source(path) as opened, pytest.raises(UnreadableFile, match=r"byte \d+: .*cut off") as caught:
        for chunk in chunks(opened.stream):
            got += chunk
    assert len(got) > 10_000
    assert lines.startswith(got)
    assert caught.value.byte == len(got)


def test_a_damaged_gzip_is_unreadable(tmp_path: Path) -> None:
    path = tmp_path / "bad.jsonl.gz"
    path.write_bytes(b"\x1f\x8b" + b"\xff" * 100)
    with open_source(path) as opened, pytest.raises(UnreadableFile):
        list(chunks(opened.stream))


def test_a_line_too_long_is_passed_over_and_the_next_one_read() -> None:
    content = b"ok\n" + b"x" * 2_000_000 + b"\n\nlast"
    assert list(bounded_lines(io.BytesIO(content), 1000)) == [b"ok", None, b"", b"last"]
    assert list(bounded_lines(io.BytesIO(b"x" * 2_000_000), 1000)) == [None]
    assert list(bounded_lines(io.BytesIO(b""), 1000)) == []


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2019/11/03 01:11:19.000", "2019-11-03T01:11:19Z"),
        ("2010-10-02T09:20:39.266+02:00", "2010-10-02T07:20:39.266000Z"),
        ("2010-10-02T09:20:39.123456789Z", "2010-10-02T09:20:39.123456Z"),
        ("2010-10-02 09:20:39.5 +0200", "2010-10-02T07:20:39.500000Z"),
        ("2010-1-2 9:20", "2010-01-02T09:20:00Z"),
        ("2010-10-02T09:20:39,25z", "2010-10-02T09:20:39.250000Z"),
        ("1948-01-26T22:59:00+00:00", "1948-01-26T22:59:00Z"),
        ("2010-10-02", "2010-10-02T00:00:00Z"),
        ("0001-01-01T00:00:00+05:00", None),
        ("2010-02-30T00:00:00", None),
        ("10/02/2010", None),
        ("yesterday", None),
        ("", None),
        ("2" * 1_000_000, None),
    ],
)
def test_times_are_read_leniently(text: str, instant: str | None) -> None:
    assert rfc3339(text) == instant
