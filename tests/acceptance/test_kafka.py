"""Kafka between receivers and the log: consumers are killed, frozen, stopped and added, and every event counts once."""

from __future__ import annotations

import random
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest

from collector.ingest.kafka.topics import Format
from tests.acceptance import asking
from tests.acceptance.comparing import compare, wait_for_projection, wanted_of
from tests.acceptance.enterprise import DEFINITIONS, generate
from tests.acceptance.process import Running, wait_until
from tests.acceptance.sending import Job, heartbeats, left, plan, send
from tests.fix_kafka import Broker
from tests.fix_postgres import Server

pytestmark = pytest.mark.acceptance

ORDERS = 600
SEED = 20_261_122
OBJECTIVE = """
---
apiVersion: milepost/v1
kind: Objective
metadata: {name: accepted-in-time, owner: erp-platform}
spec: {workflow: order-to-cash, latency: {from: order_received, to: order_accepted, within: 4h}, target: 0.99, missing_data: bad, window: 30d}
"""


class Landscape:
    """Two roads to two databases: over Kafka, with roles of their own, and over HTTP into one process."""

    def __init__(self, folder: Path, postgres: Server, broker: Broker) -> None:
        self._folder = folder
        self._postgres = postgres
        self.urls = {name: postgres.clone() for name in ("kafka", "http")}
        definitions = folder / "definitions.yaml"
        definitions.write_text(DEFINITIONS + OBJECTIVE)
        topics = [f"{broker.topic(6)}:{format_}" for format_ in Format]
        self._settings = folder / "milepost.toml"
        self._settings.write_text(
            f'kafka_brokers = "{broker.address}"\n'
            f"kafka_topic = {topics}\nkafka_produce = {topics}\n"
            f'kafka_group = "{folder.name}"\n'
            f'definitions = ["{definitions}"]\n'
            "[kafka]\nsession.timeout.ms = 6000\nheartbeat.interval.ms = 1000\nlinger.ms = 1\n"
        )
        self.collector = self._role("collector", "kafka")
        self.consumers = [self._role("consumer", "kafka", number) for number in range(4)]
        self.projector = self._role("projector", "kafka")
        self.dashboard = self._role("dashboard", "kafka")
        self.direct = Running(
            folder, "direct", "serve", "--database-url", self.urls["http"], "--definitions", str(definitions)
        )
        self.all = [self.collector, *self.consumers, self.projector, self.dashboard, self.direct]

    def _role(self, role: str, road: str, number: int = 0) -> Running:
        given = ("--database-url", self.urls[road], "--config", str(self._settings))
        return Running(self._folder, f"{role}-{number}", role, *given)

    def close(self) -> None:
        """Leave nothing behind."""
        for one in self.all:
            one.close()
        for url in self.urls.values():
            self._postgres.drop(url)


@pytest.fixture
def landscape(postgres: Server, broker: Broker) -> Iterator[Landscape]:
    folder = Path(tempfile.mkdtemp(prefix="mp-kafka-roles-"))
    made = Landscape(folder, postgres, broker)
    yield made
    made.close()
    shutil.rmtree(folder, ignore_errors=True)


def logged(url: str) -> int:
    with psycopg.connect(url) as conn:
        row = conn.execute("SELECT count(*) FROM event").fetchone()
    assert row is not None
    return int(row[0])


DERIVED = {
    "instances": (
        "SELECT title, workflow, workflow_version, verdict, reason, waiting_for, source_awaited, owner, due_at, "
        "deadline_at, stuck_since, started_at, updated_at, next_check_at, value_amount, value_currency, words, "
        "encode(progress, 'hex') FROM instance ORDER BY title"
    ),
    "keys": (
        "SELECT i.title, k.namespace, k.value, k.joins FROM instance_key k JOIN instance i ON i.id = k.instance_id "
        "ORDER BY 1, 2, 3"
    ),
    "events": (
        "SELECT i.title, e.event_key, e.milestone FROM instance_event e JOIN instance i ON i.id = e.instance_id "
        "ORDER BY 1, 2, 3"
    ),
    "buckets": "SELECT t::text FROM sli_bucket t ORDER BY 1",
}


def derived(url: str) -> dict[str, list[Any]]:
    """What is derived of the log, without what comes of when and in which order it was received."""
    with psycopg.connect(url) as conn:
        return {name: conn.execute(statement.encode()).fetchall() for name, statement in DERIVED.items()}


def copies(url: str) -> list[Any]:
    """How often the log has each event; an event that was sent twice is there twice."""
    with psycopg.connect(url) as conn:
        return conn.execute("SELECT source, id, count(*) FROM event GROUP BY 1, 2 ORDER BY 1, 2").fetchall()


