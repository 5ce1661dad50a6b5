"""Members of a consumer group in this process, and what is in the log because of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import psycopg
import pytest

from collector.ingest.kafka.consuming import KafkaConsumer
from collector.ingest.kafka.library import Cluster
from collector.ingest.kafka.topics import Topic
from collector.sources.receiving import Receiver
from slo_rules.definitions import load
from slo_rules.matching import Matcher
from tests.acceptance.process import wait_until
from tests.fix_kafka import Broker

SPAN_DEFINITION = """
apiVersion: milepost/v1
kind: Workflow
metadata: {name: activation, domain: orders, owner: orders}
spec:
  entity: order
  keys: {order: {path: data.attributes.order}}
  milestones:
    - {name: activated, on: {span: {exact: {service: shop, name: activate}}}, starts: true, completes: true}
"""


class Group:
    """A consumer group on one database; members come and go."""

    def __init__(self, broker: Broker, url: str, name: str) -> None:
        self.broker = broker
        self.url = url
        self.name = name
        self.members: list[KafkaConsumer] = []
        self.matcher = Matcher(load({"definitions.yaml": SPAN_DEFINITION}).workflows.values())
        self._conn = psycopg.connect(url, autocommit=True)

    def join(
        self, *topics: Topic, name: str | None = None, receivers: dict[str, Receiver] | None = None
    ) -> KafkaConsumer:
        """Start another member; `receivers` are by topic."""
        cluster = Cluster(self.broker.address, {"session.timeout.ms": "6000", "heartbeat.interval.ms": "500"})
        member = KafkaConsumer(self.url, cluster, name or self.name, topics, lambda: self.matcher, receivers=receivers)
        member.start()
        self.members.append(member)
        return member

    def leave(self, member: KafkaConsumer) -> None:
        """Stop a member as SIGTERM would."""
        self.members.remove(member)
        member.close()

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        """What the database says now."""
        return self._conn.execute(statement.encode()).fetchall()

    def ids(self) -> list[str]:
        """The ids of the logged events, in the order of the log."""
        return [row[0] for row in self.rows("SELECT id FROM event ORDER BY seq")]

    def letters(self) -> list[tuple[Any, ...]]:
        """Source, reason, detail and body of the dead letters, by their place."""
        return self.rows("SELECT source, reason, detail, body FROM dead_letter ORDER BY detail")

    def offsets(self) -> dict[tuple[str, int], int]:
        """How far the partitions were appended."""
        rows = self.rows("SELECT topic, partition, next_offset FROM kafka_offset")
        return {(topic, partition): offset for topic, partition, offset in rows}

    def wait_for(self, ends: dict[tuple[str, int], int], seconds: float = 40) -> None:
        """Wait until these partitions were appended so far."""
        wait_until(lambda: self.offsets().items() >= ends.items(), seconds, f"all is appended: {ends}")

    def wait_for_events(self, count: int, seconds: float = 40) -> None:
        """Wait until so many events are in the log."""
        wait_until(lambda: len(self.ids()) >= count, seconds, f"{count} events are in the log")

    def close(self) -> None:
        """Leave nothing behind."""
        for member in self.members:
            member.close()
        self._conn.close()


@pytest.fixture
def group(broker: Broker, database_url: str, request: pytest.FixtureRequest) -> Iterator[Group]:
    """A group with a name of its own and no members yet."""
    made = Group(broker, database_url, f"group-{request.node.name[:60]}")
    yield made
    made.close()


def ends(topic: str, counts: Sequence[int]) -> dict[tuple[str, int], int]:
    """The next offsets of the partitions of a topic with so many records in each."""
    return {(topic, number): count for number, count in enumerate(counts) if count}
