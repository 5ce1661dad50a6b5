"""Local users and the sessions of whoever has logged in."""

from __future__ import annotations

import secrets

from psycopg.rows import dict_row

from collector.access import audit, passwords
from collector.access.principal import How, PersonRole
from collector.access.roster import LONGEST, LONGEST_OIDC, digest_of
from collector.query.reader import Row
from collector.store.database import Connection
from collector.store.sql import load
from slo_rules.instants import to_datetime

Q = load("access")
LONGEST_NAME = 200


class UserRefused(Exception):
    """What cannot be done with a user; it says everything that is wrong."""


def add(conn: Connection, name: str, role: PersonRole, password: str, now: int) -> None:
    """A new user, in the caller's transaction. Raises UserRefused."""
    faults = passwords.faults_of(password, name)
    if not name.strip() or name != name.strip() or len(name) > LONGEST_NAME or not name.isprintable():
        faults.append(f"a name is text in one line of at most {LONGEST_NAME} characters")
    if faults:
        raise UserRefused("; ".join(faults))
    row = {"name": name, "role": role, "password": passwords.hashed(password), "at": to_datetime(now)}
    if conn.execute(Q["add_person"], row).fetchone() is None:
        raise UserRefused(f"there is a user {name!r} already")
    audit.record(conn, [audit.entry("user.added", f"user {name}", {}, {"role": role})])


def change(
    conn: Connection, name: str, now: int, *, role: PersonRole | None = None, password: str | None = None,
    disabled: bool | None = None,
) -> None:  # fmt: skip
    """Change what is given. A new password, and being disabled, end all sessions. Raises UserRefused."""
    if password is not None and (faults := passwords.faults_of(password, name)):
        raise UserRefused("; ".join(faults))
    kept = None if password is None else passwords.hashed(password)
    row = {"name": name, "role": role, "password": kept, "disabled": disabled, "at": to_datetime(now)}
    found = conn.execute(Q["change_person"], row).fetchone()
    if found is None:
        raise UserRefused(f"there is no user {name!r}")
    if password is not None or disabled:
        conn.execute(Q["end_sessions"], {"name": name})
    before = {"role": found[0], "disabled": found[1]}
    changed = {"role": role, "disabled": disabled, "password": "changed" if password else None}
    after = {field: value for field, value in changed.items() if value is not None}
    audit.record(conn, [audit.entry("user.changed", f"user {name}", before, after)])


def listed(conn: Connection) -> list[Row]:
    """Every user, without what his password is judged by."""
    return conn.cursor(row_factory=dict_row).execute(Q["people"]).fetchall()


def role_of(conn: Connection, name: str, password: str) -> PersonRole | None:
    """What a user is, if this is his password; None takes as long."""
    known = name if name.isprintable() and len(name) <= LONGEST_NAME else ""
    with conn.transaction():
        row = conn.execute(Q["person"], {"name": known}).fetchone()
    return PersonRole(row[1]) if passwords.is_right(row[2] if row else None, password) and row else None


def begin_session(conn: Connection, name: str, role: PersonRole, how: How, now: int) -> str:
    """The token of a new session, in the caller's transaction: 256 random bits, of which SHA-256 is kept."""
    token = secrets.token_urlsafe(32)
    # What a provider said of somebody may be otherwise tomorrow.
    lasts = LONGEST_OIDC if how is How.OIDC else LONGEST
    row = {"digest": digest_of(token), "name": name, "role": role, "how": how}
    conn.execute(Q["begin_session"], row | {"at": to_datetime(now), "expires": to_datetime(now + lasts)})
    return token


def end_session(conn: Connection, token: str) -> None:
    """Somebody logs out."""
    conn.execute(Q["end_session"], {"digest": digest_of(token)})