def test_a_history_over_kafka_is_that_over_http_whatever_becomes_of_the_consumers(landscape: Landscape) -> None:
    now = time.time_ns() // 1000
    orders = generate(ORDERS, now, SEED)
    jobs, random_ = plan(orders, SEED), random.Random(SEED)
    over_http = [replace(job) for job in jobs]
    first, second, third, fourth = landscape.consumers
    for one in (landscape.collector, first, second, landscape.projector, landscape.dashboard, landscape.direct):
        one.launch()
    for one in (landscape.collector, landscape.projector, landscape.dashboard, landscape.direct):
        one.wait()

    def sending(part: list[Job]) -> threading.Thread:
        thread = threading.Thread(target=send, args=(landscape.collector.url, part))
        thread.start()
        return thread

    part = len(jobs) // 4
    # Killed in the middle, with two others who have just come.
    before = logged(landscape.urls["kafka"])
    sender = sending(jobs[:part])
    wait_until(lambda: logged(landscape.urls["kafka"]) > before + 100, 60, "something is appended")
    first.end()
    third.launch()
    fourth.launch()
    sender.join()
    # Frozen for so long that the group gives its partitions away, and woken while another appends them.
    sender = sending(jobs[part : 2 * part])
    for one in (second, third, fourth):
        one.wait()
    wait_until(lambda: second.roles() == {"consumer": "active"}, 60, "the second has partitions")
    assert second.process is not None
    second.process.send_signal(signal.SIGSTOP)
    sender.join()
    sender = sending(jobs[2 * part : 3 * part])
    sender.join()

    def settled() -> bool:
        return has_all(landscape.urls["kafka"], jobs[: 3 * part])

    wait_until(settled, 120, "the others append what the frozen one does not")
    for one in (third, fourth):
        wait_until(lambda one=one: one.roles() == {"consumer": "active"}, 60, "it has partitions")
    sender = sending(jobs[3 * part :])
    second.process.send_signal(signal.SIGCONT)
    # Stopped in good order, and the killed one is back.
    assert third.stop(signal.SIGTERM) == 0
    first.start()
    sender.join()
    assert all(job.acknowledged for job in jobs)
    again = left([*jobs], random_)
    send(landscape.collector.url, again)

    send(landscape.direct.url, over_http)
    send(landscape.direct.url, [replace(job) for job in again])
    at = datetime.now(UTC)
    wanted = wanted_of(orders, now)
    for url in (landscape.collector.url, landscape.direct.url):
        heartbeats(url, at)
    wait_until(lambda: copies(landscape.urls["kafka"]) == copies(landscape.urls["http"]), 90, "both logs have the same")
    for url in (landscape.dashboard.url, landscape.direct.url):
        wait_for_projection(url, at)
        compare(url, wanted)
    by_kafka, by_http = derived(landscape.urls["kafka"]), derived(landscape.urls["http"])
    for name, rows in by_http.items():
        assert by_kafka[name] == rows, name
    assert by_http["buckets"]
    for one in landscape.all:
        if one.process is not None and one.process.poll() is None:
            assert one.stop(signal.SIGTERM) == 0
        assert one.errors() == [], one.log.name
        assert "Traceback" not in one.log.read_text()


def has_all(url: str, jobs: list[Job]) -> bool:
    """Whether every event of these requests is in the log; spans that no definition refers to yield none."""
    events = sum(len(job.members) for job in jobs if job.door != "/v1/traces")
    with psycopg.connect(url) as conn:
        row = conn.execute("SELECT count(*) FROM event WHERE type NOT LIKE '%span%'").fetchone()
    return row is not None and row[0] >= events


def test_serve_consumes_by_itself_where_it_is_given_a_topic(tmp_path: Path, postgres: Server, broker: Broker) -> None:
    definitions = tmp_path / "definitions.yaml"
    definitions.write_text(DEFINITIONS)
    topic, url = broker.topic(2), postgres.clone()
    serving = Running(
        tmp_path, "serve", "serve", "--database-url", url, "--definitions", str(definitions),
        "--kafka-brokers", broker.address, "--kafka-topic", topic, "--kafka-produce", topic, "--kafka-group", topic,
    )  # fmt: skip
    try:
        serving.start()
        assert serving.roles().keys() == {"collector", "projector", "notifier", "dashboard", "consumer"}
        event = {
            "specversion": "1.0", "id": "1", "source": "crm", "type": "order.created", "data": {"order_id": "O-1"},
            "time": datetime.now(UTC).isoformat(),
        }  # fmt: skip
        structured = {"content-type": "application/cloudevents+json"}
        assert asking.post(f"{serving.url}/events", json=event, headers=structured).status_code == 200

        def instances() -> Any:
            return asking.get(f"{serving.url}/api/v1/instances", params={"workflow": "order-to-cash"}).json()["items"]

        found = wait_until(instances, 60, "the event is applied")
        assert [one["title"] for one in found] == ["O-1"]
        assert serving.stop(signal.SIGTERM) == 0
        assert serving.errors() == []
    finally:
        serving.close()
        postgres.drop(url)
