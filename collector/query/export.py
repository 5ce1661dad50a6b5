"""Everything that a filter finds as a file: CSV, or Parquet where pyarrow is installed.

It is read and written part by part, so that whoever reads the file slowly holds neither a transaction nor a connection.
"""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Protocol
from uuid import UUID

import sqlalchemy as sa

from collector.query.handling import with_handling
from collector.query.instances import BadQuery, stored_progress
from collector.query.many import are, count_of, ids_of, parts_of
from collector.query.reader import CHUNK, Reader, Row, rfc3339
from collector.query.unread import keys_of
from collector.store.tables import instance
from slo_rules.identity import Key

MOST_EXPORTED = 2_000_000
CSV, PARQUET = "csv", "parquet"
TYPES = {CSV: "text/csv; charset=utf-8", PARQUET: "application/vnd.apache.parquet"}
_TEXTS = (
    "id", "workflow", "entity", "domain", "title", "verdict", "reason", "waiting_for", "source_awaited", "owner",
    "assigned_to", "acknowledged_by",
)  # fmt: skip
_TIMES = ("due_at", "deadline_at", "since", "stuck_since", "started_at", "updated_at")
COLUMNS = (*_TEXTS, *_TIMES, "value", "currency", "keys")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet would work out instead of showing it."""
_PER_GROUP = 20_000
Rows = Sequence[Mapping[str, Any]]


class Writer(Protocol):
    """Makes a file of rows with COLUMNS, piece by piece."""

    def write(self, rows: Rows) -> bytes:
        """What follows of the file; it may be empty."""

    def end(self) -> bytes:
        """The rest of it."""


def writer_of(form: str) -> Writer:
    """Raises BadQuery where there is no such form, or what writes it is not installed."""
    if form == CSV:
        return CsvWriter()
    if form != PARQUET:
        raise BadQuery(f"format: {form[:40]!r} is neither {CSV} nor {PARQUET}")
    try:
        import pyarrow as pa  # noqa: PLC0415 - large, and an extra
    except ImportError as error:
        raise BadQuery("format: parquet needs pyarrow here: pip install 'milepost[parquet]'") from error
    return ParquetWriter(pa)


class CsvWriter:
    """RFC 4180 in UTF-8, times in RFC 3339, empty for what is not known.

    Text that a spreadsheet would take for a formula has an apostrophe before it.
    """

    def __init__(self) -> None:
        self._begun = False

    def write(self, rows: Rows) -> bytes:
        """What follows of the file; before the first row its columns."""
        text = io.StringIO()
        writer = csv.writer(text)
        if not self._begun:
            self._begun = True
            writer.writerow(COLUMNS)
        writer.writerows([_cell(row[name]) for name in COLUMNS] for row in rows)
        return text.getvalue().encode()

    def end(self) -> bytes:
        """The columns, where there was no row."""
        return b"" if self._begun else self.write([])


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return rfc3339(value) or ""
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    text = str(value).replace("\x00", "")
    return "'" + text if text.startswith(_FORMULA) else text


class ParquetWriter:
    """Row groups of at most 20,000 rows; times in microseconds UTC, amounts as decimal(21, 6)."""

    def __init__(self, pa: Any) -> None:
        from pyarrow import parquet  # noqa: PLC0415 - as in writer_of

        moment, amount = pa.timestamp("us", tz="UTC"), pa.decimal128(21, 6)
        types = dict.fromkeys(_TIMES, moment) | {"value": amount}
        self._pa = pa
        self._schema = pa.schema([(name, types.get(name, pa.string())) for name in COLUMNS])
        self._sink = _Sink()
        self._writer = parquet.ParquetWriter(pa.PythonFile(self._sink, mode="w"), self._schema)
        self._rows: list[Mapping[str, Any]] = []

    def write(self, rows: Rows) -> bytes:
        """A row group as soon as there are enough for one."""
        self._rows += rows
        if len(self._rows) >= _PER_GROUP:
            self._group()
        return self._sink.taken()

    def end(self) -> bytes:
        """The last group, and the foot of the file."""
        if self._rows:
            self._group()
        self._writer.close()
        return self._sink.taken()

    def _group(self) -> None:
        rows, self._rows = self._rows, []
        columns = {name: [row[name] for row in rows] for name in COLUMNS}
        self._writer.write_table(self._pa.table(columns, schema=self._schema))


class _Sink(io.RawIOBase):
    """A file that is handed on as it is written."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._length = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:
        part = bytes(data)
        self._parts.append(part)
        self._length += len(part)
        return len(part)

    def tell(self) -> int:
        return self._length

    def taken(self) -> bytes:
        parts, self._parts = self._parts, []
        return b"".join(parts)


async def ids_to_write(
    reader: Reader, conditions: Sequence[sa.ColumnElement[bool]], order: Sequence[sa.ColumnElement[Any]]
) -> bytes:
    """The ids of everything these conditions find, in this order. Raises BadQuery of too many."""
    ids = await ids_of(reader, sa.select(instance.c.id).where(*conditions).order_by(*order).limit(MOST_EXPORTED + 1))
    if count_of(ids) > MOST_EXPORTED:
        raise BadQuery(f"format: more than {MOST_EXPORTED:,} instances are no file; narrow the filter")
    return ids


async def written(reader: Reader, ids: bytes, writer: Writer) -> AsyncIterator[bytes]:
    """The file of these instances. Each is as it stands when its part is read; what is gone by then is left out."""
    for part in parts_of(ids, CHUNK):
        rows = await reader.answer(_read(reader, part))
        if piece := await asyncio.to_thread(_piece, writer, part, rows):
            yield piece
    if piece := await asyncio.to_thread(writer.end):
        yield piece


def _read(reader: Reader, part: Sequence[UUID]) -> Callable[[], Any]:
    async def read() -> list[Row]:
        rows = await reader.select(sa.select(instance).where(are(part)))
        handled: list[Row] = [{"id": str(row["id"])} for row in rows]
        await with_handling(reader, handled)
        found = await asyncio.to_thread(lambda: [_keys(row) for row in rows])
        unread = await keys_of(reader, [row for row, keys in zip(rows, found, strict=True) if keys is None])
        return [
            {**row, **one["handling"], "known_keys": unread[row["id"]] if keys is None else keys}
            for row, one, keys in zip(rows, handled, found, strict=True)
        ]

    return read


def _keys(row: Row) -> list[Key] | None:
    """None of an instance that cannot be read."""
    progress = stored_progress(row)
    return None if progress is None else list(progress.keys)


def _piece(writer: Writer, part: Sequence[UUID], rows: Sequence[Row]) -> bytes:
    by_id = {row["id"]: row for row in rows}
    return writer.write([_flat(by_id[id_]) for id_ in part if id_ in by_id])


def _flat(row: Row) -> Row:
    own = {name: row[name] for name in (*_TEXTS[1:], *_TIMES)}
    return own | {
        "id": str(row["id"]),
        "value": row["value_amount"],
        "currency": row["value_currency"],
        "keys": "; ".join(sorted(row["known_keys"])),
    }
