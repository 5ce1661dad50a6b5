"""What a record becomes, whatever is in it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.ingest.kafka.records import Record, Taken, take
from collector.ingest.kafka.topics import Format, Topic, parse_topic
from collector.log import LetterReason
from slo_rules.matching import Matcher
from tests.examples import examples

DATA = Path(__file__).parents[1] / "data"
NOW = 1_795_307_567_000_000
MATCHER = Matcher([])
STRUCTURED = ("content-type", b"application/cloudevents+json; charset=UTF-8")
BINARY = [("ce_specversion", b"1.0"), ("ce_id", b"1"), ("ce_source", b"crm"), ("ce_type", b"t")]
EVENT = {"specversion": "1.0", "id": "1", "source": "crm", "type": "t"}


def became(
    value: bytes | None,
    *headers: tuple[str, bytes | None],
    format_: Format = Format.CLOUDEVENTS,
    made_at: int | None = None,
) -> Taken:
    taken = Taken()
    take(taken, Record("orders", 3, 17, value, list(headers), made_at), format_, MATCHER, NOW)
    return taken


def details(taken: Taken) -> list[str]:
    return [letter.detail for letter in taken.batch.dead_letters]


def test_structured_mode_is_told_by_the_content_type_in_any_case_and_assumed_where_nothing_is_said() -> None:
    body = json.dumps(EVENT).encode()
    same = became(body, STRUCTURED).batch.events
    assert len(same) == 1
    assert became(body).batch.events == same
    assert became(body, ("Content-Type", b"Application/CloudEvents+JSON")).batch.events == same
    assert became(body, ("other", None), ("content-type", b"application/json")).batch.events == same


def test_binary_mode_is_the_event_that_structured_mode_is() -> None:
    binary = became(b'{"a": 1}', *BINARY, ("ce_traceparent", b"x"), ("content-type", b"application/json"))
    document = EVENT | {"traceparent": "x", "datacontenttype": "application/json", "data": {"a": 1}}
    body = json.dumps(document, separators=(",", ":")).encode()
    assert binary.batch.events == became(body, STRUCTURED).batch.events
    assert (binary.accepted, binary.rejected, binary.passed_over) == (1, 0, 0)


def sampled(name: str, format_: Format = Format.CLOUDEVENTS) -> Taken:
    """What a record of another producer becomes."""
    sample = json.loads((DATA / f"kafka-{name}.json").read_text())
    value = None if sample["value"] is None else json.dumps(sample["value"]).encode()
    return became(value, *((header, text.encode()) for header, text in sample["headers"].items()), format_=format_)


def test_records_of_other_producers() -> None:
    events = [sampled(f"cloudevents-{mode}").batch.events for mode in ("binary", "structured", "tombstone")]
    assert [len(rows) for rows in events] == [1, 1, 1]
    for (row,), wanted in zip(events, (b"ord-20417-0003", b"ord-20417-0003", b"ord-20417-0099"), strict=True):
        assert wanted in row
        assert b"/erp/acme" in row
    assert b"SHP-991" in events[0][0]
    assert bytes.fromhex("0cda0930cbf01126b91402861dbffc74") in events[0][0]
    spans = sampled("otlp_spans-record", Format.OTLP_SPANS)
    assert (spans.accepted, spans.rejected, details(spans)) == (1, 0, [])


def test_headers_of_binary_mode_are_not_unescaped() -> None:
    (row,) = became(None, *BINARY[:2], ("ce_source", b"a%20b"), BINARY[3]).batch.events
    assert b"a%20b" in row


def test_a_record_without_a_value_is_passed_over_unless_its_headers_are_an_event() -> None:
    assert became(None).passed_over == became(None, STRUCTURED).passed_over == 1
    assert became(None, *BINARY).accepted == 1
    assert became(None, format_=Format.OTLP_SPANS).passed_over == 1


@pytest.mark.parametrize(
    ("value", "headers", "fault"),
    [
        (b"", [STRUCTURED], "not JSON"),
        (b"[]", [STRUCTURED], "an event is a JSON object"),
        (b"{}", [STRUCTURED], "specversion: "),
        (b"[" * 100_000, [STRUCTURED], "nested more than 100 levels deep"),
        (b"{}", [("content-type", b"application/cloudevents-batch+json")], "a record holds one"),
        (b"{}", [("content-type", b"application/cloudevents+protobuf")], "'application/cloudevents+protobuf'"),
        (b"{}", [("content-type", b"application/cloudevents+\xff")], "is not taken"),
        (b"{", [*BINARY, ("content-type", b"application/json")], "data: not JSON"),
        (b"", [("ce_id", b"\xff"), *BINARY[:1], *BINARY[2:]], "ce_id: is not UTF-8"),
        (b"", [("ce_data", b"x"), *BINARY], "ce_data: is not a header of a CloudEvent"),
        (b"", [("ce_a\x00b", b"x"), *BINARY], "ce_ab: is not a header of a CloudEvent"),
        (b"", [("ce_id", None), *BINARY[:1], *BINARY[2:]], "id: must not be empty"),
        (json.dumps(EVENT | {"source": "milepost"}).encode(), [STRUCTURED], "source: "),
        (json.dumps(EVENT | {"data": "x" * 2**20}).encode(), [STRUCTURED], "larger than"),
        (b"\x80plain text", [], "not JSON"),
    ],
)
def test_what_is_no_event_is_set_aside_whole_with_its_place_and_its_faults(
    value: bytes, headers: list[tuple[str, bytes]], fault: str
) -> None:
    taken = became(value, *headers)
    (letter,) = taken.batch.dead_letters
    assert letter.detail.startswith("topic orders, partition 3, offset 17: ")
    assert fault in letter.detail
    assert letter.reason in (LetterReason.INVALID_EVENT, LetterReason.UNREADABLE_RECORD)
    assert (taken.accepted, taken.rejected, taken.batch.events) == (0, 1, [])
    assert letter.source in ("kafka/orders", "crm", "milepost")
    assert "\x00" not in letter.detail


def test_a_header_whose_name_cannot_be_read_poisons_its_record_only() -> None:
    taken = Taken()
    take(taken, Record("orders", 3, 17, b"{}", None, None), Format.CLOUDEVENTS, MATCHER, NOW)
    assert details(taken) == ["topic orders, partition 3, offset 17: the name of a header is not UTF-8"]


@pytest.mark.parametrize("format_", [Format.OTLP_SPANS, Format.OTLP_LOGS])
@pytest.mark.parametrize("value", [b"\xff\xff\xff", b"{", b" {}]", b'{"resourceSpans": [[[', b'{"resourceLogs": 1}'])
def test_what_is_no_export_request_is_set_aside(value: bytes, format_: Format) -> None:
    taken = became(value, format_=format_)
    if not taken.batch.dead_letters:
        # Fields that are not known are nothing in either encoding.
        assert b"resource" in value
    else:
        assert f"no {format_}: " in details(taken)[0]


def test_the_time_of_a_record_stands_in_for_that_of_its_event_if_it_is_a_time() -> None:
    body = json.dumps(EVENT).encode()
    named = json.dumps(EVENT | {"time": "2026-11-22T00:32:48Z"}).encode()
    at = NOW + 1_000_000

    def occurred(value: bytes, made_at: int | None) -> bytes:
        (row,) = became(value, STRUCTURED, made_at=made_at).batch.events
        return row[: row.index(b"crm")]

    assert occurred(body, at) == occurred(named, None)
    for unusable in (None, -(2**62), 2**62, 10**18):
        assert occurred(body, unusable) == occurred(body, NOW)


HEADERS = st.lists(
    st.tuples(
        st.sampled_from(["content-type", "ce_id", "ce_source", "ce_type", "ce_specversion", "ce_time"])
        | st.text(max_size=8),
        st.none()
        | st.binary(max_size=20)
        | st.sampled_from([b"application/cloudevents+json", b"application/json", b"1.0"]),
    ),
    max_size=6,
)


@settings(max_examples=examples(300))
@given(
    st.none() | st.binary(max_size=60) | st.text(max_size=40).map(str.encode),
    HEADERS,
    st.sampled_from(Format),
    st.none() | st.integers(-(2**63) * 1000, 2**63 * 1000),
)
def test_every_record_becomes_something_and_none_breaks_the_reader(
    value: bytes | None, headers: list[tuple[str, bytes | None]], format_: Format, made_at: int | None
) -> None:
    taken = became(value, *headers, format_=format_, made_at=made_at)
    if format_ is Format.CLOUDEVENTS:
        assert taken.accepted + taken.rejected + taken.passed_over == 1
        assert len(taken.batch.events) == taken.accepted
        assert len(taken.batch.dead_letters) == taken.rejected
    for letter in taken.batch.dead_letters:
        for text in (letter.detail, letter.source, letter.event_id or "", letter.type or ""):
            assert "\x00" not in text
            text.encode()


def test_a_topic_is_a_name_and_maybe_a_format() -> None:
    assert parse_topic("orders") == Topic("orders", Format.CLOUDEVENTS)
    assert parse_topic("otel.spans_1-a:otlp_spans") == Topic("otel.spans_1-a", Format.OTLP_SPANS)
    assert str(parse_topic("orders")) == "orders:cloudevents"


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        ("", ["is not the name of a topic"]),
        ("..", ["is not the name of a topic"]),
        ("a b:avro", ["'a b' is not the name of a topic", "'avro' is not a format; known are cloudevents, otlp_spans"]),
        ("x" * 250, ["at most 249"]),
        ("orders:", ["'' is not a format"]),
        ("^orders.*", ["is not the name of a topic"]),
    ],
)
def test_every_fault_of_a_topic_is_named(text: str, faults: list[str]) -> None:
    with pytest.raises(ValueError, match=r"topic|format") as caught:
        parse_topic(text)
    for fault in faults:
        assert fault in str(caught.value)
