"""`make sbom`: the bill of materials of what is installed at run time (CycloneDX 1.6), and the licences of it all."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from supply.components import at_run_time, normal, vendored

DIST = Path("dist")
SECONDS = 300


def narrowed(bill: dict[str, Any], wanted: dict[str, str]) -> dict[str, Any]:
    """A bill of a whole environment without the tools: the components that are wanted, and what hangs on them.

    ValueError names what is wanted and not there.
    """
    kept = [one for one in bill.get("components", ()) if normal(one["name"]) in wanted]
    lost = sorted(set(wanted) - {normal(one["name"]) for one in kept})
    if lost:
        raise ValueError(f"the bill has no {', '.join(lost)}")
    references = {one["bom-ref"] for one in kept} | {bill["metadata"]["component"]["bom-ref"]}
    hanging = [
        {**one, **({"dependsOn": [ref for ref in one["dependsOn"] if ref in references]} if "dependsOn" in one else {})}
        for one in bill.get("dependencies", ())
        if one["ref"] in references
    ]
    return {**bill, "components": kept, "dependencies": hanging}


def licences(bill: dict[str, Any]) -> list[str]:
    """A line for each component: its name, version and licence as it says, or that it says none."""
    return [
        f"{one['name']} {one.get('version', '?')}: {' or '.join(_licences_of(one)) or 'not stated'}"
        for one in sorted(bill["components"], key=lambda one: normal(one["name"]))
    ]


def _licences_of(component: dict[str, Any]) -> list[str]:
    said = []
    for one in component.get("licenses", ()):
        inner = one.get("license", {})
        word = one.get("expression") or inner.get("id") or inner.get("name") or ""
        # Some put the whole text where its name belongs.
        said.append(word.strip().splitlines()[0][:80] if word.strip() else "")
    return list(dict.fromkeys(word.removeprefix("License :: OSI Approved :: ") for word in said if word))


def main() -> int:
    """Write both to dist/."""
    command = [sys.executable, "-m", "cyclonedx_py", "environment", "--pyproject", "pyproject.toml", "--sv", "1.6"]
    command += ["--output-reproducible", "--of", "JSON", "-o", "-", sys.executable]
    made = subprocess.run(command, check=True, capture_output=True, timeout=SECONDS)
    bill = narrowed(json.loads(made.stdout), at_run_time())
    bill["components"] += vendored()
    DIST.mkdir(exist_ok=True)
    (DIST / "milepost.cdx.json").write_text(json.dumps(bill, indent=2) + "\n", "utf-8")
    (DIST / "licences.txt").write_text("\n".join(licences(bill)) + "\n", "utf-8")
    print(f"{len(bill['components'])} components: {DIST / 'milepost.cdx.json'}, {DIST / 'licences.txt'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
