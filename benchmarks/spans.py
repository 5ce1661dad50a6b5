"""Spans per second by OTLP/HTTP: committed, and those that carry a business key linked to their instances."""

from __future__ import annotations

import time
from random import Random

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from benchmarks import orders
from benchmarks.copy_limit import copied
from benchmarks.load import LoadGenerator, request
from benchmarks.report import Figure, median_of
from benchmarks.server import Postgres, serve
from collector.copyformat import SPAN_COPY
from collector.ingest import otlp
from slo_rules.definitions import load as read
from slo_rules.matching import Matcher

PER_REQUEST = 512
KEYED = 51
"""Spans of a request that a span milestone matches: one in ten."""
PER_TRACE = 8
CONNECTIONS = 16
"""So many that requests wait at the collector while it commits."""
LIMIT_SECONDS = 300
SERVICES = ("entitlement-service", "storefront", "gateway", "billing")

DEFINITIONS = """
apiVersion: milepost/v1
kind: Workflow
metadata: {name: entitlement, domain: orders, owner: order-operations}
spec:
  entity: order
  keys: {order: [data.order_id, data.order.id]}
  milestones:
    - {name: created, on: {exact: {source: crm, type: order.created}}}
    - name: active
      on: {span: {exact: {service: entitlement-service, name: activate}}}
      within: 4h
"""

MORE_DEFINITIONS = f"---{DEFINITIONS}"
"""The same, after others."""


def bodies(name: str, count: int) -> list[bytes]:
    """OTLP requests of PER_REQUEST spans of four services, in traces of PER_TRACE."""
    random, now = Random(name), time.time_ns()
    made, order = [], 0
    for _ in range(count):
        message = ExportTraceServiceRequest()
        for service in SERVICES:
            group = message.resource_spans.add()
            group.resource.attributes.append(_text("service.name", service))
            group.resource.attributes.append(_text("service.version", "1.4.2"))
            spans = group.scope_spans.add().spans
            for number in range(PER_REQUEST // len(SERVICES)):
                if number % PER_TRACE == 0:
                    trace_id, parent = random.randbytes(16), b""
                keyed = service == SERVICES[0] and number < KEYED
                span = spans.add(
                    trace_id=trace_id,
                    span_id=random.randbytes(8),
                    parent_span_id=parent,
                    name="activate" if keyed else "GET /entitlements/{id}",
                    kind=2,
                    start_time_unix_nano=now,
                    end_time_unix_nano=now + random.randrange(10**6, 10**8),
                )
                parent = span.span_id
                span.attributes.append(_text("http.request.method", "GET"))
                span.attributes.append(_text("url.path", "/entitlements/4711"))
                span.attributes.append(KeyValue(key="http.response.status_code", value=AnyValue(int_value=200)))
                span.attributes.append(_text("server.address", f"{service}.internal"))
                if keyed:
                    span.attributes.append(_text("order.id", f"SO-{name}-{order}"))
                    order += 1
        made.append(message.SerializeToString())
    return made


def _text(key: str, value: str) -> KeyValue:
    return KeyValue(key=key, value=AnyValue(string_value=value))


def requests(name: str, count: int) -> list[bytes]:
    """The same as HTTP requests."""
    return [request("/v1/traces", "application/x-protobuf", body) for body in bodies(name, count)]


def measure(postgres: Postgres, load: LoadGenerator, count: int, rounds: int) -> list[Figure]:
    """(c) Spans per second beside COPY of the same rows; `count` requests a round, the first round warms up."""
    limit = _copy_limit(postgres, count, rounds)
    committed, linked = [], []
    with serve(postgres.database("spans"), DEFINITIONS) as served:
        for number in range(rounds + 1):
            name = f"r{number}"
            load.prepare(orders.opened, name, range(count * KEYED), None)
            load.send(served.port, CONNECTIONS).result(LIMIT_SECONDS)
            served.wait_until_projected(LIMIT_SECONDS)
            load.prepare(requests, name, count)
            sent = load.send(served.port, CONNECTIONS).result(LIMIT_SECONDS)
            finished = served.wait_until_projected(LIMIT_SECONDS)
            if number:
                committed.append(count * PER_REQUEST / (sent.acknowledged - sent.started))
                linked.append(count * PER_REQUEST / (finished - sent.started))
        total = (rounds + 1) * count
        stored = served.number("SELECT count(*) FROM span")
        active = served.number("SELECT count(*) FROM instance WHERE verdict = 'completed'")
        links = served.number("SELECT count(*) FROM instance_event WHERE milestone = 'active' AND trace_id IS NOT NULL")
        if (stored, active, links) != (total * PER_REQUEST, total * KEYED, total * KEYED):
            raise AssertionError(f"{total} requests: {stored} spans, {active} completed instances and {links} links")
    both = median_of("(c) spans over OTLP/HTTP, committed and linked", linked, "spans/s")
    return [
        limit,
        median_of("(c) spans over OTLP/HTTP, acknowledged", committed, "spans/s"),
        both,
        Figure("(c) linked, share of COPY alone", both.value / limit.value, ""),
    ]


def _copy_limit(postgres: Postgres, count: int, rounds: int) -> Figure:
    url = postgres.database("copy_spans")
    matcher = Matcher(read({"definitions.yaml": DEFINITIONS}).workflows.values())
    runs = []
    for number in range(rounds + 1):
        rows: list[bytes] = []
        for body in bodies(f"c{number}", count):
            rows += otlp.decode_traces(otlp.parse_traces(body, json=False), matcher).spans
        runs.append(copied(url, SPAN_COPY, rows).rate)
    return median_of("(c) span rows by COPY alone", runs[1:], "rows/s")
