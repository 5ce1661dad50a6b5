# ruff: noqa: F811
"""Collectors that hand what they take to Kafka: what comes out of it is what the doors would have written themselves."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest

from collector.api import build_api
from collector.ingest.doors import Doors
from collector.ingest.kafka import producing
from collector.ingest.kafka.library import Cluster, KafkaUnusable
from collector.ingest.kafka.outgoing import Outgoing, TooLarge
from collector.ingest.kafka.producing import KafkaProducer
from collector.ingest.kafka.topics import Format, Topic
from collector.log import LogWriter, Unavailable
from tests.fix_kafka import Broker, event
from tests.fix_postgres import Server
from tests.integration.fix_consuming import Group, group  # noqa: F401
from tests.integration.test_kafka_consuming import logs, spans

BATCH = {"content-type": "application/cloudevents-batch+json"}
PROTOBUF = {"content-type": "application/x-protobuf"}


@contextlib.asynccontextmanager
async def doors(of: Doors) -> AsyncIterator[httpx.AsyncClient]:
    async def ready() -> list[str]:
        return []

    api = build_api(None, None, of, ready, contextlib.nullcontext)  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=httpx.ASGITransport(api), base_url="http://milepost") as client:
        yield client


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give brokers that do not answer less time."""
    monkeypatch.setattr(producing, "DELIVERY_SECONDS", 2)


@contextlib.contextmanager
def handing_to(broker: Broker, *topics: Topic, **properties: str) -> Iterator[KafkaProducer]:
    made = KafkaProducer(Cluster(broker.address, properties), topics)
    made.start()
    yield made
    made.close()


async def send_all(http: httpx.AsyncClient) -> list[Any]:
    """A batch with one event that is refused, a binary event, spans and log records; the answers."""
    members = [
        event("1"),
        b'{"specversion": "1.0", "id": ""}',
        event("2", time=None),
        event("3", subject="a", data=None),
    ]
    binary = {"ce-specversion": "1.0", "ce-id": "4", "ce-source": "a%20b", "ce-type": "t", "content-type": "text/plain"}
    answers = [
        await http.post("/events", content=b"[" + b",".join(members) + b"]", headers=BATCH),
        await http.post("/events", content=b"hello", headers=binary),
        await http.post("/events", content=event("5"), headers={"content-type": "application/cloudevents+json"}),
        await http.post("/v1/traces", content=spans(), headers=PROTOBUF),
        await http.post("/v1/logs", content=logs(), headers=PROTOBUF),
    ]
    return [(one.status_code, one.content) for one in answers]


async def test_what_goes_through_kafka_is_what_the_doors_would_have_written(
    group: Group, broker: Broker, postgres: Server
) -> None:
    topics = [Topic(broker.topic(3), format_) for format_ in Format]
    for topic in topics:
        group.join(topic, name=topic.name)
    with handing_to(broker, *topics) as producer:
        async with doors(Doors(None, lambda: group.matcher, forwarding=producer)) as http:
            answers = await send_all(http)
            assert [status for status, _ in answers] == [200] * 5
            refused = await http.post("/events", content=b"[{}]", headers=BATCH)
            assert refused.status_code == 400
        assert producer.missing == []
    direct = postgres.clone()
    writer = LogWriter(direct)
    writer.start()
    async with doors(Doors(writer, lambda: group.matcher)) as http:
        assert await send_all(http) == answers
    writer.close()
    # Without a time of its own an event has that of its arrival, which no two roads have in common.
    said = (
        "SELECT source, id, type, subject, trace_id, span_id, body, "
        "CASE WHEN convert_from(body, 'UTF8') LIKE '%2026-11-21%' THEN occurred_at END FROM event ORDER BY source, id"
    )
    evidence = "SELECT trace_id, span_id, service, name, end_ns, yields_event, body FROM span ORDER BY span_id"
    by_kafka = Group(broker, direct, "none")
    try:
        await asyncio.to_thread(group.wait_for_events, 8)
        assert group.rows(said) == by_kafka.rows(said)
        assert len(group.rows(said)) == 8
        assert group.rows(evidence) == by_kafka.rows(evidence)
        (letter,), (direct_letter,) = group.letters(), by_kafka.letters()
        place, _, detail = letter[2].partition(": ")
        assert place.startswith(f"topic {topics[0].name}, partition ")
        assert (detail, bytes(letter[3])) == (direct_letter[2], bytes(direct_letter[3]))
    finally:
        by_kafka.close()
        postgres.drop(direct)


async def test_a_format_without_a_topic_is_not_taken(group: Group, broker: Broker) -> None:
    with handing_to(broker, Topic(broker.topic(1))) as producer:
        async with doors(Doors(None, lambda: group.matcher, forwarding=producer)) as http:
            answer = await http.post("/v1/traces", content=spans(), headers=PROTOBUF)
            assert answer.status_code == 404
            assert b"this collector hands no otlp_spans on" in answer.content
            assert (await http.post("/events", content=b"[" + event("1") + b"]", headers=BATCH)).status_code == 200


