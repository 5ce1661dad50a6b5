"""Records of the spool: what one holds, and how it is found again in a file that was torn or damaged.

A record is its head, in network byte order, and the bytes it keeps. The head is the mark of its file (8 bytes), the
length of what is kept and how much that counts for (4 bytes each, unsigned), when it arrived (8 bytes, micros since the
Unix epoch), in which transaction of which timeline of the server it may have been committed already (8 and 4 bytes, 0
for none), and the CRC-32 of all that and of what is kept (4 bytes). Nothing says where a record ends but its own head:
behind one that is damaged the next is looked for by its mark, which is random, so that nobody can send what is then
taken for a record.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from struct import Struct
from zlib import crc32

MARK = 8
"""The bytes of a mark."""
_head = Struct("!8sIIqQI")
_check = Struct("!I")
HEAD = _head.size + _check.size


@dataclass(frozen=True, slots=True)
class Record:
    """What arrived at once, at that instant (micros), and counts for so many.

    In doubt is the number of a transaction of which nobody knows whether it was committed, with the timeline in which
    it has that number: if it was, all this is in the log already.
    """

    received_at: int
    count: int
    kept: bytes
    in_doubt: tuple[int, int] | None = None

    @property
    def size(self) -> int:
        """The bytes that it takes in a file."""
        return HEAD + len(self.kept)


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Bytes that are no record, from one place in a file to another."""

    begins: int
    ends: int


def encode(record: Record, mark: bytes) -> bytes:
    """A record as it stands in the file with this mark."""
    head = _head.pack(mark, len(record.kept), record.count, record.received_at, *(record.in_doubt or (0, 0)))
    return head + _check.pack(crc32(record.kept, crc32(head))) + record.kept


def length_of(head: bytes) -> int:
    """How many bytes are kept behind a head, if it is one."""
    return int(_head.unpack_from(head)[1]) if len(head) >= HEAD else 0


def decode(data: bytes, mark: bytes, begins: int = 0) -> Record | None:
    """The record that begins there; None where there is none, or not all of it."""
    if len(data) - begins < HEAD:
        return None
    found, length, count, received_at, transaction, timeline = _head.unpack_from(data, begins)
    ends = begins + HEAD + length
    if found != mark or ends > len(data):
        return None
    kept = data[begins + HEAD : ends]
    if crc32(kept, crc32(data[begins : begins + _head.size])) != _check.unpack_from(data, begins + _head.size)[0]:
        return None
    return Record(received_at, count, kept, (transaction, timeline) if transaction else None)


def scan(data: bytes, mark: bytes, begins: int = 0) -> Iterator[tuple[int, Record | Unreadable]]:
    """What there is from a place on, each with where it ends; what is unreadable ends where the next record begins."""
    while begins < len(data):
        record = decode(data, mark, begins)
        if record is not None:
            begins += record.size
            yield begins, record
            continue
        following = data.find(mark, begins + 1)
        while following >= 0 and decode(data, mark, following) is None:
            following = data.find(mark, following + 1)
        ends = following if following >= 0 else len(data)
        yield ends, Unreadable(begins, ends)
        begins = ends
