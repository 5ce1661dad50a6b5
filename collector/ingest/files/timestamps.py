from __future__ import annotations

import re
from datetime import UTC, datetime, tzinfo
from functools import lru_cache

__all__ = ["rfc3339", "rfc3339_of"]

# Longer than any timestamp; keeps hostile text out of the cache.
_MAX_CHARACTERS = 64

_LOOSE = re.compile(
    r"(?P<year>\d{4})[-/.](?P<month>\d{1,2})[-/.](?P<day>\d{1,2})"
    r"(?:[T\s]+(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?:[.,](?P<fraction>\d+))?)?"
    r"\s*(?P<zone>Z|UTC|GMT|[+-]\d{2}(?::?\d{2})?)?)?",
    re.IGNORECASE | re.ASCII,
)


def rfc3339(text: str, zone: tzinfo = UTC) -> str | None:
    """The instant a text names, as RFC 3339 in UTC with `Z`, microseconds kept, finer digits cut; None if none.

    Takes ISO 8601 and what field files make of it (`2019/11/03 01:11:19.000`, a space before the offset, a comma
    before the fraction, single digits). Without an offset it is local time of `zone`; where a clock change makes
    that time occur twice it is the earlier one.
    """
    return _rfc3339(text, zone) if len(text) <= _MAX_CHARACTERS else None


def rfc3339_of(instant: datetime, zone: tzinfo = UTC) -> str | None:
    """As `rfc3339`, of a datetime; None where UTC's calendar (year 1 … 9999) does not hold it."""
    if instant.tzinfo is None:
        instant = instant.replace(tzinfo=zone)
    try:
        return instant.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"
    except OverflowError:
        return None


@lru_cache(maxsize=65_536)
def _rfc3339(text: str, zone: tzinfo) -> str | None:
    text = text.strip()
    try:
        return rfc3339_of(datetime.fromisoformat(text), zone)
    except ValueError:
        pass
    match = _LOOSE.fullmatch(text)
    if match is None:
        return None
    part = match.groupdict()
    offset = (part["zone"] or "").upper()
    if offset in ("Z", "UTC", "GMT"):
        offset = "+00:00"
    try:
        return rfc3339_of(
            datetime.fromisoformat(
                f"{part['year']}-{part['month']:0>2}-{part['day']:0>2}"
                f"T{part['hour'] or '00':0>2}:{part['minute'] or '00'}:{part['second'] or '00'}"
                f".{(part['fraction'] or '0')[:6]:0<6}{offset}"
            ),
            zone,
        )
    except ValueError:
        return None
