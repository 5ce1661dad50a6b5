from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from collector.copyformat import EPOCH_2000
from collector.ingest import cloudevents
from collector.ingest.cloudevents import (
    MAX_ATTRIBUTE,
    MAX_DEPTH,
    MAX_EVENT_BYTES,
    Malformed,
    Refused,
    as_event,
    decode,
    from_binary,
    split_batch,
)
from slo_rules.event import event_key
from tests.examples import examples

DATA = Path(__file__).parents[1] / "data"
NOW = 1_790_000_000_000_000
GOOD: dict[str, Any] = {"specversion": "1.0", "id": "1", "source": "crm", "type": "order.created"}
ABSENT = object()


def event(**changes: Any) -> bytes:
    return json.dumps({name: value for name, value in (GOOD | changes).items() if value is not ABSENT}).encode()


def with_data(spelled: bytes) -> bytes:
    return event()[:-1] + b', "data": ' + spelled + b"}"


def faults(body: bytes) -> list[str]:
    rows, refused = decode([body], NOW)
    assert len(rows) + len(refused) == 1
    return [fault.field for one in refused for fault in one.faults]


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({"id": ABSENT}, ["id"]),
        ({"id": ""}, ["id"]),
        ({"id": 5}, ["id"]),
        ({"id": None, "source": ABSENT, "type": ""}, ["id", "source", "type"]),
        ({"specversion": "0.3"}, ["specversion"]),
        ({"specversion": 1.0, "time": "yesterday"}, ["specversion", "time"]),
        ({"id": "a\x00b"}, ["id"]),
        ({"subject": "a\x00b"}, ["subject"]),
        ({"subject": ["a"]}, ["subject"]),
        ({"type": "t" * (MAX_ATTRIBUTE + 1)}, ["type"]),
        ({"id": "é" * (MAX_ATTRIBUTE // 2 + 1)}, ["id"]),
        ({"datacontenttype": 5, "data_base64": "e30="}, ["datacontenttype"]),
        ({"data_base64": "not base64!"}, ["data_base64"]),
        ({"data": "x" * MAX_EVENT_BYTES}, [""]),
    ],
)
def test_every_fault_of_an_event_is_named_by_its_field(changes: dict[str, Any], fields: list[str]) -> None:
    assert faults(event(**changes)) == fields


@pytest.mark.parametrize(
    "time",
    ["", "yesterday", 5, "2026-11-21", "2026-11-21T09:14:00", "2026-02-30T00:00:00Z", "2026-11-21T24:00:00Z",
     "2026-11-21T09:14:00-24:00", "0000-01-01T00:00:00Z", "10000-01-01T00:00:00Z",
     "0001-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59Z", "9999-12-31T23:59:59-14:00"],
)  # fmt: skip
def test_a_time_that_is_none_or_cannot_be_reckoned_with_is_refused(time: object) -> None:
    assert faults(event(time=time)) == ["time"]


@pytest.mark.parametrize(
    "time",
    [None, ABSENT, "2026-11-21T09:14:00Z", "2026-11-21t09:14:00.123456789z", "2026-11-21T09:14:00+05:30",
     "0001-01-02T00:00:00Z", "9899-12-31T23:59:59Z"],
)  # fmt: skip
def test_other_times_are_taken(time: object) -> None:
    assert faults(event(time=time)) == []


@pytest.mark.parametrize(
    "body",
    [b"", b"null", b"[]", b'"text"', b"{", event() + b"x", b"\xef\xbb\xbf" + event(), event().decode().encode("utf-16"),
     with_data(b"NaN"), with_data(b"1e400"), with_data(b'{"a": [-1e99999]}'), with_data(b"9" * 5000),
     with_data(b'"\xff\xfe"'), with_data(b'"\\ud800"'), with_data(b'{"\\udc00": 1}'), with_data(b'"\x01"'),
     with_data(b"[" * 10_000 + b"]" * 10_000), with_data(b'{"a":' * MAX_DEPTH + b"1" + b"}" * MAX_DEPTH)],
)  # fmt: skip
def test_what_cannot_be_read_later_is_refused_now(body: bytes) -> None:
    assert faults(body) == [""]


def test_nesting_up_to_the_limit_is_taken() -> None:
    assert faults(with_data(b"[" * (MAX_DEPTH - 1) + b"]" * (MAX_DEPTH - 1))) == []
    assert faults(with_data(b"[" + b"[]," * 500 + b"{}]")) == []


def test_good_events_do_not_fall_with_bad_ones() -> None:
    rows, refused = decode([event(), b"{", event(id=""), event(id="2")], NOW)
    assert len(rows) == 2
    assert [(fault.index, fault.field) for one in refused for fault in one.faults] == [(1, ""), (2, "id")]
    assert [one.body for one in refused] == [b"{", event(id="")]


def test_null_means_absent_and_extensions_are_free() -> None:
    assert faults(event(subject=None, time=None, traceparent=None, datacontenttype=None, acmenote=None, number=5)) == []


def test_json_in_base64_can_be_reached_by_paths() -> None:
    content = base64.b64encode(b'{"order_id": "O-1"}').decode()
    assert b'"data":{"order_id":"O-1"}' in decode([event(data_base64=content)], NOW)[0][0]
    as_it_came = decode([event(data_base64=content, datacontenttype="application/octet-stream")], NOW)[0][0]
    assert content.encode() in as_it_came


@pytest.mark.parametrize("content", [b"1e400", b"[" * 5000, b"\xff", b"[" * 200 + b"]" * 200])
def test_base64_that_is_no_usable_json_stays_as_it_came(content: bytes) -> None:
    spelled = base64.b64encode(content).decode()
    assert spelled.encode() in decode([event(data_base64=spelled)], NOW)[0][0]


@pytest.mark.parametrize(
    ("traceparent", "known"),
    [("00-0cda0930cbf01126b91402861dbffc74-38d96ac87afdbbe1-01", True),
     ("01-0cda0930cbf01126b91402861dbffc74-38d96ac87afdbbe1-01-more", True),
     ("ff-0cda0930cbf01126b91402861dbffc74-38d96ac87afdbbe1-01", False),
     ("00-00000000000000000000000000000000-38d96ac87afdbbe1-01", False),
     ("00-0cda0930cbf01126b91402861dbffc74-0000000000000000-01", False),
     ("00-0CDA0930CBF01126B91402861DBFFC74-38d96ac87afdbbe1-01", False), ("nonsense", False), ("", False)],
)  # fmt: skip
def test_a_malformed_traceparent_counts_as_absent(traceparent: str, known: bool) -> None:
    expected = bytes.fromhex("0cda0930cbf01126b91402861dbffc74") if known else None
    assert cloudevents.parse_traceparent(traceparent)[0] == expected
    assert faults(event(traceparent=traceparent)) == []


@pytest.mark.parametrize("case", json.loads((DATA / "w3c-traceparent-cases.json").read_text()))
def test_the_cases_of_the_standard_of_traceparents(case: dict[str, Any]) -> None:
    expected = (bytes.fromhex(case["trace_id"]), bytes.fromhex(case["parent_id"])) if case["valid"] else (None, None)
    assert cloudevents.parse_traceparent(case["traceparent"]) == expected


# Binary mode


def binary(body: bytes = b"", **headers: str) -> dict[str, Any]:
    named = {f"ce-{name}" if name != "content_type" else "content-type": value for name, value in headers.items()}
    structured, found = from_binary({f"ce-{name}": value for name, value in GOOD.items()} | named, body)
    assert not found, found
    decoded: dict[str, Any] = json.loads(structured)
    return decoded


@pytest.mark.parametrize(
    ("header", "meant"),
    [("Euro%20%E2%82%AC%20%F0%9F%98%80", "Euro € 😀"), ("%41", "A"), ("%2541", "%41"), ("a%20b", "a b"), ("%e2%82%ac", "€"),
     ('"Euro%20%E2%82%AC"', "Euro €"), (r'"say \"hi\" \\ there"', r'say "hi" \ there'), (r'"a\\"', "a\\"), ("100%", "100%"),
     ("%zz", "%zz"), ('"', '"'), ("", "")],
)  # fmt: skip
def test_header_values_are_unquoted_then_percent_decoded_once(header: str, meant: str) -> None:
    assert binary(acmenote=header)["acmenote"] == meant


@pytest.mark.parametrize("header", ["%C0%A0", "%FF", "%ED%A0%80"])
def test_header_values_that_are_not_utf8_are_refused(header: str) -> None:
    _, found = from_binary({f"ce-{name}": value for name, value in GOOD.items()} | {"ce-note": header}, b"")
    assert [fault.field for fault in found] == ["ce-note"]


@pytest.mark.parametrize("name", ["ce-datacontenttype", "ce-data", "ce-a_b", "ce-", "ce-" + "a" * 41])
def test_headers_that_are_no_attributes_are_refused(name: str) -> None:
    _, found = from_binary({name: "x"}, b"")
    assert [fault.field for fault in found] == [name]


def test_binary_bodies_become_data_by_their_content_type() -> None:
    assert binary(b'{"a": 1}', content_type="application/json")["data"] == {"a": 1}
    assert binary(b'{"a": 1}', content_type="application/vnd.acme+json; charset=utf-8")["data"] == {"a": 1}
    assert binary(b'{"a": 1}')["data"] == {"a": 1}
    assert binary("<é/>".encode(), content_type="application/xml")["data"] == "<é/>"
    assert binary(b"\xff\x00", content_type="image/png")["data_base64"] == "/wA="
    assert "data" not in binary(content_type="application/json")


@pytest.mark.parametrize("body", [b"{", b"1e400", b'"\xff"', b'"\\ud800"', b"[" * 10_000])
def test_a_binary_body_that_is_not_the_json_it_says_is_refused(body: bytes) -> None:
    _, found = from_binary({"content-type": "application/json"}, body)
    assert [fault.field for fault in found] == ["data"]


# Batches


def test_a_batch_is_a_json_array_of_a_bounded_number() -> None:
    assert split_batch(b"[]") == []
    assert split_batch(b'[{"a": 1}, 2]') == [b'{"a": 1}', b"2"]
    with pytest.raises(Malformed, match="10001"):
        split_batch(b"[" + b"1," * 10_000 + b"1]")


@pytest.mark.parametrize("body", [b"", b"{}", b"[", b"[1,]", b"null", b"[" * 10_000, b'["\xff"'])
def test_what_is_no_batch_is_malformed(body: bytes) -> None:
    with pytest.raises(Malformed):
        split_batch(body)


# Whatever comes

_scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.text(st.characters(categories=["Cs", "Cc", "Lo"])),
    st.datetimes().map(lambda at: at.isoformat() + "Z"), st.sampled_from([10**400, "1.0", "+14:00", "e30="]),
)  # fmt: skip
_json = st.recursive(
    _scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=6,
)
_names = st.sampled_from(
    [
        "specversion",
        "id",
        "source",
        "type",
        "time",
        "subject",
        "traceparent",
        "data",
        "data_base64",
        "datacontenttype",
        "acme",
    ]
)
_changes = st.dictionaries(_names, _json, max_size=4)
_torn = st.builds(
    lambda body, at, junk: body[:at] + junk + body[at:],
    st.just(event(data={"a": [1.5, "é"]})),
    st.integers(0, 120),
    st.binary(max_size=6),
)


