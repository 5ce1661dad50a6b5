"""Micros since the Unix epoch, UTC, to and from the forms used at the edges. All exact."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def to_micros(moment: datetime) -> int:
    """Micros of an aware datetime."""
    return (moment - EPOCH) // _MICROSECOND


def to_datetime(micros: int) -> datetime:
    """The aware datetime, in UTC. OverflowError beyond the years 1 to 9999."""
    return EPOCH + timedelta(microseconds=micros)


def rfc3339(instant: datetime | int) -> str:
    """`2026-11-21T09:14:00Z`, with a fraction only where there is one."""
    moment = to_datetime(instant) if isinstance(instant, int) else instant.astimezone(UTC)
    return moment.isoformat().replace("+00:00", "Z")
