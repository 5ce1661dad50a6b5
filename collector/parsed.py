"""Events of the log with what they mean to each workflow: what the reader hands to the projector."""

from __future__ import annotations

import msgspec

from slo_rules.match import Match

Found = list[tuple[int, Match, bytes]]
"""The places of workflow versions in `Catalogue.places`, with what the event means there and the end of its link."""


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


def describe(error: Exception) -> str:
    """What went wrong with an event, for its dead letter."""
    return f"{type(error).__name__}: {str(error)[:300]}"
