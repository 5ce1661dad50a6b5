# ruff: noqa: F811
"""OTLP over HTTP, down to the row in the log."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from google.protobuf.json_format import Parse
from google.rpc.status_pb2 import Status
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from collector import log
from collector.ingest import bodies
from tests.examples import on_one_database
from tests.fix_postgres import Server
from tests.integration.fix_doors import Collector, cloud_event, collector  # noqa: F401

DATA = Path(__file__).parent.parent / "data"
JSON = {"content-type": "application/json"}
PROTOBUF = {"content-type": "application/x-protobuf"}
TRACE, SPAN = "0cda0930cbf01126b91402861dbffc74", "38d96ac87afdbbe1"


def request(*spans: dict[str, Any], service: str = "shop") -> dict[str, Any]:
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": service}}]}
    return {"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": list(spans)}]}]}


def span(**changes: Any) -> dict[str, Any]:
    return {
        "traceId": TRACE, "spanId": SPAN, "name": "activate", "kind": 2, "startTimeUnixNano": "1772445290000000000",
        "endTimeUnixNano": "1772445291000000000", "attributes": [{"key": "order.id", "value": {"stringValue": "O-1"}}],
    } | changes  # fmt: skip


def as_protobuf(document: dict[str, Any]) -> bytes:
    """The request with its hex ids, in protobuf."""
    from collector.ingest.otlp import parse_logs, parse_traces

    parse = parse_traces if "resourceSpans" in document else parse_logs
    return parse(json.dumps(document).encode(), json=True).SerializeToString()


async def post(
    collector: Collector, path: str, document: dict[str, Any], *, protobuf: bool = False, **headers: str
) -> httpx.Response:
    body = as_protobuf(document) if protobuf else json.dumps(document).encode()
    return await collector.http.post(path, content=body, headers=(PROTOBUF if protobuf else JSON) | headers)


@pytest.mark.parametrize(
    "name",
    ["otlp-traces-messaging", "otlp-traces-spec-example", "mulesoft-native-otlp-traces", "mulesoft-avio-otlp-traces"],
)
@pytest.mark.parametrize("protobuf", [False, True])
async def test_traces_of_real_systems(collector: Collector, name: str, protobuf: bool) -> None:
    document = json.loads((DATA / f"{name}.json").read_text())
    answer = await post(collector, "/v1/traces", document, protobuf=protobuf)
    assert answer.status_code == 200
    if protobuf:
        assert answer.headers["content-type"] == PROTOBUF["content-type"]
        assert ExportTraceServiceResponse.FromString(answer.content) == ExportTraceServiceResponse()
    else:
        assert (answer.headers["content-type"], answer.json()) == ("application/json", {})
    sent = [one for group in document["resourceSpans"] for scope in group["scopeSpans"] for one in scope["spans"]]
    found = collector.rows(
        "SELECT encode(trace_id, 'hex'), encode(span_id, 'hex'), name, kind, start_ns, end_ns FROM span ORDER BY start_ns, span_id"
    )
    assert found == sorted(
        (
            (
                one["traceId"].lower(),
                one["spanId"].lower(),
                one["name"],
                one["kind"],
                int(one["startTimeUnixNano"]),
                int(one["endTimeUnixNano"]),
            )
            for one in sent
        ),
        key=lambda row: (row[4], row[1]),
    )


@pytest.mark.parametrize("protobuf", [False, True])
async def test_an_event_in_the_logs(collector: Collector, protobuf: bool) -> None:
    document = json.loads((DATA / "otlp-logs-event.json").read_text())
    answer = await post(collector, "/v1/logs", document, protobuf=protobuf)
    assert answer.status_code == 200
    ((source, type_, occurred_at, trace_id, body),) = collector.rows(
        "SELECT source, type, occurred_at, trace_id, body FROM event"
    )
    assert (source, type_, occurred_at.isoformat()) == ("billing", "com.acme.invoice.paid", "2026-03-02T09:54:50+00:00")
    assert trace_id.hex() == TRACE
    assert json.loads(body)["data"] == {
        "correlation.id": "wf-o2c-20417",
        "invoice.id": "INV-88213",
        "body": "invoice paid",
    }


async def test_both_encodings_of_one_record_are_one_event(collector: Collector) -> None:
    document = json.loads((DATA / "otlp-logs-event.json").read_text())
    for protobuf in (False, True):
        await post(collector, "/v1/logs", document, protobuf=protobuf)
    assert len(set(collector.ids())) == 1
    assert len(collector.ids()) == 2


async def test_a_span_reaches_a_milestone_and_is_shown_with_its_trace(collector: Collector) -> None:
    await collector.events(cloud_event("1", time="2026-03-01T09:00:00Z", traceparent=f"00-{TRACE}-{SPAN}-01"))
    await post(
        collector,
        "/v1/traces",
        request(span(), span(spanId="a" * 16, name="validate", parentSpanId=SPAN)),
        protobuf=True,
    )
    collector.project()
    (found,) = (await collector.get("/api/v1/instances"))["items"]
    assert found["milestones"]["entitlement_active"] == "2026-03-02T09:54:51Z"
    assert found["verdict"] == "completed_late"  # what came between was passed a day after its deadline
    detail = await collector.get(f"/api/v1/instances/{found['id']}")
    assert [(one["name"], one["kind"], one["duration_ms"]) for one in detail["spans"]] == [
        ("activate", "server", 1000.0),
        ("validate", "server", 1000.0),
    ]
    assert {one["trace_id"] for one in detail["events"]} == {TRACE}


async def test_hex_of_any_case_and_integers_as_text_or_number(collector: Collector) -> None:
    await post(
        collector, "/v1/traces", request(span(), span(traceId=TRACE.upper(), startTimeUnixNano=1772445290000000000))
    )
    assert collector.rows("SELECT DISTINCT trace_id, start_ns FROM span") == [
        (bytes.fromhex(TRACE), 1772445290000000000)
    ]


@pytest.mark.parametrize("protobuf", [False, True])
async def test_bad_ids_are_a_partial_success(collector: Collector, protobuf: bool) -> None:
    document = request(span(), span(traceId="0" * 32), span(spanId="abcd"))
    answer = await post(collector, "/v1/traces", document, protobuf=protobuf)
    assert answer.status_code == 200
    if protobuf:
        partial = ExportTraceServiceResponse.FromString(answer.content).partial_success
        assert (partial.rejected_spans, "2 with" in partial.error_message) == (2, True)
    else:
        assert answer.json()["partialSuccess"]["rejectedSpans"] == "2"
    assert collector.rows("SELECT count(*) FROM span") == [(1,)]


async def test_plain_logs_are_a_partial_success(collector: Collector) -> None:
    records = [{"body": {"stringValue": "hello"}}, {"eventName": "order.created"}]
    answer = await post(
        collector, "/v1/logs", {"resourceLogs": [{"scopeLogs": [{"logRecords": records}]}]}, protobuf=True
    )
    partial = ExportLogsServiceResponse.FromString(answer.content).partial_success
    assert (partial.rejected_log_records, "no event name" in partial.error_message) == (1, True)
    assert collector.rows("SELECT source, type FROM event") == [("unknown_service", "order.created")]


@pytest.mark.parametrize("path", ["/v1/traces", "/v1/logs"])
async def test_empty_requests_and_unknown_fields(collector: Collector, path: str) -> None:
    for body, headers in (
        (b"", PROTOBUF),
        (b"{}", JSON),
        (b'{"novelty": [1], "resourceSpans": [], "resourceLogs": []}', JSON),
        (b"\xf2\x07\x03abc", PROTOBUF),
    ):
        answer = await collector.http.post(path, content=body, headers=headers)
        assert answer.status_code == 200, body


async def test_compressed_requests(collector: Collector) -> None:
    body = gzip.compress(as_protobuf(request(span())))
    answer = await collector.http.post("/v1/traces", content=body, headers=PROTOBUF | {"content-encoding": "gzip"})
    assert answer.status_code == 200
    assert collector.rows("SELECT count(*) FROM span") == [(1,)]


# Refusals


@pytest.mark.parametrize("path", ["/v1/traces", "/v1/logs"])
@pytest.mark.parametrize("headers", [JSON, PROTOBUF])
async def test_refusals_are_a_status_in_the_encoding_of_the_request(
    collector: Collector, path: str, headers: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "MAX_BODY", 1000)
    gzipped = headers | {"content-encoding": "gzip"}
    for body, sent, status, code in (
        (b"\xff\xff", headers, 400, 3),
        (b"x" * 1001, headers, 413, 3),
        (gzip.compress(b"x" * 1001), gzipped, 413, 3),
        (gzip.compress(b"x" * 500)[:-3], gzipped, 400, 3),
        (b"x", headers | {"content-encoding": "zstd"}, 415, 3),
    ):
        answer = await collector.http.post(path, content=body, headers=sent)
        assert answer.status_code == status
        assert answer.headers["content-type"] == headers["content-type"]
        said = Parse(answer.content, Status()) if headers is JSON else Status.FromString(answer.content)
        assert said.code == code
        assert said.message


async def test_other_content_types_are_refused(collector: Collector) -> None:
    for media in ("text/plain", "application/protobuf", ""):
        assert (
            await collector.http.post("/v1/traces", content=b"", headers={"content-type": media})
        ).status_code == 415
    with_charset = {"content-type": "application/json; charset=utf-8"}
    assert (await collector.http.post("/v1/traces", content=b"{}", headers=with_charset)).status_code == 200
    assert (await collector.http.get("/v1/traces")).status_code == 405


@pytest.mark.parametrize("protobuf", [False, True])
async def test_a_full_log_and_an_absent_database_ask_for_patience(
    collector: Collector, postgres: Server, protobuf: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def code(answer: httpx.Response) -> int:
        return Status.FromString(answer.content).code if protobuf else answer.json()["code"]

    monkeypatch.setattr(log, "RECONNECT_SECONDS", 0.0)
    name = collector.conn.info.dbname
    postgres.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
    away = await post(collector, "/v1/traces", request(span()), protobuf=protobuf)
    assert (away.status_code, away.headers["retry-after"], code(away)) == (503, "5", 14)
    postgres.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
    assert (await post(collector, "/v1/traces", request(span()), protobuf=protobuf)).status_code == 200
    monkeypatch.setattr(collector.writer, "submit", _refuse)
    full = await post(collector, "/v1/traces", request(span()), protobuf=protobuf)
    assert (full.status_code, full.headers["retry-after"], code(full)) == (429, "1", 8)


def _refuse(_batch: log.Batch) -> None:
    raise log.Unavailable("more arrives than can be stored", 1, overloaded=True)


async def test_spans_are_stored_when_they_are_acknowledged(collector: Collector) -> None:
    for number in range(1, 11):
        answer = await post(collector, "/v1/traces", request(span(spanId=f"{number:016x}")), protobuf=True)
        assert answer.status_code == 200
        assert collector.rows("SELECT (SELECT count(*) FROM span), (SELECT count(*) FROM event)") == [(number, number)]


# Whatever comes


_text = st.text(max_size=8) | st.sampled_from(["\x00", "", "NaN", "O-1"])
_value = st.one_of(
    st.fixed_dictionaries({"stringValue": _text}), st.fixed_dictionaries({"intValue": st.integers(-(2**63), 2**63 - 1)}),
    st.fixed_dictionaries({"doubleValue": st.sampled_from([0.1, 1e308, "NaN", "-Infinity"])}), st.just({}),
    st.fixed_dictionaries({"bytesValue": st.just("/w==")}),
)  # fmt: skip
_said = st.lists(
    st.fixed_dictionaries({"key": _text | st.sampled_from(["order.id", "event.id", "event.name"]), "value": _value}),
    max_size=3,
)
_nanos = st.integers(0, 2**64 - 1)


@on_one_database(50)
@given(_text, _text, _said, _nanos, _nanos, st.integers(-5, 9), st.booleans())
async def test_whatever_a_door_takes_the_database_and_the_projection_take(
    collector: Collector,
    service: str,
    name: str,
    said: list[dict[str, Any]],
    start: int,
    end: int,
    kind: int,
    protobuf: bool,
) -> None:
    one = span(
        name=name or "activate",
        attributes=said,
        startTimeUnixNano=str(start),
        endTimeUnixNano=str(end),
        kind=kind,
        status={"code": kind},
    )
    answer = await post(collector, "/v1/traces", request(one, service=service or "shop"), protobuf=protobuf)
    assert answer.status_code == 200, answer.content
    record = {"eventName": name, "attributes": said, "timeUnixNano": str(start), "body": {"stringValue": service}}
    answer = await post(
        collector, "/v1/logs", {"resourceLogs": [{"scopeLogs": [{"logRecords": [record]}]}]}, protobuf=protobuf
    )
    assert answer.status_code == 200, answer.content
    collector.project()


_whole = ExportTraceServiceRequest.FromString(as_protobuf(request(span()))).SerializeToString()
_logs = ExportLogsServiceRequest.FromString(
    as_protobuf(json.loads((DATA / "otlp-logs-event.json").read_text()))
).SerializeToString()


@on_one_database(80)
@given(
    st.builds(lambda whole, at, junk, cut: whole[:at] + junk + whole[at + cut :], st.sampled_from([_whole, _logs]), st.integers(0, 200), st.binary(max_size=5), st.integers(0, 9)),
    st.sampled_from(["/v1/traces", "/v1/logs"]),
    st.sampled_from([JSON, PROTOBUF, PROTOBUF | {"content-encoding": "gzip"}]),
)  # fmt: skip
async def test_no_body_makes_the_doors_fail(
    collector: Collector, body: bytes, path: str, headers: dict[str, str]
) -> None:
    answer = await collector.http.post(path, content=body, headers=headers)
    assert answer.status_code in (200, 400)
