"""Whatever a source sends, and whatever somebody sends who says he is one: each door answers, and goes on.

What stands in a body of the source's own is never answered 4xx or 5xx; it becomes events, or a dead letter.
"""

from __future__ import annotations

import base64
import gc
import gzip
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from collector.sources import door
from collector.sources.exchange import Credentials
from collector.sources.registry import names
from slo_rules.adapter import Mapping
from tests.integration.fix_doors import Collector, running
from tests.sources import SECRETS, headers_of, receiver, samples
from tests.unit.test_source_fuzz import GENERIC

pytestmark = pytest.mark.slow

WIDE = json.dumps({f"k{number:x}": 0 for number in range(620_000)}, separators=(",", ":")).encode()
LAUGHS = b'<!DOCTYPE a [<!ENTITY b "ha"><!ENTITY c "&b;&b;&b;&b;&b;&b;">]><a>&c;</a>'
BODIES: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "application/json"),
    "NUL": (b"\x00" * 1000, "application/json"),
    "NUL in JSON": (b'{"id": "\\u0000", "type": "\\u0000", "object": "event", "data": {"a": "b\\u0000c"}}', "application/json"),
    "NUL in XML": (b"<a>\x00</a>", "text/xml"),
    "half a surrogate": (b'{"id": "\\ud800", "type": "\\udfff"}', "application/json"),
    "no UTF-8": (b'{"id": "\xff\xfe"}', "application/json"),
    "many keys": (WIDE, "application/json"),
    "many members": (b"[" + b"0," * 4_000_000 + b"0]", "application/json"),
    "many objects": (b"[" + b"{}," * 2_600_000 + b"{}]", "application/json"),
    "deep": (b'{"a":' * 1_000_000 + b"0" + b"}" * 1_000_000, "application/json"),
    "a long number": (b'{"id": ' + b"9" * 5_000_000 + b"}", "application/json"),
    "laughs": (LAUGHS, "text/xml"),
    "many elements": (b"<a>" + b"<b/>" * 1_900_000 + b"</a>", "text/xml"),
    "deep elements": (b"<a>" * 500_000 + b"</a>" * 500_000, "text/xml"),
    "many fields": (b"a=1&" * 2_000_000, "application/x-www-form-urlencoded"),
    "parts without end": (b"--x\r\n" * 1_000_000, "multipart/form-data; boundary=x"),
}  # fmt: skip
assert all(len(body) <= door.MAX_SOURCE_BODY for body, _ in BODIES.values())


def by_stripe(body: bytes) -> dict[str, str]:
    at = int(time.time())
    made = hmac.new(SECRETS["stripe"], f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return {"stripe-signature": f"t={at},v1={made}"}


def by_zendesk(body: bytes) -> dict[str, str]:
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    made = base64.b64encode(hmac.new(SECRETS["zendesk"], at.encode() + body, hashlib.sha256).digest()).decode()
    return {"x-zendesk-webhook-signature": made, "x-zendesk-webhook-signature-timestamp": at}


def by_hubspot(body: bytes) -> dict[str, str]:
    made = hashlib.sha256(SECRETS["hubspot"] + body).hexdigest()
    return {"x-hubspot-signature": made, "x-hubspot-signature-version": "v1"}


SIGNS: dict[str, Callable[[bytes], dict[str, str]]] = {
    "stripe": by_stripe,
    "zendesk": by_zendesk,
    "hubspot": by_hubspot,
}

FORGIVEN = ("business_central",)
"""Systems that would end their subscription when they are told 4xx."""


@pytest.fixture
async def collector(database_url: str) -> AsyncIterator[Collector]:
    async with running(database_url) as made:
        for name in names():
            given = Credentials((SECRETS[name],) if name in SECRETS else (), b"tk")
            mapping = GENERIC if name == "generic" else Mapping()
            made.receivers[name] = receiver(name, credentials=given, mapping=mapping)
        yield made


async def send(collector: Collector, name: str, body: bytes, media: str, **headers: str) -> int:
    signed = SIGNS[name](body) if name in SIGNS else {}
    content = gzip.compress(body, 1) if headers.get("content-encoding") == "gzip" else body
    answer = await collector.http.post(
        f"/sources/{name}/tk", content=content, headers={"content-type": media} | signed | headers
    )
    return answer.status_code


def held() -> int:
    """The pages of memory that this process holds."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1])


@pytest.mark.slow
@pytest.mark.parametrize("name", names())
async def test_any_body_of_a_source_is_acknowledged_and_settled(collector: Collector, name: str) -> None:
    before = held()
    for what, (body, media) in BODIES.items():
        status = await send(collector, name, body, media)
        if status == 401:
            # Business Central shows who it is in the body: what cannot be read is nobody's.
            assert name == "business_central"
            continue
        assert 200 <= status < 300, (what, status)
        collector.map()
    waiting = collector.rows("SELECT count(*) FROM source_request WHERE mapped_at IS NULL")
    assert waiting == [(0,)]
    assert "failed:" not in " ".join(letter[2] for letter in collector.letters())
    # And the door is open for what is right.
    for sample in samples(name)[:1]:
        if name not in ("business_central", *SIGNS):
            headers = headers_of(sample)
            media = headers.get("content-type", "application/json")
            assert await send(collector, name, sample.read_bytes(), media) < 300
    # Nothing of the hundred million bytes is held on to.
    assert (held() - before) * 4096 < 256 * 2**20


@pytest.mark.parametrize("name", names())
async def test_no_compressed_body_grows_beyond_its_bounds(collector: Collector, name: str) -> None:
    bomb = b" " * (door.MAX_SOURCE_BODY + 1)
    for body, encoding, wanted in (
        (bomb, "identity", 413),
        (gzip.compress(bomb, 9), "gzip", 413),
        (gzip.compress(b"{}")[:-4], "gzip", 400),
        (b"\x1f\x8b" + b"\x00" * 100, "gzip", 400),
        (b"{}", "br", 415),
    ):
        headers = {"content-type": "application/json", "content-encoding": encoding}
        answer = await collector.http.post(f"/sources/{name}/tk", content=body, headers=headers)
        # The form is looked at before the sender.
        assert answer.status_code == (503 if name in FORGIVEN else wanted), (encoding, answer.status_code)
    assert collector.rows("SELECT count(*) FROM source_request") == [(0,)]
