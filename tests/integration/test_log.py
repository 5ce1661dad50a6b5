"""The log writer: what it promises when a batch or the database is bad."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import psycopg
import pytest

from collector.log import Batch, DeadLetter, LogWriter, Unavailable
from collector.store.database import Connection, connect
from tests.fix_postgres import Server
from tests.fix_replica import until
from tests.projecting import log_row
from tests.strategies import make_event


@pytest.fixture
def writer(database_url: str) -> Iterator[LogWriter]:
    found = LogWriter(database_url)
    found.start()
    yield found
    found.close()


def good(number: int) -> Batch:
    return Batch(events=[log_row(make_event("won", 0, number, "crm", {}))])


def test_a_batch_that_cannot_be_stored_takes_no_other_with_it(writer: LogWriter, database_url: str) -> None:
    poison = Batch(dead_letters=[DeadLetter("\ud800", "x", "y", b"z")])
    broken = Batch(events=[b"not a row"])
    with writer._wake:
        futures = [writer.submit(batch) for batch in (good(1), poison, good(2), broken, good(3))]
    outcomes = [future.exception(timeout=60) is None for future in futures]
    assert outcomes == [True, False, True, False, True]
    assert writer.alive
    with connect(database_url, "test") as conn:
        assert conn.execute("SELECT id FROM event ORDER BY seq").fetchall() == [("e1",), ("e2",), ("e3",)]


def test_a_cancelled_request_is_stored_all_the_same_and_breaks_nothing(writer: LogWriter) -> None:
    with writer._wake:
        gone = writer.submit(good(1))
        gone.cancel()
    assert writer.submit(good(2)).result(timeout=60) is None
    assert writer.alive


def test_a_database_that_is_away_is_said_and_its_return_noticed(postgres: Server) -> None:
    url = postgres.clone()
    writer = LogWriter(url)
    writer.start()
    assert writer.submit(good(1)).result(timeout=60) is None
    postgres.drop(url)
    with pytest.raises(Unavailable) as caught:
        writer.submit(good(2)).result(timeout=60)
    assert (caught.value.retry_after, caught.value.overloaded) == (5, False)
    assert writer.alive
    writer.close()


def test_a_session_that_stood_still_too_long_is_no_fault_of_what_came(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = LogWriter._commit

    def stand_still(self: LogWriter, conn: Connection, batches: list[Batch]) -> None:
        with conn.transaction():
            conn.execute("SELECT 1")
            until(lambda: not working(conn.info.backend_pid))
            commit(self, conn, batches)

    def working(pid: int) -> bool:
        with connect(database_url, "test") as other:
            return other.execute("SELECT FROM pg_stat_activity WHERE pid = %s", (pid,)).fetchone() is not None

    monkeypatch.setattr("collector.log._LET_GO", "-c idle_in_transaction_session_timeout=10ms")
    writer = LogWriter(database_url)
    writer.start()
    monkeypatch.setattr(LogWriter, "_commit", stand_still)
    with pytest.raises(Unavailable):
        writer.submit(good(1)).result(timeout=60)
    monkeypatch.setattr(LogWriter, "_commit", commit)
    again(writer, good(2))
    writer.close()


def test_a_server_that_became_a_standby_is_away_and_not_a_fault_of_what_came(database_url: str) -> None:
    writer = LogWriter(database_url)
    writer.start()
    name = psycopg.conninfo.conninfo_to_dict(database_url)["dbname"]
    with psycopg.connect(database_url, autocommit=True) as admin:
        admin.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
        with pytest.raises(Unavailable):
            writer.submit(good(1)).result(timeout=60)
        admin.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = off")
    again(writer, good(2))
    writer.close()


def again(writer: LogWriter, batch: Batch) -> None:
    """Submit it until it is stored, as a sender does."""

    def stored() -> bool:
        with contextlib.suppress(Unavailable):
            return writer.submit(batch).result(timeout=60) is None
        return False

    until(stored)
