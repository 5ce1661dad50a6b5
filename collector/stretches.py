"""A stretch of the log that several projectors apply side by side, and what is stored of it while they do.

There is one at a time. Its events are dealt out so that all events that may concern one instance are in one share.
Whoever projects writes the stretch down; any projector then takes shares of it, each under a lock of its session, and
writes what it makes of a share in one transaction with how far it came. Whoever projects waits for all of them, does
what nobody was left to do, and moves the position of the projection past the stretch.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterator

import msgspec
import structlog
from psycopg.types.json import Jsonb

from collector.parsed import Parsed
from collector.store.database import HANDS_LOCK, SHARE_LOCKS, Connection
from collector.store.sql import load

log = structlog.get_logger("milepost.projector")

Q = load("sharing")
MOST_SHARES = 32
NOBODY = 63
"""The share of events that mean nothing to any workflow."""
_SHARE, _MATCHED = 0x3F, 0x40
_encode = msgspec.msgpack.Encoder().encode


class Arrival(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What every projector must know of an event: where it is in the log, and when which source sent it.

    `type` is its type where that is expected by itself. `share` is NOBODY's where no workflow asks for it, unless it
    could not be read.
    """

    seq: int
    source: str
    type: str | None
    received_at: int
    occurred_at: int
    share: int
    matched: bool


class Stretch(msgspec.Struct, frozen=True):
    """The events after number `after` up to `seq`, received at `received_at` (micros), in columns.

    `versions` are the workflow versions by which they were dealt out to so many `shares`.
    """

    after: int
    seq: int
    received_at: int
    versions: list[tuple[str, int]]
    shares: int
    heard: list[tuple[str, str | None]]
    seqs: bytes
    received: bytes
    occurred: bytes
    sources: bytes
    dealt: bytes

    def arrivals(self) -> Iterator[Arrival]:
        """All events, in the order of the log."""
        columns = (_numbers(self.seqs), _numbers(self.received), _numbers(self.occurred), array("H", self.sources))
        heard = self.heard
        for seq, received_at, occurred_at, source, dealt in zip(*columns, self.dealt, strict=True):
            name, type_ = heard[source]
            yield Arrival(seq, name, type_, received_at, occurred_at, dealt & _SHARE, dealt & _MATCHED != 0)


def _numbers(column: bytes) -> array[int]:
    return array("q", column)


class Drawn:
    """A stretch in the making."""

    def __init__(self, after: int) -> None:
        self.after = after
        self._heard: dict[tuple[str, str | None], int] = {}
        self._seqs, self._received, self._occurred = array("q"), array("q"), array("q")
        self._sources = array("H")
        self._matched = bytearray()

    def __len__(self) -> int:
        return len(self._seqs)

    def add(self, event: Parsed) -> None:
        """Add the next event."""
        self._seqs.append(event.seq)
        self._received.append(event.received_at)
        self._occurred.append(event.occurred_at)
        self._sources.append(self._heard.setdefault((event.source, event.type), len(self._heard)))
        self._matched.append(_MATCHED if event.found else 0)

    def dealt(self, shares_of: list[int], versions: list[tuple[str, int]], shares: int) -> Stretch:
        """The stretch with the share of every event."""
        return Stretch(
            self.after,
            self._seqs[-1],
            self._received[-1],
            versions,
            shares,
            list(self._heard),
            self._seqs.tobytes(),
            self._received.tobytes(),
            self._occurred.tobytes(),
            self._sources.tobytes(),
            bytes(share | matched for share, matched in zip(shares_of, self._matched, strict=True)),
        )


class Share(msgspec.Struct, frozen=True):
    """One share of the open stretch: its events up to number `seq` have been applied; `done` says that all have."""

    number: int
    seq: int
    done: bool
    duplicates: dict[str, int]


def write_down(conn: Connection, stretch: Stretch) -> None:
    """Open a stretch, in the caller's transaction, which has the position locked."""
    conn.execute(Q["open"], {"after": stretch.after, "seq": stretch.seq, "said": _encode(stretch)})
    conn.execute(Q["deal"], {"shares": stretch.shares, "after": stretch.after})


def open_stretch(conn: Connection) -> Stretch | None:
    """The stretch that is being applied, if there is one that can be read; in the caller's transaction."""
    row = conn.execute(Q["stretch"]).fetchone()
    if row is None:
        return None
    try:
        return msgspec.msgpack.decode(row[0], type=Stretch)
    except Exception as error:  # noqa: BLE001 — whatever is wrong with it, it is not what was written
        log.warning("stretch_given_up", reason=f"what is stored of it cannot be read: {type(error).__name__}")
        return None


def shares_of(conn: Connection) -> list[Share]:
    """The shares of the open stretch, in the caller's transaction."""
    return [Share(*row) for row in conn.execute(Q["shares"]).fetchall()]


def take_share(conn: Connection) -> Share | None:
    """A share that nobody has taken and that is not done, if there is one; its lock is this session's until `leave`."""
    for number in [share.number for share in shares_of(conn) if not share.done]:
        row = conn.execute(Q["take"], {"lock": SHARE_LOCKS + number}).fetchone()
        if row is not None and row[0]:
            share = next((one for one in shares_of(conn) if one.number == number and not one.done), None)
            if share is not None:
                return share
            leave_share(conn, number)
    return None


def leave_share(conn: Connection, number: int) -> None:
    """Let others take it."""
    conn.execute(Q["leave"], {"lock": SHARE_LOCKS + number})


def note_share(conn: Connection, share: Share, seq: int, duplicates: Counter[str], *, done: bool) -> Share:
    """Write down how far a share has been applied, in the transaction that applies it."""
    total = dict(Counter(share.duplicates) + duplicates)
    conn.execute(Q["note"], {"share": share.number, "seq": seq, "done": done, "duplicates": Jsonb(total)})
    return Share(share.number, seq, done, total)


def close_stretch(conn: Connection) -> None:
    """It has been applied; in the transaction that moves the position past it."""
    conn.execute(Q["close"])


def hands(conn: Connection, leader: int) -> int:
    """How many sessions but that of the leader, of this process id, are ready to take shares."""
    row = conn.execute(Q["hands"], {"lock": HANDS_LOCK, "leader": leader}).fetchone()
    return int(row[0]) if row else 0
