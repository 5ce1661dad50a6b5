"""Producing: what a collector takes in goes to Kafka, and is acknowledged once the brokers have it on their disks.

Idempotent, with the acknowledgement of all replicas in sync. What is accepted and not acknowledged yet is bounded in
bytes. While no broker answers, one request a second is let through to try, and the others are told to come back.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future

import structlog
from confluent_kafka import KafkaError, KafkaException, Message, Producer

from collector.ingest.kafka.library import CONSUMER_ONLY, Cluster, KafkaUnusable, Told
from collector.ingest.kafka.outgoing import Outgoing, TooLarge
from collector.ingest.kafka.topics import Format, Topic
from collector.log import MAX_PENDING_BYTES, Unavailable

log = structlog.get_logger("milepost.kafka")

DELIVERY_SECONDS = 10
"""For how long a request waits for brokers that do not answer."""
PROBE_SECONDS = 1.0
STOP_SECONDS = 30.0
_POLL_SECONDS = 0.05
_ROOM = {"queue.buffering.max.messages": 2_000_000, "queue.buffering.max.kbytes": 1_048_576}
"""More than what is bounded here can ever need."""


class KafkaProducer:
    """Takes the records of requests; each format has a topic or is not taken."""

    def __init__(self, cluster: Cluster, topics: Sequence[Topic]) -> None:
        """Raises KafkaUnusable where the client refuses its configuration."""
        self._topics = {topic.format: topic.name for topic in topics}
        self._told = Told()
        self._configuration = cluster.configuration(
            {
                # Where the producers of other languages put a key.
                "partitioner": "murmur2_random",
                "compression.type": "lz4",
                "message.max.bytes": 8 * 2**20,
            },
            {
                **_ROOM,
                "acks": "all",
                "enable.idempotence": True,
                "delivery.timeout.ms": DELIVERY_SECONDS * 1000,
                "error_cb": self._told.error,
            },
            CONSUMER_ONLY,
        )
        self._producer = self._open()
        self._lock = threading.Lock()
        self._bytes = 0
        self._down_until = 0.0
        self._failing = False
        self._ended = False
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="kafka-producer", daemon=True)

    @property
    def formats(self) -> frozenset[Format]:
        """What is taken."""
        return frozenset(self._topics)

    @property
    def missing(self) -> list[str]:
        """What keeps requests from being taken, for people; empty when nothing does."""
        if not self._thread.is_alive():
            return ["nothing is handed to the brokers"]
        return ["the brokers cannot be reached"] if self._failing else []

    def start(self) -> None:
        """Begin to deliver."""
        self._thread.start()

    def close(self) -> None:
        """Deliver what is accepted, then stop."""
        self._closing = True
        self._producer.flush(STOP_SECONDS)
        self._thread.join(timeout=STOP_SECONDS)

    def submit(self, records: Sequence[Outgoing]) -> Future[None]:
        """A future that is done when the brokers have all of them, of which there must be some.

        It may fail with Unavailable or TooLarge. Raises Unavailable when they must be sent again later. What the
        brokers had of them by then comes twice, and counts once: events have ids.
        """
        delivery = _Delivery(self, len(records), sum(len(one.value) for one in records))
        with self._lock:
            if self._closing:
                raise Unavailable("the collector is shutting down", 5, overloaded=False)
            now = time.monotonic()
            if now < self._down_until:
                raise Unavailable("the brokers cannot be reached", 5, overloaded=False)
            if self._bytes + delivery.size > MAX_PENDING_BYTES and self._bytes:
                raise Unavailable("more arrives than the brokers take", 1, overloaded=True)
            if self._failing:
                # This one tries, for all.
                self._down_until = now + PROBE_SECONDS
            self._bytes += delivery.size
            producer = self._producer
        for one in records:
            try:
                producer.produce(
                    self._topics[one.format], one.value, one.key, headers=one.headers, on_delivery=delivery.delivered
                )
            except BufferError:
                delivery.delivered(KafkaError(KafkaError._QUEUE_FULL), None)  # noqa: SLF001
            except KafkaException as error:
                delivery.delivered(error.args[0], None)
        return delivery.future

    def settle(self, size: int, error: KafkaError | None) -> None:
        """A request was delivered, or failed with this."""
        with self._lock:
            self._bytes -= size
            if error is None:
                self._failing, self._down_until = False, 0.0
                self._told.good()
            elif not _is_too_large(error):
                if not self._failing:
                    log.warning("kafka_not_produced", error=str(error))
                self._failing, self._down_until = True, time.monotonic() + PROBE_SECONDS
                self._ended = self._ended or error.fatal()

    def _open(self) -> Producer:
        try:
            return Producer(self._configuration)
        except KafkaException as error:
            raise KafkaUnusable(f"Kafka refuses its configuration: {error}") from error

    def _run(self) -> None:
        while not self._closing or len(self._producer):
            self._producer.poll(_POLL_SECONDS)
            if self._ended:
                self._begin_anew()

    def _begin_anew(self) -> None:
        """An idempotent producer that met what it cannot order any more does nothing from then on."""
        with self._lock:
            ended, self._producer, self._ended = self._producer, self._open(), False
        log.error("kafka_producer_ended", waiting=len(ended))
        ended.purge()
        ended.flush(STOP_SECONDS)


class _Delivery:
    """The records of one request on their way."""

    def __init__(self, producer: KafkaProducer, count: int, size: int) -> None:
        self.future: Future[None] = Future()
        self.size = size
        self._producer = producer
        self._left = count
        self._lock = threading.Lock()
        self._error: KafkaError | None = None

    def delivered(self, error: KafkaError | None, _message: Message | None) -> None:
        """One of them was delivered, or failed."""
        with self._lock:
            self._left -= 1
            self._error = self._error or error
            if self._left:
                return
        self._producer.settle(self.size, self._error)
        if not self.future.set_running_or_notify_cancel():
            return
        if self._error is None:
            self.future.set_result(None)
        elif _is_too_large(self._error):
            self.future.set_exception(TooLarge("the brokers take no record of that size"))
        else:
            why = f"the brokers have not acknowledged it: {self._error.str()}"
            self.future.set_exception(Unavailable(why, 5, overloaded=False))


def _is_too_large(error: KafkaError) -> bool:
    return error.code() == KafkaError.MSG_SIZE_TOO_LARGE
