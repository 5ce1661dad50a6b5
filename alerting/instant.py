"""Instants at the edges: micros since the Unix epoch (UTC) to and from what the database and JSON use."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR


def to_datetime(micros: int) -> datetime:
    """The same instant as an aware datetime in UTC."""
    return EPOCH + timedelta(microseconds=micros)


def to_micros(at: datetime) -> int:
    """Micros of an aware datetime."""
    return (at - EPOCH) // timedelta(microseconds=1)


def rfc3339(micros: int) -> str:
    """`2026-11-20T09:14:00Z`, with a fraction only where there is one."""
    return to_datetime(micros).isoformat().replace("+00:00", "Z")
