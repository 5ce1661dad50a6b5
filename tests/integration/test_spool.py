"""The database goes away and comes back: what was acknowledged is in the log once, and as of when it came."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from collector import log as log_module
from collector.access.audit import Entry
from collector.awaiting import LEASE
from collector.copyformat import span_row
from collector.erasure.buffers import buffers_of
from collector.log import Batch, DeadLetter, LetterReason, LogWriter, SourceRequest, Unavailable, timeline_of
from collector.spool.draining import Draining, Elsewhere, Undecided
from collector.spool.packing import pack
from collector.spool.segments import Spool
from collector.spool.spooling import Spooling
from collector.store.database import LOG_LOCK, Connection, connect
from milepost.doctor.asking_database import receivers
from milepost.doctor.finding import Grade
from tests.fix_outage import Outage
from tests.projecting import log_row
from tests.strategies import make_event

pytestmark = pytest.mark.slow

ROOM = 64 * 2**20


class Receiving:
    """A log writer with its buffer, which can end and begin again."""

    def __init__(self, url: str, folder: Path, limit: int = ROOM) -> None:
        self.url = url
        self.spool = Spool(folder, limit, left_free=0)
        self.spooling = Spooling(url, self.spool, "test")
        self.writer = LogWriter(url, buffer=self.spooling)
        self.writer.start()

    def send(self, *numbers: int) -> None:
        """Have each durable, in a batch of its own."""
        with self.writer._wake:
            sent = [self.writer.submit(good(number)) for number in numbers]
        for one in sent:
            one.result(timeout=60)

    def settled(self) -> bool:
        return not self.spooling.active and self.spool.empty

    def rows(self, statement: str) -> list[Any]:
        with connect(self.url, "test") as conn:
            return conn.execute(statement.encode()).fetchall()

    def ids(self) -> list[str]:
        return [row[0] for row in self.rows("SELECT id FROM event ORDER BY seq")]


def good(number: int) -> Batch:
    return Batch(events=[log_row(make_event("won", 0, number, "crm", {}))])


def span_of(number: int) -> bytes:
    return span_row(
        b"t" * 16, number.to_bytes(8, "big"), None, b"shop", b"pay", 1, 0, 0, 1, yields_event=False, body=b"{}"
    )


def named(*numbers: int) -> list[str]:
    return [f"e{number}" for number in numbers]


def wait_until(condition: Callable[[], object], seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "spool"


@pytest.fixture
def there(outage: Outage) -> Outage:
    """The server, with an empty log."""
    outage.thaw()
    outage.back()
    with connect(outage.url, "test") as conn:
        conn.execute("TRUNCATE event, span, dead_letter, source_request, receiver_spool")
    return outage


@pytest.fixture
def receiving(there: Outage, folder: Path) -> Iterator[Receiving]:
    made = Receiving(there.url, folder)
    yield made
    made.writer.close()


def test_what_comes_while_the_database_is_away_is_in_the_log_once_in_its_order(
    receiving: Receiving, there: Outage
) -> None:
    receiving.send(1, 2)
    there.kill()
    began = time.time()
    receiving.send(3)
    receiving.send(*range(4, 40))
    assert receiving.spooling.active
    assert receiving.spooling.shown()["events"] == 37
    assert str(receiving.spooling.shown()["state"]).startswith("accepting into the buffer: 37 events, oldest")
    ended = time.time()
    there.back()
    wait_until(receiving.settled)
    receiving.send(40)
    assert receiving.ids() == named(*range(1, 41))
    times = [row[0].timestamp() for row in receiving.rows("SELECT received_at FROM event ORDER BY seq")]
    assert times == sorted(times)
    # Nothing tells that it was late but what is told of the outage.
    assert began <= times[2]
    assert times[38] <= max(ended, began + LEASE / 1e6) + 0.01
    (late,) = receiving.rows("SELECT late_count, late_since, waits_since, given_up FROM receiver_spool")
    assert (late[0], late[2], late[3]) == (37, None, False)
    assert abs(late[1].timestamp() - began) < 60


def test_whatever_a_batch_holds_comes_back_from_the_disk(receiving: Receiving, there: Outage) -> None:
    there.kill()
    at = time.time()
    letter = DeadLetter("crm", LetterReason.INVALID_EVENT, "no type", b"\x00{", "7", None)
    request = SourceRequest("stripe", "POST", "/x", {"a": "ä"}, b"\xff\x00")
    batch = Batch([log_row(make_event("won", 0, 1, "crm", {}))], [span_of(1)], [letter], [request])
    receiving.writer.submit(batch).result(timeout=60)
    there.back()
    wait_until(receiving.settled)
    assert receiving.rows("SELECT source, reason, detail, body, event_id FROM dead_letter") == [
        ("crm", "invalid_event", "no type", b"\x00{", "7")
    ]
    assert receiving.rows("SELECT source, method, path, headers, body FROM source_request") == [
        ("stripe", "POST", "/x", {"a": "ä"}, b"\xff\x00")
    ]
    assert receiving.rows("SELECT count(*) FROM span") == [(1,)]
    for table in ("dead_letter", "source_request", "span"):
        ((received_at,),) = receiving.rows(f"SELECT received_at FROM {table}")
        assert abs(received_at.timestamp() - at) < 30


def test_a_process_that_is_killed_meanwhile_leaves_it_to_the_next(there: Outage, folder: Path) -> None:
    first = Receiving(there.url, folder)
    first.send(1)
    there.kill()
    first.send(2, 3)
    # Killed: nothing is closed, and the lock goes with the process.
    first.spooling._closing.set()
    first.spool.close()
    second = Receiving(there.url, folder)
    assert second.spooling.active
    second.send(4)
    there.back()
    wait_until(second.settled)
    assert second.ids() == named(1, 2, 3, 4)
    second.writer.close()


def test_who_was_late_once_and_ends_without_a_word_is_named_all_the_same(there: Outage, folder: Path) -> None:
    first = Receiving(there.url, folder)
    first.send(1)
    there.kill()
    first.send(2)
    there.back()
    wait_until(first.settled)
    first.spooling._closing.set()
    first.spool.close()
    with connect(there.url, "test", autocommit=True) as conn:
        wait_until(lambda: conn.execute("SELECT late_settled_at IS NOT NULL FROM receiver_spool").fetchone() == (True,))
        assert buffers_of(conn) == []
        # It was killed, and a projector has waited for it in vain.
        conn.execute("UPDATE receiver_spool SET given_up = true")
        assert [one.waits_since for one in buffers_of(conn)] == [None]
        assert [one.grade for one in receivers(conn)] == [Grade.OK]
        conn.execute("UPDATE receiver_spool SET told_at = told_at - interval '5 min'")
        (told,) = receivers(conn)
        assert (told.grade, "ended without a word" in told.said) == (Grade.WARN, True)
        second = Receiving(there.url, folder)
        second.send(3)
        wait_until(second.settled)
        second.writer.close()
        assert buffers_of(conn) == []
        assert [one.grade for one in receivers(conn)] == [Grade.OK]
        assert second.ids() == named(1, 2, 3)


@pytest.mark.parametrize("committed", [True, False])
def test_a_crash_between_commit_and_deletion_doubles_nothing(there: Outage, folder: Path, committed: bool) -> None:
    spool = Spool(folder, ROOM, left_free=0)
    spool.add([pack(good(number), time.time_ns() // 1000) for number in range(1, 6)])
    with connect(there.url, "test") as conn:
        Spooling(there.url, spool, "test").tell(conn, datetime.now(UTC))
        draining = Draining(conn, spool)
        draining.begin()

        class Killed(BaseException):
            pass

        def killed(*_: object) -> None:
            raise Killed

        if committed:
            draining._spool = _Passing(spool, taken=killed)  # type: ignore[assignment]
        else:
            draining._ordered = killed  # type: ignore[method-assign,assignment]
        with pytest.raises(Killed):
            draining.run_once()
    spool.close()
    again = Receiving(there.url, folder)
    wait_until(again.settled)
    assert again.ids() == named(1, 2, 3, 4, 5)
    again.writer.close()


class _Passing:
    """Something of which some methods are replaced."""

    def __init__(self, inner: object, **replaced: object) -> None:
        self._inner = inner
        self.__dict__ |= replaced

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


def test_a_commit_of_which_nobody_knows_whether_it_was_done_counts_once(
    receiving: Receiving, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection is cut in the middle of the COMMIT, which the server then finishes all the same."""
    monkeypatch.setattr(log_module, "STALL_SECONDS", 0.2)
    with connect(receiving.url, "test") as conn:
        conn.execute(
            "CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN PERFORM pg_advisory_xact_lock_shared(4711); RETURN NULL; END $$"
        )
        conn.execute(
            "CREATE CONSTRAINT TRIGGER dawdles AFTER INSERT ON source_request DEFERRABLE INITIALLY DEFERRED "
            "FOR EACH ROW EXECUTE FUNCTION dawdle()"
        )
    try:
        request = SourceRequest("crm", "POST", "/", {}, b"{}")
        batch = Batch(good(1).events, [span_of(1)], [], [request])
        with connect(receiving.url, "holds up") as conn:
            conn.execute("SELECT pg_advisory_xact_lock(4711)")
            receiving.writer.submit(batch).result(timeout=60)
            assert receiving.spool.held.records == 1
        receiving.send(2)
        wait_until(receiving.settled)
    finally:
        with connect(receiving.url, "test") as conn:
            conn.execute("DROP FUNCTION dawdle CASCADE")
    assert receiving.ids() == named(1, 2)
    assert receiving.rows("SELECT count(*) FROM span") == [(1,)]
    assert receiving.rows("SELECT count(*) FROM source_request") == [(1,)]


