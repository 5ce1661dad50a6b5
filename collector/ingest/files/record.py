from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = ["MAX_RECORD_BYTES", "Fault", "Record", "UnreadableFile"]

MAX_RECORD_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Record:
    """One event of a file, as a CloudEvents 1.0 JSON object.

    `position` grows strictly through a file, faults included: the line a record begins on (JSONL, CSV) or the
    ordinal of the event in the file (XES), from 1. Parts of `event` may be shared with neighbouring records:
    readers of it must not change it.
    """

    position: int
    event: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Fault:
    """A record that could not be used: where it stands, in words, and why. The records after it are still read."""

    position: int
    where: str
    reason: str


class UnreadableFile(Exception):
    """The file cannot be read, or not any further. What was yielded before it stands.

    `line` counts from 1; `byte` from 0 and, in a compressed file, in the content, not in the file.
    """

    def __init__(self, reason: str, *, line: int | None = None, byte: int | None = None) -> None:
        self.reason = reason
        self.line = line
        self.byte = byte
        place = [f"{word} {number}" for word, number in (("line", line), ("byte", byte)) if number is not None]
        super().__init__(f"{', '.join(place)}: {reason}" if place else reason)
