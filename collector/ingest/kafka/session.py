"""One membership of the group: what it is given, reads and appends, until something fails or it is told to stop."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import cast

import psycopg
import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from collector import metrics
from collector.ingest.kafka.gathering import Gathering, Partition, Stretch, halves, start
from collector.ingest.kafka.offsets import append_stretches, begin
from collector.ingest.kafka.records import Headers, Record, Taken, set_aside, take
from collector.ingest.kafka.sources import as_kept, keep
from collector.ingest.kafka.topics import Format
from collector.sources.receiving import Receiver
from collector.store.database import Connection
from slo_rules.matching import Matcher

log = structlog.get_logger("milepost.kafka")

IDLE_SECONDS = 0.5
GATHER_SECONDS = 0.05
"""For how long more is waited for before what was read is appended."""
ASK_SECONDS = 10.0
"""For how long a broker may take to say which offsets it has."""


class Session:
    """One membership. Its callbacks are called while it polls or the consumer is closed, on the thread that does so."""

    def __init__(
        self,
        conn: Connection,
        consumer: Consumer,
        group: str,
        topics: dict[str, Format],
        matcher: Callable[[], Matcher],
        on_commit: Callable[[], None],
        receivers: Mapping[str, Receiver] | None = None,
    ) -> None:
        self._conn = conn
        self._consumer = consumer
        self._group = group
        self._topics = topics
        self._matcher = matcher
        self._on_commit = on_commit
        self._receivers = receivers or {}
        self._gathered_since = 0.0
        self._failure: Exception | None = None
        self.gathering = Gathering()
        self.joined = False
        """Whether the group has said what is ours, be it nothing."""
        self.broken = False
        """Nothing more is to be appended: the next session reads it again."""

    # What the group says. An exception in a callback would come out of the client as something that is none.

    def on_assign(self, _consumer: Consumer, given: list[TopicPartition]) -> None:
        """These are ours as well from now on: go where the log ends."""
        with self._failing_later():
            self._consumer.incremental_assign(self._placed([(one.topic, one.partition) for one in given]))
            self.joined = True

    def on_revoke(self, _consumer: Consumer, taken: list[TopicPartition]) -> None:
        """These are about to be another's: append what was read of them first."""
        with self._failing_later():
            if not self.broken:
                self.append()
            self._leave(taken)

    def on_lost(self, _consumer: Consumer, taken: list[TopicPartition]) -> None:
        """These have been another's for a while."""
        with self._failing_later():
            self._leave(taken)

    @contextmanager
    def _failing_later(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # noqa: BLE001 (it is raised by `poll`)
            self.broken = True
            self._failure = self._failure or error

    def _leave(self, taken: list[TopicPartition]) -> None:
        for one in taken:
            self.gathering.end((one.topic, one.partition))
            _forget_lag((one.topic, one.partition))
        self._consumer.incremental_unassign(taken)

    def _placed(self, partitions: list[Partition]) -> list[TopicPartition]:
        """Begin with these partitions, and where."""
        ranges = {one: self._range(one) for one in partitions}
        stored = begin(self._conn, self._group, {one: low for one, (low, _) in ranges.items()})
        placed = []
        for one in partitions:
            low, high = ranges[one]
            at = start(stored[one], low, high)
            topic, partition = one
            if at.lost:
                metrics.KAFKA_LOST.labels(topic).inc(at.lost)
                log.error("kafka_records_lost", topic=topic, partition=partition, records=at.lost, first=stored[one])
            if at.anew:
                log.error(
                    "kafka_topic_is_another", topic=topic, partition=partition, expected=stored[one], ends_at=high
                )
            self.gathering.begin(one, stored[one], at.offset)
            placed.append(TopicPartition(topic, partition, at.offset))
        return placed

    def _range(self, partition: Partition) -> tuple[int, int]:
        found = self._consumer.get_watermark_offsets(TopicPartition(*partition), timeout=ASK_SECONDS)
        if found is None:
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT, "no answer on offsets"))  # noqa: SLF001
        return found

    # Reading

    def poll(self) -> Message | None:
        """Take the next record, and append what was read when it is enough or nothing more comes.

        What comes back is an error. Raises what failed in a callback meanwhile.
        """
        gathering = self.gathering
        wait = IDLE_SECONDS
        if not gathering.empty:
            wait = max(0.0, self._gathered_since + GATHER_SECONDS - time.monotonic())
        message = self._consumer.poll(wait)
        if self._failure is not None:
            raise self._failure
        error = None
        if message is not None:
            error = message.error()
            if error is None:
                if gathering.empty:
                    self._gathered_since = time.monotonic()
                gathering.add(_record(message))
            elif error.code() == KafkaError._AUTO_OFFSET_RESET:  # noqa: SLF001
                self._place_again((message.topic() or "", message.partition() or 0))
        if gathering.full or message is None:
            self.append()
            self._measure_lag()
        return message if error is not None else None

    def _place_again(self, partition: Partition) -> None:
        """The brokers have not what comes next: append what was read, and look where they begin."""
        self.append()
        for one in self._placed([partition]):
            self._consumer.seek(one)

    # Appending

    def append(self) -> None:
        """Put what was read into the log, whatever is among it."""
        waiting = [self.gathering.stretches()]
        while waiting:
            stretches = waiting.pop()
            if not stretches:
                continue
            parts = self._append(stretches)
            if parts is None:
                # What else there is of these partitions does not follow on what is in the log either.
                return
            waiting += reversed(parts)

    def _append(self, stretches: list[Stretch]) -> Sequence[list[Stretch]] | None:
        """Append these in one transaction; None where another consumer was faster with some of them.

        Where the database refuses what they are, the parts to try by themselves.
        """
        now = time.time_ns() // 1000
        takings = [(one, self._take(one, now)) for one in stretches]
        try:
            overtaken = append_stretches(self._conn, self._group, takings)
        except (psycopg.OperationalError, psycopg.InterfaceError):
            raise
        except psycopg.Error as error:
            parts = halves(stretches)
            if parts is not None:
                return parts
            record, refused = stretches[0].records[0], Taken()
            log.warning("kafka_record_refused", place=record.place, error=str(error).strip())
            if record.topic in self._receivers:
                record = as_kept(record, takings[0][1])
            set_aside(refused, record, f"the database refused it: {error.sqlstate}")
            takings = [(stretches[0], refused)]
            overtaken = append_stretches(self._conn, self._group, takings)
        for stretch, taken in takings:
            if stretch.partition not in overtaken:
                self._note(stretch, taken)
        self._on_commit()
        if overtaken:
            self._give_way(overtaken)
            return None
        return ()

    def _take(self, stretch: Stretch, now: int) -> Taken:
        taken, matcher = Taken(), self._matcher()
        format_ = self._topics[stretch.partition[0]]
        receiver = self._receivers.get(stretch.partition[0])
        for record in stretch.records:
            if receiver is None:
                take(taken, record, format_, matcher, now)
            else:
                keep(taken, record, receiver)
        return taken

    def _note(self, stretch: Stretch, taken: Taken) -> None:
        topic, partition = stretch.partition
        self.gathering.appended(stretch)
        # What is kept for a source is counted as received once it is mapped.
        metrics.RECEIVED.labels("kafka").inc(taken.accepted - len(taken.batch.requests))
        for request in taken.batch.requests:
            metrics.SOURCE_REQUESTS.labels(request.source, "accepted").inc()
        metrics.REJECTED.labels("kafka").inc(taken.rejected)
        metrics.KAFKA_PASSED_OVER.labels(topic).inc(taken.passed_over)
        metrics.KAFKA_RECORDS.labels(topic).inc(len(stretch.records) - taken.passed_over)
        try:
            self._consumer.store_offsets(offsets=[TopicPartition(topic, partition, stretch.until)])
        except KafkaException as error:
            # Only people who look at lag read them.
            log.debug("kafka_offsets_not_told", error=str(error))

    def _give_way(self, overtaken: list[Partition]) -> None:
        """Another consumer appended these: if they are ours, go on where the log ends now."""
        for topic, partition in overtaken:
            metrics.KAFKA_OVERTAKEN.labels(topic).inc()
            log.warning("kafka_overtaken", topic=topic, partition=partition)
        for one in self._placed(overtaken):
            self._consumer.seek(one)

    def _measure_lag(self) -> None:
        for (topic, partition), offset in self.gathering.partitions.items():
            found = self._consumer.get_watermark_offsets(TopicPartition(topic, partition), cached=True)
            if found is not None and found[1] >= 0:
                metrics.KAFKA_LAG.labels(topic, str(partition)).set(max(0, found[1] - offset))


def _forget_lag(partition: Partition) -> None:
    try:
        metrics.KAFKA_LAG.remove(partition[0], str(partition[1]))
    except KeyError:
        return


def _record(message: Message) -> Record:
    kind, made_at = message.timestamp()
    return Record(
        message.topic() or "",
        message.partition() or 0,
        message.offset() or 0,
        message.value(),
        _headers(message),
        made_at * 1000 if kind and made_at >= 0 else None,
        _key(message),
    )


def _key(message: Message) -> bytes | None:
    key = message.key()
    return key.encode() if isinstance(key, str) else key


def _headers(message: Message) -> Headers | None:
    try:
        return cast("Headers", message.headers() or ())
    except (UnicodeDecodeError, SystemError):
        return None
