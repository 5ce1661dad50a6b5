"""The audit log is only added to, and a break in its chain is found where it is."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from collector.access import audit
from collector.store.database import Connection, connect


def fill(conn: Connection, rows: int = 5) -> None:
    for number in range(rows):
        with conn.transaction():
            audit.record(conn, [audit.entry("test", f"thing {number}", {"was": number}, {"is": "é\n\x00"})])


@pytest.mark.parametrize(
    "statement", ["UPDATE audit SET actor = 'me'", "DELETE FROM audit WHERE number = 2", "TRUNCATE audit"]
)
def test_nothing_of_it_can_be_changed_or_deleted(database_url: str, statement: str) -> None:
    with connect(database_url, "test") as conn:
        fill(conn)
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="only added to"):
            conn.execute(statement)
        conn.rollback()
        assert audit.verify(conn).rows == 5


def test_the_chain_is_one_however_many_record_at_once(database_url: str) -> None:
    def work(_: int) -> None:
        with connect(database_url, "test") as conn:
            fill(conn, 10)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    with connect(database_url, "test") as conn:
        found = audit.verify(conn)
    assert (found.rows, found.last, found.broken) == (40, 40, None)


TAMPERED: list[tuple[str, int, str]] = [
    ("UPDATE audit SET actor = 'me' WHERE number = 3", 3, "not what was recorded"),
    ("UPDATE audit SET after = '{}' WHERE number = 1", 1, "not what was recorded"),
    ("UPDATE audit SET at = at + interval '1 microsecond' WHERE number = 5", 5, "not what was recorded"),
    ("DELETE FROM audit WHERE number = 2", 3, "row 2 is missing"),
    ("DELETE FROM audit WHERE number < 4", 4, "rows 1 to 3 are missing"),
    ("UPDATE audit SET hash = sha256('x') WHERE number = 2", 2, "not what was recorded"),
    ("UPDATE audit SET previous = sha256('x') WHERE number = 4", 4, "hash of the row before"),
]


@pytest.mark.parametrize(("statement", "row", "why"), TAMPERED, ids=[one[0] for one in TAMPERED])
def test_a_break_names_the_row(database_url: str, statement: str, row: int, why: str) -> None:
    with connect(database_url, "test") as conn:
        fill(conn)
        tamper(conn, lambda: conn.execute(statement))
        found = audit.verify(conn)
    assert found.broken is not None
    assert found.broken.number == row
    assert why in found.broken.why


def test_whoever_makes_the_chain_anew_is_found_by_what_was_noted_elsewhere(database_url: str) -> None:
    with connect(database_url, "test") as conn:
        fill(conn)
        noted = audit.verify(conn)

        def anew() -> None:
            conn.execute("DELETE FROM audit")
            for number in range(5):
                audit.record(conn, [audit.entry("test", f"another thing {number}", {}, {})])

        tamper(conn, anew)
        assert audit.verify(conn).broken is None
        found = audit.verify(conn, (noted.last, noted.head)).broken
        assert found is not None
        assert (found.number, found.why) == (5, "its hash is not the one that was noted")
        tamper(conn, lambda: conn.execute("DELETE FROM audit WHERE number > 3"))
        assert audit.verify(conn).broken is None
        found = audit.verify(conn, (noted.last, noted.head)).broken
        assert found is not None
        assert found.why == "rows 4 to 5 are missing"


def tamper(conn: Connection, how: Callable[[], object]) -> None:
    """As the owner of the database, past the triggers."""
    with conn.transaction():
        conn.execute("ALTER TABLE audit DISABLE TRIGGER audit_stays")
        how()
        conn.execute("ALTER TABLE audit ENABLE TRIGGER audit_stays")
