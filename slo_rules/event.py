"""One normalised fact from outside, as the core sees it."""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

import msgspec


class Event(msgspec.Struct, frozen=True):
    """An event and what it says.

    `occurred_at` and `received_at` are micros. `key` stands for `(source, id)`; equal keys are the same event.
    `document` is what paths and filters look into: the CloudEvents attributes by name, `data`, and for telemetry
    `resource`, `service`, `name`, `kind`, `status`.
    """

    source: str
    type: str
    occurred_at: int
    received_at: int
    key: bytes
    document: dict[str, Any]
    trace_id: bytes | None = None


def event_key(source: str, id_: str) -> bytes:
    """Sixteen bytes that stand for an event's identity, `source` and `id` (CloudEvents 1.0 §3.1.1)."""
    return blake2b(f"{source}\x00{id_}".encode("utf-8", "surrogatepass"), digest_size=16).digest()
