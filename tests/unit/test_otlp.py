from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList

from collector.ingest import otlp
from collector.ingest.otlp import Decoded, Malformed, decode_logs, decode_traces, parse_logs, parse_traces
from slo_rules.definitions import load
from slo_rules.matching import Matcher
from tests.examples import examples

DATA = Path(__file__).parent.parent / "data"
NOW = 1_790_000_000_000_000
TRACE, SPAN = "0cda0930cbf01126b91402861dbffc74", "38d96ac87afdbbe1"
MATCHER = Matcher(
    load(
        {
            "w.yaml": """
apiVersion: milepost/v1
kind: Workflow
metadata: {name: w, domain: d, owner: o}
spec:
  entity: order
  keys: {order: {path: data.order.id}}
  milestones: [{name: activated, on: {span: {exact: {service: shop, name: activate}}}}]
"""
        }
    ).workflows.values()
)


def traces(*spans: dict[str, Any], service: object = "shop") -> bytes:
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": service}}]}
    return json.dumps({"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": list(spans)}]}]}).encode()


def span(**changes: Any) -> dict[str, Any]:
    return {
        "traceId": TRACE, "spanId": SPAN, "name": "activate", "startTimeUnixNano": "1772445290000000000",
        "endTimeUnixNano": "1772445291000000000",
    } | changes  # fmt: skip


def logs(*records: dict[str, Any]) -> bytes:
    return json.dumps({"resourceLogs": [{"scopeLogs": [{"logRecords": list(records)}]}]}).encode()


def decoded(body: bytes, *, json: bool = True) -> Decoded:
    return decode_traces(parse_traces(body, json=json), MATCHER)


@pytest.mark.parametrize(
    "name",
    ["otlp-traces-messaging", "otlp-traces-spec-example", "mulesoft-native-otlp-traces", "mulesoft-avio-otlp-traces"],
)
def test_both_encodings_of_real_samples_give_the_same_rows(name: str) -> None:
    body = (DATA / f"{name}.json").read_bytes()
    request = parse_traces(body, json=True)
    found = decode_traces(request, MATCHER)
    assert found.rejected == 0
    assert found.accepted == len(found.spans) > 0
    again = decode_traces(parse_traces(request.SerializeToString(), json=False), MATCHER)
    assert again.spans == found.spans


def test_a_log_record_with_an_event_name_is_an_event() -> None:
    body = (DATA / "otlp-logs-event.json").read_bytes()
    found = decode_logs(parse_logs(body, json=True), NOW)
    assert (found.accepted, found.rejected, len(found.events)) == (1, 0, 1)
    for words in (
        b"billing",
        b"com.acme.invoice.paid",
        bytes.fromhex(TRACE),
        b'"invoice.id":"INV-88213"',
        b'"body":"invoice paid"',
    ):
        assert words in found.events[0]
    assert decode_logs(parse_logs(body, json=True), NOW + 1).events == found.events


def test_an_id_of_its_own_tells_equal_records_apart() -> None:
    record = {"eventName": "order.created", "timeUnixNano": "1772445290000000000"}
    ids = [{"attributes": [{"key": "event.id", "value": {"stringValue": one}}]} for one in ("a", "b")]
    found = decode_logs(parse_logs(logs(record, record, record | ids[0], record | ids[1]), json=True), NOW)
    assert len(set(found.events)) == 3


def test_a_span_that_a_definition_refers_to_yields_an_event_besides() -> None:
    found = decoded(traces(span(), span(name="other"), span(spanId="a" * 16)))
    assert (len(found.spans), len(found.events)) == (3, 2)
    assert f"{TRACE}-{SPAN}".encode() in found.events[0]
    assert decoded(traces(span(), service="another")).events == []


@pytest.mark.parametrize("ids", [{"traceId": TRACE.upper()}, {"spanId": SPAN.upper()}])
def test_hex_of_any_case_is_one_id(ids: dict[str, str]) -> None:
    assert decoded(traces(span(**ids))).spans == decoded(traces(span())).spans