def check_readable(members: list[bytes]) -> None:
    rows, refused = decode(members, NOW)
    assert len(rows) + len(refused) == len(members)
    assert all(one.faults for one in refused)
    for one in refused:
        json.dumps([fault.as_json() for fault in one.faults]).encode("ascii")
        msgspec.json.encode([fault.as_json() for fault in one.faults])
        for word in (one.source, one.id, one.type):
            (word or "").encode()
    indexes = {fault.index for one in refused for fault in one.faults}
    for index, body in enumerate(members):
        if index not in indexes:
            assert isinstance(msgspec.json.decode(body), dict)


@settings(max_examples=examples(80))
@given(st.lists(_changes, max_size=3))
@example([{"data_base64": "e30=", "datacontenttype": 5}])
@example([{"id": "\ud800"}])
def test_any_json_is_taken_or_explained(changes: list[dict[str, Any]]) -> None:
    check_readable([json.dumps(GOOD | one).encode() for one in changes])


def fields(row: bytes) -> list[bytes | None]:
    """The fields of a row in binary COPY format."""
    found: list[bytes | None] = []
    at = 2
    while at < len(row):
        length, at = int.from_bytes(row[at : at + 4], signed=True), at + 4
        found.append(None if length < 0 else row[at : at + length])
        at += max(0, length)
    return found


