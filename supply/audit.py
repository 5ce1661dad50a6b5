"""`make audit`: whether what is installed at run time is known to be vulnerable, by the advisories of PyPI.

It ends with 1 where something is, and with 0 where nothing is or nobody could be asked: that is said, and is not the
same. pip-audit takes "no answer" for "nothing known", component by component: here it is told apart.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from supply.components import at_run_time

SECONDS = 240
ACCEPTED: dict[str, str] = {}
"""Advisories that do not reach Milepost, by id: why not. Each is looked at again before a release."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of asking: lines for people, and the status to end with."""

    lines: tuple[str, ...]
    status: int


def judged(answer: dict[str, Any] | None, asked: int, accepted: dict[str, str]) -> Outcome:
    """What an answer of pip-audit means; None is none. Pure."""
    known = [one for one in (answer or {}).get("dependencies", ()) if "skip_reason" not in one]
    if not known:
        return Outcome((f"could not ask: of {asked} components nobody told whether they are vulnerable",), 0)
    lines, status = [], 0
    for one in known:
        for advisory in one.get("vulns", ()):
            ids = [advisory["id"], *advisory.get("aliases", ())]
            why = next((accepted[id_] for id_ in ids if id_ in accepted), None)
            if why is not None:
                lines.append(f"{one['name']} {one['version']}: {advisory['id']} is accepted: {why}")
                continue
            status = 1
            mended = ", ".join(advisory.get("fix_versions", ())) or "nothing yet"
            lines.append(f"{one['name']} {one['version']}: {' = '.join(ids)}; mended by {mended}")
    if len(known) < asked:
        lines.append(f"could not ask about {asked - len(known)} of {asked} components")
    return Outcome(
        (*lines, f"{len(known)} components asked about, {'vulnerable ones' if status else 'none'} found"), status
    )


def ask(components: dict[str, str]) -> dict[str, Any] | None:
    """What pip-audit says of these versions; None where it says nothing that can be read, or takes too long."""
    with tempfile.TemporaryDirectory() as folder:
        pinned = Path(folder) / "pinned.txt"
        pinned.write_text("".join(f"{name}=={version}\n" for name, version in components.items()), "utf-8")
        command = [sys.executable, "-m", "pip_audit", "--requirement", str(pinned), "--no-deps", "--disable-pip"]
        command += ["--format", "json", "--progress-spinner", "off", "--timeout", "10"]
        try:
            made = subprocess.run(command, check=False, capture_output=True, timeout=SECONDS)
            found = json.loads(made.stdout)
        except (subprocess.TimeoutExpired, ValueError):
            return None
    return found if isinstance(found, dict) else None


def audit(components: dict[str, str], asking: Callable[[dict[str, str]], dict[str, Any] | None] = ask) -> Outcome:
    """Ask about one first: where that one is not answered, a hundred more would not be either."""
    first = dict(list(components.items())[:1])
    if judged(asking(first), 1, {}).lines[0].startswith("could not ask"):
        return judged(None, len(components), ACCEPTED)
    return judged(asking(components), len(components), ACCEPTED)


def main() -> int:
    """Ask, and say."""
    outcome = audit(at_run_time())
    print("\n".join(f"audit: {line}" for line in outcome.lines))
    return outcome.status


if __name__ == "__main__":
    sys.exit(main())