async def test_an_event_larger_than_the_brokers_take_is_refused_for_good(group: Group, broker: Broker) -> None:
    topic = Topic(broker.topic(1, most_bytes=100_000))
    with handing_to(broker, topic, **{"compression.type": "none"}) as producer:
        async with doors(Doors(None, lambda: group.matcher, forwarding=producer)) as http:
            large = event("1", data={"order_id": "1", "text": "x" * 200_000})
            answer = await http.post("/events", content=b"[" + large + b"]", headers=BATCH)
            assert (answer.status_code, answer.json()["title"]) == (413, "the brokers take no record of that size")
            small = await http.post("/events", content=b"[" + event("2") + b"]", headers=BATCH)
            assert small.status_code == 200
            assert producer.missing == []
        # This one is too large already for what speaks with the brokers.
        with pytest.raises(TooLarge):
            producer.submit([Outgoing(Format.CLOUDEVENTS, b"k", bytes(9 * 2**20), [])]).result(60)


@pytest.mark.slow
@pytest.mark.usefixtures("quick")
async def test_while_the_brokers_are_away_senders_are_told_to_come_back(group: Group, broker: Broker) -> None:
    topic = Topic(broker.topic(2))
    body = b"[" + event("1") + b"]"
    with handing_to(broker, topic) as producer:
        async with doors(Doors(None, lambda: group.matcher, forwarding=producer)) as http:
            assert (await http.post("/events", content=body, headers=BATCH)).status_code == 200
            broker.kill()
            try:
                first = await http.post("/events", content=body, headers=BATCH)
                assert (first.status_code, first.headers["retry-after"]) == (503, "5")
                assert "the brokers have not acknowledged it" in first.json()["title"]
                second = await http.post("/events", content=body, headers=BATCH)
                assert (second.status_code, second.headers["retry-after"]) == (503, "5")
                assert producer.missing == ["the brokers cannot be reached"]
            finally:
                broker.start()
            async with asyncio.timeout(60):
                while (await http.post("/events", content=body, headers=BATCH)).status_code != 200:
                    pass
            assert producer.missing == []
    group.join(topic)
    await asyncio.to_thread(group.wait_for_events, 1)
    assert set(group.ids()) == {"1"}


@pytest.mark.usefixtures("quick")
def test_what_is_accepted_and_not_acknowledged_is_bounded(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(producing, "MAX_PENDING_BYTES", 1000)
    away = Broker.__new__(Broker)
    away.address = "127.0.0.1:1"
    record = Outgoing(Format.CLOUDEVENTS, b"k", b"x" * 600, [])
    with handing_to(away, Topic("orders")) as producer:
        first = producer.submit([record])
        with pytest.raises(Unavailable) as caught:
            producer.submit([record])
        assert (caught.value.overloaded, caught.value.retry_after) == (True, 1)
        with pytest.raises(Unavailable) as caught:
            first.result(60)
        assert not caught.value.overloaded


def test_told_to_stop_it_delivers_what_it_has_accepted(group: Group, broker: Broker) -> None:
    topic = Topic(broker.topic(1))
    with handing_to(broker, topic) as producer:
        futures = [producer.submit([Outgoing(Format.CLOUDEVENTS, b"crm", event(f"{n}"), [])]) for n in range(500)]
    assert [future.exception(0) for future in futures] == [None] * 500
    with pytest.raises(Unavailable):
        producer.submit([Outgoing(Format.CLOUDEVENTS, b"crm", event("late"), [])])
    group.join(topic)
    group.wait_for({(topic.name, 0): 500})
    assert group.ids() == [f"{n}" for n in range(500)]


def test_requests_at_once_are_each_told_what_became_of_theirs(group: Group, broker: Broker) -> None:
    topic = Topic(broker.topic(4))
    done: list[None] = []
    with handing_to(broker, topic) as producer:

        def work(worker: int) -> None:
            for n in range(50):
                records = [Outgoing(Format.CLOUDEVENTS, b"%d" % n, event(f"{worker}.{n}.{m}"), []) for m in range(3)]
                done.append(producer.submit(records).result(60))

        workers = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for one in workers:
            one.start()
        for one in workers:
            one.join()
    assert len(done) == 200
    group.join(topic)
    group.wait_for_events(600)
    assert len(set(group.ids())) == 600


def test_a_configuration_that_the_client_refuses_is_said_at_once(broker: Broker) -> None:
    with pytest.raises(KafkaUnusable, match="nonsense"):
        KafkaProducer(Cluster(broker.address, {"nonsense.here": "1"}), [Topic("t")])
