"""Events of the log with what they mean to each workflow: what the reader hands to the projector."""

from __future__ import annotations

import msgspec

from slo_rules.identity import Key
from slo_rules.match import Match

Packed = msgspec.Raw
"""What an event says to one version of a workflow, packed (`pack`, `unpack`).

It is some bytes of the message it came in, where what it is unpacked to is two dozen objects: tens of thousands of
those do not fit the processor's caches, so that it is unpacked only where and when it is used.
"""
Found = list[tuple[int, list[Key], Packed]]
"""The places of workflow versions in `Catalogue.places`, with the joining keys of the event and what it says there."""


class Parsed(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An event of the log and what it means to each workflow; `error` says why it could not be understood.

    `type` is its type where that is expected by itself, else None.
    """

    seq: int
    source: str
    received_at: int
    occurred_at: int
    found: Found
    error: str | None = None
    type: str | None = None


class Told(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What an event says to one version of a workflow: all that its instance has to know of it.

    `tail` is the end of the row that links the event to the instance (copyformat.link_tail).
    """

    seq: int
    source: str
    received_at: int
    match: Match
    tail: bytes


_encode = msgspec.msgpack.Encoder().encode
unpack = msgspec.msgpack.Decoder(Told).decode


def pack(told: Told) -> Packed:
    """The packed form, which takes a sixth of the memory."""
    return msgspec.Raw(_encode(told))


def describe(error: Exception) -> str:
    """What went wrong with an event, for its dead letter."""
    return f"{type(error).__name__}: {str(error)[:300]}"
