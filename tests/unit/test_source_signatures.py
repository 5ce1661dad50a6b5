"""Who is the source: every sample verifies, one flipped byte does not, and nothing old is taken twice."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
import stripe
from hypothesis import given
from hypothesis import strategies as st

from collector.sources.exchange import Credentials, Received
from collector.sources.signatures import moment
from slo_rules.adapter import Signature
from slo_rules.durations import MINUTE, SECOND
from slo_rules.instants import to_micros
from tests.sources import FOLDER, SECRETS, headers_of, name_of, received, receiver, samples

VECTORS = json.loads((FOLDER / "hubspot" / "signature-vectors.json").read_text())
SIGNED = [sample for system in SECRETS for sample in samples(system)]


CARRYING = {
    "stripe": ("stripe-signature",),
    "zendesk": ("x-zendesk-webhook-signature", "x-zendesk-webhook-signature-timestamp"),
    "hubspot": ("x-hubspot-signature-v3", "x-hubspot-request-timestamp"),
}
"""The headers on which it depends whether a request verifies."""


def signed_at(sample: Path) -> int:
    """When a sample was signed (micros)."""
    headers = received(sample).headers
    if text := headers.get("stripe-signature"):
        return int(text.split(",")[0].removeprefix("t=")) * SECOND
    if text := headers.get("x-hubspot-request-timestamp"):
        return int(text) * 1000
    found = moment(headers["x-zendesk-webhook-signature-timestamp"], "rfc3339")
    assert found is not None
    return found


@pytest.mark.parametrize("sample", SIGNED, ids=name_of)
class TestSamples:
    def test_it_verifies(self, sample: Path) -> None:
        assert receiver(sample.parent.name).refuse(received(sample), signed_at(sample) + SECOND) == ""

    def test_no_other_byte_verifies(self, sample: Path) -> None:
        body = sample.read_bytes()
        known, at = receiver(sample.parent.name), signed_at(sample)
        for place in range(len(body)):
            other = body[:place] + bytes([body[place] ^ 1]) + body[place + 1 :]
            assert known.refuse(received(sample, body=other), at), place

    def test_no_other_signature_and_no_other_time_verifies(self, sample: Path) -> None:
        known, at, headers = receiver(sample.parent.name), signed_at(sample), headers_of(sample)
        for name in CARRYING[sample.parent.name]:
            text = headers[name]
            # Stripe's header ends with a signature of another scheme, which counts for nothing.
            for place in range(len(text.partition(",v0=")[0])):
                other = text[:place] + chr(ord(text[place]) ^ 1) + text[place + 1 :]
                assert known.refuse(received(sample, headers=headers | {name: other}), at), (name, place)

    def test_no_other_secret_verifies(self, sample: Path) -> None:
        other = receiver(sample.parent.name, credentials=Credentials((b"other", SECRETS[sample.parent.name][:-1])))
        assert other.refuse(received(sample), signed_at(sample))

    def test_any_of_several_secrets_verifies(self, sample: Path) -> None:
        several = receiver(sample.parent.name, credentials=Credentials((b"former", SECRETS[sample.parent.name])))
        assert several.refuse(received(sample), signed_at(sample)) == ""

    def test_it_does_not_verify_without_its_headers(self, sample: Path) -> None:
        assert receiver(sample.parent.name).refuse(received(sample, headers={}), signed_at(sample))

    def test_it_does_not_verify_later(self, sample: Path) -> None:
        at = signed_at(sample)
        assert receiver(sample.parent.name).refuse(received(sample), at + 5 * MINUTE) == ""
        assert "ago" in receiver(sample.parent.name).refuse(received(sample), at + 5 * MINUTE + 2 * SECOND)
        assert receiver(sample.parent.name, tolerance=MINUTE).refuse(received(sample), at + 2 * MINUTE)

    def test_a_longer_body_does_not_verify(self, sample: Path) -> None:
        longer = received(sample, body=sample.read_bytes() + b"\n")
        assert receiver(sample.parent.name).refuse(longer, signed_at(sample))


class TestStripe:
    BODY = b'{"id": "evt_1", "object": "event", "type": "invoice.paid", "created": 1700000000, "data": {"object": {}}}'

    def signed(self, at: int, *secrets: str, body: bytes = BODY) -> str:
        """By Stripe's own library."""
        parts = [stripe.WebhookSignature._compute_signature(f"{at}.{body.decode()}", secret) for secret in secrets]
        return f"t={at}," + ",".join(f"v1={part}" for part in parts)

    def refused(self, header: str, now: int, secret: bytes = b"whsec_a") -> str:
        request = Received("POST", "", {"stripe-signature": header}, self.BODY)
        return receiver("stripe", credentials=Credentials((secret,))).refuse(request, now * SECOND)

    def test_what_its_library_signs_verifies_and_what_verifies_its_library_takes(self) -> None:
        header = self.signed(1_700_000_000, "whsec_a")
        assert self.refused(header, 1_700_000_010) == ""
        assert stripe.WebhookSignature.verify_header(self.BODY.decode(), header, "whsec_a")

    def test_one_of_several_signatures_is_enough(self) -> None:
        header = self.signed(1_700_000_000, "whsec_old", "whsec_a")
        assert self.refused(header, 1_700_000_000) == ""
        assert self.refused(header, 1_700_000_000, b"whsec_old") == ""
        assert self.refused(header, 1_700_000_000, b"whsec_new")

    def test_the_published_vector(self) -> None:
        body = (
            b'{\n  "id": "evt_test_webhook",\n  "object": "event",\n  "data": { "object": { "id": "rdr_123", '
            b'"object": "terminal.reader" } }\n}'
        )
        header = "t=1700000000,v1=3bfab77baf5f7b6991a46c9b53b6547d7afc56148b10468fcad9f35c1992ffbd"
        request = Received("POST", "", {"stripe-signature": header}, body)
        assert receiver("stripe").refuse(request, 1_700_000_000 * SECOND) == ""

    @pytest.mark.parametrize(
        "header",
        [
            "", "t=,v1=", "t=1700000000", "v1=aa", "t=1700000000,v0=aa", "t=x,v1=aa", "t=1700000000,t=1,v1=aa",
            "t=99999999999999999999,v1=aa", "t=-1,v1=aa", "t=1700000000,v1=\udcff", ",=,=,",
        ],
    )  # fmt: skip
    def test_no_such_header_verifies(self, header: str) -> None:
        assert self.refused(header, 1_700_000_000)

    def test_only_the_scheme_v1_counts(self) -> None:
        header = self.signed(1_700_000_000, "whsec_a").replace("v1=", "v0=")
        assert self.refused(header, 1_700_000_000)

    def test_times_to_come_are_taken_as_its_library_takes_them(self) -> None:
        header = self.signed(1_700_009_999, "whsec_a")
        assert self.refused(header, 1_700_000_000) == ""


