"""Roles as processes of their own on one database: whichever is killed, what was acknowledged counts once."""

from __future__ import annotations

import json
import random
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psycopg
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.acceptance import asking
from tests.acceptance.comparing import compare, wait_for_projection, wanted_of
from tests.acceptance.enterprise import DEFINITIONS, generate
from tests.acceptance.process import COMMAND, Running, environment, free_port, wait_until
from tests.acceptance.sending import Job, heartbeats, left, plan, send
from tests.fix_postgres import Server

pytestmark = pytest.mark.acceptance

ORDERS = 1_000
SEED = 20_261_122
ROUTE = """
---
apiVersion: milepost/v1
kind: Route
metadata: {{name: everything}}
spec: {{send_to: [{{webhook: {{url: "{url}"}}}}]}}
"""


class Listener:
    """Takes what alerting sends to a webhook; `told` counts it by the id of the message."""

    def __init__(self) -> None:
        told = self.told = Counter[str]()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["content-length"]))
                told[self.headers["webhook-id"]] += 1
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/hook"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def listener() -> Iterator[Listener]:
    made = Listener()
    yield made
    made.close()


class Landscape:
    """Processes of several roles on one database, which is not there yet."""

    def __init__(self, folder: Path, postgres: Server, hook: str) -> None:
        self._postgres = postgres
        self.database_url = database_url = postgres.url("milepost_roles")
        definitions = folder / "definitions.yaml"
        definitions.write_text(DEFINITIONS + ROUTE.format(url=hook))
        given = ("--database-url", database_url, "--definitions", str(definitions))
        self.dashboard = Running(folder, "dashboard", "dashboard", *given)
        allowed = (*given, "--private-hosts", "127.0.0.1")
        self.notifiers = [Running(folder, f"notifier-{number}", "notifier", *allowed) for number in range(2)]
        self.projectors = [Running(folder, f"projector-{number}", "projector", *given) for number in range(2)]
        self.collectors = [Running(folder, f"collector-{number}", "collector", *given) for number in range(2)]
        self.all = [self.dashboard, *self.notifiers, *self.projectors, *self.collectors]

    def launch(self, *processes: Running) -> None:
        """Start them before there is a database, and wait until they serve."""
        for one in processes:
            one.launch()
        for one in processes:
            wait_until(
                lambda log=one.log: "database_not_reached" in log.read_text(), 60, "it has asked for the database"
            )
        self._postgres.execute("CREATE DATABASE milepost_roles")
        for one in processes:
            one.wait()

    def close(self) -> None:
        """Leave nothing behind."""
        for one in self.all:
            one.close()
        self._postgres.execute("DROP DATABASE IF EXISTS milepost_roles WITH (FORCE)")

    def active(self) -> Running | None:
        """The projector that projects."""
        living = [one for one in self.projectors if one.process is not None and one.process.poll() is None]
        active = [one for one in living if one.roles() == {"projector": "active"}]
        assert len(active) <= 1, "two project at once"
        return active[0] if active else None

    def send(self, jobs: list[Job], kill_after: int | None = None, stop: Running | None = None) -> None:
        """Through both collectors at once; meanwhile the active projector is killed, or a process told to stop."""
        enough, lock, count = threading.Event(), threading.Lock(), 0

        def on_acknowledged(_: int) -> None:
            nonlocal count
            with lock:
                count += 1
                if count == kill_after:
                    enough.set()

        sending = [
            threading.Thread(target=send, args=(one.url, jobs[number::2], on_acknowledged))
            for number, one in enumerate(self.collectors)
        ]
        for sender in sending:
            sender.start()
        if kill_after is not None:
            assert enough.wait(60)
            if stop is not None:
                assert stop.stop(signal.SIGTERM) == 0
            else:
                self.replace_projector()
        for sender in sending:
            sender.join()

    def replace_projector(self) -> None:
        """Kill the one that projects, with its workers, and see the other take over; then start it again."""
        active = wait_until(self.active, 60, "a projector is active")
        active.end(active.workers())
        took_over = wait_until(self.active, 60, "another projector takes over")
        assert took_over is not active
        active.start()
        assert active.roles() == {"projector": "standing by"}
        assert metric(active, "milepost_role_active") == {("projector",): 0}
        assert metric(took_over, "milepost_role_active") == {("projector",): 1}


@pytest.fixture
def landscape(postgres: Server, listener: Listener) -> Iterator[Landscape]:
    folder = Path(tempfile.mkdtemp(prefix="mp-roles-"))
    made = Landscape(folder, postgres, listener.url)
    yield made
    made.close()
    shutil.rmtree(folder, ignore_errors=True)


def metric(process: Running, name: str) -> dict[tuple[str, ...], float]:
    families = text_string_to_metric_families(asking.get(f"{process.url}/metrics").text)
    return {tuple(one.labels.values()): one.value for family in families for one in family.samples if one.name == name}


def answers(process: Running) -> list[int]:
    """The status of what every role has, of the query API, of the pages, and of a door to which nothing is said."""
    paths = ("/healthz", "/readyz", "/metrics", "/api/v1/overview", "/dashboard/")
    asked = [asking.get(f"{process.url}{path}").status_code for path in paths]
    door = asking.post(f"{process.url}/events", headers={"content-type": "application/cloudevents+json"})
    return [*asked, door.status_code]


