"""The settings of Kafka: what of them is read and checked otherwise than the other settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from collector.ingest.kafka.library import OWN, Cluster
from collector.ingest.kafka.topics import Topic, parse_topic

PROTOCOLS = ("plaintext", "ssl", "sasl_plaintext", "sasl_ssl")
MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "GSSAPI", "OAUTHBEARER")
_PROPERTIES = {
    "kafka_security_protocol": "security.protocol",
    "kafka_sasl_mechanism": "sasl.mechanism",
    "kafka_sasl_username": "sasl.username",
    "kafka_sasl_password": "sasl.password",
    "kafka_ssl_ca": "ssl.ca.location",
}
"""The settings that are properties of librdkafka, whose other properties stand under `kafka` in the file."""
_TAKEN = {name: setting for setting, name in _PROPERTIES.items()} | {"sasl.mechanisms": "kafka_sasl_mechanism"}


def read_topics(value: Any, origin: str, faults: list[str]) -> tuple[Topic, ...]:
    """Topics, from a list or a text with commas between them; no two of one name."""
    found = []
    for text in value.split(",") if isinstance(value, str) else value:
        try:
            found.append(parse_topic(str(text).strip()))
        except ValueError as error:
            faults.append(f"{origin}: {error}")
    names = [topic.name for topic in found]
    faults += [
        f"{origin}: the topic {name!r} is there twice" for name in sorted({n for n in names if names.count(n) > 1})
    ]
    return tuple(found)


def read_properties(value: Mapping[str, Any], origin: str, faults: list[str]) -> dict[str, str]:
    """Properties of librdkafka from the file, where dots in names make tables within tables."""
    found: dict[str, str] = {}
    for name, said in _flat(value, ""):
        if name in OWN:
            faults.append(f"{origin}.{name}: is set by Milepost, which rests on it")
        elif name in _TAKEN:
            faults.append(f"{origin}.{name}: is the setting {_TAKEN[name]}")
        elif isinstance(said, bool):
            found[name] = str(said).lower()
        elif isinstance(said, (str, int, float)):
            found[name] = str(said)
        else:
            faults.append(f"{origin}.{name}: must be text, a number, true or false, not a {type(said).__name__}")
    return found


def _flat(table: Mapping[str, Any], before: str) -> list[tuple[str, Any]]:
    found = []
    for name, value in table.items():
        found += _flat(value, f"{before}{name}.") if isinstance(value, dict) else [(before + name, value)]
    return found


def cluster_of(brokers: str, values: Mapping[str, str | None], properties: Mapping[str, str]) -> Cluster:
    """The brokers and how they are reached; `values` are settings by name."""
    named = {name: value for setting, name in _PROPERTIES.items() if (value := values[setting]) is not None}
    return Cluster(brokers, {**properties, **named})


def faults_between(values: Mapping[str, Any]) -> list[str]:
    """What is wrong with settings that each are right by themselves."""
    faults = []
    told = [name for name in ("kafka_topic", "kafka_produce") if values.get(name)]
    if told and not values.get("kafka_brokers"):
        faults.append(f"kafka_brokers: not given; {' and '.join(told)} cannot do without")
    faults += [
        f"kafka_produce: {topic.name}: what a source sends in a form of its own is consumed only"
        for topic in values.get("kafka_produce") or ()
        if topic.source
    ]
    formats = [topic.format for topic in values.get("kafka_produce") or ()]
    faults += [
        f"kafka_produce: names several topics for {format_}"
        for format_ in sorted({one for one in formats if formats.count(one) > 1})
    ]
    return faults
