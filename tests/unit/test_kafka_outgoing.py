"""What a collector hands to Kafka: everything that came, with keys that keep what a source says in order."""

from __future__ import annotations

import json

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from collector.ingest.kafka.outgoing import MOST_BYTES, of_events, of_logs, of_traces
from collector.ingest.kafka.records import Record, Taken, take
from collector.ingest.kafka.topics import Format
from slo_rules.matching import Matcher


def test_the_key_of_an_event_is_its_source_unless_it_says_another() -> None:
    members = [
        json.dumps({"specversion": "1.0", "id": "1", "source": "crm", "type": "t"}).encode(),
        json.dumps({"specversion": "1.0", "id": "2", "source": "crm", "type": "t", "partitionkey": "O-1"}).encode(),
        b'{"source": 5}',
        b"[" * 100_000,
        b"",
    ]
    found = of_events(members)
    assert [one.key for one in found] == [b"crm", b"O-1", None, None, None]
    assert [one.value for one in found] == members
    assert {one.format for one in found} == {Format.CLOUDEVENTS}


def traces(services: dict[str, list[int]], size: int) -> ExportTraceServiceRequest:
    request = ExportTraceServiceRequest()
    for service, scopes in services.items():
        group = request.resource_spans.add(schema_url="s")
        group.resource.attributes.add(key="service.name").value.string_value = service
        for count in scopes:
            scope = group.scope_spans.add()
            scope.scope.name = f"scope of {count}"
            for number in range(count):
                span = scope.spans.add(
                    trace_id=bytes([1]) * 16, span_id=(number + 1).to_bytes(8, "big"), name=f"{service}{count}"
                )
                span.attributes.add(key="filler").value.string_value = "x" * size
    return request


def test_spans_go_by_service_and_what_is_large_goes_in_pieces_that_are_all_of_it() -> None:
    request = traces({"shop": [3, 40, 1], "billing": [25]}, 100_000)
    found = of_traces(request)
    assert {one.key for one in found} == {b"shop", b"billing"}
    assert all(len(one.value) <= MOST_BYTES for one in found)
    again = [ExportTraceServiceRequest.FromString(one.value) for one in found]
    spans = [
        (scope.scope.name, span.name, span.span_id)
        for part in again
        for group in part.resource_spans
        for scope in group.scope_spans
        for span in scope.spans
    ]
    whole = [
        (scope.scope.name, span.name, span.span_id)
        for group in request.resource_spans
        for scope in group.scope_spans
        for span in scope.spans
    ]
    assert spans == whole
    assert all(group.resource.attributes and group.schema_url for part in again for group in part.resource_spans)


def test_a_single_span_that_is_too_large_goes_as_it_is() -> None:
    (found,) = of_traces(traces({"shop": [1]}, 2 * MOST_BYTES))
    assert len(found.value) > MOST_BYTES


def test_log_records_come_out_as_the_door_would_have_taken_them() -> None:
    request = ExportLogsServiceRequest()
    for service in ("billing", ""):
        group = request.resource_logs.add()
        if service:
            group.resource.attributes.add(key="service.name").value.string_value = service
        for number in range(2):
            record = group.scope_logs.add().log_records.add(event_name=f"posted{number}", time_unix_nano=1)
            record.attributes.add(key="event.id").value.string_value = f"{service}{number}"
    found = of_logs(request)
    assert [one.key for one in found] == [b"billing", b"unknown_service"]
    taken = Taken()
    for offset, one in enumerate(found):
        take(taken, Record("t", 0, offset, one.value, (), None), one.format, Matcher([]), 0)
    assert (taken.accepted, taken.rejected) == (4, 0)
