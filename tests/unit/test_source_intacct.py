"""Sage Intacct: tokens of Sage's, session ids that are never kept, and bodies that an administrator wrote."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from collector.sources.exchange import Credentials, Received
from collector.sources.receiving import Mapped, Receiver
from collector.sources.registry import faults_of
from collector.sources.sensitive import FORM
from slo_rules.adapter import Sensitive
from slo_rules.definitions import load
from slo_rules.durations import MINUTE, SECOND
from tests.sources import FOLDER, events_of, receiver

NOW = 1_772_446_522
KEY, STRANGER = (rsa.generate_private_key(65537, 2048) for _ in range(2))
CURVE = ec.generate_private_key(ec.SECP256R1())
CLAIMS = {"iss": "intacct", "client_id": "a1b2c3d4e5.app.sage.com"}


def pem(key: Any) -> bytes:
    found: bytes = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return found


def jwks(*keys: tuple[str, Any]) -> bytes:
    return json.dumps(
        {"keys": [json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key())) | {"kid": id_} for id_, key in keys]}
    ).encode()


def sample() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FOLDER / "sage_intacct" / "webhook-arinvoice.json").read_text())
    return found


def refused(token: str, *secrets: bytes, claims: dict[str, str] = CLAIMS, now: int = NOW) -> str:
    known = receiver("sage_intacct", credentials=Credentials(secrets or (pem(KEY),)), claims=claims)
    return known.refuse(Received("POST", "", {"authorization": f"Bearer {token}"}, b"{}"), now * SECOND)


def signed(key: Any = KEY, algorithm: str = "RS256", headers: dict[str, Any] | None = None, **claims: Any) -> str:
    return jwt.encode(CLAIMS | {"exp": NOW + 60} | claims, key, algorithm=algorithm, headers=headers)


def post(document: Any, media: str = "application/json", known: Receiver | None = None, **headers: str) -> Mapped:
    known = known or receiver("sage_intacct")
    body = urlencode(document).encode() if media == FORM else json.dumps(document).encode()
    request = Received("POST", "", {"content-type": media} | headers, body)
    return known.map(Received("POST", "", known.kept_headers(request), known.keep(request)), 0, 1)


class TestTokens:
    def test_what_sage_signed_counts(self) -> None:
        assert refused(signed()) == ""
        assert refused(signed(), pem(STRANGER), pem(KEY)) == ""
        assert refused(signed(CURVE, "ES256"), pem(CURVE)) == ""
        assert refused(signed(algorithm="PS512")) == ""

    def test_a_key_is_found_in_a_set_by_its_id(self) -> None:
        both = jwks(("old", STRANGER), ("new", KEY))
        assert refused(signed(headers={"kid": "new"}), both) == ""
        assert refused(signed(), both) == ""
        assert refused(signed(headers={"kid": "unheard of"}), both) == ""
        assert refused(signed(headers={"kid": "old"}), both)

    def test_no_other_key_and_no_other_byte_does(self) -> None:
        token = signed()
        assert refused(token, pem(STRANGER))
        for place in range(0, len(token), 7):
            letter = "A" if token[place] != "A" else "B"
            assert refused(token[:place] + letter + token[place + 1 :]), place

    def test_the_public_key_is_no_secret_to_sign_with(self) -> None:
        import base64
        import hashlib
        import hmac

        def part(text: bytes) -> bytes:
            return base64.urlsafe_b64encode(text).rstrip(b"=")

        message = part(b'{"alg":"HS256","typ":"JWT"}') + b"." + part(json.dumps(CLAIMS).encode())
        forged = message + b"." + part(hmac.new(pem(KEY), message, hashlib.sha256).digest())
        assert refused(forged.decode())
        unsigned = part(b'{"alg":"none"}') + b"." + part(json.dumps(CLAIMS).encode()) + b"."
        assert refused(unsigned.decode())
        symmetric = json.dumps({"kty": "oct", "k": "c2VjcmV0"}).encode()
        assert "public key" in refused(jwt.encode(CLAIMS, "secret" * 8, algorithm="HS256"), symmetric)

    def test_another_customer_of_sage_is_nobody(self) -> None:
        assert "client_id" in refused(signed(client_id="other.app.sage.com"))
        assert "iss" in refused(jwt.encode({"client_id": CLAIMS["client_id"]}, KEY, algorithm="RS256"))
        assert refused(signed(aud=["x", "milepost"]), claims={"aud": "milepost"}) == ""
        assert refused(signed(aud=["x"]), claims={"aud": "milepost"})

    def test_it_counts_as_long_as_it_says(self) -> None:
        token = signed(nbf=NOW - 10)
        tolerance = 5 * MINUTE // SECOND
        assert refused(token, now=NOW + 60 + tolerance) == ""
        assert "ended" in refused(token, now=NOW + 61 + tolerance)
        assert "yet" in refused(token, now=NOW - 11 - tolerance)
        for wrong in ("soon", True, [1]):
            assert refused(jwt.encode(CLAIMS | {"exp": 1}, KEY, algorithm="RS256"))
            assert "no time" in refused(_raw({"exp": wrong}))

    @pytest.mark.parametrize(
        "secret", [b"plain", b"{}", b"{", b'{"keys": 1}', b'{"keys": [1, {"kty": "RSA"}]}', b"-----BEGIN"]
    )
    def test_a_secret_that_is_no_key_verifies_nothing(self, secret: bytes) -> None:
        assert "public key" in refused(signed(), secret)

    @given(st.text(max_size=60) | st.just("." * 20_000) | st.just("a.b.c"))
    def test_any_text_is_refused(self, token: str) -> None:
        assert refused(token)

    def test_the_sample_of_the_documentation_is_signed_by_nobody(self) -> None:
        headers = json.loads((FOLDER / "sage_intacct" / "webhook-arinvoice.headers.json").read_text())
        assert refused(headers["Authorization"].removeprefix("Bearer "))


def _raw(claims: dict[str, Any]) -> str:
    """A token whose times the library would not write."""
    import base64

    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
    from cryptography.hazmat.primitives.hashes import SHA256

    def part(text: bytes) -> bytes:
        return base64.urlsafe_b64encode(text).rstrip(b"=")

    message = part(b'{"alg":"RS256"}') + b"." + part(json.dumps(CLAIMS | claims).encode())
    return (message + b"." + part(KEY.sign(message, PKCS1v15(), SHA256()))).decode()


@pytest.mark.parametrize(
    ("adapter", "field", "words"),
    [
        ('secret: "${K}"', "claims", "other customers"),
        ('token: "${T}", claims: {iss: x}', "claims", "by which keys"),
        ("tenant: x", "", "anybody could send"),
    ],
)
def test_what_would_let_anybody_in_is_a_fault(adapter: str, field: str, words: str) -> None:
    text = f"apiVersion: milepost/v1\nkind: Source\nmetadata: {{name: s}}\nspec: {{adapter: {{name: sage_intacct, {adapter}}}}}\n"
    found = faults_of(load({"a.yaml": text}).sources["s"])
    assert any(place == field and words in message for place, message in found), found


def test_without_the_extra_that_verifies_tokens_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("collector.sources.sage_intacct.adapter.available", lambda: False)
    text = (
        'apiVersion: milepost/v1\nkind: Source\nmetadata: {name: s}\nspec: {adapter: {name: sage_intacct, secret: "${K}", '
        "claims: {iss: x}}}\n"
    )
    assert any("milepost[jwt]" in message for _, message in faults_of(load({"a.yaml": text}).sources["s"]))


class TestSessions:
    @pytest.mark.parametrize("name", ["sessionid", "SESSIONID", "USERINFO.SESSIONID", "my_Session"])
    @pytest.mark.parametrize("media", [FORM, "application/json"])
    def test_they_are_not_kept(self, name: str, media: str) -> None:
        document = {"object": "CUSTOMER", name: "s3ss10n", "event": "add"}
        body = urlencode(document).encode() if media == FORM else json.dumps(document).encode()
        kept = receiver("sage_intacct").keep(Received("POST", "", {"content-type": media}, body))
        assert b"s3ss10n" not in kept
        assert b"CUSTOMER" in kept

    def test_however_deep_they_are(self) -> None:
        body = json.dumps({"a": [{"b": {"sessionId": "s3ss10n", "c": 1}}]}).encode()
        assert json.loads(receiver("sage_intacct").keep(Received("POST", "", {}, body))) == {"a": [{"b": {"c": 1}}]}

    def test_without_one_every_byte_is_kept(self) -> None:
        body = b'{ "object":"CUSTOMER" , "x": 1.50}'
        assert receiver("sage_intacct").keep(Received("POST", "", {}, body)) == body

    def test_what_else_is_sensitive_goes_too(self) -> None:
        known = receiver("sage_intacct", sensitive=Sensitive(("CUSTOMERNAME",)))
        body = urlencode({"CUSTOMERNAME": "ACME Corp", "sessionid": "s", "object": "CUSTOMER"}).encode()
        assert known.keep(Received("POST", "", {"content-type": FORM}, body)) == b"object=CUSTOMER"


class TestBodies:
    def test_a_smart_event_says_the_same_in_a_form(self) -> None:
        (of_form,) = events_of(post(sample(), FORM))
        (of_json,) = events_of(post(sample()))
        assert of_form == of_json
        assert of_form["type"] == "invoice.updated"

    def test_the_key_of_a_repetition_tells_it_and_otherwise_what_it_is_of(self) -> None:
        headers = {"idempotency-key": "k-1"}
        assert events_of(post(sample(), **headers))[0]["id"] == "k-1"
        first, again = (events_of(post(sample() | {"TOTALPAID": paid}))[0]["id"] for paid in ("0.00", "1.00"))
        assert first == again
        assert events_of(post(sample() | {"WHENMODIFIED": "03/02/2026 10:15:23"}))[0]["id"] != first

    @pytest.mark.parametrize(
        ("object_", "event", "type_"),
        [
            ("ARINVOICE", "add", "invoice.created"), ("arpymt", "Set", "payment.updated"), ("SODOCUMENT", "delete", "order.deleted"),
            ("CUSTOMER", "set", "account.updated"), ("CONTRACT", "set", "subscription.updated"), ("PROJECT", "add", "PROJECT.created"),
        ],
    )  # fmt: skip
    def test_objects_are_entities(self, object_: str, event: str, type_: str) -> None:
        assert events_of(post(sample() | {"object": object_, "event": event}))[0]["type"] == type_

    def test_a_source_may_give_states_a_meaning(self) -> None:
        text = (
            'apiVersion: milepost/v1\nkind: Source\nmetadata: {name: s}\nspec: {adapter: {name: sage_intacct, token: "${T}", '
            'mapping: {types: {"ARINVOICE:STATE=Posted": invoice.posted}, correlation: {order_id: DOCNUMBER}}}}\n'
        )
        known = Receiver(load({"a.yaml": text}).sources["s"], Credentials((), b"t"))
        (event,) = events_of(post(sample(), known=known))
        assert (event["type"], event["data"]["order_id"]) == ("invoice.posted", "SO-20417")

    @pytest.mark.parametrize(
        ("modified", "time"),
        [
            ("03/02/2026 10:15:22", "2026-03-02T10:15:22Z"), ("2026-03-02 10:15:22", "2026-03-02T10:15:22Z"),
            ("2026-03-02T10:15:22Z", "2026-03-02T10:15:22Z"), ("03/02/2026", None),
        ],
    )  # fmt: skip
    def test_times(self, modified: str, time: str | None) -> None:
        assert events_of(post(sample() | {"WHENMODIFIED": modified}))[0].get("time") == time

    @pytest.mark.parametrize(
        ("document", "words"),
        [
            ({"event": "set"}, "needs an 'object'"), ({"object": "ARINVOICE"}, "an 'event'"),
            ({"object": "ARINVOICE", "event": "set", "RECORDNO": "1"}, "WHENMODIFIED"),
            (sample() | {"WHENMODIFIED": "13/32/2026 25:00:00"}, "time:"),
        ],
    )  # fmt: skip
    def test_what_is_missing_is_said(self, document: dict[str, Any], words: str) -> None:
        (letter,) = post(document).letters
        assert words in letter.detail