def test_as_long_as_a_transaction_may_still_be_committed_it_is_waited_for(there: Outage, folder: Path) -> None:
    spool = Spool(folder, ROOM, left_free=0)
    with connect(there.url, "test") as conn, connect(there.url, "other") as other:
        row = other.execute("SELECT pg_current_xact_id()::text::bigint").fetchone()
        assert row is not None
        spool.add([pack(good(1), time.time_ns() // 1000, (row[0], timeline_of(conn)))])
        Spooling(there.url, spool, "test").tell(conn, datetime.now(UTC))
        draining = Draining(conn, spool)
        draining.begin()
        with pytest.raises(Undecided):
            draining.run_once()
        other.rollback()
        assert draining.run_once() == 1
        assert draining.run_once() is None
        # A server that never knew of it, a standby that took over or a backup, and one that gave its number to another.
        spool.add([pack(good(2), time.time_ns() // 1000, (2**40, timeline_of(conn)))])
        assert draining.run_once() == 1
        spool.add([pack(good(3), time.time_ns() // 1000, (committed(other), timeline_of(conn) + 1))])
        assert draining.run_once() == 1
        spool.add([pack(good(4), time.time_ns() // 1000, (committed(other), timeline_of(conn)))])
        assert draining.run_once() == 1
        assert conn.execute("SELECT id FROM event ORDER BY seq").fetchall() == [("e1",), ("e2",), ("e3",)]
    spool.close()


def committed(conn: Connection) -> int:
    """The number of a transaction that was."""
    row = conn.execute("SELECT pg_current_xact_id()::text::bigint").fetchone()
    assert row is not None
    conn.commit()
    return int(row[0])


def test_a_commit_that_is_held_up_is_not_waited_for(receiving: Receiving, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_module, "STALL_SECONDS", 0.2)
    with connect(receiving.url, "holds up") as conn:
        conn.execute("SELECT pg_advisory_xact_lock(%s)", (LOG_LOCK,))
        receiving.send(1)
        receiving.send(2)
        assert receiving.spool.held.records == 2
        conn.rollback()
    wait_until(receiving.settled)
    assert receiving.ids() == named(1, 2)


def test_a_database_that_hangs_is_not_waited_for(
    receiving: Receiving, there: Outage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_module, "STALL_SECONDS", 0.2)
    receiving.send(1)
    there.freeze()
    try:
        receiving.send(2, 3)
        assert receiving.spooling.active
    finally:
        there.thaw()
    wait_until(receiving.settled)
    assert receiving.ids() == named(1, 2, 3)


def test_when_it_is_full_it_is_refused_with_when_to_come_again_and_recovers_by_itself(
    there: Outage, folder: Path
) -> None:
    receiving = Receiving(there.url, folder, limit=2_000)
    receiving.send(0)
    there.kill()
    accepted: list[int] = [0]
    refused: list[Unavailable] = []
    for number in range(1, 30):
        try:
            receiving.send(number)
            accepted.append(number)
        except Unavailable as why:
            refused.append(why)
    assert len(accepted) > 3
    assert len(refused) > 3
    assert {(why.retry_after, why.overloaded) for why in refused} == {(10, False)}
    assert all("of 2,000 bytes" in str(why) for why in refused)
    assert receiving.spooling.missing()
    there.back()
    wait_until(receiving.settled)
    assert receiving.spooling.missing() == []
    receiving.send(30)
    assert receiving.ids() == named(*accepted, 30)
    receiving.writer.close()


def test_what_people_do_is_refused_meanwhile_and_takes_nothing_with_it(receiving: Receiving, there: Outage) -> None:
    there.kill()
    act = good(1)
    act.audit.append(Entry("a", "open", "", "waive", "x", "{}", "{}"))
    sent: list[Future[None]] = []
    with receiving.writer._wake:
        sent = [receiving.writer.submit(batch) for batch in (good(2), act, good(3))]
    assert [type(one.exception(timeout=60)) for one in sent] == [type(None), Unavailable, type(None)]
    there.back()
    wait_until(receiving.settled)
    assert receiving.ids() == named(2, 3)


def test_what_the_database_will_not_have_is_set_aside_and_keeps_nothing_else_back(there: Outage, folder: Path) -> None:
    spool = Spool(folder, ROOM, left_free=0)
    now = time.time_ns() // 1000
    # A limit of the server is an operational error, like an absent database, and must not be taken for one.
    with connect(there.url, "test") as conn:
        conn.execute("CREATE INDEX too_long ON dead_letter (detail)")
    letter = DeadLetter("crm", LetterReason.INVALID_EVENT, random.Random(1).randbytes(20_000).hex(), b"{}")
    broken = [Batch(events=[b"\x00\x08 no row"]), Batch(dead_letters=[letter])]
    spool.add([pack(batch, now) for batch in (good(1), *broken, good(2))])
    spool.close()
    receiving = Receiving(there.url, folder)
    wait_until(receiving.settled)
    assert receiving.ids() == named(1, 2)
    assert len(list(folder.glob("*.refused"))) == 2
    with pytest.raises(psycopg.errors.ProgramLimitExceeded):
        receiving.writer.submit(Batch(dead_letters=[letter])).result(timeout=60)
    assert not receiving.spooling.active
    with connect(there.url, "test") as conn:
        conn.execute("DROP INDEX too_long")
    receiving.writer.close()


def test_what_was_written_beside_it_keeps_the_log_in_the_order_of_arrivals(there: Outage, folder: Path) -> None:
    """Others may write while this receiver is cut off: time never goes back in the log, or events would be missed."""
    spool = Spool(folder, ROOM, left_free=0)
    hours_ago = time.time_ns() // 1000 - 5 * 3600 * 1_000_000
    spool.add([pack(good(2), hours_ago)])
    spool.close()
    direct = LogWriter(there.url)
    direct.start()
    direct.submit(good(1)).result(timeout=60)
    direct.close()
    receiving = Receiving(there.url, folder)
    wait_until(receiving.settled)
    assert receiving.ids() == named(1, 2)
    first, second = (row[0] for row in receiving.rows("SELECT received_at FROM event ORDER BY seq"))
    assert first <= second
    receiving.writer.close()


def test_who_ends_with_nothing_waiting_is_not_waited_for(there: Outage, folder: Path) -> None:
    receiving = Receiving(there.url, folder)
    assert receiving.rows("SELECT waits_since, given_up FROM receiver_spool") == [(None, False)]
    receiving.send(1)
    receiving.writer.close()
    assert receiving.rows("SELECT FROM receiver_spool") == []


def test_what_was_received_before_the_outage_counts_as_received_when_it_was(there: Outage, folder: Path) -> None:
    with connect(there.url, "test") as conn:
        spool = Spool(folder, ROOM, left_free=0)
        minutes_ago = time.time_ns() // 1000 - 7 * 60 * 1_000_000
        _told(conn, spool, timedelta(minutes=10))
        spool.add([pack(good(1), minutes_ago)])
        draining = Draining(conn, spool)
        draining.begin()
        assert draining.run_once() == 1
        ((received_at,),) = conn.execute("SELECT received_at FROM event").fetchall()
        assert abs(received_at.timestamp() - minutes_ago / 1e6) < 1
        spool.close()


def _told(conn: Connection, spool: Spool, ago: timedelta) -> None:
    with conn.transaction():
        conn.execute(
            "INSERT INTO receiver_spool (id, name, told_at) VALUES (%s, 'test', clock_timestamp() - %s)",
            (spool.id, ago),
        )


def test_the_log_is_written_on_a_server_that_no_longer_takes_writes_later(receiving: Receiving, there: Outage) -> None:
    """What used to be the primary answers, and takes nothing."""
    receiving.send(1)
    name = psycopg.conninfo.conninfo_to_dict(there.url)["dbname"]
    there.server.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    with connect(there.url, "test", autocommit=True) as conn:
        conn.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'milepost log'")
    receiving.send(2)
    receiving.send(3)
    assert receiving.spooling.active
    there.server.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = off")
    wait_until(receiving.settled)
    assert receiving.ids() == named(1, 2, 3)


def test_a_session_that_was_ended_because_its_process_stood_still_loses_nothing(
    there: Outage, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_module, "_LET_GO", "-c idle_in_transaction_session_timeout=50ms")
    receiving = Receiving(there.url, folder)
    sessions = "SELECT FROM pg_stat_activity WHERE application_name = 'milepost log'"

    def stand_still(*_: object) -> None:
        wait_until(lambda: not receiving.rows(sessions))

    with monkeypatch.context() as patched:
        patched.setattr("collector.log.audit.record", stand_still)
        receiving.send(1)
    wait_until(receiving.settled)
    assert receiving.ids() == named(1)
    receiving.writer.close()


def test_telling_and_writing_and_giving_up_never_wait_for_each_other_in_a_circle(there: Outage, folder: Path) -> None:
    spool = Spool(folder, ROOM, left_free=0)
    now = time.time_ns() // 1000
    spooling = Spooling(there.url, spool, "test")
    with connect(there.url, "writes") as writes, connect(there.url, "judges") as judges:
        spooling.tell(writes, datetime.now(UTC))
        spool.add([pack(good(1), now)])
        spooling._active = True
        draining = Draining(writes, spool)
        draining.begin()
        judges.execute("SELECT pg_advisory_xact_lock(%s)", (LOG_LOCK,))
        with ThreadPoolExecutor(1) as pool:
            writing = pool.submit(draining.run_once)
            wait_until(lambda: _waits(there.url, "milepost writes"))
            # What a projector does that waits no longer, while the writer waits for the lock that it holds.
            judges.execute("SET LOCAL lock_timeout = 1000")
            judges.execute("UPDATE receiver_spool SET given_up = true")
            judges.commit()
            assert writing.result(timeout=60) == 1
        ((received_at, given_up),) = writes.execute(
            "SELECT received_at, given_up FROM event, receiver_spool"
        ).fetchall()
        # It was given up before it wrote: what it wrote counts as received then.
        assert received_at.timestamp() > now / 1e6
        assert given_up is False
    spool.close()


def _waits(url: str, name: str) -> bool:
    with connect(url, "test") as conn:
        asked = "SELECT FROM pg_stat_activity WHERE application_name = %s AND wait_event_type = 'Lock'"
        return conn.execute(asked, (name,)).fetchone() is not None


def test_a_copy_of_a_folder_that_somebody_else_has_written_is_not_written_again(there: Outage, folder: Path) -> None:
    spool = Spool(folder, ROOM, left_free=0)
    spool.add([pack(good(number), time.time_ns() // 1000) for number in (1, 2)])
    with connect(there.url, "test") as conn, connect(there.url, "other") as other:
        Spooling(there.url, spool, "test").tell(conn, datetime.now(UTC))
        draining = Draining(conn, spool)
        draining.begin()
        taken = spool.take(2**20)
        assert taken is not None
        other.execute("UPDATE receiver_spool SET segment = %s, drained = %s", (taken.segment, taken.records[0][0]))
        other.commit()
        with pytest.raises(Elsewhere):
            draining.run_once()
        draining.begin()
        assert draining.run_once() == 1
        assert conn.execute("SELECT id FROM event").fetchall() == [("e2",)]
    spool.close()
