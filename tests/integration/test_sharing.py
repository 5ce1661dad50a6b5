"""Several projectors on one backlog: they share it, and whichever of them is killed, everything counts once."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from collector.projection_process import Activity, ProjectionProcess
from collector.projector import SHARE_FROM
from collector.rebuild import fingerprints, forget
from collector.store.database import SHARE_LOCKS, Connection
from collector.stretches import hands
from slo_rules.durations import MINUTE
from slo_rules.event import Event
from tests.projecting import enroll, log_events, project, projecting
from tests.strategies import definitions, make_event

pytestmark = pytest.mark.slow

ORDERS = SHARE_FROM
KILLS = 3
SEED = 20_261_122


@pytest.fixture
def conn(database_url: str) -> Iterator[Connection]:
    with projecting(database_url) as connection:
        yield connection


def history(backlog: int) -> list[Event]:
    """Orders whose events name them by one key or the other, so that many are joined; shuffled, with repetitions."""
    drawn = random.Random(SEED + backlog)
    found = []
    for n in range(backlog * ORDERS, (backlog + 1) * ORDERS):
        both = {"opportunity": f"O-{n}", "order": f"SO-{n}"}
        said = [
            ("won", {"opportunity": f"O-{n}"}),
            ("linked", both),
            ("accepted", {"order": f"SO-{n}", "tax_code": "V1"}),
        ]
        for number, (type_, data) in enumerate(said):
            source = "sap" if type_ == "accepted" else "crm"
            found.append(make_event(type_, drawn.randrange(600) * MINUTE, 3 * n + number, source, data))
    drawn.shuffle(found)
    return found + found[: len(found) // 20]


def _prepare() -> None:
    """The processes need no logging."""


@contextmanager
def projectors(url: str, number: int) -> Iterator[list[ProjectionProcess]]:
    found = [ProjectionProcess(url, _prepare) for _ in range(number)]
    for one in found:
        one.start()
    try:
        yield found
    finally:
        for one in found:
            one.close()


def wait_until(condition: object, what: str, seconds: float = 120) -> None:
    assert callable(condition)
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, what


def rows(conn: Connection, query: str) -> list[tuple[object, ...]]:
    found = conn.execute(query).fetchall()
    conn.commit()
    return found


def share_holders(conn: Connection) -> list[object]:
    """The projectors that are at a share."""
    first = SHARE_LOCKS & 0xFFFFFFFF
    query = f"SELECT DISTINCT pid FROM pg_locks WHERE locktype = 'advisory' AND objid BETWEEN {first} AND {first + 31}"
    return [pid for (pid,) in rows(conn, query)]


def applied(conn: Connection) -> bool:
    [(done,)] = rows(
        conn, "SELECT seq = (SELECT max(seq) FROM event) AND swept_to > now() - interval '1 minute' FROM projection"
    )
    return bool(done)


def test_a_backlog_is_shared_and_whoever_is_killed_everything_counts_once(database_url: str, conn: Connection) -> None:
    catalogue = enroll(conn, definitions())
    # Both sources are heard, so that nothing turns later.
    log_events(conn, [make_event("noise", 0, 9_000_000 + n, source, {}) for n, source in enumerate(("crm", "sap"))])
    project(conn, catalogue)
    conn.close()
    with projecting(database_url) as conn, projectors(database_url, 3) as running:
        wait_until(lambda: sum(one.activity is Activity.ACTIVE for one in running) == 1, "one projects")
        wait_until(lambda: hands(conn, conn.info.backend_pid) == 2, "the others are ready to help")
        conn.commit()
        drawn, killed, backlogs, sent = random.Random(SEED), 0, 0, 0
        while not (done := applied(conn)) or killed < KILLS:
            if done:
                # On a busy machine one may be applied before enough of them were seen at work.
                more = history(backlogs)
                log_events(conn, more)
                backlogs, sent = backlogs + 1, sent + len(more)
            if len(share_holders(conn)) >= 2 and killed < KILLS:
                child = drawn.choice([one for one in multiprocessing.active_children() if one.name == "projector"])
                assert child.pid is not None
                os.kill(child.pid, signal.SIGKILL)
                killed += 1
    with projecting(database_url) as conn:
        assert rows(conn, "SELECT count(*) FROM shared_stretch") == [(0,)]
        shared = fingerprints(conn)
        assert rows(conn, "SELECT count(*) FROM instance") == [(backlogs * ORDERS,)]
        received = rows(conn, "SELECT sum(received), sum(duplicates) FROM source_state")
        assert received == [(sent + 2, sent // 21)]
        forget(conn, current_definitions=False)
        project(conn, catalogue)
        assert fingerprints(conn) == shared
