"""Many instances at once: which they are is read first, as ids of sixteen bytes; then they are read part by part.

Each part is a question of its own, which finds its instances by their ids however many there are: nobody holds a
transaction or a connection over all of them, and none is found by going through everything that ever was.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from collector.query.reader import Reader
from collector.store.tables import instance

_LENGTH = 16


async def ids_of(reader: Reader, found: sa.Select[tuple[UUID]]) -> bytes:
    """The ids that a select finds, sixteen bytes each, in its order."""
    ids = bytearray()

    def take(rows: Sequence[tuple[Any, ...]]) -> None:
        for (id_,) in rows:
            ids.extend(id_.bytes)

    await reader.feed(found, take)
    return bytes(ids)


def count_of(ids: bytes) -> int:
    """How many they are."""
    return len(ids) // _LENGTH


def parts_of(ids: bytes, size: int) -> Iterator[list[UUID]]:
    """The ids, at most `size` at a time."""
    for first in range(0, len(ids), _LENGTH * size):
        last = min(first + _LENGTH * size, len(ids))
        yield [UUID(bytes=ids[at : at + _LENGTH]) for at in range(first, last, _LENGTH)]


def are(part: Sequence[UUID]) -> sa.ColumnElement[bool]:
    """The condition that an instance is one of these."""
    # One array: a thousand parameters would take longer to write down than to read by.
    return instance.c.id == sa.any_(sa.cast(sa.bindparam("ids", list(part)), ARRAY(sa.Uuid)))
