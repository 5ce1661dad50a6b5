"""What a record of Kafka becomes that a system sends in a form of its own: a request that is kept, and mapped later."""

from __future__ import annotations

import hashlib

from collector.ingest.kafka.records import Record, Taken
from collector.log import SourceRequest
from collector.sources.exchange import Received, Unreadable
from collector.sources.receiving import Receiver, withheld

METHOD = "KAFKA"
KEY, PLACE = "kafka-key", "kafka-place"
"""Headers that are there besides the record's own: its key, and topic, partition and offset with colons between."""


def keep(taken: Taken, record: Record, receiver: Receiver) -> None:
    """Add the request that a record is, as it may be kept; who may write to its topic, the brokers see to.

    A record without a value is passed over. One of which it cannot be told what is sensitive leaves a dead letter.
    """
    if record.value is None:
        taken.passed_over += 1
        return
    headers = {name.lower(): (value or b"").decode("utf-8", "replace") for name, value in record.headers or ()}
    headers[KEY] = (record.key or b"").decode("utf-8", "replace")
    headers[PLACE] = f"{record.topic}:{record.partition}:{record.offset}"
    received = Received(METHOD, "", headers, record.value)
    name = receiver.source.name
    try:
        kept = receiver.keep(received)
    except Unreadable as error:
        digest = hashlib.sha256(record.value).hexdigest()
        taken.batch.dead_letters.append(withheld(name, received, f"{record.place}: {error}", digest))
        taken.rejected += 1
        return
    taken.batch.requests.append(SourceRequest(name, METHOD, "", receiver.kept_headers(received), kept))
    taken.accepted += 1


def as_kept(record: Record, taken: Taken) -> Record:
    """A record with the body that `keep` made of it, without what is sensitive; with none where it kept nothing."""
    bodies = [request.body for request in taken.batch.requests] + [one.body for one in taken.batch.dead_letters]
    return record._replace(value=bodies[0] if bodies else None)
