"""What is installed at run time: Milepost's requirements, theirs, and so on, as they are installed here."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from importlib.metadata import Distribution, distribution
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

EXTRAS = ("kafka", "jwt", "apprise")
"""Those that the image has, and that of a channel."""


VENDORED = {"plotly-basic.min.js": "plotly.js-basic-dist-min"}
"""What the browser is sent that no package brings: files below dashboard/vendor, by their names on npm. All are MIT."""


def vendored(folder: Path = Path("dashboard/vendor")) -> list[dict[str, Any]]:
    """What lies in `folder`, as CycloneDX has components. ValueError for a script that nothing is known of."""
    found = []
    for script in sorted(folder.glob("*.js")):
        version = re.search(r" v([0-9][0-9.]*[0-9])\n", script.read_text("utf-8")[:300])
        if script.name not in VENDORED or version is None:
            raise ValueError(f"{script.name} is not known by its name and version")
        name = VENDORED[script.name]
        purl = f"pkg:npm/{name}@{version[1]}"
        found.append(
            {
                "bom-ref": purl, "type": "library", "name": name, "version": version[1], "purl": purl,
                "licenses": [{"license": {"id": "MIT"}}],
            }
        )  # fmt: skip
    return found


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
