"""The settings of Kafka: every fault at once and where it stands, and no secret shown."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from collector.ingest.kafka.library import CONSUMER_ONLY, OWN, PRODUCER_ONLY, KafkaUnusable, require_library
from collector.ingest.kafka.topics import Format, Topic
from milepost.cli import app
from milepost.settings import Settings, SettingsError, load
from milepost.source_files import consumed_sources
from slo_rules.definitions import load as definitions_of

FILE = """
kafka_brokers = "a:9092,b:9092"
kafka_topic = ["orders", "spans:otlp_spans"]
kafka_produce = "events,logs:otlp_logs"
kafka_security_protocol = "sasl_ssl"
kafka_sasl_mechanism = "SCRAM-SHA-512"
kafka_sasl_username = "milepost"
kafka_ssl_ca = "/ca.pem"
[kafka]
socket.keepalive.enable = true
session.timeout.ms = 6000
"ssl.key.password" = "k3y"
linger.ms = 5
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    found = tmp_path / "milepost.toml"
    found.write_text(FILE)
    return found


def faults(file: Path, text: str, environment: dict[str, str] | None = None) -> list[str]:
    file.write_text(text)
    with pytest.raises(SettingsError) as raised:
        load({}, environment or {}, file)
    return raised.value.faults


def test_topics_come_from_lists_texts_and_flags(file: Path) -> None:
    found = load({"kafka_topic": ["flag:otlp_logs"]}, {}, file)
    assert found.kafka_topic == (Topic("flag", Format.OTLP_LOGS),)
    assert found.kafka_produce == (Topic("events"), Topic("logs", Format.OTLP_LOGS))
    assert load({}, {}, file).kafka_topic == (Topic("orders"), Topic("spans", Format.OTLP_SPANS))
    environment = {"MILEPOST_KAFKA_TOPIC": "a, b:otlp_spans", "MILEPOST_KAFKA_BROKERS": "a:1"}
    assert load({}, environment).kafka_topic == (Topic("a"), Topic("b", Format.OTLP_SPANS))


def test_a_topic_may_have_the_own_form_of_a_source(file: Path) -> None:
    (found,) = load({"kafka_topic": ["acme.incidents:source=servicenow"]}, {}, file).kafka_topic
    assert found == Topic("acme.incidents", source="servicenow")
    assert str(found) == "acme.incidents:source=servicenow"
    told = faults(file, 'kafka_brokers = "a:1"\nkafka_topic = ["a:source="]\nkafka_produce = ["b:source=x"]')
    assert any("'source=' is not a format" in fault and "source=NAME" in fault for fault in told)
    told = faults(file, 'kafka_brokers = "a:1"\nkafka_produce = ["b:source=x"]')
    assert told == ["kafka_produce: b: what a source sends in a form of its own is consumed only"]


def test_the_source_of_a_topic_is_there_and_has_an_adapter() -> None:
    text = """
apiVersion: milepost/v1
kind: Source
metadata: {name: servicenow}
spec: {adapter: {name: servicenow, secret: "${S}"}}
---
{apiVersion: milepost/v1, kind: Source, metadata: {name: plain}, spec: {silent_after: 1h}}
"""
    definitions = definitions_of({"a.yaml": text})
    good = [Topic("a", source="servicenow"), Topic("b")]
    assert consumed_sources(good, definitions) == {"a": "servicenow"}
    with pytest.raises(KafkaUnusable) as raised:
        consumed_sources([*good, Topic("c", source="plain"), Topic("d", source="nobody")], definitions)
    assert str(raised.value) == (
        "kafka_topic: c: there is no Source 'plain' with an adapter; d: there is no Source 'nobody' with an adapter"
    )


