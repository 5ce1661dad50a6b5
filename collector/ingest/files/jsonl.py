from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO

import orjson

from collector.ingest.files.record import MAX_RECORD_BYTES, Fault, Record
from collector.ingest.files.source import bounded_lines

__all__ = ["read_jsonl"]

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_REQUIRED = ("specversion", "id", "source", "type")


def read_jsonl(stream: BinaryIO, *, max_record_bytes: int = MAX_RECORD_BYTES) -> Iterator[Record | Fault]:
    """CloudEvents in JSON, one to a line; blank lines are skipped, `position` is the line.

    The event is handed on as written: all but its four required attributes is for the decoder to judge.
    Raises UnreadableFile.
    """
    for number, line in enumerate(bounded_lines(stream, max_record_bytes), start=1):
        where = f"line {number}"
        if line is None:
            yield Fault(number, where, f"longer than {max_record_bytes} bytes")
            continue
        if number == 1:
            line = line.removeprefix(_BYTE_ORDER_MARK)
        if not line.strip():
            continue
        try:
            event: Any = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            yield Fault(number, where, f"not JSON: {error}")
            continue
        if not isinstance(event, dict):
            yield Fault(number, where, "not a JSON object")
            continue
        lacking = [name for name in _REQUIRED if not isinstance(event.get(name), str) or not event[name]]
        if lacking:
            yield Fault(number, where, f"not a CloudEvent: without {', '.join(lacking)}")
        elif event["specversion"] != "1.0":
            yield Fault(number, where, f"specversion {event['specversion'][:20]!r} is not 1.0")
        else:
            yield Record(number, event)
