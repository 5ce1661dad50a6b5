"""Importing a file into the log: in order, resumable, and twice is once.

The position in the file moves in the transaction that appends the rows, so an import that was interrupted goes on where
it stopped. Event ids are made by the readers from the file's content: the same event imported again is a duplicate.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import islice
from pathlib import Path

import orjson

from collector.ingest.cloudevents import decode
from collector.ingest.files import (
    CsvMapping,
    Fault,
    OpenedFile,
    Record,
    read_csv,
    read_jsonl,
    read_ocel_json,
    read_ocel_sqlite,
    read_ocel_xml,
    read_xes,
)
from collector.log import DeadLetter, LetterReason, append
from collector.store.database import Connection

CHUNK = 5_000
Progress = Callable[[int, int], None]


@dataclass(slots=True)
class ImportReport:
    """What an import did. `skipped` records had been imported before; `faults` names the first unusable ones."""

    appended: int = 0
    unusable: int = 0
    skipped: int = 0
    faults: list[str] = field(default_factory=list)


def read_records(opened: OpenedFile, source: str, mapping: CsvMapping | None) -> Iterator[Record | Fault]:
    """The records of a file by its format. Raises UnreadableFile."""
    if opened.format == "xes":
        return read_xes(opened.stream, source=source)
    if opened.format == "ocel-json":
        return read_ocel_json(opened.stream, source=source)
    if opened.format == "ocel-xml":
        return read_ocel_xml(opened.stream, source=source)
    if opened.format == "ocel-sqlite":
        return read_ocel_sqlite(opened, source=source)
    if opened.format == "csv" or mapping is not None:
        if mapping is None:
            raise ValueError("a CSV file needs --mapping: which column is the case, the activity and the time")
        return read_csv(opened.stream, mapping, source=source)
    return read_jsonl(opened.stream)


def fingerprint(path: Path, source: str, mapping: str) -> str:
    """Equal for the same content read in the same way."""
    digest = sha256(f"{source}\x00{mapping}\x00".encode())
    with path.open("rb") as file:
        while chunk := file.read(2**20):
            digest.update(chunk)
    return digest.hexdigest()


def import_records(
    conn: Connection,
    records: Iterator[Record | Fault],
    print_of_file: str,
    source: str,
    consumed: Callable[[], int],
    progress: Progress,
) -> ImportReport:
    """Append what has not been appended yet; `progress` is told bytes consumed and records done."""
    report = ImportReport()
    with conn.transaction():
        row = conn.execute("SELECT position FROM file_import WHERE fingerprint = %s", (print_of_file,)).fetchone()
    done = row[0] if row else -1
    while chunk := list(islice(records, CHUNK)):
        fresh = [one for one in chunk if one.position > done]
        report.skipped += len(chunk) - len(fresh)
        if fresh:
            _append(conn, fresh, print_of_file, source, report)
        progress(consumed(), report.skipped + report.appended + report.unusable)
    with conn.transaction():
        _note(conn, print_of_file, source, max(done, 0), finished=True)
    return report


def _append(
    conn: Connection, fresh: list[Record | Fault], print_of_file: str, source: str, report: ImportReport
) -> None:
    members = [orjson.dumps(one.event) for one in fresh if isinstance(one, Record)]
    rows, refused = decode(members, time.time_ns() // 1000)
    letters = [_letter(one, source) for one in fresh if isinstance(one, Fault)]
    for one in refused:
        detail = "; ".join(f"{fault.field}: {fault.message}" for fault in one.faults)
        letters.append(DeadLetter(source, LetterReason.INVALID_EVENT, detail, one.body, one.id, one.type))
    with conn.transaction():
        append(conn, rows, [], letters)
        _note(conn, print_of_file, source, fresh[-1].position, finished=False)
    report.appended += len(rows)
    report.unusable += len(letters)
    report.faults += [letter.detail for letter in letters[: 10 - len(report.faults)]]


def _letter(fault: Fault, source: str) -> DeadLetter:
    detail = f"{fault.where}: {fault.reason}"
    return DeadLetter(source, LetterReason.UNREADABLE_RECORD, detail, detail.encode("utf-8", "replace"))


def _note(conn: Connection, print_of_file: str, source: str, position: int, *, finished: bool) -> None:
    conn.execute(
        "INSERT INTO file_import (fingerprint, source, position, finished) VALUES (%s, %s, %s, %s) "
        "ON CONFLICT (fingerprint) DO UPDATE SET position = greatest(file_import.position, excluded.position), "
        "finished = excluded.finished",
        (print_of_file, source, position, finished),
    )