def test_what_the_file_says_of_librdkafka_reaches_the_client_that_knows_it(file: Path, tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text("s3cret\n")
    cluster = load({}, {"MILEPOST_KAFKA_SASL_PASSWORD_FILE": str(secret)}, file).kafka_cluster
    both = {
        "bootstrap.servers": "a:9092,b:9092", "security.protocol": "sasl_ssl", "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": "milepost", "sasl.password": "s3cret", "ssl.ca.location": "/ca.pem",
        "socket.keepalive.enable": "true", "ssl.key.password": "k3y",
    }  # fmt: skip
    consumer = cluster.configuration({}, {"group.id": "g"}, PRODUCER_ONLY)
    producer = cluster.configuration({"linger.ms": 1}, {}, CONSUMER_ONLY)
    assert consumer.items() >= (both | {"session.timeout.ms": "6000", "group.id": "g"}).items()
    assert producer.items() >= (both | {"linger.ms": "5"}).items()
    assert "linger.ms" not in consumer
    assert "session.timeout.ms" not in producer


def test_no_secret_is_shown(file: Path) -> None:
    found = load({}, {"MILEPOST_KAFKA_SASL_PASSWORD": "s3cret"}, file)
    shown = found.shown()
    assert shown["kafka_topic"] == "orders:cloudevents, spans:otlp_spans"
    assert shown["kafka"] == "socket.keepalive.enable, session.timeout.ms, ssl.key.password, linger.ms"
    for text in (str(shown), repr(found.kafka_cluster)):
        assert "s3cret" not in text
        assert "k3y" not in text
    assert not [name for name in Settings().shown() if name.startswith("kafka")]


def test_every_fault_is_named_at_once(file: Path) -> None:
    found = faults(
        file,
        'kafka_topic = ["a b", "c:avro"]\nkafka_produce = ["a", "b", "a"]\nkafka_sasl_mechanism = "MAGIC"\n'
        'kafka_group = 5\n[kafka]\ngroup.id = "other"\nsasl.password = "s3cret"\nlinger.ms = [1]\n',
    )
    said = "\n".join(found)
    for words in (
        "kafka_topic: 'a b' is not the name of a topic",
        "kafka_topic: 'avro' is not a format",
        "kafka_produce: the topic 'a' is there twice",
        "kafka_produce: names several topics for cloudevents",
        "kafka_sasl_mechanism: must be one of PLAIN",
        "kafka_group: must be text",
        "kafka.group.id: is set by Milepost",
        "kafka.sasl.password: is the setting kafka_sasl_password",
        "kafka.linger.ms: must be text, a number, true or false",
        "kafka_brokers: not given; kafka_produce cannot do without",
    ):
        assert words in said, words
    assert "s3cret" not in said
    assert len(found) == 10


def test_kafka_itself_is_a_table_of_the_file_and_nothing_else(file: Path) -> None:
    assert "kafka: must be a table" in faults(file, 'kafka = "x"\n')[0]
    assert faults(file, "", {"MILEPOST_KAFKA": "x"}) == ["MILEPOST_KAFKA: unknown setting"]


def test_without_the_library_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "confluent_kafka", None)
    with pytest.raises(KafkaUnusable, match=r"pip install 'milepost\[kafka\]'"):
        require_library()
    definitions = tmp_path / "definitions.yaml"
    definitions.write_text("")
    for command in ("consumer", "serve"):
        ended = CliRunner().invoke(
            app,
            f"{command} --database-url postgresql://127.0.0.1:1/x --definitions {definitions} "
            "--kafka-brokers 127.0.0.1:1 --kafka-topic orders".split(),
        )
        assert ended.exit_code == 1
        assert "milepost[kafka]" in ended.output


def test_what_is_promised_rests_on_properties_that_nobody_else_sets(file: Path) -> None:
    found = faults(file, "[kafka]\n" + "".join(f'"{name}" = "x"\n' for name in OWN))
    assert sorted(fault.partition(": is set by Milepost")[0] for fault in found) == sorted(
        f"{file}: kafka.{name}" for name in OWN
    )