@settings(max_examples=examples(80))
@given(_changes)
@example({"data_base64": "e30=", "time": "1969-01-01T00:00:00+05:00"})
@example({"traceparent": "00-0cda0930cbf01126b91402861dbffc74-38d96ac87afdbbe1-01"})
def test_an_event_read_at_once_is_the_one_that_is_logged(changes: dict[str, Any]) -> None:
    body = json.dumps(GOOD | changes).encode()
    rows, refused = decode([body], NOW)
    found = as_event(body, NOW)
    if isinstance(found, Refused):
        assert [found] == refused
    else:
        at, source, id_, type_, _, trace_id, _, logged = fields(rows[0])
        assert at is not None and source is not None and id_ is not None and type_ is not None and logged is not None
        assert found.document == msgspec.json.decode(logged)
        assert (found.source.encode(), found.type.encode(), found.trace_id) == (source, type_, trace_id)
        assert found.occurred_at == int.from_bytes(at, signed=True) + EPOCH_2000
        assert (found.key, found.received_at) == (event_key(source.decode(), id_.decode()), NOW)


@settings(max_examples=examples(80))
@given(st.lists(_torn | st.binary(max_size=40), max_size=3))
def test_any_bytes_are_taken_or_explained(members: list[bytes]) -> None:
    check_readable(members)


