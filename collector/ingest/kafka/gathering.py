"""What has been read of partitions and is not in the log yet: which of it counts, and when it is enough. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from collector.ingest.kafka.records import Record
from collector.log import MAX_COMMIT_BYTES

MOST_RECORDS = 10_000
Partition = tuple[str, int]
"""A topic and the number of one of its partitions."""


class Start(NamedTuple):
    """Where the reading of a partition begins: after `lost` records that nobody read, or `anew` from its beginning."""

    offset: int
    lost: int = 0
    anew: bool = False


def start(stored: int, low: int, high: int) -> Start:
    """Where to begin when the log ends before `stored` and the broker has the offsets from `low` to below `high`."""
    if stored < low:
        return Start(low, lost=low - stored)
    if stored > high:
        # Offsets never go back: this is another topic of the same name. What it has is not in the log.
        return Start(low, anew=True)
    return Start(stored)


class Stretch(NamedTuple):
    """Records of one partition in their order: the log must end before `begun_at` and will end before `until`."""

    partition: Partition
    begun_at: int
    until: int
    records: list[Record]


@dataclass(slots=True)
class _Reading:
    """A partition that is ours: where the log ends, the next offset that counts, and what was read since."""

    begun_at: int
    next: int
    records: list[Record]


def halves(stretches: list[Stretch]) -> tuple[list[Stretch], list[Stretch]] | None:
    """The same in two parts that can be appended one after the other; None of a single record."""
    if len(stretches) > 1:
        middle = len(stretches) // 2
        return stretches[:middle], stretches[middle:]
    ((partition, begun_at, until, records),) = stretches
    if len(records) == 1:
        return None
    middle = len(records) // 2
    between = records[middle - 1].offset + 1
    first = Stretch(partition, begun_at, between, records[:middle])
    return [first], [Stretch(partition, between, until, records[middle:])]


class Gathering:
    """The partitions that are ours, and what was read of each and not appended yet."""

    def __init__(self) -> None:
        self._readings: dict[Partition, _Reading] = {}
        self._bytes = 0
        self._count = 0

    def begin(self, partition: Partition, stored: int, offset: int) -> None:
        """The partition is ours: the log ends before `stored`, reading begins at `offset`; what was read is let go."""
        self.end(partition)
        self._readings[partition] = _Reading(stored, offset, [])

    def end(self, partition: Partition) -> None:
        """The partition is ours no more, and neither is what was read of it."""
        reading = self._readings.pop(partition, None)
        if reading is not None:
            self._forget(reading.records)

    def add(self, record: Record) -> None:
        """Keep a record, unless it is of a partition that is not ours or was read before."""
        reading = self._readings.get((record.topic, record.partition))
        if reading is None or record.offset < reading.next:
            return
        reading.next = record.offset + 1
        reading.records.append(record)
        self._bytes += record.size
        self._count += 1

    @property
    def partitions(self) -> dict[Partition, int]:
        """Those that are ours, with the next offset that counts."""
        return {partition: reading.next for partition, reading in self._readings.items()}

    @property
    def empty(self) -> bool:
        """Whether there is nothing to append."""
        return not self._count

    @property
    def full(self) -> bool:
        """Whether what is there should be appended before more is read."""
        return self._count >= MOST_RECORDS or self._bytes >= MAX_COMMIT_BYTES

    def stretches(self) -> list[Stretch]:
        """What there is to append, in the order of partitions: whoever locks several does so in one order."""
        return [
            Stretch(partition, reading.begun_at, reading.records[-1].offset + 1, reading.records)
            for partition, reading in sorted(self._readings.items())
            if reading.records
        ]

    def appended(self, stretch: Stretch) -> None:
        """Forget what is in the log now."""
        reading = self._readings[stretch.partition]
        reading.begun_at = stretch.until
        gone = len(stretch.records)
        self._forget(reading.records[:gone])
        reading.records = reading.records[gone:]

    def _forget(self, records: list[Record]) -> None:
        self._bytes -= sum(record.size for record in records)
        self._count -= len(records)
