"""Sending a history through every door, by several senders at once, with each request's acknowledgement noted."""

from __future__ import annotations

import gzip
import json
import queue
import random
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import httpx
from opentelemetry._logs import LogRecord
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk._logs.export import LogRecordExportResult
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tests.acceptance import asking
from tests.acceptance.enterprise import CONNECTORS, MINUTE, PLACEHOLDERS, TYPES, Fact, Order

SENDERS = 5
BATCH = 40


@dataclass(eq=False, slots=True)
class Job:
    """One request: what it carries, and whether the collector has acknowledged it."""

    door: str
    members: Sequence[Any]
    acknowledged: bool = False


def plan(orders: list[Order], seed: int) -> list[Job]:
    """Every fact of every order at least once, one in ten twice, in no order."""
    random_ = random.Random(seed)
    numbered = [(f"{number}", fact) for number, fact in enumerate(fact for order in orders for fact in order.facts)]
    spans = _spans([fact for _, fact in numbered if fact.kind == "entitlement_active"])
    records = [_record(fact) for _, fact in numbered if fact.kind == "invoice_posted"]
    events = [_event(random_, id_, fact) for id_, fact in numbered if fact.kind in TYPES]
    jobs: list[Job] = []
    for door, members in (("/events", events), ("/v1/traces", spans), ("/v1/logs", records)):
        shuffled = [*members, *random_.sample(members, len(members) // 10)]
        random_.shuffle(shuffled)
        jobs += [Job(door, shuffled[at : at + BATCH]) for at in range(0, len(shuffled), BATCH)]
    random_.shuffle(jobs)
    return jobs


def send(url: str, jobs: list[Job], on_acknowledged: Callable[[int], None] = lambda _: None) -> None:
    """Send all of them once, whatever becomes of it; calls `on_acknowledged` with the number so far."""
    waiting: queue.SimpleQueue[Job] = queue.SimpleQueue()
    for job in jobs:
        waiting.put(job)
    counted = threading.Lock()
    count = 0

    def work() -> None:
        nonlocal count
        with _Doors(url) as doors:
            while True:
                try:
                    job = waiting.get_nowait()
                except queue.Empty:
                    return
                if doors.send(job):
                    job.acknowledged = True
                    with counted:
                        count += 1
                        on_acknowledged(count)

    senders = [threading.Thread(target=work) for _ in range(SENDERS)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()


def left(jobs: list[Job], random_: random.Random) -> list[Job]:
    """What must be sent again, and a tenth of what need not be, as a sender would that forgot where it was."""
    acknowledged = [job for job in jobs if job.acknowledged]
    left = [job for job in jobs if not job.acknowledged] + random_.sample(acknowledged, len(acknowledged) // 10)
    random_.shuffle(left)
    return left


class _Doors:
    """The clients of one sender: the SDK's own exporters for OpenTelemetry."""

    def __init__(self, url: str) -> None:
        self._http = asking.Client(base_url=url)
        self._spans = OTLPSpanExporter(f"{url}/v1/traces", timeout=3, compression=Compression.Gzip)
        self._logs = OTLPLogExporter(f"{url}/v1/logs", timeout=3)
        self._down = False

    def __enter__(self) -> _Doors:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()
        self._spans.shutdown()
        self._logs.shutdown()

    def send(self, job: Job) -> bool:
        """Whether it was acknowledged. Once the collector is gone, the exporters' long retries are not waited for."""
        if self._down:
            return False
        if job.door == "/events":
            good = self._events(job.members)
        else:
            # They give up after three seconds: a collector that is only slow is asked again.
            while not (good := self._exported(job)) and self._there():
                pass
        self._down = not good
        return good

    def _exported(self, job: Job) -> bool:
        if job.door == "/v1/traces":
            return self._spans.export(job.members) is SpanExportResult.SUCCESS
        return self._logs.export(job.members) is LogRecordExportResult.SUCCESS

    def _there(self) -> bool:
        try:
            return self._http.get("/healthz").status_code == 200
        except httpx.TransportError:
            return False

    def _events(self, events: Sequence[Any]) -> bool:
        body = gzip.compress(json.dumps(events).encode(), 1)
        headers = {"content-type": "application/cloudevents-batch+json", "content-encoding": "gzip"}
        try:
            answer = self._http.post("/events", content=body, headers=headers)
        except httpx.TransportError:
            return False
        if answer.status_code == 503:
            return False
        assert answer.json() == {"accepted": len(events), "rejected": 0, "faults": []}, answer.text
        return True


def heartbeats(url: str, at: datetime) -> None:
    """An event that concerns nobody, from every source: it says that the source is alive and up to date."""
    sources = ("crm", "sap", "billing", "stripe", "entitlement-service", "integration")
    events = [
        {
            "specversion": "1.0",
            "id": f"heartbeat-{at.isoformat()}",
            "source": source,
            "type": "heartbeat",
            "time": at.isoformat(),
        }
        for source in sources
    ]
    answer = asking.post(f"{url}/events", json=events, headers={"content-type": "application/cloudevents-batch+json"})
    assert answer.json()["accepted"] == len(events)


def nameless(count: int) -> Job:
    """Milestones of nobody: every id is a placeholder. Joined, they would make one instance of the whole world."""
    return Job(
        "/events",
        [
            {
                "specversion": "1.0", "id": f"nameless-{number}", "source": "crm", "type": "order.created",
                "data": {"order_id": PLACEHOLDERS[number % len(PLACEHOLDERS)], "sales_order": "000", "amount": 1},
            }
            for number in range(count)
        ],
    )  # fmt: skip


def _event(random_: random.Random, id_: str, fact: Fact) -> dict[str, Any]:
    """The CloudEvent that tells a fact, in one of the ways in which real systems would spell it."""
    source, type_ = TYPES[fact.kind]
    data: dict[str, Any] = dict(fact.said)
    if "order" in fact.keys:
        data |= random_.choice([{"order_id": fact.keys["order"]}, {"order": {"id": fact.keys["order"]}}])
    if "sales_order" in fact.keys:
        sales = fact.keys["sales_order"]
        data |= random_.choice([{"sales_order": sales}, {"sap": {"order": sales}}, {"sales_order": int(sales)}])
    elif random_.random() < 0.5:
        data["sales_order"] = random_.choice(PLACEHOLDERS)
    data["account_id"] = fact.keys.get("account", random_.choice(PLACEHOLDERS))
    zone = random_.choice([UTC, timezone(timedelta(hours=5, minutes=30)), timezone(timedelta(hours=-8))])
    at = datetime.fromtimestamp(0, zone) + timedelta(microseconds=fact.at)
    return {
        "specversion": "1.0", "id": id_, "source": source, "type": type_, "time": at.isoformat(),
        "datacontenttype": "application/json", "data": data,
    }  # fmt: skip


def _spans(facts: list[Fact]) -> list[ReadableSpan]:
    kept = InMemorySpanExporter()
    resource = Resource({"service.name": "entitlement-service", "service.version": CONNECTORS["entitlement_active"]})
    provider = TracerProvider(resource=resource)
    provider.add_span_processor(SimpleSpanProcessor(kept))
    tracer = provider.get_tracer("acceptance")
    for fact in facts:
        started = (fact.at - MINUTE) * 1000
        span = tracer.start_span("activate", start_time=started, attributes={"order.id": fact.keys["order"]})
        span.end(end_time=fact.at * 1000)
        tracer.start_span("validate", start_time=started, attributes={"order.id": fact.keys["order"]}).end(
            end_time=started + 1
        )
    return list(kept.get_finished_spans())


def _record(fact: Fact) -> ReadableLogRecord:
    resource = Resource({"service.name": "billing", "service.version": CONNECTORS["invoice_posted"]})
    record = LogRecord(
        timestamp=fact.at * 1000,
        observed_timestamp=fact.at * 1000 + 5,
        event_name="invoice.posted",
        body="an invoice was posted",
        attributes={"sales_order": fact.keys["sales_order"], **fact.said},
    )
    return ReadableLogRecord(record, resource)
