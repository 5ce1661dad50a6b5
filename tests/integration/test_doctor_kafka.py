"""`milepost doctor` where Kafka is set up: a real broker, one that is away, topics that are not there, what waits."""

from __future__ import annotations

import sys

import pytest

from collector.ingest.kafka.topics import Topic
from collector.store.database import connect
from milepost.doctor import judging
from milepost.doctor.examination import Examination
from milepost.doctor.finding import Finding, Grade
from milepost.settings import Settings
from slo_rules.durations import MINUTE, SECOND
from tests.acceptance.process import free_port
from tests.fix_kafka import STRUCTURED, Broker, event

NOW = 10**15


def found(url: str, brokers: str, *topics: str, **more: object) -> dict[str, list[Finding]]:
    settings = Settings(
        database_url=url,
        kafka_brokers=brokers,
        kafka_topic=tuple(map(Topic, topics)),
        **more,  # type: ignore[arg-type]
    )
    told: dict[str, list[Finding]] = {}
    for one in Examination(settings, environment={}).findings():
        told.setdefault(one.check, []).append(one)
    return told


def consumed(url: str, topic: str, offsets: list[int], ago: str = "0 s", group: str = "milepost") -> None:
    """As if the group had appended that much of each partition, so long ago."""
    with connect(url, "test", autocommit=True) as conn:
        for partition, offset in enumerate(offsets):
            conn.execute(
                "INSERT INTO kafka_offset VALUES (%(group)s, %(topic)s, %(partition)s, %(offset)s, "
                "now() - %(ago)s::interval) ON CONFLICT (consumer_group, topic, partition) "
                "DO UPDATE SET next_offset = excluded.next_offset, moved_at = excluded.moved_at",
                {"group": group, "topic": topic, "partition": partition, "offset": offset, "ago": ago},
            )


def test_brokers_topics_and_what_waits_are_told(broker: Broker, database_url: str) -> None:
    topic = broker.topic(partitions=2)
    broker.produce((topic, number % 2, event(str(number)), STRUCTURED) for number in range(10))
    told = found(database_url, broker.address, topic)
    assert [(one.grade, one.said) for one in told["kafka"]] == [
        (Grade.OK, f"1 broker answers: {topic} with 2 partitions")
    ]
    (never,) = told["kafka lag"]
    assert never.grade is Grade.WARN
    assert never.said.startswith("10 records wait for milepost")
    assert "none was ever consumed" in never.said
    for ago, offsets, grade in (
        ("0 s", [5, 5], Grade.OK),
        ("2 hours", [5, 5], Grade.OK),
        ("5 s", [5, 3], Grade.OK),
        ("3 min", [5, 3], Grade.WARN),
        ("1 hour", [5, 3], Grade.FAIL),
        ("0 s", [5, 9], Grade.WARN),
    ):
        consumed(database_url, topic, offsets, ago)
        (one,) = found(database_url, broker.address, topic)["kafka lag"]
        assert one.grade is grade, one
    consumed(database_url, topic, [5, 3], "3 min", "others")
    (other,) = found(database_url, broker.address, topic, kafka_group="others")["kafka lag"]
    assert other.said.startswith(f"7 records wait for others in {topic}/0, {topic}/1") or "2 records" in other.said


def test_a_topic_that_is_not_there_fails_and_the_others_are_looked_at(broker: Broker, database_url: str) -> None:
    topic = broker.topic()
    told = found(database_url, broker.address, topic, "nowhere", kafka_produce=(Topic("neither"),))
    assert [(one.grade, one.said.split(" for this user")[0]) for one in told["kafka"]] == [
        (Grade.FAIL, "there is no topic 'nowhere'"),
        (Grade.FAIL, "there is no topic 'neither'"),
    ]
    assert [one.grade for one in told["kafka lag"]] == [Grade.OK]


def test_looking_joins_no_group_and_changes_nothing(broker: Broker, database_url: str) -> None:
    topic = broker.topic()
    broker.produce([(topic, 0, event("1"), STRUCTURED)])
    found(database_url, broker.address, topic, kafka_group="looked-at")
    groups = broker.admin.list_consumer_groups(request_timeout=10).result()
    assert "looked-at" not in {one.group_id for one in groups.valid}
    with connect(database_url, "test", autocommit=True) as conn:
        assert conn.execute("SELECT count(*) FROM kafka_offset").fetchone() == (0,)


def test_brokers_that_are_away_fail_once_in_clear_words_and_stop_no_other_check(database_url: str) -> None:
    address = f"127.0.0.1:{free_port()}"
    told = found(database_url, address, "orders", kafka_sasl_password="planted")
    (away,) = told["kafka"]
    assert away.grade is Grade.FAIL
    assert away.said.startswith(f"no broker of {address} answers: ")
    assert "onnect" in away.said
    assert "kafka_security_protocol" in away.advice
    assert [one.grade for one in told["kafka lag"]] == [Grade.UNKNOWN]
    assert told["projection"][0].grade is Grade.OK
    assert "planted" not in str(told)


def test_without_the_library_it_says_what_to_install(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("collector.ingest.kafka.library.find_spec", lambda name: None)
    monkeypatch.setitem(sys.modules, "confluent_kafka", None)
    told = found(database_url, "127.0.0.1:1", "orders")
    assert told["kafka"][0].grade is Grade.FAIL
    assert "pip install 'milepost[kafka]'" in told["kafka"][0].said
    assert told["kafka lag"][0].grade is Grade.UNKNOWN


def test_where_kafka_is_not_set_up_nothing_is_said_of_it(database_url: str) -> None:
    checks = {one.check for one in Examination(Settings(database_url=database_url), environment={}).findings()}
    assert not {one for one in checks if "kafka" in one}


def part(**changes: int | None) -> judging.Part:
    return judging.Part(**{"topic": "t", "number": 0, "low": 10, "high": 20, "next": 20, "moved": NOW} | changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("parts", "grades", "said"),
    [
        ([], [Grade.OK], "consumed everything"),
        ([part()], [Grade.OK], "consumed everything"),
        ([part(next=12, moved=NOW - 30 * SECOND)], [Grade.OK], "8 records wait for g in t/0, which moves on"),
        ([part(next=12, moved=NOW - 2 * MINUTE), part(number=1)], [Grade.WARN], "8 records"),
        ([part(next=12, moved=NOW - 20 * MINUTE)], [Grade.FAIL], "none was consumed for 20m"),
        ([part(next=None, moved=None)], [Grade.WARN], "10 records wait for g in t/0; of t/0 none was ever"),
        ([part(next=4)], [Grade.FAIL], "6 records of t/0 were gone before g consumed them"),
        ([part(next=25)], [Grade.WARN], "beyond the end"),
        ([part(low=20, next=None, moved=None)], [Grade.OK], "consumed everything"),
    ],
)
def test_what_waits_and_for_how_long_is_judged_by_when_the_group_moved_last(
    parts: list[judging.Part], grades: list[Grade], said: str
) -> None:
    findings = judging.kafka_lag("g", parts, NOW)
    assert [one.grade for one in findings] == grades
    assert said in findings[0].said
