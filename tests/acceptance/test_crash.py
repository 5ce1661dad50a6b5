"""What was acknowledged survives any crash, counts once, and gives the same instances however it came."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import threading
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.acceptance import asking
from tests.acceptance.comparing import compare, wait_for_projection, wanted_of
from tests.acceptance.enterprise import DEFINITIONS, generate
from tests.acceptance.process import COMMAND, Serving, environment
from tests.acceptance.sending import Job, heartbeats, left, nameless, plan, send

pytest_plugins = ["fix_serving"]
pytestmark = pytest.mark.acceptance

ORDERS = 2_000
SEED = 20_261_121


def test_a_history_survives_crashes_and_a_rebuild(serving: Serving) -> None:
    now = time.time_ns() // 1000
    orders = generate(ORDERS, now, SEED)
    wanted = wanted_of(orders, now)
    verdicts = Counter(one["verdict"] for one in wanted.values())
    assert min(verdicts.values()) >= 10, verdicts
    assert len(verdicts) == 8, verdicts
    jobs = [*plan(orders, SEED), nameless(20)]
    random_ = random.Random(SEED)

    serving.start()
    _crash_while_sending(serving, jobs, after=len(jobs) // 4, with_database=False)
    serving.start()
    _crash_while_sending(serving, left(jobs, random_), after=len(jobs) // 4, with_database=True)
    serving.start()
    send(serving.url, left(jobs, random_))
    assert all(job.acknowledged for job in jobs)

    at = datetime.now(UTC)
    heartbeats(serving.url, at)
    wait_for_projection(serving.url, at)
    compare(serving.url, wanted)
    letters = asking.get(f"{serving.url}/api/v1/dead-letters", params={"limit": 500}).json()
    assert {one["event_id"] for one in letters["items"]} == {f"nameless-{number}" for number in range(20)}
    assert {one["reason"] for one in letters["items"]} == {"no_usable_key"}

    rebuilt = subprocess.run(
        [*COMMAND, "rebuild", "--data-dir", str(serving.data)],
        capture_output=True, text=True, timeout=240, env=environment(), check=False,
    )  # fmt: skip
    wait_for_projection(serving.url, at)
    compare(serving.url, wanted)
    errors = serving.errors()
    assert not errors, json.dumps(errors, indent=1)
    assert rebuilt.returncode == 0, rebuilt.stdout + rebuilt.stderr
    assert "equal to what was there" in rebuilt.stdout


def _crash_while_sending(serving: Serving, jobs: list[Job], *, after: int, with_database: bool) -> None:
    enough = threading.Event()

    def count(acknowledged: int) -> None:
        if acknowledged >= after:
            enough.set()

    sending = threading.Thread(target=send, args=(serving.url, jobs, count))
    sending.start()
    assert enough.wait(60)
    serving.kill(with_database=with_database)
    sending.join()
    assert not all(job.acknowledged for job in jobs), "the crash came too late to interrupt anything"


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM])
def test_told_to_stop_it_ends_cleanly_and_leaves_nothing_behind(serving: Serving, by: signal.Signals) -> None:
    serving.start()
    assert serving.database_processes()
    code = serving.stop(by)
    assert serving.database_processes() == []
    assert serving.errors() == []
    assert "Traceback" not in serving.log.read_text()
    assert code == 0


def test_a_worker_that_dies_is_replaced(serving: Serving) -> None:
    now = time.time_ns() // 1000
    orders = generate(200, now, SEED)
    wanted = wanted_of(orders, now)
    jobs = plan(orders, SEED)
    serving.start()
    workers = serving.workers()
    send(serving.url, jobs[::2])
    for worker in workers:
        worker.kill()
    send(serving.url, jobs[1::2])
    at = datetime.now(UTC)
    heartbeats(serving.url, at)
    wait_for_projection(serving.url, at)
    compare(serving.url, wanted)


def test_faults_of_the_settings_are_all_named(folder: Path) -> None:
    ended = subprocess.run(
        [*COMMAND, "serve", "--port", "70000", "--log-format", "xml", "--definitions", str(folder / "nowhere"),
         "--database-url", "mysql://root@db/x"],
        capture_output=True, text=True, timeout=240, env=environment() | {"MILEPOST_PROT": "1"}, check=False,
    )  # fmt: skip
    assert ended.returncode == 1
    assert ended.stdout == ""
    for words in (
        "--port",
        "70000",
        "--log-format",
        "--definitions",
        "nowhere",
        "--database-url",
        "mysql",
        "MILEPOST_PROT",
    ):
        assert words in ended.stderr
    assert "Traceback" not in ended.stderr


def test_faults_of_the_definitions_are_all_named(folder: Path) -> None:
    file = folder / "wrong.yaml"
    file.write_text(DEFINITIONS.replace("breach: 4h", "breach: 4 fortnights").replace("starts: true", "begins: true"))
    other = folder / "other.yaml"
    other.write_text("apiVersion: milepost/v1\nkind: Workflw\nmetadata: {name: x}\nspec: {}\n")
    ended = subprocess.run(
        [*COMMAND, "serve", "--data-dir", str(folder / "data"), "--definitions", str(folder)],
        capture_output=True, text=True, timeout=240, env=environment(), check=False,
    )  # fmt: skip
    assert ended.returncode == 1
    for words in ("wrong.yaml", "4 fortnights", "begins", "other.yaml:2: kind"):
        assert words in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not (folder / "data").exists()