def test_a_history_through_two_collectors_survives_the_end_of_any_role(
    landscape: Landscape, listener: Listener
) -> None:
    now = time.time_ns() // 1000
    orders = generate(ORDERS, now, SEED)
    jobs, random_ = plan(orders, SEED), random.Random(SEED)

    landscape.launch(*landscape.all)
    assert {role: answers(one) for one in landscape.all for role in one.roles()} == {
        "collector": [200, 200, 200, 404, 404, 400],
        "projector": [200, 200, 200, 404, 404, 404],
        "notifier": [200, 200, 200, 404, 404, 404],
        "dashboard": [200, 200, 200, 200, 200, 404],
    }
    wait_until(landscape.active, 60, "a projector is active")
    assert sorted(one.roles()["projector"] for one in landscape.projectors) == ["active", "standing by"]
    part = len(jobs) // 4
    landscape.send(jobs[:part], kill_after=part // 2)
    landscape.send(jobs[part : 2 * part], kill_after=part // 2)
    assert all(job.acknowledged for job in jobs[: 2 * part])
    # Before anybody may be told: the first message of an incident waits for what else belongs to it.
    incidents = f"{landscape.dashboard.url}/api/v1/incidents"
    wait_until(lambda: asking.get(incidents).json()["items"], 60, "an incident is open")
    landscape.notifiers[0].end()
    landscape.send(jobs[2 * part :], kill_after=part // 4, stop=landscape.collectors[1])
    assert not all(job.acknowledged for job in jobs), "the collector was stopped too late to interrupt anything"
    send(landscape.collectors[0].url, left(jobs, random_))
    assert all(job.acknowledged for job in jobs)

    at = datetime.now(UTC)
    heartbeats(landscape.collectors[0].url, at)
    wait_for_projection(landscape.dashboard.url, at)
    wanted = wanted_of(orders, now)
    compare(landscape.dashboard.url, wanted)
    rebuilt = subprocess.run(
        [*COMMAND, "rebuild", "--database-url", landscape.database_url],
        capture_output=True, text=True, timeout=240, env=environment(), check=False,
    )  # fmt: skip
    assert rebuilt.returncode == 0, rebuilt.stdout + rebuilt.stderr
    assert "equal to what was there" in rebuilt.stdout
    compare(landscape.dashboard.url, wanted)

    def all_told() -> bool:
        firing = asking.get(incidents, params={"status": "firing"}).json()["items"]
        told = [asking.get(f"{incidents}/{one['id']}").json()["deliveries"] for one in firing]
        return bool(told) and all(any(one["state"] == "delivered" for one in deliveries) for deliveries in told)

    wait_until(all_told, 60, "every incident is told")
    assert set(listener.told.values()) == {1}
    for one in landscape.all:
        if one.process is not None and one.process.poll() is None:
            assert one.stop(signal.SIGTERM) == 0
        assert one.errors() == [], one.log.name
        assert "Traceback" not in one.log.read_text()


def test_other_definitions_reach_the_projector_and_the_others_say_that_they_know_former_ones(
    landscape: Landscape, tmp_path: Path
) -> None:
    collector, projector = landscape.collectors[0], landscape.projectors[0]
    landscape.launch(collector, projector)
    wait_until(landscape.active, 60, "the projector is active")
    changed = tmp_path / "changed.yaml"
    changed.write_text(DEFINITIONS.replace("breach: 4h", "breach: 5h"))
    other = Running(
        tmp_path, "other", "collector", "--database-url", landscape.database_url, "--definitions", str(changed)
    )
    other.start()
    try:
        told = [one for one in other.said() if one["event"] == "definitions_registered"]
        assert [(one["new"], one["changed"], one["ended"]) for one in told] == [([], ["order-to-cash"], [])]
        event = {
            "specversion": "1.0", "id": "1", "source": "crm", "type": "order.created", "data": {"order_id": "O-1"},
            "time": datetime.now(UTC).isoformat(),
        }  # fmt: skip
        structured = {"content-type": "application/cloudevents+json"}
        answer = asking.post(f"{collector.url}/events", content=json.dumps(event), headers=structured)
        assert answer.status_code == 200

        def version() -> Any:
            with psycopg.connect(landscape.database_url) as conn:
                return conn.execute("SELECT workflow_version FROM instance").fetchone()

        assert wait_until(version, 60, "the event is applied") == (2,)
        wait_until(lambda: metric(collector, "milepost_definitions_differ") == {(): 1}, 60, "the collector says so")
        assert [one["event"] for one in collector.said()].count("definitions_differ") == 1
        assert metric(other, "milepost_definitions_differ") == {(): 0}
    finally:
        other.close()


def test_without_a_database_of_its_own_or_definitions_no_role_starts() -> None:
    for role in ("collector", "projector", "notifier", "dashboard"):
        ended = subprocess.run(
            [*COMMAND, role, "--port", str(free_port())],
            capture_output=True, text=True, timeout=30, env=environment(), check=False,
        )  # fmt: skip
        assert ended.returncode == 1
        assert f"--database-url: not given; milepost {role} needs it: an embedded PostgreSQL" in ended.stderr
        assert f"--definitions: not given; milepost {role} needs it" in ended.stderr
        assert "Traceback" not in ended.stderr
