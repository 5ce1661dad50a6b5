"""Whatever is sent to an adapter is refused, set aside or mapped: nothing raises, and nothing is lost silently."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from collector.ingest import cloudevents
from collector.sources.exchange import Credentials, Received, Unreadable
from collector.sources.receiving import Receiver
from collector.sources.registry import names
from collector.sources.sensitive import FORM
from slo_rules.adapter import Amount, Mapping, Rules, Sensitive, Signature
from slo_rules.event import Event
from tests.examples import examples
from tests.sources import received as as_received
from tests.sources import receiver, samples

GENERIC = Mapping(
    id=("id",), time=("time", "a.0"), type=("type",), types={"a": "order.created"},
    rules=Rules((("order_id", ("a", "b.c")),), (("hint", ("b",)),), Amount(("amount",), ("currency",), True)),
)  # fmt: skip
SENSITIVE = Sensitive(("a", "data.object.customer", "detail.subject", "sObject.Amount"), ("b.c", "properties.amount"))
RECEIVERS = {
    name: (
        receiver(name, mapping=GENERIC if name == "generic" else Mapping()),
        receiver(name, mapping=GENERIC if name == "generic" else Mapping(), sensitive=SENSITIVE, tenant="x"),
    )
    for name in names()
}
SAMPLES = [as_received(sample) for sample in samples()]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(
        st.sampled_from(["id", "type", "time", "a", "b", "c", "amount", "currency", "object", "data", "event", "detail"])
        | st.text(max_size=3), inner, max_size=4,
    ),
    max_leaves=12,
)  # fmt: skip
MEDIA = st.sampled_from(["application/json", FORM, "text/xml", "", "multipart/form-data; boundary=x", "text/plain"])
HEADERS = st.dictionaries(
    st.sampled_from(
        [
            "stripe-signature", "x-zendesk-webhook-signature", "x-zendesk-webhook-signature-timestamp",
            "x-hubspot-signature-v3", "x-hubspot-request-timestamp", "x-hubspot-signature", "authorization",
            "x-hubspot-signature-version", "ce-id", "ce-type", "ce-source", "ce-time", "x-sig", "x-at",
            "x-zendesk-webhook-invocation-id", "aeg-event-type", "idempotency-key", "x-ms-dynamics-msg-size-exceeded",
            "x-ns-signature", "x-ns-timestamp", "x-ns-account", "x-ingest-signature", "x-ingest-timestamp",
            "x-hmac-signature", "x-sn-instance", "x-correlation-id", "x-tenantid",
        ]
    ),
    st.text(max_size=20) | st.sampled_from(["v1", "v2", "t=1,v1=a", "Bearer x", "Basic eDp5", "2026-01-01T00:00:00Z"]),
    max_size=5,
)  # fmt: skip


def nothing_raises(known: Receiver, received: Received) -> None:
    """What the door and the intake do with it."""
    assert isinstance(known.refuse(received, 1_773_324_330_000_000), str)
    known.handshake(received)
    known.split(received.path)
    try:
        body = known.keep(received)
    except Unreadable:
        return
    kept = Received(received.method, "", known.kept_headers(received), body)
    found = known.map(kept, 0, 1)
    for letter in found.letters:
        assert letter.detail
        assert "failed:" not in letter.detail, letter.detail
    assert len(found.rows) == len(found.events)
    for event in found.events:
        assert isinstance(cloudevents.as_event(event.body, 0), Event)
    assert found.rows or found.letters or found.ignored or body.strip() in (b"[]", b"", b"{}") or body[:1] == b"["


def everywhere(received: Received) -> None:
    for both in RECEIVERS.values():
        for known in both:
            nothing_raises(known, received)


FUZZ = settings(max_examples=examples(150), suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


@given(
    st.binary(max_size=200) | st.text(max_size=100).map(lambda text: text.encode("utf-8", "replace")), HEADERS, MEDIA
)
@example(b"\xff\xfe<\x00a\x00/\x00>\x00", {}, "text/xml")
@example(b"[" * 100_000, {}, "application/json")
@example(b'{"a":' * 5_000 + b"1" + b"}" * 5_000, {}, "application/json")
@example(b"<a>" * 5_000 + b"</a>" * 5_000, {}, "text/xml")
@example(b'"\\ud800"', {}, "application/json")
@example(b'{"id": "\\u0000", "type": "a"}', {}, "application/json")
@example(b'{"id": 1e999, "type": "a"}', {}, "application/json")
@FUZZ
def test_any_bytes(body: bytes, headers: dict[str, str], media: str) -> None:
    everywhere(Received("POST", "", headers | {"content-type": media}, body, "https://x.example/?a=b"))


@given(JSON, HEADERS, MEDIA)
@FUZZ
def test_any_json(document: Any, headers: dict[str, str], media: str) -> None:
    body = json.dumps(document).encode("utf-8", "surrogatepass")
    everywhere(Received("POST", "", headers | {"content-type": media}, body, "https://x.example/"))


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, member in members for place in places(member, (*path, key)))]


@given(st.data())
@settings(FUZZ, max_examples=examples(400))
def test_samples_of_which_something_is_otherwise(data: st.DataObject) -> None:
    sample = data.draw(st.sampled_from(SAMPLES))
    try:
        document = json.loads(sample.body)
    except ValueError:
        body = bytearray(sample.body)
        for _ in range(data.draw(st.integers(1, 4))):
            start = data.draw(st.integers(0, len(body) - 1))
            body[start : start + data.draw(st.integers(0, 30))] = data.draw(st.binary(max_size=8))
        everywhere(Received("POST", "", sample.headers, bytes(body)))
        return
    document = copy.deepcopy(document)
    for _ in range(data.draw(st.integers(1, 3))):
        *above, last = data.draw(st.sampled_from([place for place in places(document) if place] or [("x",)]))
        parent = document
        for part in above:
            parent = parent[part]
        if data.draw(st.booleans()):
            parent[last] = data.draw(JSON)
        else:
            del parent[last]
        if not places(document)[1:]:
            break
    everywhere(Received("POST", "", sample.headers, json.dumps(document).encode("utf-8", "surrogatepass")))


@given(st.text(max_size=60), st.sampled_from(["sha1", "sha256"]), st.sampled_from(["hex", "base64"]))
@FUZZ
def test_any_signature_of_a_generic_source(text: str, algorithm: str, encoding: str) -> None:
    rule = Signature("x-sig", algorithm, encoding, "v1=", "x-at", "epoch_s", "{timestamp}.{body}")
    known = receiver("generic", mapping=GENERIC, signature=rule, credentials=Credentials((b"s",)))
    for headers in ({"x-sig": text, "x-at": "12"}, {"x-sig": f"v1={text}", "x-at": text}):
        assert known.refuse(Received("POST", "", headers, b"{}"), 12_000_000)


@pytest.mark.parametrize("name", names())
def test_a_path_of_any_form_is_split(name: str) -> None:
    for path in ("", "/", "tk", "tk/", "tk/x", "\udcff", "ü", "x" * 100_000):
        assert RECEIVERS[name][0].split(path) in (None, "")
