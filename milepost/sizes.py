"""Sizes as people write them: `512MiB`, `2GiB`, `1500000`."""

from __future__ import annotations

import re

_UNITS = {"": 1, "b": 1, "kib": 2**10, "mib": 2**20, "gib": 2**30, "tib": 2**40} | {
    "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40,
}  # fmt: skip
_SHAPE = re.compile(r"([0-9]{1,15}) ?([kmgt]?i?b?)", re.IGNORECASE | re.ASCII)


def parse_size(text: str) -> int:
    """Bytes of a size such as `2GiB`; `k`, `m`, `g` and `t` alone are binary. ValueError when it is not one."""
    found = _SHAPE.fullmatch(text.strip())
    unit = None if found is None else _UNITS.get(found[2].lower())
    if found is None or unit is None:
        raise ValueError(f"{text[:80]!r} is not a size; write it like 512MiB or 2GiB")
    return int(found[1]) * unit


def format_size(size: int) -> str:
    """The shortest exact spelling: 1_073_741_824 → `1GiB`."""
    for unit in ("TiB", "GiB", "MiB", "KiB"):
        if size and size % _UNITS[unit.lower()] == 0:
            return f"{size // _UNITS[unit.lower()]}{unit}"
    return f"{size}B"
