"""The forms of an export, from rows to bytes."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.query.export import COLUMNS, CsvWriter, writer_of

ROW: dict[str, Any] = dict.fromkeys(COLUMNS)


def read(*rows: dict[str, Any]) -> list[dict[str, str]]:
    writer = CsvWriter()
    text = (b"".join(writer.write([row]) for row in rows) + writer.end()).decode()
    return list(csv.DictReader(io.StringIO(text, newline="")))


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\x00")), max_size=5))
def test_any_title_comes_back_and_none_is_a_formula(titles: list[str]) -> None:
    found = read(*(ROW | {"title": title} for title in titles))
    for title, row in zip(titles, found, strict=True):
        assert row["title"].removeprefix("'" if title[:1] in tuple("=+-@\t\r") and title else "") == title
        assert not row["title"].startswith(("=", "+", "-", "@"))


def test_amounts_are_plain_numbers_and_times_have_a_zone() -> None:
    at = datetime(2026, 11, 21, 9, 14, tzinfo=UTC)
    (row,) = read(ROW | {"value": Decimal("-12000.500000"), "since": at})
    assert row["value"] == "-12000.5"
    assert row["since"] == "2026-11-21T09:14:00Z"
    assert row["owner"] == ""


def test_parquet_is_written_in_groups_and_read_back() -> None:
    pytest.importorskip("pyarrow")
    from pyarrow import parquet

    writer = writer_of("parquet")
    said = [ROW | {"id": str(n), "value": Decimal(n)} for n in range(25_000)]
    parts = [writer.write(said[first : first + 1_000]) for first in range(0, 25_000, 1_000)] + [writer.end()]
    assert sum(bool(part) for part in parts[:-1]) >= 1
    file = parquet.ParquetFile(io.BytesIO(b"".join(parts)))
    assert file.num_row_groups == 2
    assert file.read().column("id").to_pylist() == [one["id"] for one in said]
