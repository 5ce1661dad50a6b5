from __future__ import annotations

import csv
import math
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, BinaryIO

from collector.ingest.files.csv_mapping import CellType, CsvMapping
from collector.ingest.files.record import MAX_RECORD_BYTES, Fault, Record, UnreadableFile
from collector.ingest.files.source import bounded_lines
from collector.ingest.files.timestamps import rfc3339, rfc3339_of

__all__ = ["read_csv"]

_UTF8_MARK = b"\xef\xbb\xbf"
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_DELIMITERS = (",", ";", "\t", "|")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_UNITS = {"epoch_s": 1_000_000, "epoch_ms": 1_000, "epoch_us": 1}


def read_csv(
    stream: BinaryIO, mapping: CsvMapping, *, source: str, max_record_bytes: int = MAX_RECORD_BYTES
) -> Iterator[Record | Fault]:
    """The rows of a CSV file with a header line; `position` is the line a row begins on.

    `source` holds where the mapping names none. `data` has `case`, `activity` and the mapping's data columns; an
    empty cell is left out of it. Empty lines are skipped; a row of another length than the header is a fault.
    Raises UnreadableFile; CsvMappingError (one too) where the mapping does not fit the header.
    """
    lines = _Lines(bounded_lines(stream, max_record_bytes), mapping.encoding, max_record_bytes)
    header_line = lines.first()
    delimiter = mapping.delimiter or _delimiter(header_line, mapping)
    rows = csv.reader(lines, delimiter=delimiter, strict=True)
    row_reader: _RowReader | None = None
    while True:
        first = lines.begin()
        where = f"line {first}"
        try:
            row = next(rows)
        except StopIteration:
            if row_reader is None:
                raise UnreadableFile("the file has no header line", line=1) from None
            return
        except (csv.Error, _TooLong) as error:
            if row_reader is None:
                raise UnreadableFile(f"the header cannot be read: {error}", line=first) from error
            if lines.number > first:
                where = f"lines {first} to {lines.number}"
            yield Fault(first, where, str(error))
            continue
        if not row:
            continue
        if row_reader is None:
            header = [name.strip() for name in row]
            mapping.check_header(header)
            row_reader = _RowReader(header, mapping, source)
            continue
        try:
            if lines.undecodable(row):
                raise _BadRow(f"not {mapping.encoding}; another `encoding` may be named in the mapping")
            yield Record(first, row_reader.event(row))
        except _BadRow as bad:
            yield Fault(first, where, str(bad))


class _TooLong(Exception):
    pass


class _BadRow(Exception):
    pass


class _Lines:
    """Decoded lines for the csv reader, which pulls more than one where a quoted cell holds line ends."""

    def __init__(self, lines: Iterator[bytes | None], encoding: str, max_record_bytes: int) -> None:
        self._lines = lines
        self._encoding = encoding
        self._max_bytes = max_record_bytes
        self._taken = 0
        self._held: str | None = None
        self.number = 0

    def first(self) -> str:
        """The first line, which stays the next to be read. Raises UnreadableFile where there is none."""
        try:
            line = next(self)
        except (StopIteration, _TooLong):
            raise UnreadableFile("the file has no header line", line=1) from None
        self._held, self.number = line, 0
        return line

    def begin(self) -> int:
        """Begin a record; returns the number of its first line."""
        self._taken = 0
        return self.number + 1

    def undecodable(self, row: list[str]) -> bool:
        # Bytes that are not of the encoding arrive as lone surrogates.
        return any(not cell.isascii() and _has_surrogate(cell) for cell in row)

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        if self._held is not None:
            line, self._held = self._held, None
            self.number += 1
            return line
        raw = next(self._lines)
        self.number += 1
        if raw is not None:
            self._taken += len(raw) + 1
        if raw is None or self._taken > self._max_bytes:
            raise _TooLong(f"longer than {self._max_bytes} bytes")
        if self.number == 1:
            if raw.startswith(_UTF16_MARKS):
                raise UnreadableFile("UTF-16 is not read; save the file as UTF-8", line=1, byte=0)
            raw = raw.removeprefix(_UTF8_MARK)
        return raw.decode(self._encoding, "surrogateescape") + "\n"


