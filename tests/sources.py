"""The samples of systems in `tests/data/sources`, as requests, and the sources that receive them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec

from collector.sources.exchange import Credentials, Received
from collector.sources.receiving import Mapped, Receiver
from slo_rules import adapter as said
from slo_rules.workflow import Source

FOLDER = Path(__file__).parent / "data" / "sources"
SECRETS = {
    "stripe": b"whsec_test_secret",
    "zendesk": b"dGhpc19zZWNyZXRfaXNfZm9yX3Rlc3Rpbmdfb25seQ==",
    "hubspot": b"3f9c1a7e-52b4-4d0c-9e61-0b7d2f84c5aa",
}
ADDRESS = "https://ingest.example.com/hooks/hubspot"
RECEIVED_AT = 1_773_324_330_000_000


def samples(system: str = "*") -> list[Path]:
    """The bodies of the samples of a system."""
    aside = (".headers.json", ".events.json", "signature-vectors.json", "ack.xml")
    return [one for one in sorted(FOLDER.glob(f"{system}/*")) if not one.name.endswith(aside)]


def name_of(sample: Path) -> str:
    """The id of a test of a sample."""
    return f"{sample.parent.name}/{sample.name}"


def beside(sample: Path, what: str) -> Path:
    """A file that stands beside a sample."""
    name = sample.name.removesuffix(".json").removesuffix(".xml").removesuffix(".txt")
    return sample.with_name(f"{name}.{what}.json")


def headers_of(sample: Path) -> dict[str, str]:
    """The headers that a sample comes with, their names in lower case."""
    file = beside(sample, "headers")
    found: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}
    return {name.lower(): value for name, value in found.get("headers", found).items()}


def received(sample: Path, **changes: Any) -> Received:
    """A sample as it comes in."""
    request = Received("POST", "", headers_of(sample), sample.read_bytes(), ADDRESS)
    values = {name: getattr(request, name) for name in ("method", "path", "headers", "body", "url")}
    return Received(**(values | changes))


def receiver(system: str, name: str | None = None, *, credentials: Credentials | None = None, **more: Any) -> Receiver:
    """A source of this system with the secret of its samples, and what else it says."""
    given = credentials or Credentials((SECRETS[system],) if system in SECRETS else (), b"tk", b"key")
    return Receiver(Source(name or system, adapter=said.Adapter(system, **more)), given)


def events_of(mapped: Any) -> list[dict[str, Any]]:
    """The events that a request became."""
    return [msgspec.json.decode(event.body) for event in mapped.events]


def becomes(known: Receiver, request: Received) -> dict[str, Any]:
    """The one event that a request becomes."""
    mapped = known.map(request, RECEIVED_AT)
    assert mapped.letters == []
    (event,) = events_of(mapped)
    return event


def why(mapped: Mapped) -> str:
    """Why nothing of a request could be used."""
    (letter,) = mapped.letters
    return letter.detail


def posted(document: Any, **headers: str) -> Received:
    """A request with this document, or these bytes."""
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return Received("POST", "", {"content-type": "application/json"} | headers, body)
