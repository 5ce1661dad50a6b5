"""What receivers may still have of somebody on their own disks (collector/spool): nobody else reaches that."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from collector.store.database import Connection
from collector.store.sql import load

Q = load("spool")


@dataclass(frozen=True, slots=True)
class Buffer:
    """A receiver, by its address, when it told something last, and since when something waits there.

    With `waits_since` None it ended without a word: whether anything lies there is not known.
    """

    receiver: str
    told_at: datetime
    waits_since: datetime | None


class Buffered(Exception):
    """What receivers accepted has not been written to the log yet; `buffers` says where it lies."""

    def __init__(self, buffers: list[Buffer]) -> None:
        super().__init__(", ".join(one.receiver for one in buffers))
        self.buffers = buffers


def buffers_of(conn: Connection) -> list[Buffer]:
    """The receivers that have something on their disks, or may have, in the caller's transaction."""
    return [Buffer(*row) for row in conn.execute(Q["keeping"]).fetchall()]
