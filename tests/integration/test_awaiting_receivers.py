"""After an outage nothing is called stuck whose next event lies on a receiver's disk."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from collector import awaiting
from collector.awaiting import LEASE, PATIENCE
from collector.catalogue import Catalogue
from collector.log import Batch, SourceRequest
from collector.projector import Projector
from collector.rebuild import fingerprints, forget
from collector.sources.intake import run_once
from collector.spool.draining import Draining
from collector.spool.packing import pack
from collector.spool.segments import Spool
from collector.spool.spooling import Spooling
from collector.store.database import Connection
from slo_rules.definitions import load
from slo_rules.durations import MINUTE, SECOND
from slo_rules.event import Event, event_key
from slo_rules.instants import rfc3339, to_datetime
from tests.integration.fix_doors import receivers_by
from tests.projecting import enroll, log_row, project, receive, stored

ORDERS = """
apiVersion: milepost/v1
kind: Workflow
metadata: {name: orders, domain: orders, owner: operations}
spec:
  entity: order
  keys: {order: data.order}
  milestones:
    - {name: won, on: {exact: {type: won}}}
    - {name: accepted, on: {exact: {type: accepted}}, within: 1m}
    - {name: shipped, on: {exact: {type: shipped}}, within: 1h, completes: true}
---
apiVersion: milepost/v1
kind: Source
metadata: {name: erp}
spec:
  adapter:
    name: generic
    secret: "${ERP}"
    signature: {header: X-Signature}
    mapping: {id: id, time: at, type: what, types: {A: accepted}, fields: {order: order}}
