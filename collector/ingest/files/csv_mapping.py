from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from typing import Any, Literal, get_args
from zoneinfo import ZoneInfo

import yaml

from collector.ingest.files.record import UnreadableFile

__all__ = ["CellType", "CsvMapping", "CsvMappingError", "DataColumn"]

CellType = Literal["string", "int", "float", "bool", "time"]
_CELL_TYPES: tuple[str, ...] = get_args(CellType)
_EPOCHS = ("epoch_s", "epoch_ms", "epoch_us")
_FIELDS = ("case", "type", "time", "id", "source", "data", "delimiter", "encoding")
# Written into `data` by the reader itself.
_TAKEN_NAMES = ("case", "activity")


class CsvMappingError(UnreadableFile):
    """The mapping cannot be used, or does not fit the file: every fault of it at once."""

    def __init__(self, faults: list[str], *, line: int | None = None) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(faults), line=line)


@dataclass(frozen=True, slots=True)
class DataColumn:
    """A column that goes into an event's `data`, and what its cells are."""

    column: str
    type: CellType = "string"


@dataclass(frozen=True, slots=True)
class CsvMapping:
    """Which column of a CSV file is what of an event.

    As YAML, with only `case`, `type` and `time` required:

        case: Case ID                       # column of the business object's id
        type: Activity                      # column; or {value: order.created} for all rows
        time: Timestamp                     # column; or {column: …, format: …, zone: …}
        id: Event ID                        # column; default `<case>#<ordinal in its case>`
        source: erp                         # for all rows; or {column: System}; default: the reader's argument
        data: {amount: {column: Amount, type: float}, region: Region}   # default: all other columns, as text
        delimiter: ";"                      # default: found by the header
        encoding: cp1252                    # default utf-8

    A time's `format` is one of strptime's, or epoch_s, epoch_ms, epoch_us; default: ISO 8601 and the like.
    Its `zone` (IANA, default UTC) holds where a cell names no offset.
    """

    case: str
    type_column: str | None
    type_value: str | None
    time: str
    time_format: str | None = None
    time_zone: str = "UTC"
    id: str | None = None
    source_column: str | None = None
    source_value: str | None = None
    data: dict[str, DataColumn] | None = field(default=None, hash=False)
    delimiter: str | None = None
    encoding: str = "utf-8"

    @classmethod
    def from_yaml(cls, text: str | bytes) -> CsvMapping:
        """Raises CsvMappingError."""
        try:
            return cls.parse(yaml.safe_load(text))
        except (yaml.YAMLError, RecursionError, ValueError) as error:
            raise CsvMappingError([f"not YAML: {error}"]) from error

    @classmethod
    def parse(cls, document: object) -> CsvMapping:
        """Raises CsvMappingError with every fault of the document."""
        if not isinstance(document, dict):
            raise CsvMappingError(["the mapping is not an object"])
        faults = [f"unknown field {name!r}; known: {', '.join(_FIELDS)}" for name in document if name not in _FIELDS]
        faults += [f"{name} is missing" for name in ("case", "type", "time") if document.get(name) is None]
        time = _object_or_column(document.get("time"), "time", ("column", "format", "zone"), faults)
        time_column = _text(time, "column", "time.column", faults)
        if time and "column" not in time:
            faults.append("time.column is missing")
        zone = _text(time, "zone", "time.zone", faults) or "UTC"
        type_column, type_value = _column_or_value(document.get("type"), "type", "column", faults)
        source_column, source_value = _column_or_value(document.get("source"), "source", "value", faults)
        mapping = cls(
            case=_text(document, "case", "case", faults) or "",
            type_column=type_column,
            type_value=type_value,
            time=time_column or "",
            time_format=_text(time, "format", "time.format", faults),
            time_zone=zone,
            id=_text(document, "id", "id", faults),
            source_column=source_column,
            source_value=source_value,
            data=_data(document["data"], faults) if document.get("data") is not None else None,
            delimiter=_text(document, "delimiter", "delimiter", faults),
            encoding=_text(document, "encoding", "encoding", faults) or "utf-8",
        )
        faults += mapping._value_faults()
        if faults:
            raise CsvMappingError(faults)
        return mapping

    @property
    def zone(self) -> tzinfo:
        # UTC must not need a time zone database.
        return UTC if self.time_zone == "UTC" else ZoneInfo(self.time_zone)

    def columns(self) -> list[str]:
        """Every column the mapping names, once."""
        named = [self.case, self.type_column, self.time, self.id, self.source_column]
        named += [cell.column for cell in (self.data or {}).values()]
        return list(dict.fromkeys(column for column in named if column))

    def data_columns(self, header: list[str]) -> dict[str, DataColumn]:
        """What goes into `data` for a file with this header, by its name there."""
        if self.data is not None:
            return self.data
        used = self.columns()
        return {column: DataColumn(column) for column in header if column and column not in used}

    def check_header(self, header: list[str]) -> None:
        """Raises CsvMappingError where the mapping and the file's columns do not go together."""
        counts = Counter(header)
        known = ", ".join(repr(name) for name in header[:50])
        faults = [f"no column {name!r}; the file has {known}" for name in self.columns() if not counts[name]]
        data = self.data_columns(header)
        wanted = dict.fromkeys([*self.columns(), *(cell.column for cell in data.values())])
        faults += [f"column {name!r} occurs {counts[name]} times" for name in wanted if counts[name] > 1]
        if self.data is None:
            faults += [
                f"column {name!r} would overwrite data.{name}; say under `data` which columns to take"
                for name in _TAKEN_NAMES
                if name in data
            ]
        if faults:
            raise CsvMappingError(faults, line=1)

    def _value_faults(self) -> list[str]:
        faults: list[str] = []
        try:
            _ = self.zone
        except (KeyError, ValueError, OSError):
            faults.append(f"time.zone {self.time_zone!r} is not a known time zone")
        if self.time_format is not None and self.time_format not in _EPOCHS and "%" not in self.time_format:
            faults.append(f"time.format {self.time_format!r} is neither a strptime format nor {', '.join(_EPOCHS)}")
        if self.delimiter is not None and (len(self.delimiter) != 1 or self.delimiter in '"\r\n'):
            faults.append(f"delimiter {self.delimiter!r} is not one character other than a quote or line end")
        try:
            ascii_like = "a,\n".encode(self.encoding) == b"a,\n"
        except (LookupError, UnicodeError):
            ascii_like = False
        if not ascii_like:
            faults.append(f"encoding {self.encoding!r} is unknown or not one that keeps ASCII as it is")
        return faults


