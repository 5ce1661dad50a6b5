"""Putting definitions in force, with whoever projects by those before ended first.

A projector reads the definitions when it begins. One that went on by those before would apply what is received after
the change otherwise than a replay does. Its session is therefore ended while the change cannot be seen yet, and whoever
takes over, in the same process or in one that stood by, reads the new ones.

Doors, pages and duties know the definitions that their process began with until it is started again; `in_force` lets
them see that there are others.
"""

from __future__ import annotations

from dataclasses import dataclass

import psycopg
import structlog

from collector import metrics
from collector.catalogue import Catalogue, load_catalogue, register
from collector.store.database import HANDS_LOCK, LOG_LOCK, PROJECTION_LOCK, Connection
from collector.store.sql import load
from slo_rules.workflow import Definitions

log = structlog.get_logger("milepost.definitions")
Q = load("registration")

_PATIENCE_MILLISECONDS = 10_000


@dataclass(frozen=True, slots=True)
class Registered:
    """Definitions that were put in force: the catalogue with them, and the digest by which they are known again."""

    catalogue: Catalogue
    digest: str


def put_in_force(conn: Connection, definitions: Definitions) -> Registered:
    """Let what these files say be in force. Where that is so already nothing changes, and nobody is disturbed."""
    with conn.transaction():
        conn.execute("SELECT pg_advisory_xact_lock(%s)", (LOG_LOCK,))
        former, before = load_catalogue(conn), in_force(conn)
        catalogue = register(conn, definitions)
        digest = in_force(conn)
        if digest != before:
            _tell(former, catalogue)
            _end_projection(conn)
    return Registered(catalogue, digest)


def in_force(conn: Connection) -> str:
    """A digest of the definitions in force: workflows with their versions, objectives and sources."""
    with conn.transaction():
        row = conn.execute(Q["in_force"]).fetchone()
    assert row is not None
    return str(row[0])


class Watch:
    """Sees whether what a process began with is still in force."""

    def __init__(self, registered: Registered) -> None:
        self._digest = registered.digest
        self._told: str | None = None

    def run_once(self, conn: Connection) -> bool:
        """Whether other definitions are in force now. Others than were told of are told, once."""
        now = in_force(conn)
        differ = now != self._digest
        metrics.DEFINITIONS_DIFFER.set(differ)
        if differ and now != self._told:
            log.warning(
                "definitions_differ",
                reason="another process has put other definitions in force; give both the same and start this one anew",
            )
        self._told = now
        return differ


def _tell(former: Catalogue, catalogue: Catalogue) -> None:
    before = {name: workflow.version for name, workflow in former.current.items()}
    now = {name: workflow.version for name, workflow in catalogue.current.items()}
    log.info(
        "definitions_registered",
        new=sorted(now.keys() - before.keys()),
        changed=sorted(name for name in now.keys() & before.keys() if now[name] != before[name]),
        ended=sorted(before.keys() - now.keys()),
    )


def _end_projection(conn: Connection) -> None:
    try:
        with conn.transaction():
            rows = conn.execute(
                Q["end_projection"], {"locks": [PROJECTION_LOCK, HANDS_LOCK], "patience": _PATIENCE_MILLISECONDS}
            ).fetchall()
    except psycopg.errors.InsufficientPrivilege as error:
        log.warning("projector_not_ended", reason="start it anew, so that it knows them", error=str(error).strip())
        return
    if not all(ended for (ended,) in rows):
        log.warning("projector_not_ended", reason="start it anew, so that it knows them")