@settings(max_examples=examples(80))
@given(st.binary(max_size=60) | st.lists(_torn, max_size=3).map(lambda some: b"[" + b",".join(some) + b"]"))
def test_any_bytes_are_a_batch_or_malformed(body: bytes) -> None:
    try:
        check_readable(split_batch(body))
    except Malformed as error:
        str(error).encode()


@settings(max_examples=examples(100))
@given(
    st.dictionaries(
        st.sampled_from(
            ["ce-id", "ce-source", "ce-type", "ce-specversion", "ce-time", "ce-note", "ce-data", "content-type"]
        )
        | st.text(max_size=8).map(lambda name: f"ce-{name}"),
        st.text(st.characters(max_codepoint=255), max_size=20)
        | st.sampled_from(['"', '"\\"', "%", "%F", "%E2%82", "text/xml"]),
    ),
    st.binary(max_size=30),
)
def test_any_headers_and_body_are_taken_or_explained(headers: dict[str, str], body: bytes) -> None:
    structured, found = from_binary(headers, body)
    if not found:
        check_readable([structured])


def test_more_attributes_than_are_taken_are_a_fault() -> None:
    room = cloudevents.MAX_ATTRIBUTES - len(json.loads(event()))
    assert faults(event(**{f"x{number}": "v" for number in range(room)})) == []
    assert faults(event(**{f"x{number}": "v" for number in range(room + 1)})) == [""]