def _text(document: dict[Any, Any], name: str, path: str, faults: list[str]) -> str | None:
    found = document.get(name)
    if found is None or (isinstance(found, str) and found):
        return found
    faults.append(f"{path} is not a text")
    return None


def _object_or_column(found: object, path: str, fields: tuple[str, ...], faults: list[str]) -> dict[Any, Any]:
    if found is None:
        return {}
    if isinstance(found, str) and found:
        return {"column": found}
    if isinstance(found, dict):
        faults += [f"unknown field {f'{path}.{name}'!r}" for name in found if name not in fields]
        return found
    faults.append(f"{path} is neither a column nor an object with {', '.join(fields)}")
    return {}


def _column_or_value(
    found: object, path: str, bare: Literal["column", "value"], faults: list[str]
) -> tuple[str | None, str | None]:
    if isinstance(found, str) and found:
        return (found, None) if bare == "column" else (None, found)
    document = _object_or_column(found, path, ("column", "value"), faults)
    column = _text(document, "column", f"{path}.column", faults)
    value = _text(document, "value", f"{path}.value", faults)
    if document and len({"column", "value"} & document.keys()) != 1:
        faults.append(f"{path} needs exactly one of column, value")
    return column, value


def _data(found: object, faults: list[str]) -> dict[str, DataColumn]:
    if not isinstance(found, dict):
        faults.append("data is not an object of names and columns")
        return {}
    cells: dict[str, DataColumn] = {}
    for name, cell in found.items():
        path = f"data.{name}"
        if not isinstance(name, str) or not name:
            faults.append(f"{path}: the name is not a text")
            continue
        if name in _TAKEN_NAMES:
            faults.append(f"{path}: the name is taken by the event's own {name}")
        document = _object_or_column(cell, path, ("column", "type"), faults)
        column = _text(document, "column", f"{path}.column", faults)
        type_ = document.get("type", "string")
        if type_ not in _CELL_TYPES:
            faults.append(f"{path}.type {type_!r} is none of {', '.join(_CELL_TYPES)}")
        if column is None:
            faults.append(f"{path} names no column")
            continue
        cells[name] = DataColumn(column, type_ if type_ in _CELL_TYPES else "string")
    return cells
