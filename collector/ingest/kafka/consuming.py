"""Consuming: one member of the group takes records from its partitions and appends them to the log.

How far it came is in the database, moved in the transaction that appends, so that a record is in the log once whatever
ends when. A member that was given a partition begins where the database says. One that no longer has it, and does not
know yet, finds on appending that the log does not end where it began, and lets go of what it read; the same the other
way round. What the brokers are told of offsets is for people who look at lag there.

Everything happens on one thread. Whatever fails ends the session with brokers and database, and another is begun.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence

import msgspec
import psycopg
import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, Message

from collector import metrics
from collector.ingest.kafka.library import PRODUCER_ONLY, Cluster, KafkaUnusable, Told
from collector.ingest.kafka.session import Session
from collector.ingest.kafka.topics import Topic
from collector.projection_process import Activity
from collector.sources.receiving import Receiver
from collector.store.database import Connection, connect
from slo_rules.matching import Matcher

log = structlog.get_logger("milepost.kafka")

RETRY_SECONDS = 1.0
STOP_SECONDS = 30.0
_LET_GO = "-c idle_in_transaction_session_timeout=10s"
"""A process that stands still in the middle of a commit holds up every other writer."""


class _Stats(msgspec.Struct):
    """What is read of the client's statistics."""

    brokers: dict[str, _Broker]


class _Broker(msgspec.Struct):
    state: str


_read_stats = msgspec.json.Decoder(_Stats).decode


class KafkaConsumer:
    """One member of the group `group`. `matcher` says which spans a definition refers to."""

    def __init__(
        self,
        database_url: str,
        cluster: Cluster,
        group: str,
        topics: Sequence[Topic],
        matcher: Callable[[], Matcher],
        *,
        on_commit: Callable[[], None] = lambda: None,
        receivers: Mapping[str, Receiver] | None = None,
    ) -> None:
        """`receivers` are, by topic, those of sources that send in forms of their own.

        Raises KafkaUnusable where the client refuses its configuration.
        """
        self._url = database_url
        self._group = group
        self._topics = {topic.name: topic.format for topic in topics}
        self._matcher = matcher
        self._on_commit = on_commit
        self._receivers = receivers
        self._told = Told()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="kafka-consumer", daemon=True)
        self._absent: set[str] = set()
        self._reached = False
        self.activity = Activity.STARTING
        """Whether this member has partitions, or stands by because others have them all."""
        self._configuration = cluster.configuration(
            {},
            {
                "group.id": group,
                "partition.assignment.strategy": "cooperative-sticky",
                "auto.offset.reset": "error",
                "enable.auto.commit": True,
                "enable.auto.offset.store": False,
                "statistics.interval.ms": 1_000,
                "error_cb": self._told.error,
                "stats_cb": self._note_stats,
            },
            PRODUCER_ONLY,
        )
        self._open().close()

    def start(self) -> None:
        """Begin to consume."""
        self._thread.start()

    def close(self) -> None:
        """Append what was read, leave the group, and stop."""
        self._closing.set()
        self._thread.join(timeout=STOP_SECONDS)

    @property
    def missing(self) -> list[str]:
        """What keeps records from being appended, for people; empty when nothing does."""
        if not self._thread.is_alive():
            return ["records are not consumed"]
        if not self._reached:
            return ["the brokers cannot be reached"]
        return [f"there is no topic {name!r}" for name in sorted(self._absent)]

    def _open(self) -> Consumer:
        try:
            return Consumer(self._configuration)
        except KafkaException as error:
            raise KafkaUnusable(f"Kafka refuses its configuration: {error}") from error

    def _run(self) -> None:
        while not self._closing.is_set():
            try:
                with connect(self._url, "kafka", options=_LET_GO) as conn:
                    self._be_member(conn)
            except (psycopg.OperationalError, psycopg.InterfaceError, KafkaException) as error:
                log.warning("kafka_interrupted", error=str(error).strip())
            except Exception:
                log.exception("kafka_failed")
                metrics.DUTY_FAILURES.labels("consumer").inc()
            self._become(Activity.STARTING)
            if not self._closing.is_set():
                self._closing.wait(RETRY_SECONDS)

    def _be_member(self, conn: Connection) -> None:
        consumer = self._open()
        session = Session(conn, consumer, self._group, self._topics, self._matcher, self._on_commit, self._receivers)
        try:
            consumer.subscribe(
                list(self._topics),
                on_assign=session.on_assign,
                on_revoke=session.on_revoke,
                on_lost=session.on_lost,
            )
            while not self._closing.is_set():
                message = session.poll()
                if message is not None:
                    self._note_error(message)
                if session.joined:
                    self._become(Activity.ACTIVE if session.gathering.partitions else Activity.STANDING_BY)
                    self._absent -= {topic for topic, _ in session.gathering.partitions}
            session.append()
        except BaseException:
            session.broken = True
            raise
        finally:
            consumer.close()

    def _note_error(self, message: Message) -> None:
        error = message.error()
        if error is None:
            return
        if error.fatal():
            raise KafkaException(error)
        if error.code() in (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC):  # noqa: SLF001
            self._absent.add(message.topic() or "")
        self._told.error(error)

    def _note_stats(self, said: str) -> None:
        brokers = _read_stats(said).brokers.values()
        self._reached = any(one.state == "UP" for one in brokers)
        if self._reached and not self._absent:
            self._told.good()

    def _become(self, activity: Activity) -> None:
        if activity is not self.activity:
            log.info("kafka_consumer", activity=activity)
        self.activity = activity
        metrics.ROLE_ACTIVE.labels("consumer").set(activity is Activity.ACTIVE)
