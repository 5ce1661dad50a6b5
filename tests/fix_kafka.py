"""A real Kafka for the tests: one broker a run, its own topics for each test; MILEPOST_TEST_KAFKA names the jars."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import KafkaException, Producer
from confluent_kafka.admin import AdminClient, NewTopic

from tests.acceptance.process import free_port, wait_until

JARS = os.environ.get("MILEPOST_TEST_KAFKA")
STRUCTURED = [("content-type", b"application/cloudevents+json")]
_numbers = count(1)
_PROPERTIES = """
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
log.dirs={data}
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
auto.create.topics.enable=false
"""


class Broker:
    """One broker that is its own controller; it can be killed and started again."""

    def __init__(self, folder: Path, jars: Path) -> None:
        self._java = ["java", "-Xmx384m", "-XX:TieredStopAtLevel=1", "-cp", f"{jars}/*"]
        self._log = folder / "log"
        self._process: subprocess.Popen[bytes] | None = None
        port = free_port()
        self.address = f"127.0.0.1:{port}"
        self._properties = folder / "server.properties"
        filled = _PROPERTIES.format(port=port, controller=free_port(), data=folder / "data")
        self._properties.write_text(filled)
        id_ = base64.urlsafe_b64encode(b"milepost testing").decode().rstrip("=")
        format_ = [*self._java, "kafka.tools.StorageTool", "format", "-t", id_, "-c", str(self._properties)]
        subprocess.run(format_, check=True, capture_output=True, timeout=60)
        self._admin: AdminClient | None = None

    def start(self) -> None:
        """Start it and wait until it answers."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [*self._java, "kafka.Kafka", str(self._properties)], stdout=log, stderr=log
            )
        self._admin = AdminClient({"bootstrap.servers": self.address, "log_level": 0})

        def answers() -> bool:
            assert self._process is not None and self._process.poll() is None, self._log.read_text()
            try:
                return bool(self.admin.list_topics(timeout=1).brokers)
            except KafkaException:
                return False

        wait_until(answers, 60, "the broker answers")

    def kill(self) -> None:
        """End it as a power cut would."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(20)

    @property
    def admin(self) -> AdminClient:
        assert self._admin is not None
        return self._admin

    def topic(self, partitions: int = 4, name: str | None = None, *, most_bytes: int = 2**20) -> str:
        """A new topic; its name."""
        name = name or f"topic-{next(_numbers)}-{os.getpid()}"
        asked = NewTopic(name, partitions, 1, config={"max.message.bytes": str(most_bytes)})
        for made in self.admin.create_topics([asked]).values():
            made.result(20)
        return name

    def produce(self, records: Iterable[tuple[str, int, bytes | None, list[Any]]]) -> None:
        """Records as topic, partition, value and headers, in their order."""
        producer = Producer({"bootstrap.servers": self.address})
        failed = []
        for topic, partition, value, headers in records:
            producer.produce(
                topic, value, partition=partition, headers=headers,
                on_delivery=lambda error, _: failed.append(error) if error else None,
            )  # fmt: skip
            producer.poll(0)
        assert producer.flush(30) == 0
        assert not failed


def event(id_: str, **changes: Any) -> bytes:
    """A good CloudEvent, changed, as JSON."""
    made = {
        "specversion": "1.0", "id": id_, "source": "crm", "type": "order.created", "time": "2026-11-21T09:14:00Z",
        "data": {"order_id": f"O-{id_}"},
    }  # fmt: skip
    return json.dumps(made | changes).encode()


@pytest.fixture(scope="session")
def _one_broker() -> Iterator[Broker]:
    if not JARS:
        pytest.skip("no Kafka here: set MILEPOST_TEST_KAFKA to a folder with its jars (CONTRIBUTING.md)")
    folder = Path(tempfile.mkdtemp(prefix="mp-kafka-"))
    made = Broker(folder, Path(JARS))
    made.start()
    yield made
    made.kill()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def broker(_one_broker: Broker) -> Broker:
    """The broker of this run."""
    return _one_broker
