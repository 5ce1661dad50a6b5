"""What a process knows of keys and sessions: read from the database every two seconds, judged from memory.

No request waits for the database, and what is revoked is revoked everywhere within seconds. While the database is away
what was last known holds for FRESH_SECONDS; after that nobody is let in, and told to come again. Keys hold for longer
where what arrives is kept on disk meanwhile: that must not end because nobody could look them up.
"""

from __future__ import annotations

import hashlib
import threading
import time
from dataclasses import dataclass
from datetime import datetime, timedelta

from collector.access import keys
from collector.access.keys import Held
from collector.access.lengths import USUAL, Lengths
from collector.access.principal import Grant, How, PersonRole, Principal
from collector.store.database import Connection
from collector.store.sql import load
from slo_rules.durations import MINUTE
from slo_rules.instants import to_datetime

Q = load("access")
FRESH_SECONDS = 300.0
FRESH_BUFFERING_SECONDS = 6 * 3600.0
REFRESH_SECONDS = 2
WRITTEN_EVERY = MINUTE
"""When a key or a session was last used is written this often at most."""


class Stale(Exception):
    """Too long ago was it read who may do what."""


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody who has logged in; `started`, `seen` and `expires` are micros."""

    principal: Principal
    started: int
    seen: int
    expires: int


class Roster:
    """Judges keys and sessions. Several threads may ask and refresh."""

    def __init__(self, keys_hold: float | None = None, lengths: Lengths = USUAL) -> None:
        """`keys_hold` is for how many seconds keys are judged by what was last read; None for FRESH_SECONDS."""
        self.lengths = lengths
        self._keys_hold = keys_hold
        self._keys: dict[str, Held] = {}
        self._sessions: dict[bytes, Session] = {}
        self._read_at = float("-inf")
        self._used: dict[str | bytes, int] = {}
        self._written: dict[str | bytes, int] = {}
        self._reading = threading.Lock()

    def refresh(self, conn: Connection, now: datetime) -> None:
        """Read who may do what; write down when it was last used. psycopg.Error where that cannot be done."""
        self.read(conn)
        self._write_uses(conn, now)

    def was_read_within(self, seconds: float) -> bool:
        """Whether it was read so many seconds ago at most."""
        return time.monotonic() - self._read_at < seconds

    def read(self, conn: Connection) -> None:
        """Read who may do what; whoever else reads waits, so that nothing older comes after it."""
        with self._reading:
            began = time.monotonic()
            with conn.transaction():
                self._keys = keys.in_force(conn)
                self._sessions = {
                    bytes(digest): Session(
                        Grant(PersonRole(role), sees, raw).principal(name, How(how)), started, seen, expires
                    )
                    for digest, name, role, how, started, seen, expires, sees, raw in conn.execute(
                        Q["sessions"]
                    ).fetchall()
                }
            self._read_at = began

    @staticmethod
    def knows_anybody(conn: Connection) -> bool:
        """Whether there is a key in force or a local user at all."""
        with conn.transaction():
            row = conn.execute(Q["anybody"]).fetchone()
        return row is not None and any(row)

    def of_key(self, token: str, now: int) -> Principal | None:
        """Whose key it is. Raises Stale."""
        self._require_fresh(FRESH_SECONDS if self._keys_hold is None else self._keys_hold)
        found = keys.judge(token, self._keys, now)
        if found is not None:
            self._used[found.id] = now
        return found

    def of_session(self, token: str, now: int) -> Principal | None:
        """Whose session it is: not longer, and not unused for longer, than a session may be. Raises Stale."""
        self._require_fresh(FRESH_SECONDS)
        digest = digest_of(token)
        found = self._sessions.get(digest)
        if (
            found is None
            or now >= min(found.expires, found.started + self.lengths.longest)
            or now - max(found.seen, self._used.get(digest, 0)) > self.lengths.idle
        ):
            return None
        self._used[digest] = now
        return found.principal

    def _require_fresh(self, seconds: float) -> None:
        if time.monotonic() - self._read_at > seconds:
            raise Stale

    def _write_uses(self, conn: Connection, now: datetime) -> None:
        used = {one: at for one, at in list(self._used.items()) if at - self._written.get(one, 0) >= WRITTEN_EVERY}
        known = self._keys.keys() | self._sessions.keys()
        with conn.transaction(), conn.cursor() as cursor:
            for one, at in used.items():
                if isinstance(one, str):
                    cursor.execute(Q["used"], {"id": one, "at": to_datetime(at)})
                else:
                    cursor.execute(Q["seen"], {"digest": one, "at": to_datetime(at)})
            if self._sessions and now.second < REFRESH_SECONDS:
                cursor.execute(Q["forget_sessions"], {"idle": timedelta(microseconds=self.lengths.idle)})
        self._written = {one: at for one, at in (self._written | used).items() if one in known}
        for gone in self._used.keys() - known:
            self._used.pop(gone, None)


def digest_of(token: str) -> bytes:
    """What is kept of the token of a session: it is random, like a key (keys.py)."""
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()
