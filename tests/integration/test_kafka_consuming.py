# ruff: noqa: F811
"""Consuming from a real broker: every record is in the log once, whoever comes, goes, hangs or poisons."""

from __future__ import annotations

import json
import random
import threading
from collections import Counter
from typing import Any

import psycopg
import pytest
from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from prometheus_client import REGISTRY

from collector.ingest.kafka import consuming
from collector.ingest.kafka import session as session_of
from collector.ingest.kafka.consuming import KafkaConsumer
from collector.ingest.kafka.gathering import Stretch
from collector.ingest.kafka.library import Cluster, KafkaUnusable
from collector.ingest.kafka.offsets import append_stretches, begin
from collector.ingest.kafka.records import Record, Taken, take
from collector.ingest.kafka.topics import Format, Topic
from collector.projection_process import Activity
from collector.sources import intake
from collector.store.database import Connection, connect
from slo_rules.matching import Matcher
from tests.acceptance.process import wait_until
from tests.fix_kafka import STRUCTURED, Broker, event
from tests.integration.fix_consuming import Group, ends, group  # noqa: F401
from tests.sources import receiver


def spans() -> bytes:
    request = ExportTraceServiceRequest()
    group_ = request.resource_spans.add()
    group_.resource.attributes.add(key="service.name").value.string_value = "shop"
    scope = group_.scope_spans.add()
    for number in (1, 2):
        span = scope.spans.add(trace_id=bytes([number]) * 16, span_id=bytes([number]) * 8, name="activate")
        span.end_time_unix_nano = 1_795_000_000_000_000_000
        span.attributes.add(key="order").value.string_value = f"O-{number}"
    return request.SerializeToString()


def logs() -> bytes:
    request = ExportLogsServiceRequest()
    group_ = request.resource_logs.add()
    group_.resource.attributes.add(key="service.name").value.string_value = "billing"
    record = group_.scope_logs.add().log_records.add(event_name="invoice.posted")
    record.attributes.add(key="event.id").value.string_value = "invoice-1"
    return request.SerializeToString()


