"""The audit log: who did or read what, when and from where. It is only added to.

Each row carries the hash of the one before it. A row's hash is the SHA-256 of the JSON array of everything it says,
beginning with the hash of the row before. Whoever may write to the table past its triggers could make the whole chain
anew: note the last hash elsewhere, and `verify` against that.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from collector.access.principal import acting
from collector.store.database import Connection
from collector.store.sql import load
from slo_rules.instants import rfc3339, to_micros

Q = load("audit")
NO_HASH = bytes(32)
AUDIT_LOCK = 0x6D696C65_0020


@dataclass(frozen=True, slots=True)
class Entry:
    """What is to be recorded; `before` and `after` are JSON objects."""

    actor: str
    how: str
    address: str
    action: str
    object: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Broken:
    """The first row at which the chain does not hold, and how."""

    number: int
    why: str


@dataclass(frozen=True, slots=True)
class Verified:
    """How many rows were read, the number and the hash of the last, and where the chain is broken if it is."""

    rows: int
    last: int
    head: bytes
    broken: Broken | None


def entry(action: str, object_: str, before: dict[str, Any], after: dict[str, Any]) -> Entry:
    """What is recorded of whoever acts now."""
    who = acting.get()
    name, how, address = (who.name, who.how.value, who.address) if who else ("", "open", "")
    spoken = f"{name} ({who.id})" if who and who.id else name
    return Entry(_fit(spoken), how, _fit(address), action, _fit(object_), _spell(before), _spell(after))


def record(conn: Connection, entries: Sequence[Entry]) -> None:
    """Add to the log in the caller's transaction, which should end soon: whoever else records waits for its end."""
    if not entries:
        return
    # Under the lock the last row is committed: the statement after it sees it (READ COMMITTED).
    conn.execute("SELECT pg_advisory_xact_lock(%s)", (AUDIT_LOCK,))
    last = conn.execute(Q["last"]).fetchone()
    assert last is not None
    number, previous, at = last
    for one in entries:
        number += 1
        said = (one.actor, one.how, one.address, one.action, one.object, one.before, one.after)
        digest = hash_of(previous, number, at, said)
        conn.execute(Q["add"], (number, at, *said, previous, digest))
        previous = digest


def hash_of(previous: bytes, number: int, at: datetime, said: Sequence[str]) -> bytes:
    """The hash of a row."""
    text = json.dumps([previous.hex(), number, to_micros(at), *said], ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).digest()


def verify(conn: Connection, expected: tuple[int, bytes] | None = None) -> Verified:
    """Read the whole log; `expected` is a row that was there, with its hash, as somebody noted it."""
    rows, number, previous = 0, 0, NO_HASH
    for row in _rows(conn):
        rows += 1
        found, at, said, chained, digest = row[0], row[1], row[2:9], bytes(row[9]), bytes(row[10])
        why = ""
        if found != number + 1:
            many = f"rows {number + 1} to {found - 1} are" if found > number + 2 else f"row {number + 1} is"
            why = f"{many} missing before it"
        elif chained != previous:
            why = "it does not carry the hash of the row before it"
        elif hash_of(previous, found, at, said) != digest:
            why = "what it says is not what was recorded"
        elif expected is not None and expected[0] == found and expected[1] != digest:
            why = "its hash is not the one that was noted"
        if why:
            return Verified(rows, found, digest, Broken(found, why))
        number, previous = found, digest
    if expected is not None and number < expected[0]:
        return Verified(rows, number, previous, Broken(number + 1, f"rows {number + 1} to {expected[0]} are missing"))
    return Verified(rows, number, previous, None)


def exported(conn: Connection) -> Iterator[dict[str, Any]]:
    """Every row as a JSON object, the oldest first."""
    for number, at, actor, how, address, action, object_, before, after, previous, digest in _rows(conn):
        yield {
            "number": number,
            "at": rfc3339(to_micros(at)),
            "actor": actor,
            "how": how,
            "address": address,
            "action": action,
            "object": object_,
            "before": json.loads(before),
            "after": json.loads(after),
            "previous": bytes(previous).hex(),
            "hash": bytes(digest).hex(),
        }


def _rows(conn: Connection) -> Iterator[tuple[Any, ...]]:
    with conn.transaction(), conn.cursor("audit") as cursor:
        cursor.itersize = 2_000
        cursor.execute(Q["all"])
        yield from cursor


def _spell(said: dict[str, Any]) -> str:
    return json.dumps(said, ensure_ascii=True, sort_keys=True, default=str)


def _fit(text: str) -> str:
    """What PostgreSQL can hold as text, of a length that a row can bear."""
    return text[:1000].replace("\x00", "").encode("utf-8", "replace").decode()