class _RowReader:
    """Rows to events, for one header and mapping."""

    def __init__(self, header: list[str], mapping: CsvMapping, source: str) -> None:
        self._width = len(header)
        self._case = header.index(mapping.case)
        self._time = header.index(mapping.time)
        self._time_name = mapping.time
        self._instant = _instant_reader(mapping)
        self._type = header.index(mapping.type_column) if mapping.type_column else None
        self._type_value = mapping.type_value or ""
        self._id = header.index(mapping.id) if mapping.id else None
        self._source = header.index(mapping.source_column) if mapping.source_column else None
        self._source_value = mapping.source_value or source
        zone = mapping.zone
        self._cells = [
            (name, header.index(cell.column), cell.column, _cell_reader(cell.type, zone), cell.type)
            for name, cell in mapping.data_columns(header).items()
        ]
        self._names = header
        self._ordinals: dict[str, int] = {}

    def event(self, row: list[str]) -> dict[str, Any]:
        if len(row) != self._width:
            raise _BadRow(f"{len(row)} cells where the header has {self._width}")
        case = self._required(row, self._case)
        # Counted before the row is judged: mending one row must not rename the rows after it.
        ordinal = self._ordinals[case] = self._ordinals.get(case, 0) + 1
        activity = self._type_value if self._type is None else self._required(row, self._type)
        time = self._instant(self._required(row, self._time))
        if time is None:
            raise _BadRow(f"{self._time_name!r}: {row[self._time][:60]!r} is no time")
        data: dict[str, Any] = {"case": case, "activity": activity}
        for name, index, column, read, type_ in self._cells:
            cell = row[index]
            if not cell:
                continue
            value = read(cell) if read is not None else cell
            if value is None:
                raise _BadRow(f"{column!r}: {cell[:60]!r} is no {type_}")
            data[name] = value
        return {
            "specversion": "1.0",
            "id": f"{case}#{ordinal}" if self._id is None else self._required(row, self._id),
            "source": self._source_value if self._source is None else self._required(row, self._source),
            "type": activity,
            "time": time,
            "data": data,
        }

    def _required(self, row: list[str], index: int) -> str:
        cell = row[index]
        if not cell or cell.isspace():
            raise _BadRow(f"{self._names[index]!r} is empty")
        return cell


def _delimiter(header: str, mapping: CsvMapping) -> str:
    """The delimiter with which the header names most of the mapping's columns, then the one that cuts most."""
    wanted = set(mapping.columns())

    def merit(delimiter: str) -> tuple[int, int]:
        try:
            cells = next(csv.reader([header], delimiter=delimiter))
        except csv.Error:
            return (-1, 0)
        return (len(wanted & {cell.strip() for cell in cells}), len(cells))

    return max(_DELIMITERS, key=merit)


def _instant_reader(mapping: CsvMapping) -> Callable[[str], str | None]:
    zone = mapping.zone
    form = mapping.time_format
    if form is None:
        return lambda cell: rfc3339(cell, zone)
    if form in _EPOCH_UNITS:
        unit = _EPOCH_UNITS[form]
        return lambda cell: _from_epoch(cell, unit)

    def parse(cell: str) -> str | None:
        try:
            return rfc3339_of(datetime.strptime(cell.strip(), form), zone)  # noqa: DTZ007 — the zone is applied next
        except ValueError:
            return None

    return parse


def _from_epoch(cell: str, unit: int) -> str | None:
    try:
        # Whole numbers stay whole: a float would lose microseconds.
        micros = int(cell) * unit
    except ValueError:
        try:
            micros = round(float(cell) * unit)
        except (ValueError, OverflowError):
            return None
    try:
        return rfc3339_of(_EPOCH + timedelta(microseconds=micros))
    except OverflowError:
        return None


def _cell_reader(type_: CellType, zone: tzinfo) -> Callable[[str], Any] | None:
    match type_:
        case "string":
            return None
        case "time":
            return lambda cell: rfc3339(cell, zone)
        case "bool":
            words = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
            return lambda cell: words.get(cell.strip().lower())
        case "int":
            return _int
        case "float":
            return _float


def _int(cell: str) -> int | None:
    try:
        number = int(cell)
    except ValueError:
        return None
    return number if -(2**63) <= number < 2**63 else None


def _float(cell: str) -> float | None:
    try:
        number = float(cell)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _has_surrogate(text: str) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in text)
