# ruff: noqa: F811
"""A member that was given up for dead and still has what it read: whoever appends first does, and nobody a second time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest
from confluent_kafka import Consumer

from collector.ingest.kafka.session import Session
from collector.ingest.kafka.topics import Format
from collector.store.database import connect
from tests.acceptance.process import wait_until
from tests.fix_kafka import STRUCTURED, Broker, event
from tests.integration.fix_consuming import Group, group  # noqa: F401

pytestmark = pytest.mark.slow


@contextmanager
def membership(group: Group, topic: str) -> Iterator[Session]:
    """A member that does what the test says, and nothing else."""
    configuration = {
        "bootstrap.servers": group.broker.address, "group.id": group.name, "log_level": 0,
        "partition.assignment.strategy": "cooperative-sticky", "auto.offset.reset": "error",
        "enable.auto.offset.store": False, "session.timeout.ms": 6000, "max.poll.interval.ms": 6000,
        "heartbeat.interval.ms": 500,
    }  # fmt: skip
    consumer = Consumer(configuration)
    with connect(group.url, "test member") as conn:
        topics = {topic: Format.CLOUDEVENTS}
        session = Session(conn, consumer, group.name, topics, lambda: group.matcher, lambda: None)
        consumer.subscribe([topic], on_assign=session.on_assign, on_revoke=session.on_revoke, on_lost=session.on_lost)
        try:
            yield session
        finally:
            session.broken = True
            consumer.close()


def read(session: Session, count: int) -> Callable[[], bool]:
    """Reads on without appending; whether so many records are gathered."""

    def some() -> bool:
        session.append = lambda: None  # type: ignore[method-assign]
        session.poll()
        del session.append
        return sum(len(one.records) for one in session.gathering.stretches()) >= count

    return some


@pytest.mark.parametrize("first", ["zombie", "heir"])
def test_of_a_zombie_and_its_heir_one_appends_what_both_have_read(group: Group, broker: Broker, first: str) -> None:
    topic = broker.topic(1)
    broker.produce((topic, 0, event(f"{n}"), STRUCTURED) for n in range(10))
    with ExitStack() as members:
        zombie = members.enter_context(membership(group, topic))
        wait_until(read(zombie, 10), 60, "the zombie has read")
        # It asks for nothing more, and the group gives the partition to the other.
        heir = members.enter_context(membership(group, topic))
        wait_until(read(heir, 10), 60, "the heir has read the same")
        assert group.ids() == []
        order = [zombie, heir] if first == "zombie" else [heir, zombie]
        for one in order:
            one.append()
        assert group.ids() == [f"{n}" for n in range(10)]
        broker.produce((topic, 0, event(f"{n}"), STRUCTURED) for n in range(10, 20))

        def heir_goes_on() -> bool:
            heir.poll()
            return len(group.ids()) >= 20

        wait_until(heir_goes_on, 60, "the heir goes on where the log ends")
        zombie.append()

        def zombie_knows() -> bool:
            zombie.poll()
            return zombie.gathering.partitions == {}

        wait_until(zombie_knows, 60, "the zombie hears that the partition is another's")
        assert group.ids() == [f"{n}" for n in range(20)]
        assert group.offsets() == {(topic, 0): 20}