@pytest.mark.parametrize(
    "ids",
    [{"traceId": ""}, {"traceId": "0" * 32}, {"traceId": TRACE[:-2]}, {"traceId": "zz" * 16}, {"spanId": "0" * 16}, {"spanId": SPAN + "aa"},
     {"traceId": base64.b64encode(bytes.fromhex(TRACE)).decode()}],
)  # fmt: skip
def test_spans_with_bad_ids_are_counted_and_the_others_kept(ids: dict[str, str]) -> None:
    found = decoded(traces(span(**ids), span()))
    assert (found.accepted, found.rejected, len(found.spans)) == (1, 1, 1)
    assert "1 with" in found.message


@pytest.mark.parametrize("number", ["1772445290000000000", 1772445290000000000])
def test_64_bit_integers_come_as_text_or_number(number: object) -> None:
    attributes = [{"key": "n", "value": {"intValue": number}}]
    assert b'"n":1772445290000000000' in decoded(traces(span(startTimeUnixNano=number, attributes=attributes))).spans[0]


def test_unknown_fields_and_enum_values_do_no_harm() -> None:
    assert decoded(traces(span(novelty={"a": [1]}, kind=77))).accepted == 1
    assert decoded(traces(span(kind="SPAN_KIND_SERVER"))).spans == decoded(traces(span(kind=2))).spans
    unknown = ExportTraceServiceRequest().SerializeToString() + b"\xf2\x07\x03abc"
    assert decoded(unknown, json=False).accepted == 0


def test_an_empty_request_is_a_request() -> None:
    assert decoded(b"{}").accepted == decoded(b"", json=False).accepted == 0
    assert decode_logs(parse_logs(b"", json=False), NOW).rejected == 0


def test_plain_logs_are_counted_as_refused() -> None:
    found = decode_logs(parse_logs(logs({"body": {"stringValue": "hello"}}, {"eventName": "a"}), json=True), NOW)
    assert (found.accepted, found.rejected) == (1, 1)
    assert "no event name" in found.message


def test_names_without_nul_and_times_that_a_calendar_holds() -> None:
    nul = decoded(traces(span(name="a\x00b"), service="sh\x00op"))
    assert b"shop" in nul.spans[0]
    assert decoded(traces(span(endTimeUnixNano=2**64 - 1))).rejected == 1
    assert (
        decode_logs(parse_logs(logs({"eventName": "a\x00", "timeUnixNano": str(2**64 - 1)}), json=True), NOW).accepted
        == 1
    )


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_numbers_that_json_cannot_say_become_text(value: float) -> None:
    assert otlp.plain(AnyValue(double_value=value)) == str(value)


def test_every_kind_of_value_becomes_json() -> None:
    values = ArrayValue(
        values=[AnyValue(bool_value=True), AnyValue(), AnyValue(bytes_value=b"\xff"), AnyValue(double_value=0.5)]
    )
    value = AnyValue(kvlist_value=KeyValueList(values=[KeyValue(key="a", value=AnyValue(array_value=values))]))
    assert otlp.plain(value) == {"a": [True, None, "/w==", 0.5]}


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"null", b"{", b'{"resourceSpans": {"a": 1}}', b'{"resourceSpans": [5]}', b"[" * 10_000, b'{"resourceSpans": "\xff"}',
     traces(span(links=5)), traces(span(startTimeUnixNano="soon")), traces(span(startTimeUnixNano=-1)), traces(span(traceId=5)),
     traces(span(attributes=[{"key": "a", "value": {"intValue": "9" * 40}}])),
     traces(span(attributes=[{"key": "a", "value": {"doubleValue": 10**400}}])),
     traces(span(name="a")).replace(b'"a"', b'"\\ud800"')],
)  # fmt: skip
def test_what_is_no_request_is_malformed(body: bytes) -> None:
    with pytest.raises(Malformed) as raised:
        parse_traces(body, json=True)
    str(raised.value).encode()


# Whatever comes

_scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from([10**400, "NaN", "1e400", "\ud800", "\x00", TRACE, SPAN]),
)
_json = st.recursive(
    _scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
_value = st.recursive(
    st.one_of(
        *(
            st.fixed_dictionaries({kind: _scalars})
            for kind in ("stringValue", "intValue", "doubleValue", "boolValue", "bytesValue")
        )
    ),
    lambda inner: (
        st.builds(lambda some: {"arrayValue": {"values": some}}, st.lists(inner, max_size=3))
        | st.builds(lambda one: {"kvlistValue": {"values": [{"key": "k", "value": one}]}}, inner)
    ),
    max_leaves=4,
)
_members = ("traceId", "spanId", "parentSpanId", "name", "kind", "startTimeUnixNano", "endTimeUnixNano", "status", "links", "events",
            "flags", "eventName", "timeUnixNano", "observedTimeUnixNano", "severityText", "body", "droppedAttributesCount")  # fmt: skip
_changes = st.dictionaries(st.sampled_from(_members), _json, max_size=3)
_attributes = st.lists(st.fixed_dictionaries({"key": st.text(max_size=5), "value": _value | _json}), max_size=2).map(
    lambda found: {"attributes": found}
)


@settings(max_examples=examples(80))
@given(_changes, _attributes, st.booleans())
@example({"startTimeUnixNano": 10**400}, {}, True)
def test_any_json_is_taken_or_malformed(changes: dict[str, Any], said: dict[str, Any], as_span: bool) -> None:
    body = traces(span() | changes | said) if as_span else logs({"eventName": "e"} | changes | said)
    try:
        if as_span:
            found = decode_traces(parse_traces(body, json=True), MATCHER)
        else:
            found = decode_logs(parse_logs(body, json=True), NOW)
    except Malformed as error:
        str(error).encode()
    else:
        assert found.accepted + found.rejected == 1
        found.message.encode()


_request = parse_traces(
    traces(span(attributes=[{"key": "a", "value": {"doubleValue": "NaN"}}]), span(spanId="1" * 16)), json=True
).SerializeToString()
_log_request = parse_logs((DATA / "otlp-logs-event.json").read_bytes(), json=True).SerializeToString()
_torn = st.builds(
    lambda whole, at, junk, cut: whole[:at] + junk + whole[at + cut :],
    st.sampled_from([_request, _log_request, (DATA / "otlp-logs-event.json").read_bytes()]),
    st.integers(0, 300), st.binary(max_size=6), st.integers(0, 20),
)  # fmt: skip


@settings(max_examples=examples(200))
@given(_torn | st.binary(max_size=60), st.booleans())
def test_any_bytes_are_taken_or_malformed(body: bytes, as_json: bool) -> None:
    for parse, decode in (
        (parse_traces, lambda r: decode_traces(r, MATCHER)),
        (parse_logs, lambda r: decode_logs(r, NOW)),
    ):
        try:
            found = decode(parse(body, json=as_json))  # type: ignore[no-untyped-call,operator]
        except Malformed as error:
            str(error).encode()
        else:
            found.message.encode()


def _field(number: int, content: bytes) -> bytes:
    """A length-delimited protobuf field."""
    length, size = b"", len(content)
    while size > 127:
        length, size = length + bytes([size & 127 | 128]), size >> 7
    return bytes([number << 3 | 2]) + length + bytes([size]) + content


def test_deep_values_are_malformed_in_both_encodings() -> None:
    value = AnyValue(int_value=1).SerializeToString()
    for _ in range(120):
        value = _field(5, _field(1, value))
    request = _field(1, _field(2, _field(2, _field(5, value))))
    assert parse_logs(_field(1, _field(2, _field(2, _field(5, _field(5, b""))))), json=False).resource_logs
    with pytest.raises(Malformed):
        parse_logs(request, json=False)
    nested: dict[str, Any] = {"intValue": 1}
    for _ in range(120):
        nested = {"arrayValue": {"values": [nested]}}
    with pytest.raises(Malformed):
        parse_logs(logs({"eventName": "e", "body": nested}), json=True)


def many(count: int) -> list[dict[str, Any]]:
    return [{"key": f"k{number}", "value": {"intValue": "1"}} for number in range(count)]


def test_more_attributes_than_are_taken_are_refused_member_by_member() -> None:
    most = otlp.MAX_ATTRIBUTES
    found = decoded(traces(span(attributes=many(most)), span(attributes=many(most + 1))))
    assert (found.accepted, found.message) == (1, "1 with more than 1000 attributes")
    records = logs({"eventName": "a", "attributes": many(most)}, {"eventName": "a", "attributes": many(most + 1)})
    plain = decode_logs(parse_logs(records, json=True), NOW)
    assert (plain.accepted, plain.message) == (1, "1 with more than 1000 attributes")
    crowded = json.loads(traces(span()))
    crowded["resourceSpans"][0]["resource"]["attributes"] += many(most)
    assert decoded(json.dumps(crowded).encode()).rejected == 1
