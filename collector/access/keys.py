"""API keys: `mp_`, ten characters by which people recognise one, `_`, and 256 random bits.

Only the SHA-256 of the secret is kept. A password is guessed, and needs a slow hash; 256 random bits are not, and what
every request pays for must cost nothing: there is nothing to gain from salt or iterations.
"""

from __future__ import annotations

import hashlib
import hmac
import math
import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from psycopg.rows import dict_row

from collector.access import audit
from collector.access.principal import ACT, ADMIN, OVERVIEW, QUERY, RAW, How, Principal, acting
from collector.access.rates import OFF, Rate
from collector.access.sight import sight_of
from collector.query.reader import Row
from collector.store.database import Connection
from collector.store.sql import load
from slo_rules.instants import rfc3339, to_datetime

Q = load("access")
_START = "mp_"
_ID = 10
_SECRET = 43
LENGTH = len(_START) + _ID + 1 + _SECRET
_LETTERS = "abcdefghijkmnpqrstuvwxyz23456789"
LONGEST_NAME = 100
USUAL = "usual"
"""The rate of a key that has none of its own: what the settings say."""


class KeyRefused(Exception):
    """What cannot be done with a key; it says why."""


@dataclass(frozen=True, slots=True)
class Held:
    """What is known of a key that is in force; `expires` is micros, None never."""

    digest: bytes
    principal: Principal
    expires: int | None


def spelled(id_: str, secret: str) -> str:
    """A key as it is used."""
    return f"{_START}{id_}_{secret}"


def digest_of(secret: str) -> bytes:
    """What is kept of a secret."""
    return hashlib.sha256(secret.encode()).digest()


def judge(token: str, held: Mapping[str, Held], now: int) -> Principal | None:
    """Whose key this is, if it is one and in force at `now` (micros): one look-up and one comparison."""
    if len(token) != LENGTH or not token.startswith(_START) or not token.isascii():
        return None
    known = held.get(token[3:13])
    if known is None or not hmac.compare_digest(known.digest, digest_of(token[14:])):
        return None
    return known.principal if known.expires is None or now < known.expires else None


def create(
    conn: Connection, name: str, scopes: tuple[str, ...], expires: int | None, now: int, sees: list[str] | None = None,
    rate: float | None = None,
) -> str:  # fmt: skip
    """A new key, in the caller's transaction; it is said here and never again. Raises KeyRefused.

    `sees` is which workflows it may see (sight.py), None all; `rate` how much it may bring, as in Principal.
    """
    if not name.strip() or len(name) > LONGEST_NAME or not name.isprintable():
        raise KeyRefused(f"--name: must be text in one line of at most {LONGEST_NAME} characters")
    conn.execute(Q["lock_keys"])
    if _in_force(conn, name, now):
        raise KeyRefused(f"--name: there is a key {name!r} in force; rotate it, or revoke it first")
    if sees is not None and not set(scopes) & {OVERVIEW, QUERY, RAW, ACT, ADMIN}:
        raise KeyRefused(
            "--domain, --workflow: of what scopes overview, query, raw, act and admin show; it has none of them"
        )
    return _add(conn, name, sorted(set(scopes)), expires, now, sees, rate)


def rotate(conn: Connection, name: str, overlap: int, expires: int | None, now: int) -> str:
    """A new key of the same name and scopes; those before it hold for `overlap` micros more. Raises KeyRefused.

    Without `expires` the new one holds for as long as the newest of them was made for.
    """
    conn.execute(Q["lock_keys"])
    former = _in_force(conn, name, now)
    if not former:
        raise KeyRefused(f"There is no key {name!r} in force.")
    newest = former[0]
    if expires is None and newest["lasts"] is not None:
        expires = now + newest["lasts"]
    conn.execute(Q["shorten"], {"ids": [one["id"] for one in former], "until": to_datetime(now + overlap)})
    return _add(
        conn, name, newest["scopes"], expires, now, newest["sees"], newest["rate"], [one["id"] for one in former]
    )


def revoke(conn: Connection, which: str, now: int) -> list[str]:
    """Revoke a key by its prefix, or all in force of a name; their prefixes. Raises KeyRefused."""
    id_ = which.removeprefix(_START)[:_ID] if which.startswith(_START) else ""
    rows = conn.execute(Q["revoke"], {"id": id_, "name": which, "at": to_datetime(now)}).fetchall()
    if not rows:
        raise KeyRefused("There is no such key in force.")
    prefixes = [_START + row[0] for row in rows]
    for prefix, (_, name) in zip(prefixes, rows, strict=True):
        audit.record(conn, [audit.entry("key.revoked", f"key {prefix}", {"name": name}, {})])
    return prefixes


def limit(conn: Connection, name: str, rate: float | None, now: int) -> None:
    """Let the keys in force of a name bring so much from now on, as in Principal. Raises KeyRefused."""
    conn.execute(Q["lock_keys"])
    former = _in_force(conn, name, now)
    if not former:
        raise KeyRefused(f"There is no key {name!r} in force.")
    conn.execute(Q["limit"], {"ids": [one["id"] for one in former], "rate": rate})
    said = [{"rate": spelled_rate(one)} for one in (former[0]["rate"], rate)]
    audit.record(conn, [audit.entry("key.limited", f"key {_START}{one['id']}", *said) for one in former])


def spelled_rate(rate: float | None) -> str:
    """A rate of a key as people read it."""
    if rate is None:
        return USUAL
    return OFF if math.isinf(rate) else str(Rate(rate))


def listed(conn: Connection) -> list[Row]:
    """Every key that was ever made, those in force first; nothing of it opens anything."""
    return conn.cursor(row_factory=dict_row).execute(Q["keys"]).fetchall()


def in_force(conn: Connection) -> dict[str, Held]:
    """The keys that are not revoked and not over, by their ids."""
    found: dict[str, Held] = {}
    for id_, name, scopes, sees, digest, expires, rate in conn.execute(Q["keys_in_force"]).fetchall():
        who = Principal(name, How.KEY, frozenset(scopes), id_, sight=sight_of(sees), rate=rate)
        found[id_] = Held(bytes(digest), who, expires)
    return found


def _in_force(conn: Connection, name: str, now: int) -> list[Row]:
    asked = {"name": name, "at": to_datetime(now)}
    return conn.cursor(row_factory=dict_row).execute(Q["keys_of_name"], asked).fetchall()


def _add(
    conn: Connection, name: str, scopes: list[str], expires: int | None, now: int, sees: list[str] | None,
    rate: float | None, rotates: list[str] | None = None,
) -> str:  # fmt: skip
    id_ = "".join(secrets.choice(_LETTERS) for _ in range(_ID))
    secret = secrets.token_urlsafe(32)
    who = acting.get()
    row = {
        "id": id_,
        "name": name,
        "scopes": scopes,
        "sees": sees,
        "rate": rate,
        "digest": digest_of(secret),
        "at": to_datetime(now),
        "by": who.name if who else "",
        "expires": None if expires is None else to_datetime(expires),
    }
    conn.execute(Q["add_key"], row)
    said = {
        "name": name,
        "scopes": scopes,
        "sees": sees or "all",
        "rate": spelled_rate(rate),
        "expires_at": None if expires is None else rfc3339(expires),
    }
    before = {"keys": [_START + one for one in rotates]} if rotates else {}
    action = "key.rotated" if rotates else "key.created"
    audit.record(conn, [audit.entry(action, f"key {_START}{id_}", before, said)])
    return spelled(id_, secret)
