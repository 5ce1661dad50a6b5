"""The log writer: what it promises when a batch or the database is bad."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from collector.log import Batch, DeadLetter, LogWriter, Unavailable
from collector.store.database import connect
from tests.fix_postgres import Server
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
    outcomes = [future.exception(timeout=10) is None for future in futures]
    assert outcomes == [True, False, True, False, True]
    assert writer.alive
    with connect(database_url, "test") as conn:
        assert conn.execute("SELECT id FROM event ORDER BY seq").fetchall() == [("e1",), ("e2",), ("e3",)]


def test_a_cancelled_request_is_stored_all_the_same_and_breaks_nothing(writer: LogWriter) -> None:
    with writer._wake:
        gone = writer.submit(good(1))
        gone.cancel()
    assert writer.submit(good(2)).result(timeout=10) is None
    assert writer.alive


def test_a_database_that_is_away_is_said_and_its_return_noticed(postgres: Server) -> None:
    url = postgres.clone()
    writer = LogWriter(url)
    writer.start()
    assert writer.submit(good(1)).result(timeout=10) is None
    postgres.drop(url)
    with pytest.raises(Unavailable) as caught:
        writer.submit(good(2)).result(timeout=10)
    assert (caught.value.retry_after, caught.value.overloaded) == (5, False)
    assert writer.alive
    writer.close()
