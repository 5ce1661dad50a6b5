"""What a record of Kafka becomes in the log: rows, a dead letter, or nothing. Pure.

CloudEvents come by their Kafka binding (https://github.com/cloudevents/spec, kafka-protocol-binding), structured or
binary; OTLP as the OpenTelemetry Collector's exporter encodes it. A record that is neither is set aside with its place:
nobody can be told to mend it, and those behind it must not wait.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

from collector.ingest import cloudevents, otlp
from collector.ingest.kafka.topics import Format
from collector.ingest.setting_aside import letter_of, without_nul
from collector.log import Batch, DeadLetter, LetterReason
from slo_rules.matching import Matcher

Headers = Sequence[tuple[str, bytes | None]]
_STRUCTURED = ("application/cloudevents", "application/cloudevents+json")


class Record(NamedTuple):
    """A record with its place. `made_at` is when its producer or the broker says that it was made (micros), or None.

    `headers` are None where a name among them is not UTF-8. The key of a record means something to systems only that
    send in forms of their own.
    """

    topic: str
    partition: int
    offset: int
    value: bytes | None
    headers: Headers | None
    made_at: int | None
    key: bytes | None = None

    @property
    def place(self) -> str:
        """Where it stands, for people."""
        return f"topic {self.topic}, partition {self.partition}, offset {self.offset}"

    @property
    def size(self) -> int:
        """About how many bytes are held for it."""
        return 64 + len(self.value or b"")


@dataclass(slots=True)
class Taken:
    """What records became: rows and dead letters; how many members were accepted and refused, and records passed over.

    A record of OTLP has many members. Those that are refused are counted only, as the doors do.
    """

    batch: Batch = field(default_factory=Batch)
    accepted: int = 0
    rejected: int = 0
    passed_over: int = 0


def take(taken: Taken, record: Record, format_: Format, matcher: Matcher, now: int) -> None:
    """Add what a record becomes. `now` (micros) stands in where neither it nor its event has a time."""
    made_at = record.made_at
    if made_at is not None and cloudevents.EARLIEST <= made_at < cloudevents.LATEST:
        now = made_at
    if format_ is Format.CLOUDEVENTS:
        if record.headers is None:
            return set_aside(taken, record, "the name of a header is not UTF-8")
        _take_event(taken, record, record.headers, now)
    elif record.value is None:
        taken.passed_over += 1
    else:
        _take_otlp(taken, record, record.value, format_, matcher, now)
    return None


def set_aside(taken: Taken, record: Record, why: str) -> None:
    """Make a dead letter of a record."""
    body = record.value or b""
    detail = without_nul(f"{record.place}: {why}")
    letter = DeadLetter(source_of(record), LetterReason.UNREADABLE_RECORD, detail, body)
    taken.batch.dead_letters.append(letter)
    taken.rejected += 1


def source_of(record: Record) -> str:
    """Whom a dead letter names that does not say itself where it comes from."""
    return f"kafka/{record.topic}"


def _take_event(taken: Taken, record: Record, headers: Headers, now: int) -> None:
    value = record.value
    faults: list[cloudevents.EventFault] = []
    content_type = _content_type(headers)
    media = _media(content_type)
    if media.startswith("application/cloudevents"):
        if media not in _STRUCTURED:
            return set_aside(taken, record, f"{media!r} is not taken; a record holds one application/cloudevents+json")
    elif any(name.lower().startswith("ce_") for name, _ in headers):
        # An event without data has no value (binding 3.2), and so is no tombstone.
        attributes, faults = _attributes(headers)
        value = cloudevents.put_together(attributes, content_type or None, value or b"", faults)
    if value is None:
        taken.passed_over += 1
        return None
    rows, refused = cloudevents.decode([value], now) if not faults else ([], [])
    if faults:
        refused = [cloudevents.Refused(faults, value, None, None, None)]
    taken.batch.events += rows
    taken.accepted += len(rows)
    taken.rejected += len(refused)
    taken.batch.dead_letters += [letter_of(one, source_of(record), f"{record.place}: ") for one in refused]
    return None


def _content_type(headers: Headers) -> str:
    for name, value in headers:
        if name.lower() == "content-type":
            return (value or b"").decode("utf-8", "replace")
    return ""


@lru_cache(maxsize=256)
def _media(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()


def _attributes(headers: Headers) -> tuple[dict[str, str], list[cloudevents.EventFault]]:
    """Of binary mode: in headers that begin with `ce_`, as UTF-8 and not escaped further (binding 3.2.3)."""
    found: dict[str, str] = {}
    faults: list[cloudevents.EventFault] = []
    for header, value in headers:
        name = header.lower()
        if not name.startswith("ce_"):
            continue
        if not cloudevents.is_attribute(name[3:]):
            faults.append(cloudevents.EventFault(0, name, cloudevents.NOT_A_HEADER))
            continue
        try:
            found[name[3:]] = (value or b"").decode("utf-8")
        except UnicodeDecodeError:
            faults.append(cloudevents.EventFault(0, name, "is not UTF-8"))
    return found, faults


def _take_otlp(taken: Taken, record: Record, value: bytes, format_: Format, matcher: Matcher, now: int) -> None:
    json = value.lstrip()[:1] == b"{"
    try:
        if format_ is Format.OTLP_SPANS:
            decoded = otlp.decode_traces(otlp.parse_traces(value, json=json), matcher)
        else:
            decoded = otlp.decode_logs(otlp.parse_logs(value, json=json), now)
    except otlp.Malformed as error:
        return set_aside(taken, record, f"no {format_}: {error}")
    taken.batch.events += decoded.events
    taken.batch.spans += decoded.spans
    taken.accepted += decoded.accepted
    taken.rejected += decoded.rejected
    return None
