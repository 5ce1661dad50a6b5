"""Times that systems write without a time zone. Pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

_LOCAL = re.compile(r"(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2}:\d{2})(\.\d{1,6})?", re.ASCII)


def with_zone(text: str, zone: str) -> str:
    """A time such as `2026-03-03 08:12:45` in RFC 3339, read in a zone of the IANA database; any other text as it is.

    With an empty zone all is as it is. Where clocks are set back and a time is there twice it is the first.
    """
    found = _LOCAL.fullmatch(text.strip())
    if found is None or not zone:
        return text
    try:
        at = datetime.fromisoformat(f"{found[1]}T{found[2]}{found[3] or ''}").replace(tzinfo=ZoneInfo(zone))
        return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
    except (ValueError, OverflowError):
        return text