class TestHubSpot:
    @pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
    def test_the_published_vectors(self, vector: dict[str, Any]) -> None:
        headers = {"x-hubspot-signature": vector["expected"], "x-hubspot-signature-version": vector["version"]}
        if vector["version"] == "v3":
            headers = {
                "x-hubspot-signature-v3": vector["expected"],
                "x-hubspot-request-timestamp": vector["timestamp"],
            }
        now = int(vector.get("timestamp", 0)) * 1000
        request = Received(
            vector.get("method", "POST"), "", headers, vector["body"].encode(), vector.get("uri", "https://x.example/")
        )
        known = receiver("hubspot", credentials=Credentials((vector["client_secret"].encode(),)))
        assert known.refuse(request, now + SECOND) == ""
        changed = Received("PUT", "", headers, vector["body"].encode() + b" ", request.url)
        assert known.refuse(changed, now + SECOND)

    def test_an_address_that_a_proxy_changed_is_said(self) -> None:
        sample = samples("hubspot")[0]
        inside = received(sample, url="http://10.0.0.7:8080/sources/hubspot")
        assert receiver("hubspot").refuse(inside, signed_at(sample))
        said = receiver("hubspot", url="https://ingest.example.com/hooks/hubspot")
        assert said.refuse(inside, signed_at(sample)) == ""

    def test_where_there_is_v3_nothing_else_counts(self) -> None:
        sample = samples("hubspot")[0]
        headers = dict(received(sample).headers) | {"x-hubspot-signature-v3": "AAAA"}
        assert receiver("hubspot").refuse(received(sample, headers=headers), signed_at(sample))
        del headers["x-hubspot-signature-v3"]
        assert receiver("hubspot").refuse(received(sample, headers=headers), signed_at(sample)) == ""

    def test_what_is_signed_for_much_later_is_refused(self) -> None:
        sample = samples("hubspot")[0]
        assert "ahead" in receiver("hubspot").refuse(received(sample), signed_at(sample) - 6 * MINUTE)


