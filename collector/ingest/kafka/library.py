"""The library that speaks with brokers, which is an extra, and what it is told whoever uses it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from types import MappingProxyType
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from confluent_kafka import KafkaError

log = structlog.get_logger("milepost.kafka")

OWN = frozenset(
    {
        "acks",
        "auto.offset.reset",
        "bootstrap.servers",
        "enable.auto.commit",
        "enable.auto.offset.store",
        "enable.gapless.guarantee",
        "enable.idempotence",
        "group.id",
        "group.protocol",
        "partition.assignment.strategy",
        "statistics.interval.ms",
    }
)
"""The properties on which what is promised rests: nobody else sets them."""

CONSUMER_ONLY = ("fetch.", "heartbeat.", "max.poll.", "queued.", "session.timeout", "isolation.level", "check.crcs")
PRODUCER_ONLY = ("batch.", "compression.", "delivery.", "linger.", "message.timeout", "partitioner", "queue.", "retry.")
"""How properties begin that only one of the two knows; one file serves both."""

# The client says every failed connection again and again; `tell_error` says it once.
_client_log = logging.getLogger("milepost.kafka.client")
_client_log.setLevel(logging.CRITICAL)


class KafkaUnusable(Exception):
    """Kafka cannot be used as it is set up here; says why."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """Brokers (`host:port`, with commas between them) and further properties of librdkafka for reaching them."""

    brokers: str
    properties: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}), repr=False)

    def configuration(
        self, usual: Mapping[str, object], own: Mapping[str, object], foreign: tuple[str, ...]
    ) -> dict[str, object]:
        """All that a client is told: its `own`, over what was given it and is not `foreign` to it, over the `usual`."""
        given = {name: value for name, value in self.properties.items() if not name.startswith(foreign)}
        everywhere = {"client.id": "milepost", "reconnect.backoff.max.ms": 5_000}
        return {**everywhere, **usual, **given, "bootstrap.servers": self.brokers, "logger": _client_log, **own}


def require_library() -> None:
    """Raise KafkaUnusable, naming the extra, where the library is not installed."""
    if find_spec("confluent_kafka") is None:
        raise KafkaUnusable(
            "Kafka needs the package confluent-kafka, which is not installed: pip install 'milepost[kafka]'"
        )


class Told:
    """Says what the client has to complain of: each kind once, until brokers answer again."""

    def __init__(self) -> None:
        self._kinds: set[str] = set()

    def error(self, error: KafkaError) -> None:
        """For the client's `error_cb`."""
        if error.name() not in self._kinds:
            log.warning("kafka_not_reached", error=error.str())
        self._kinds.add(error.name())

    def good(self) -> None:
        """Brokers answer: the next complaint is news."""
        self._kinds.clear()
