"""What is asked of Kafka: whether its brokers answer, the topics are there, and how far they are consumed.

Nothing is consumed and no group is joined. How far it came is what the database says, which is what counts
(collector/ingest/kafka/offsets.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from collector.ingest.kafka.library import PRODUCER_ONLY, KafkaUnusable, require_library
from collector.store.database import Connection
from collector.store.sql import load
from milepost.doctor import judging
from milepost.doctor.finding import Finding, fail, ok, unknown
from milepost.doctor.judging import named
from milepost.settings import Settings
from slo_rules.instants import to_micros

if TYPE_CHECKING:
    from confluent_kafka import Consumer, KafkaError

Q = load("doctor")
SECONDS = 5.0
CHECK, LAG = "kafka", "kafka lag"
_WAY = "are they up, and are kafka_brokers, kafka_security_protocol, user and password right?"


def brokers(settings: Settings) -> list[Finding]:
    """Whether brokers answer and have every topic of the settings, each partition with a broker that leads it."""
    names = [topic.name for topic in (*settings.kafka_topic, *settings.kafka_produce)]
    complaints: list[KafkaError] = []
    try:
        require_library()
        with _asking(settings, complaints) as consumer:
            known = consumer.list_topics(timeout=SECONDS)
    except KafkaUnusable as error:
        return [fail(CHECK, str(error), "install it where Kafka is set up, or take out the settings of Kafka")]
    except Exception as error:  # noqa: BLE001 — it is told; the class is there only where the library is
        return [fail(CHECK, f"no broker of {settings.kafka_brokers} answers: {_why(error, complaints)}", _WAY)]
    faults = [fault for name in dict.fromkeys(names) if (fault := _fault(name, known.topics.get(name))) is not None]
    if faults:
        return faults
    partitions = sum(len(known.topics[name].partitions) for name in dict.fromkeys(names))
    count = f"{len(known.brokers)} broker{'s' if len(known.brokers) != 1 else ''}"
    said = f"{named(list(dict.fromkeys(names)))} with {partitions} partitions" if names else "no topic is named"
    return [ok(CHECK, f"{count} answer{'s' if len(known.brokers) == 1 else ''}: {said}")]


def lag(settings: Settings, conn: Connection) -> list[Finding]:
    """How many records of each topic wait to be consumed, and since when its group has not moved on."""
    now = to_micros(datetime.now(UTC))
    asked = {"group": settings.kafka_group}
    moved = {(topic, part): (at, to_micros(when)) for topic, part, at, when in conn.execute(Q["kafka_offsets"], asked)}
    try:
        require_library()
        from confluent_kafka import TopicPartition  # noqa: PLC0415 - an extra

        with _asking(settings, []) as consumer:
            known = consumer.list_topics(timeout=SECONDS).topics
            parts = [
                judging.Part(
                    topic.name,
                    number,
                    *consumer.get_watermark_offsets(TopicPartition(topic.name, number), timeout=SECONDS),
                    *moved.get((topic.name, number), (None, None)),
                )
                for topic in settings.kafka_topic
                if topic.name in known
                for number in known[topic.name].partitions
            ]
    except Exception as error:  # noqa: BLE001 — as above; the check of the brokers says what is to be done
        return [unknown(LAG, f"the brokers do not say how far the topics are: {_why(error, [])}", "see kafka")]
    return judging.kafka_lag(settings.kafka_group, parts, now)


@contextmanager
def _asking(settings: Settings, complaints: list[KafkaError]) -> Iterator[Consumer]:
    from confluent_kafka import Consumer  # noqa: PLC0415 - an extra

    own = {"group.id": settings.kafka_group, "enable.auto.commit": False, "error_cb": complaints.append}
    consumer = Consumer(settings.kafka_cluster.configuration({}, own, PRODUCER_ONLY))
    try:
        yield consumer
    except Exception:
        # What the client complains of is handed over when it is asked for.
        consumer.poll(0)
        raise
    finally:
        consumer.close()


def _fault(name: str, topic: Any) -> Finding | None:
    if topic is None or topic.error is not None or not topic.partitions:
        why = f": {topic.error.str()}" if topic is not None and topic.error is not None else ""
        advice = "make it, or let the user of these settings see it"
        return fail(CHECK, f"there is no topic {name!r} for this user{why}", advice)
    leaderless = [str(number) for number, one in sorted(topic.partitions.items()) if one.leader < 0]
    if leaderless:
        said = f"{name}: no broker leads partition {named(leaderless)}"
        return fail(CHECK, said, "what is there cannot be read or written: look at the brokers that have it")
    return None


def _why(error: Exception, complaints: list[KafkaError]) -> str:
    """In the words of the client, which name hosts and no passwords; the reason rather than that it took too long."""
    told = [one.str() for one in complaints if one.name() != "_ALL_BROKERS_DOWN"]
    if told:
        return told[-1]
    first: Any = error.args[0] if error.args else None
    return str(first.str()) if hasattr(first, "str") else type(error).__name__
