"""What is asked of the database: nothing is written, and a question takes ten seconds at most."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any

import psycopg
from alembic.config import Config
from alembic.script import ScriptDirectory

from collector.access.roster import Roster
from collector.catalogue import load_catalogue
from collector.query.sources import marks_on
from collector.sampling import READ_ONLY
from collector.store.database import Connection, connect
from collector.store.sql import load
from milepost.doctor import judging
from milepost.doctor.finding import Finding, fail, ok
from milepost.settings import Settings
from slo_rules.acts import ACT_SOURCE
from slo_rules.instants import to_micros

Q = load("doctor")
OF_SOURCES = load("sources")
BRIEFLY = f"{READ_ONLY} -c statement_timeout=10s"

Question = Callable[[Connection], Finding | list[Finding]]


def server(conn: Connection) -> Finding:
    """Its version."""
    number, version, *_ = _row(conn, "server")
    return judging.server_version(number, version)


def extensions(conn: Connection) -> Finding:
    """TimescaleDB, where it is there."""
    preloaded = _row(conn, "server")[2]
    rows = conn.execute(Q["extensions"]).fetchall()
    installed = {name: version for name, version, offered in rows if version is not None}
    available = {name: offered for name, version, offered in rows if offered is not None}
    return judging.extensions(installed, available, preloaded=bool(preloaded))


def migrations(conn: Connection) -> Finding:
    """Whether the schema is that of this release."""
    there = conn.execute("SELECT to_regclass('alembic_version') IS NOT NULL").fetchone()
    rows = conn.execute("SELECT version_num FROM alembic_version").fetchall() if there and there[0] else []
    head, known = release()
    return judging.migrations([row[0] for row in rows], head, known)


def release() -> tuple[str, frozenset[str]]:
    """The version of the schema that this release needs, and all those that led there."""
    config = Config()
    config.set_main_option("script_location", str(files("collector.store") / "migrations"))
    scripts = ScriptDirectory.from_config(config)
    return scripts.get_current_head() or "", frozenset(one.revision for one in scripts.walk_revisions())


def clock(conn: Connection) -> Finding:
    """Its clock against ours. What is asked twice is held against neither: the nearer answer counts."""
    asked: list[tuple[int, int, int]] = []
    for _ in range(3):
        began = time.time_ns() // 1000
        row = conn.execute("SELECT clock_timestamp()").fetchone()
        assert row is not None
        asked.append((began, to_micros(row[0]), time.time_ns() // 1000))
    return judging.clock_skew(*min(asked, key=lambda one: one[2] - one[0]))


def rights_for(*, embedded: bool) -> Question:
    """What its user may do."""

    def rights(conn: Connection) -> Finding:
        name, superuser, unreadable, unwritable, not_owned, creates = _row(conn, "rights")
        return judging.rights(
            judging.Rights(
                name, bool(superuser), tuple(unreadable), tuple(unwritable), tuple(not_owned), bool(creates), embedded
            )
        )

    return rights


def projection(conn: Connection) -> Finding:
    """How far behind it is."""
    waiting, oldest = _row(conn, "waiting")
    age = None if oldest is None else max(0, to_micros(datetime.now(UTC)) - to_micros(oldest))
    return judging.projection_lag(waiting, age)


def sources(conn: Connection) -> Finding:
    """Which of them are silent, by the definitions in force there."""
    marks = marks_on(conn, load_catalogue(conn))
    now = to_micros(datetime.now(UTC))
    known = {name: mark for name, mark in marks.items() if name != ACT_SOURCE}
    silent = [name for name, mark in sorted(known.items()) if mark.due is not None and now >= mark.due]
    silent += [
        f"{name} ({type_})"
        for name, mark in sorted(known.items())
        for type_, one in sorted(mark.types.items())
        if one.due is not None and now >= one.due
    ]
    return judging.silent_sources(silent, len(known))


def dead_letters(conn: Connection) -> Finding:
    """How many wait."""
    return judging.dead_letters(dict(conn.execute(OF_SOURCES["count_open_letters"]).fetchall()))


def receivers(conn: Connection) -> list[Finding]:
    """What they may still have on their own disks."""
    now = to_micros(datetime.now(UTC))
    told = [
        judging.Receiver(
            name,
            max(0, now - to_micros(told_at)),
            None if waits_since is None else max(0, now - to_micros(waits_since)),
        )
        for name, told_at, waits_since in conn.execute(Q["receivers"]).fetchall()
    ]
    return judging.receivers(told)


def limited(conn: Connection) -> Finding:
    """Who has sent more than he may."""
    return judging.limited({(by, name): count for by, name, count in conn.execute(Q["limited"]).fetchall()})


def entrants_for(settings: Settings) -> Question:
    """Whether anybody can enter where people must say who they are."""

    def entrants(conn: Connection) -> Finding:
        elsewhere = settings.oidc_issuer or settings.forward_auth_header
        if elsewhere or Roster.knows_anybody(conn):
            return ok("entrants", "there is somebody who may enter")
        advice = "make a key (milepost keys create) or a user (milepost users add)"
        return fail("entrants", "nobody can enter: there is no key in force and no user", advice)

    return entrants


def replica(url: str) -> Finding:
    """The server that is read. psycopg.Error where it cannot be asked."""
    with connect(url, "doctor", autocommit=True, options=BRIEFLY) as conn:
        recovering, lag = _row(conn, "replica")
    return judging.replica(recovering=recovering, lag=None if lag is None else int(lag.total_seconds() * 1_000_000))


def size_of(conn: Connection) -> int:
    """Bytes of the whole database."""
    return int(_row(conn, "server")[3])


def why(error: psycopg.Error) -> str:
    """The first line of what the server or the driver says; it names users and hosts, and no passwords."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _row(conn: Connection, name: str) -> tuple[Any, ...]:
    row = conn.execute(Q[name]).fetchone()
    assert row is not None
    return row
