"""The database is away: collectors go on accepting, are killed meanwhile, and all of it counts once afterwards."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from tests.acceptance import asking
from tests.acceptance.comparing import compare, wait_for_projection, wanted_of
from tests.acceptance.enterprise import DEFINITIONS, generate
from tests.acceptance.process import COMMAND, Running, environment, wait_until
from tests.acceptance.sending import Job, heartbeats, left, plan, send
from tests.fix_outage import Outage

pytestmark = pytest.mark.acceptance

ORDERS = 600
SEED = 20_261_125


class Landscape:
    """Two collectors with buffers, one without, a projector and pages, on a database that goes and comes."""

    def __init__(self, folder: Path, outage: Outage) -> None:
        self.outage = outage
        self.folder = folder
        definitions = folder / "definitions.yaml"
        definitions.write_text(DEFINITIONS)
        self.given = ("--database-url", outage.url, "--definitions", str(definitions))
        self.collectors = [
            Running(
                folder, f"collector-{number}", "collector", *self.given, "--spool-dir", str(folder / f"spool-{number}")
            )
            for number in range(2)
        ]
        self.bare = Running(folder, "bare", "collector", *self.given)
        self.projector = Running(folder, "projector", "projector", *self.given)
        self.pages = Running(folder, "dashboard", "dashboard", *self.given)
        self.all = [*self.collectors, self.bare, self.projector, self.pages]

    def send(self, jobs: list[Job]) -> None:
        """Through both collectors with buffers at once."""
        sending = [
            threading.Thread(target=send, args=(one.url, jobs[number::2])) for number, one in enumerate(self.collectors)
        ]
        for one in sending:
            one.start()
        for one in sending:
            one.join()

    def waiting(self) -> list[Path]:
        """What lies in buffers."""
        return list(self.folder.glob("spool-*/*.spool"))

    def close(self) -> None:
        for one in self.all:
            one.close()


@pytest.fixture
def landscape(outage: Outage) -> Iterator[Landscape]:
    folder = Path(tempfile.mkdtemp(prefix="mp-", dir="/tmp"))
    made = Landscape(folder, outage)
    yield made
    made.close()
    shutil.rmtree(folder, ignore_errors=True)


def said(running: Running) -> tuple[int, dict[str, object]]:
    answer = asking.get(f"{running.url}/readyz")
    return answer.status_code, answer.json()


def test_what_collectors_accept_while_the_database_is_away_counts_once(landscape: Landscape, outage: Outage) -> None:
    now = time.time_ns() // 1000
    orders = generate(ORDERS, now, SEED)
    wanted = wanted_of(orders, now)
    jobs = plan(orders, SEED)
    third = len(jobs) // 3
    random_ = random.Random(SEED)
    for one in landscape.all:
        one.launch()
    for one in landscape.all:
        one.wait()
    assert said(landscape.bare)[1]["buffer"] == {
        "state": "off: without --spool-dir nothing is accepted while the database is away"
    }
    landscape.send(jobs[:third])
    assert all(job.acknowledged for job in jobs[:third])

    outage.kill()
    landscape.send(jobs[third : 2 * third])
    assert all(job.acknowledged for job in jobs[third : 2 * third]), "it was to be accepted without a database"
    for one in landscape.collectors:
        status, answer = said(one)
        assert (status, answer["missing"]) == (200, [])
        assert str(answer["buffer"]["state"]).startswith("accepting into the buffer: ")  # type: ignore[index]
        gauges = asking.get(f"{one.url}/metrics").text
        assert "milepost_spool_records 0.0" not in gauges
        assert "milepost_spool_records " in gauges
    assert said(landscape.bare)[0] == 503
    answer = asking.post(
        f"{landscape.bare.url}/events", content=b"[]", headers={"content-type": "application/cloudevents-batch+json"}
    )
    assert answer.status_code == 200

    # Killed in the middle of receiving; the one in its place begins without a database, and has what was on the disk.
    victim = landscape.collectors[0]
    sending = threading.Thread(target=landscape.send, args=(jobs[2 * third :],))
    sending.start()
    victim.end()
    sending.join()
    victim.launch()
    wait_until(lambda: "database_not_reached" in victim.log.read_text(), 60, "it asks for the database")
    assert landscape.waiting()

    outage.back()
    for one in landscape.all:
        one.wait()
    landscape.send(left(jobs, random_))
    wait_until(lambda: not landscape.waiting(), 60, "everything was written to the log")
    assert all(job.acknowledged for job in jobs)

    at = datetime.now(UTC)
    heartbeats(landscape.collectors[0].url, at)
    wait_for_projection(landscape.pages.url, at)
    compare(landscape.pages.url, wanted)
    with psycopg.connect(outage.url) as conn:
        (order,) = conn.execute(
            "SELECT count(*) FROM (SELECT received_at < lag(received_at) OVER (ORDER BY seq) AS back FROM event) e "
            "WHERE back"
        ).fetchone() or (None,)
        assert order == 0, "time went back in the log"
        # What is not sent again by anybody is there once: the bodies of spans have no id that would find a second.
        assert conn.execute("SELECT count(*) FROM receiver_spool WHERE waits_since IS NOT NULL").fetchone() == (0,)
    rebuilt = subprocess.run(
        [*COMMAND, "rebuild", *landscape.given],
        capture_output=True, text=True, timeout=240, env=environment(), check=False,
    )  # fmt: skip
    assert rebuilt.returncode == 0, rebuilt.stdout + rebuilt.stderr
    for one in landscape.all:
        assert not one.errors(), json.dumps(one.errors(), indent=1)
