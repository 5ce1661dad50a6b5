"""Durations as people write them in definitions: `90s`, `15m`, `4h`, `2d`, `1h30m`."""

from __future__ import annotations

import re

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

_UNITS = {"s": SECOND, "m": MINUTE, "h": HOUR, "d": DAY, "w": 7 * DAY}
_SHAPE = re.compile(r"(?:[0-9]{1,6}[wdhms])+")
_PART = re.compile(r"([0-9]+)([wdhms])")


def parse_duration(text: str) -> int:
    """Microseconds of a duration such as `1h30m`; a day is 24 hours. ValueError when it is not one or is zero."""
    if not _SHAPE.fullmatch(text):
        raise ValueError(f"{text[:80]!r} is not a duration; write it like 90s, 15m, 4h, 2d or 1h30m")
    total = sum(int(number) * _UNITS[unit] for number, unit in _PART.findall(text))
    if total == 0:
        raise ValueError("a duration must be longer than zero")
    if total > 3650 * DAY:
        raise ValueError(f"{text[:80]!r} is longer than ten years")
    return total


def format_duration(micros: int) -> str:
    """The shortest exact spelling down to seconds: 5_400_000_000 → `1h30m`; below one second → `0s`."""
    seconds = abs(micros) // SECOND
    parts = []
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count}{unit}")
    return ("-" if micros < 0 and parts else "") + ("".join(parts) or "0s")