def metric(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


def test_topics_of_every_format_reach_the_log_and_what_is_poisoned_is_set_aside_with_its_place(
    group: Group, broker: Broker
) -> None:
    events, traces, records = broker.topic(1), broker.topic(1), broker.topic(1)
    binary = [("ce_specversion", b"1.0"), ("ce_id", b"binary"), ("ce_source", b"/crm/\xc3\xa4"), ("ce_type", b"t")]
    broker.produce(
        [
            (events, 0, event("structured"), STRUCTURED),
            (events, 0, b"\x00\xff not json", STRUCTURED),
            (events, 0, b'{"order_id": 1}', [*binary, ("content-type", b"application/json")]),
            (events, 0, None, []),
            (events, 0, None, [*binary[:1], ("ce_id", b"without data"), *binary[2:]]),
            (events, 0, event("plain"), []),
            (events, 0, event("", time="yesterday"), STRUCTURED),
            (events, 0, b"avro", [("content-type", b"application/cloudevents+avro")]),
            (events, 0, event("last"), STRUCTURED),
            (traces, 0, b"\xff\xff", []),
            (traces, 0, spans(), []),
            (traces, 0, None, []),
            (records, 0, logs(), []),
            (records, 0, b"{", []),
        ]
    )
    passed_over = metric("milepost_kafka_passed_over_records_total", topic=events)
    member = group.join(Topic(events), Topic(traces, Format.OTLP_SPANS), Topic(records, Format.OTLP_LOGS))
    group.wait_for({(events, 0): 9, (traces, 0): 3, (records, 0): 2})
    of_events = [id_ for id_ in group.ids() if "-" not in id_]
    assert of_events == ["structured", "binary", "without data", "plain", "last"]
    assert sorted(id_ for id_ in group.ids() if "-" in id_) == sorted(
        [f"{'01' * 16}-{'01' * 8}", f"{'02' * 16}-{'02' * 8}", "invoice-1"]
    )
    assert group.rows("SELECT source FROM event WHERE id = 'binary'") == [("/crm/ä",)]
    assert group.rows("SELECT count(*) FROM span WHERE yields_event") == [(2,)]
    assert metric("milepost_kafka_passed_over_records_total", topic=events) == passed_over + 1
    assert metric("milepost_kafka_records_total", topic=events) == 8
    letters = {detail: (source, reason, bytes(body)) for source, reason, detail, body in group.letters()}
    told = {detail.partition(": ")[0]: (detail.partition(": ")[2], *said) for detail, said in letters.items()}
    assert told.keys() == {
        f"topic {events}, partition 0, offset 1", f"topic {events}, partition 0, offset 6",
        f"topic {events}, partition 0, offset 7", f"topic {traces}, partition 0, offset 0",
        f"topic {records}, partition 0, offset 1",
    }  # fmt: skip
    place = f"topic {events}, partition 0, offset"
    assert told[f"{place} 1"][1:] == (f"kafka/{events}", "invalid_event", b"\x00\xff not json")
    assert told[f"{place} 6"][:2] == (
        "id: must not be empty; time: must be an RFC 3339 timestamp such as 2026-11-21T09:14:00Z", "crm",
    )  # fmt: skip
    assert told[f"{place} 7"][2:] == ("unreadable_record", b"avro")
    assert "no otlp_spans" in told[f"topic {traces}, partition 0, offset 0"][0]
    wait_until(lambda: member.missing == [] and member.activity is Activity.ACTIVE, 60, "it is ready")


def test_what_a_system_sends_in_its_own_form_is_kept_for_its_source_once(
    group: Group, broker: Broker, database_url: str
) -> None:
    topic = broker.topic(1)
    known = receiver("servicenow", "desk")
    bodies = [
        json.dumps({"table": "incident", "sys_id": str(number), "event_id": str(number)}).encode() for number in (1, 2)
    ]
    broker.produce([(topic, 0, body, []) for body in (bodies[0], None, b"\xff not json", bodies[1])])
    first = group.join(Topic(topic, source="desk"), receivers={topic: known})
    group.wait_for({(topic, 0): 4})
    group.leave(first)
    second = group.join(Topic(topic, source="desk"), receivers={topic: known})
    wait_until(lambda: second.activity is Activity.ACTIVE, 60, "another has the partition")
    kept = group.rows("SELECT source, method, body FROM source_request ORDER BY number")
    assert kept == [("desk", "KAFKA", body) for body in (bodies[0], b"\xff not json", bodies[1])]
    with connect(database_url, "test") as conn:
        assert intake.run_once(conn, {"desk": known}) == 3
    assert group.ids() == ["1", "2"]
    ((source, reason, _, body),) = group.letters()
    assert (source, reason, bytes(body)) == ("desk", "unreadable_request", b"\xff not json")


def test_an_event_without_a_time_happened_when_its_record_was_made(group: Group, broker: Broker) -> None:
    topic = broker.topic(1)
    broker.produce([(topic, 0, event("1", time=None), STRUCTURED)])
    group.join(Topic(topic))
    group.wait_for({(topic, 0): 1})
    ((earlier,),) = group.rows(
        "SELECT occurred_at < received_at AND occurred_at > now() - interval '1 minute' FROM event"
    )
    assert earlier


@pytest.mark.slow
def test_members_that_come_and_go_at_random_append_every_record_once_in_the_order_of_its_partition(
    group: Group, broker: Broker
) -> None:
    topic = Topic(broker.topic(6))
    counts = [0] * 6
    enough = threading.Event()

    def produce() -> None:
        random_ = random.Random(20_261_122)
        while not enough.wait(0.02):
            records = []
            for _ in range(50):
                partition = random_.randrange(6)
                records.append((topic.name, partition, event(f"{partition}.{counts[partition]}"), STRUCTURED))
                counts[partition] += 1
            broker.produce(records)

    producing = threading.Thread(target=produce)
    producing.start()
    random_ = random.Random(1)
    for _ in range(40):
        if not group.members or (len(group.members) < 4 and random_.random() < 0.6):
            group.join(topic)
        else:
            group.leave(random_.choice(group.members))
        # Some storms are shorter than a rebalance, some longer.
        enough.wait(random_.choice([0.0, 0.1, 0.5]))
    enough.set()
    producing.join()
    if not group.members:
        group.join(topic)
    group.wait_for(ends(topic.name, counts))
    ids = group.ids()
    assert len(ids) == sum(counts)
    for partition, count in enumerate(counts):
        assert [id_ for id_ in ids if id_.startswith(f"{partition}.")] == [f"{partition}.{n}" for n in range(count)]


def test_a_member_that_has_no_partition_stands_by(group: Group, broker: Broker) -> None:
    topic = Topic(broker.topic(1))
    first, second = group.join(topic), group.join(topic)

    def both() -> bool:
        return sorted([first.activity, second.activity]) == [Activity.ACTIVE, Activity.STANDING_BY]

    wait_until(both, 60, "one has the partition")
    wait_until(lambda: first.missing == second.missing == [], 60, "both are ready")


def test_a_database_that_ends_the_session_in_the_middle_costs_and_doubles_nothing(group: Group, broker: Broker) -> None:
    topic = Topic(broker.topic(2))
    group.join(topic)
    for round_ in range(4):
        broker.produce(
            (topic.name, number % 2, event(f"{round_}.{number}"), STRUCTURED)
            for number in range(round_ * 500, 500 * (round_ + 1))
        )
        group.rows("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'milepost kafka'")
    group.wait_for(ends(topic.name, [1000, 1000]), 60)
    assert set(Counter(group.ids()).values()) == {1}
    assert len(group.ids()) == 2000


def test_a_record_that_the_database_refuses_is_set_aside_and_takes_no_other_with_it(
    group: Group, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_some(taken: Taken, record: Record, *rest: Any) -> None:
        take(taken, record, *rest)
        if record.value is not None and b"poison" in record.value:
            taken.batch.events[-1] = b"not a row"

    monkeypatch.setattr(session_of, "take", break_some)
    topic = Topic(broker.topic(2))
    names = [f"poison{n}" if n % 7 == 3 else f"good{n}" for n in range(40)]
    broker.produce((topic.name, n % 2, event(name), STRUCTURED) for n, name in enumerate(names))
    group.join(topic)
    group.wait_for(ends(topic.name, [20, 20]))
    assert sorted(group.ids()) == sorted(name for name in names if name.startswith("good"))
    letters = group.letters()
    assert len(letters) == sum(name.startswith("poison") for name in names)
    assert all("the database refused it" in detail for _, _, detail, _ in letters)


def test_records_that_the_brokers_dropped_unread_are_counted_and_those_behind_them_read(
    group: Group, broker: Broker
) -> None:
    topic = Topic(broker.topic(1))
    broker.produce((topic.name, 0, event(f"{n}"), STRUCTURED) for n in range(10))
    first = group.join(topic)
    group.wait_for({(topic.name, 0): 10})
    group.leave(first)
    broker.produce((topic.name, 0, event(f"{n}"), STRUCTURED) for n in range(10, 30))
    for done in broker.admin.delete_records([TopicPartition(topic.name, 0, 25)]).values():
        done.result(60)
    group.join(topic)
    group.wait_for({(topic.name, 0): 30})
    assert group.ids() == [f"{n}" for n in [*range(10), *range(25, 30)]]
    assert metric("milepost_kafka_lost_records_total", topic=topic.name) == 15


@pytest.mark.parametrize("meanwhile", ["stopped", "running"])
def test_a_topic_that_was_made_anew_is_read_from_its_beginning(group: Group, broker: Broker, meanwhile: str) -> None:
    topic = Topic(broker.topic(1))
    broker.produce((topic.name, 0, event(f"old{n}"), STRUCTURED) for n in range(10))
    first = group.join(topic)
    group.wait_for({(topic.name, 0): 10})
    if meanwhile == "stopped":
        group.leave(first)
    for done in broker.admin.delete_topics([topic.name]).values():
        done.result(60)
    wait_until(lambda: topic.name not in broker.admin.list_topics(timeout=5).topics, 60, "the topic is gone")
    broker.topic(1, topic.name)
    broker.produce((topic.name, 0, event(f"new{n}"), STRUCTURED) for n in range(4))
    if meanwhile == "stopped":
        group.join(topic)
    group.wait_for({(topic.name, 0): 4}, 60)
    assert group.ids() == [*(f"old{n}" for n in range(10)), *(f"new{n}" for n in range(4))]


def test_a_topic_that_is_not_there_is_said_and_read_once_it_is(group: Group, broker: Broker) -> None:
    member = group.join(Topic("topic-to-come"))
    wait_until(lambda: member.missing == ["there is no topic 'topic-to-come'"], 60, "its absence is said")
    broker.topic(1, "topic-to-come")
    broker.produce([("topic-to-come", 0, event("1"), STRUCTURED)])
    group.wait_for({("topic-to-come", 0): 1})
    wait_until(lambda: member.missing == [], 60, "it is ready")


def test_the_brokers_are_told_how_far_it_is_for_those_who_look_at_lag_there(group: Group, broker: Broker) -> None:
    topic = Topic(broker.topic(1))
    broker.produce((topic.name, 0, event(f"{n}"), STRUCTURED) for n in range(10))
    member = group.join(topic)
    group.wait_for({(topic.name, 0): 10})
    group.leave(member)
    asked = [ConsumerGroupTopicPartitions(group.name, [TopicPartition(topic.name, 0)])]
    (answer,) = broker.admin.list_consumer_group_offsets(asked).values()
    assert [one.offset for one in answer.result(60).topic_partitions] == [10]


@pytest.mark.slow
def test_a_broker_that_is_away_and_comes_back_is_said_and_costs_nothing(group: Group, broker: Broker) -> None:
    topic = Topic(broker.topic(2))
    broker.produce((topic.name, n % 2, event(f"{n}"), STRUCTURED) for n in range(100))
    member = group.join(topic)
    group.wait_for(ends(topic.name, [50, 50]))
    broker.kill()
    try:
        wait_until(lambda: member.missing == ["the brokers cannot be reached"], 60, "their absence is said")
    finally:
        broker.start()
    broker.produce((topic.name, n % 2, event(f"{n}"), STRUCTURED) for n in range(100, 200))
    group.wait_for(ends(topic.name, [100, 100]), 120)
    assert sorted(map(int, group.ids())) == list(range(200))
    wait_until(lambda: member.missing == [], 60, "it is ready")


def test_what_fails_while_partitions_are_given_out_is_tried_again(
    group: Group, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures = iter(["client", "database", "other"])
    asked = session_of.Session._range

    def fail_at_first(session: session_of.Session, partition: tuple[str, int]) -> tuple[int, int]:
        match next(failures, None):
            case "client":
                session._consumer.get_watermark_offsets(TopicPartition("nowhere", 99), timeout=5)
            case "database":
                raise psycopg.OperationalError("the database has gone")
            case "other":
                raise ValueError("this is a mistake of ours")
        return asked(session, partition)

    monkeypatch.setattr(session_of.Session, "_range", fail_at_first)
    monkeypatch.setattr(consuming, "RETRY_SECONDS", 0.1)
    topic = Topic(broker.topic(1))
    broker.produce([(topic.name, 0, event("1"), STRUCTURED)])
    member = group.join(topic)
    group.wait_for({(topic.name, 0): 1})
    assert next(failures, None) is None
    wait_until(lambda: member.missing == [], 60, "it is ready")


def test_a_configuration_that_the_client_refuses_is_said_at_once(group: Group, broker: Broker) -> None:
    with pytest.raises(KafkaUnusable, match=r'No such configuration property: "nonsense\.here"'):
        KafkaConsumer(group.url, Cluster(broker.address, {"nonsense.here": "1"}), "g", [], lambda: group.matcher)


# Without a broker


@pytest.mark.parametrize("raised", [SystemError, UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte")])
def test_a_header_whose_name_the_client_cannot_read_is_left_to_whoever_sets_records_aside(raised: Any) -> None:
    class Hostile:
        """What the client makes of it: it was seen to raise SystemError for a name that is not UTF-8."""

        def headers(self) -> None:
            raise raised

    assert session_of._headers(Hostile()) is None  # type: ignore[arg-type]


def stretch(partition: int, begun_at: int, until: int) -> tuple[Stretch, Taken]:
    records = [Record("t", partition, n, event(f"{partition}.{n}"), STRUCTURED, None) for n in range(begun_at, until)]
    taken = Taken()
    for record in records:
        take(taken, record, Format.CLOUDEVENTS, Matcher([]), 1)
    return Stretch(("t", partition), begun_at, until, records), taken


def logged(conn: Connection) -> list[str]:
    with conn.transaction():
        return [row[0] for row in conn.execute("SELECT id FROM event ORDER BY seq").fetchall()]


def test_of_two_that_append_the_same_one_does(database_url: str) -> None:
    with connect(database_url, "test") as conn:
        assert begin(conn, "g", {("t", 0): 5, ("t", 1): 0}) == {("t", 0): 5, ("t", 1): 0}
        assert append_stretches(conn, "g", [stretch(0, 5, 8), stretch(1, 0, 2)]) == []
        # A zombie has read as far, and a bit further in one partition; in the other what follows.
        assert append_stretches(conn, "g", [stretch(0, 5, 9), stretch(1, 2, 3)]) == [("t", 0)]
        assert append_stretches(conn, "g", [stretch(0, 9, 10)]) == [("t", 0)]
        assert append_stretches(conn, "other group", [stretch(0, 5, 9)]) == [("t", 0)]
        assert logged(conn) == ["0.5", "0.6", "0.7", "1.0", "1.1", "1.2"]
        assert begin(conn, "g", {("t", 0): 0, ("t", 2): 7}) == {("t", 0): 8, ("t", 2): 7}


def test_whoever_is_in_the_middle_of_appending_is_waited_for(database_url: str) -> None:
    with connect(database_url, "test") as first, connect(database_url, "test") as second:
        begin(first, "g", {("t", 0): 0})
        outcome: list[Any] = []

        def later() -> None:
            outcome.append(append_stretches(second, "g", [stretch(0, 0, 3)]))

        waiting = threading.Thread(target=later)
        with first.transaction():
            assert append_stretches(first, "g", [stretch(0, 0, 2)]) == []
            waiting.start()
            with psycopg.connect(database_url, autocommit=True) as watching:
                asked = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
                wait_until(lambda: watching.execute(asked).fetchone() == (1,), 60, "the second waits")
        waiting.join(10)
        assert outcome == [[("t", 0)]]
        assert logged(first) == ["0.0", "0.1"]
