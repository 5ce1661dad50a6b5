"""Times as people give them on the command line."""

from __future__ import annotations

from datetime import UTC, datetime

from slo_rules.durations import parse_duration
from slo_rules.instants import to_micros


def parse_since(text: str, now: datetime) -> int:
    """Micros of an instant: `7d` before now, a date, or RFC 3339; UTC where no zone is given. ValueError otherwise."""
    try:
        return to_micros(now) - parse_duration(text)
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text[:80]!r} is not a time: write it like 7d, 2026-11-21 or 2026-11-21T09:00:00Z") from None
    return to_micros(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
