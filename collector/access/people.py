"""Local users and the sessions of whoever has logged in."""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from psycopg.rows import dict_row

from collector.access import audit, passwords
from collector.access.lengths import USUAL
from collector.access.principal import Grant, How, PersonRole, Principal, acting
from collector.access.roster import digest_of
from collector.access.sight import EVERYTHING
from collector.query.reader import Row
from collector.store.database import Connection
from collector.store.sql import load
from slo_rules.instants import to_datetime

Q = load("access")
LONGEST_NAME = 200


class UserRefused(Exception):
    """What cannot be done with a user; it says everything that is wrong."""


def add(
    conn: Connection, name: str, role: PersonRole, password: str, now: int, *, sees: list[str] | None = None,
    raw: bool = False, provisional: bool = True,
) -> None:  # fmt: skip
    """A new user, in the caller's transaction; `sees` and `raw` as in Grant. Raises UserRefused.

    A `provisional` password opens nothing but the form in which the user gives himself another.
    """
    faults = passwords.faults_of(password, name)
    if not name.strip() or name != name.strip() or len(name) > LONGEST_NAME or not name.isprintable():
        faults.append(f"a name is text in one line of at most {LONGEST_NAME} characters")
    if faults:
        raise UserRefused("; ".join(faults))
    kept = {"name": name, "role": role, "password": passwords.hashed(password), "at": to_datetime(now)}
    row: Row = kept | {"sees": sees, "raw": raw, "provisional": provisional}
    if conn.execute(Q["add_person"], row).fetchone() is None:
        raise UserRefused(f"there is a user {name!r} already")
    said = {"role": role, "sees": sees or "all", "raw": raw}
    audit.record(conn, [audit.entry("user.added", f"user {name}", {}, said)])


def change(
    conn: Connection, name: str, now: int, *, role: PersonRole | None = None, password: str | None = None,
    disabled: bool | None = None, raw: bool | None = None, sees: Sequence[str] | None = None,
) -> None:  # fmt: skip
    """Change what is given; `sees` is `("all",)` for every workflow.

    A new password, which is provisional as that of a new user, and being disabled end all sessions. Raises UserRefused.
    """
    if password is not None and (faults := passwords.faults_of(password, name)):
        raise UserRefused("; ".join(faults))
    _change(conn, name, now, role, password, disabled, raw, sees, provisional=True)


def change_own(conn: Connection, name: str, old: str, new: str, address: str, now: int) -> Grant | None:
    """Another password for whoever knows the present one; all his sessions end, and it is no longer provisional.

    What he may; None where the present one is wrong. Raises UserRefused.
    """
    grant = grant_of(conn, name, old)
    if grant is None:
        return None
    if faults := passwords.faults_of(new, name, former=old):
        raise UserRefused("; ".join(faults))
    speaking = acting.set(grant.principal(name, How.PASSWORD, address))
    try:
        with conn.transaction():
            _change(conn, name, now, password=new, provisional=False)
    finally:
        acting.reset(speaking)
    return grant


def _change(
    conn: Connection, name: str, now: int, role: PersonRole | None = None, password: str | None = None,
    disabled: bool | None = None, raw: bool | None = None, sees: Sequence[str] | None = None, *, provisional: bool,
) -> None:  # fmt: skip
    kept = None if password is None else passwords.hashed(password)
    row: Row = {"name": name, "role": role, "password": kept, "disabled": disabled, "at": to_datetime(now), "raw": raw}
    row["provisional"] = None if password is None else provisional
    row |= {"sees_changes": sees is not None, "sees": None if sees is None or EVERYTHING in sees else list(sees)}
    found = conn.execute(Q["change_person"], row).fetchone()
    if found is None:
        raise UserRefused(f"there is no user {name!r}")
    if password is not None or disabled:
        conn.execute(Q["end_sessions"], {"name": name, "how": How.PASSWORD})
    before = {"role": found[0], "disabled": found[1], "sees": found[2] or "all", "raw": found[3]}
    said = None if password is None else "provisional" if provisional else "changed"
    changed: Row = {"role": role, "disabled": disabled, "password": said, "raw": raw}
    changed |= {"sees": sees}
    after = {field: value for field, value in changed.items() if value is not None}
    audit.record(conn, [audit.entry("user.changed", f"user {name}", before, after)])


def listed(conn: Connection) -> list[Row]:
    """Every user, without what his password is judged by."""
    return conn.cursor(row_factory=dict_row).execute(Q["people"]).fetchall()


def log_out(conn: Connection, name: str, how: How | None = None) -> int:
    """End all sessions of somebody who came by `how`, or by any way, in the caller's transaction; how many there were.

    Whoever a provider calls so need not be the local user of the name.
    """
    ended = conn.execute(Q["end_sessions"], {"name": name, "how": how}).fetchall()
    if ended:
        audit.record(conn, [audit.entry("user.logged_out", f"user {name}", {"sessions": len(ended)}, {})])
    return len(ended)


def grant_of(conn: Connection, name: str, password: str) -> Grant | None:
    """What a user may, if this is his password; None takes as long."""
    known = name if name.isprintable() and len(name) <= LONGEST_NAME else ""
    with conn.transaction():
        row = conn.execute(Q["person"], {"name": known}).fetchone()
    if not passwords.is_right(row[2] if row else None, password) or row is None:
        return None
    return Grant(PersonRole(row[1]), row[3], row[4])


def is_provisional(conn: Connection, name: str) -> bool:
    """Whether somebody else chose the password of a user."""
    with conn.transaction():
        row = conn.execute(Q["provisional"], {"name": name}).fetchone()
    return row is not None and bool(row[0])


def note_password_due(conn: Connection, who: Principal) -> None:
    """Record that somebody knew the password that another chose for him, and was asked for his own."""
    speaking = acting.set(who)
    try:
        with conn.transaction():
            audit.record(conn, [audit.entry("login.password_due", f"user {who.name}", {}, {})])
    finally:
        acting.reset(speaking)


def begin_session(conn: Connection, name: str, grant: Grant, how: How, now: int, longest: int = USUAL.longest) -> str:
    """The token of a new session, in the caller's transaction: 256 random bits, of which SHA-256 is kept.

    It ends after `longest` micros in any case.
    """
    token = secrets.token_urlsafe(32)
    row: Row = {"digest": digest_of(token), "name": name, "role": grant.role, "how": how}
    row |= {"sees": None if grant.sees is None else list(grant.sees), "raw": grant.raw}
    conn.execute(Q["begin_session"], row | {"at": to_datetime(now), "expires": to_datetime(now + longest)})
    return token


def end_session(conn: Connection, token: str) -> None:
    """Somebody logs out."""
    conn.execute(Q["end_session"], {"digest": digest_of(token)})
