"""The events of a file without importing it: what `milepost import` would take, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import msgspec
import orjson

from collector.ingest.cloudevents import decode
from collector.ingest.files import CsvMapping, Fault, Record, open_source
from collector.ingest.importing import read_records
from collector.sampling import Window
from slo_rules.event import Event
from slo_rules.instants import to_micros

MOST_FAULTS = 5


class FileLog:
    """A file that can be read again and again; after each time `unusable` and `faults` say what was left out of it.

    With a limit, the first events of the file are taken. Making and reading it raise UnreadableFile, ValueError.
    """

    def __init__(self, path: Path, mapping: Path | None, window: Window) -> None:
        self._path = path
        self._mapping = CsvMapping.from_yaml(mapping.read_text("utf-8")) if mapping else None
        self._window = window
        self.unusable = 0
        self.faults: list[str] = []

    def read(self) -> Iterator[Event]:
        """The events from the beginning."""
        self.unusable, self.faults = 0, []
        left = self._window.limit
        with open_source(self._path) as opened:
            for one in read_records(opened, opened.default_source, self._mapping):
                try:
                    event = _event(one)
                except _Unusable as fault:
                    self.unusable += 1
                    if len(self.faults) < MOST_FAULTS:
                        self.faults.append(str(fault))
                    continue
                if self._window.takes(event.source, event.type, event.occurred_at):
                    yield event
                    left -= 1
                    if not left:
                        return


class _Unusable(Exception):
    """A record is not an event with a place in time."""


def _event(one: Record | Fault) -> Event:
    if isinstance(one, Fault):
        raise _Unusable(f"{one.where}: {one.reason}")
    said = one.event
    _, refused = decode([orjson.dumps(said)], 0)
    if refused:
        reasons = "; ".join(f"{fault.field}: {fault.message}" for fault in refused[0].faults)
        raise _Unusable(f"record {one.position}: {reasons}")
    if said.get("time") is None:
        raise _Unusable(f"record {one.position}: without a time it has no place in the order")
    at = to_micros(msgspec.convert(said["time"], datetime))
    return Event(said["source"], said["type"], at, at, b"", said)
