"""What is installed at run time: Milepost's requirements, theirs, and so on, as they are installed here."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from importlib.metadata import Distribution, distribution

from packaging.requirements import Requirement

EXTRAS = ("kafka", "jwt", "apprise")
"""Those that the image has, and that of a channel."""


def normal(name: str) -> str:
    """A name as PyPI compares them (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def at_run_time(
    root: str = "milepost", extras: Sequence[str] = EXTRAS, installed: Callable[[str], Distribution] = distribution
) -> dict[str, str]:
    """Versions by normal name, without `root`. PackageNotFoundError where something that is needed is not installed."""
    found: dict[str, str] = {}
    seen: set[tuple[str, str]] = set()
    waiting = [(root, extra) for extra in ("", *extras)]
    while waiting:
        name, extra = waiting.pop()
        if (normal(name), extra) in seen:
            continue
        seen.add((normal(name), extra))
        one = installed(name)
        found[normal(name)] = one.version
        for text in one.requires or ():
            wanted = Requirement(text)
            if wanted.marker is None or wanted.marker.evaluate({"extra": extra}):
                waiting += [(wanted.name, more) for more in ("", *wanted.extras)]
    del found[normal(root)]
    return dict(sorted(found.items()))