def test_zendesk_signs_the_time_before_the_body() -> None:
    headers = {
        "x-zendesk-webhook-signature-timestamp": "2021-07-25T10:00:00Z",
        "x-zendesk-webhook-signature": "Rry/4TtIdFyawtXXp8QdI6tlAUUQ/5kL1OTp5qo/ZIk=",
    }
    known = receiver("zendesk", credentials=Credentials((b"HRkRd4BeOAoUkfZr-mhauJT64rvBASlJRoIyPsd3zeA=",)))
    at = moment("2021-07-25T10:00:00Z", "rfc3339") or 0
    assert known.refuse(Received("POST", "", headers, b'{"say": "hello"}'), at) == ""
    former = headers | {"x-zendesk-webhook-signature": "tRDSF7URY8BLCDlaBcQ7FHu051Zk+aAB0NKMP53teMw="}
    assert known.refuse(Received("POST", "", former, b'{"say": "hello"}'), at)


class TestGeneric:
    BODY = b'{"id": 1}'

    def refused(self, headers: dict[str, str], now: int = 0, **more: Any) -> str:
        return receiver("generic", credentials=Credentials((b"other", b"s3cret")), **more).refuse(
            Received("POST", "", headers, self.BODY), now
        )

    @pytest.mark.parametrize("algorithm", ["sha1", "sha256", "sha384", "sha512"])
    @pytest.mark.parametrize("encoding", ["hex", "base64"])
    def test_every_algorithm_and_encoding(self, algorithm: str, encoding: str) -> None:
        import hashlib
        import hmac

        made = hmac.new(b"s3cret", b"12.@" + self.BODY, getattr(hashlib, algorithm)).digest()
        text = made.hex() if encoding == "hex" else base64.b64encode(made).decode()
        rule = Signature("x-sig", algorithm, encoding, "v1=", "x-at", "epoch_s", "{timestamp}.@{body}")
        assert self.refused({"x-sig": f"v1={text}", "x-at": "12"}, 12 * SECOND, signature=rule) == ""
        assert self.refused({"x-sig": f"v1={text}", "x-at": "13"}, 12 * SECOND, signature=rule)
        assert self.refused({"x-sig": text, "x-at": "12"}, 12 * SECOND, signature=rule)
        assert self.refused({"x-sig": f"v1={text}"}, 12 * SECOND, signature=rule)
        assert self.refused({"x-sig": f"v1={text}", "x-at": "12"}, 400 * SECOND, signature=rule)

    def test_a_secret_as_it_is(self) -> None:
        assert self.refused({"authorization": "Bearer s3cret"}) == ""
        assert self.refused({"authorization": "bearer other"}) == ""
        for text in ("Bearer s3cre", "Basic s3cret", "s3cret", "Bearer", ""):
            assert self.refused({"authorization": text}), text

    def test_user_and_password(self) -> None:
        known = receiver("generic", authentication="basic", credentials=Credentials((b"erp:pass:word",)))
        for text, good in (("erp:pass:word", True), ("erp:pass", False), ("", False)):
            headers = {"authorization": "Basic " + base64.b64encode(text.encode()).decode()}
            assert (known.refuse(Received("POST", "", headers, b""), 0) == "") is good
        assert known.refuse(Received("POST", "", {"authorization": "Basic !"}, b""), 0)


@given(st.text(max_size=30), st.sampled_from(["rfc3339", "epoch_s", "epoch_ms"]))
def test_any_text_is_a_time_or_none(text: str, format_: str) -> None:
    found = moment(text, format_)
    assert found is None or isinstance(found, int)


def test_times_are_read_in_their_form() -> None:
    from datetime import UTC, datetime

    at = to_micros(datetime(2026, 3, 2, 9, 55, 2, tzinfo=UTC))
    assert moment("1772445302", "epoch_s") == moment("1772445302000", "epoch_ms") == at
    assert moment("2026-03-02T10:55:02+01:00", "rfc3339") == at
    assert moment("2026-03-02T10:55:02", "rfc3339") is None