"""
REQUEST = b'{"id": "a1", "at": "%s", "what": "A", "order": "1"}'


class Outage:
    """Ten minutes ago an order was won; a minute later the database was away, and so it was until now.

    The receiver heard within the minute that the order was accepted, and has that on its disk.
    """

    def __init__(self, conn: Connection, folder: Path) -> None:
        self.conn = conn
        self.catalogue: Catalogue = enroll(conn, load({"orders.yaml": ORDERS}))
        self.now = time.time_ns() // 1000
        self.began = self.now - 10 * MINUTE
        receive(conn, [self.event("won", 0)])
        self.spool = Spool(folder, 2**20, left_free=0)
        self.spooling = Spooling("", self.spool, "test")
        with conn.transaction():
            conn.execute(
                "INSERT INTO receiver_spool (id, name, told_at) VALUES (%s, 'test', %s)",
                (self.spool.id, to_datetime(self.began + 20 * SECOND)),
            )
        self.spool.add([pack(Batch(events=[log_row(self.event("accepted", 40 * SECOND))]), self.began + 40 * SECOND)])
        self.spooling._active = True
        self.projector = Projector(self.catalogue)
        assert self.projector.acquire(conn)

    def event(self, type_: str, after: int) -> Event:
        at = self.began + after
        document = {"specversion": "1.0", "id": type_, "source": "crm", "type": type_, "data": {"order": "1"}}
        return Event("crm", type_, at, at, event_key("crm", type_), document)

    def verdict(self) -> str:
        assert self.projector.cycle(self.conn).caught_up
        ((verdict,),) = [(one["verdict"],) for one in stored(self.conn)]
        return str(verdict)

    def changes(self) -> list[str]:
        rows = self.conn.execute("SELECT verdict FROM verdict_change ORDER BY at").fetchall()
        self.conn.commit()
        return [row[0] for row in rows]

    def write(self) -> Draining:
        draining = Draining(self.conn, self.spool)
        draining.begin()
        while draining.run_once() is not None:
            pass
        return draining

    def drain(self) -> None:
        self.write()
        with self.conn.transaction():
            self.conn.execute("UPDATE receiver_spool SET waits_since = NULL, told_at = clock_timestamp()")

    def swept_to(self) -> datetime:
        row = self.conn.execute("SELECT swept_to FROM projection").fetchone()
        self.conn.commit()
        assert row is not None
        found: datetime = row[0]
        return found


@pytest.fixture
def after(conn: Connection, tmp_path: Path) -> Iterator[Outage]:
    made = Outage(conn, tmp_path / "spool")
    yield made
    made.spool.close()


def test_what_lies_on_a_disk_is_waited_for_and_was_in_time(after: Outage) -> None:
    # The projector is faster than the receiver: it has told nothing since the database is back.
    assert after.verdict() == "on_track"
    assert after.swept_to() == to_datetime(after.began + 20 * SECOND + LEASE)
    after.spooling.tell(after.conn, datetime.now(UTC))
    assert after.verdict() == "on_track"
    after.drain()
    assert after.verdict() == "on_track"
    assert datetime.now(UTC) - after.swept_to() < timedelta(hours=1)
    assert after.changes() == ["on_track"]
    rows = after.conn.execute("SELECT received_at FROM event ORDER BY seq").fetchall()
    after.conn.commit()
    assert abs((rows[1][0] - to_datetime(after.began + 40 * SECOND)).total_seconds()) < 1


def test_whoever_had_nothing_to_tell_of_would_have_called_it_stuck(after: Outage) -> None:
    """What the test above would see if nobody was waited for."""
    with after.conn.transaction():
        after.conn.execute("DELETE FROM receiver_spool")
    assert after.verdict() == "stuck"


def test_a_rebuild_derives_the_same(after: Outage) -> None:
    after.verdict()
    after.spooling.tell(after.conn, datetime.now(UTC))
    after.verdict()
    after.drain()
    after.verdict()
    before = fingerprints(after.conn)
    forget(after.conn, current_definitions=False)
    project(after.conn, after.catalogue)
    assert fingerprints(after.conn) == before


def test_whoever_is_silent_for_too_long_is_let_go_and_what_it_writes_then_counts_from_then_on(
    after: Outage, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert after.verdict() == "on_track"
    later = time.monotonic() + PATIENCE + 1
    with monkeypatch.context() as patched:
        patched.setattr(awaiting.time, "monotonic", lambda: later)
        assert after.verdict() == "stuck"
    judged_to = after.swept_to()
    after.spooling.tell(after.conn, datetime.now(UTC))
    after.drain()
    assert after.verdict() == "on_track"
    rows = after.conn.execute("SELECT received_at FROM event ORDER BY seq").fetchall()
    after.conn.commit()
    assert rows[1][0] >= judged_to
    # What was said stays said, and a rebuild says it again.
    assert after.changes() == ["on_track", "stuck", "on_track"]
    before = fingerprints(after.conn)
    forget(after.conn, current_definitions=False)
    project(after.conn, after.catalogue)
    assert fingerprints(after.conn) == before


def test_what_a_source_sent_in_a_form_of_its_own_is_waited_for_until_it_is_an_event(
    conn: Connection, tmp_path: Path
) -> None:
    after = Outage(conn, tmp_path / "spool")
    for path in (tmp_path / "spool").glob("*.spool"):
        path.unlink()
    after.spool.close()
    after.spool = Spool(tmp_path / "spool", 2**20, left_free=0)
    at = after.began + 40 * SECOND
    request = SourceRequest("erp", "POST", "", {}, REQUEST % rfc3339(at).encode())
    after.spool.add([pack(Batch(requests=[request]), at)])
    draining = after.write()
    held = draining.look_for_unmapped()
    assert held is not None
    assert abs((held - to_datetime(at)).total_seconds()) < 1
    assert after.verdict() == "on_track"
    assert after.swept_to() <= to_datetime(at + SECOND)
    assert run_once(conn, receivers_by(after.catalogue, {"ERP": "s3cret"})) == 1
    assert draining.look_for_unmapped() is None
    rows = conn.execute("SELECT received_at FROM event ORDER BY seq").fetchall()
    conn.commit()
    assert abs((rows[1][0] - to_datetime(at)).total_seconds()) < 1
    with conn.transaction():
        conn.execute("UPDATE receiver_spool SET waits_since = NULL, told_at = clock_timestamp()")
    assert after.verdict() == "on_track"
    assert after.changes() == ["on_track"]
    after.spool.close()
