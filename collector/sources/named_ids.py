"""Business ids within a line of text that people read: the title of a job, the message of a run. Pure."""

from __future__ import annotations

import re

_ID = re.compile(r"(?<![A-Za-z0-9])([A-Za-z]{1,20})[-_]([A-Za-z0-9]*[0-9][A-Za-z0-9_-]*)")
MOST = 50


def named_ids(text: object) -> dict[str, str]:
    """The first id of each prefix: `Order SO-20417 synced` has `{"so": "SO-20417"}`."""
    found: dict[str, str] = {}
    if isinstance(text, str):
        for match in _ID.finditer(text[:4000]):
            if len(found) < MOST:
                found.setdefault(match[1].lower(), match[0])
    return found
