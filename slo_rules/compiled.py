"""Which form of the core runs: compiled by mypyc, or the same source interpreted.

`make compiled` puts extension modules beside the sources of MODULES and records what they were made from. They are
used only while all of these sources are still what was compiled: a part that is compiled calls another directly, so
that there is all of it or none. Whoever edits a source therefore runs what it says, interpreted, until the next
`make compiled`. MILEPOST_INTERPRETED=1 asks for that.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from hashlib import sha256
from importlib.machinery import EXTENSION_SUFFIXES, ModuleSpec
from importlib.util import spec_from_file_location
from pathlib import Path
from types import ModuleType

MODULES = (
    "slo_rules.contribution",
    "slo_rules.identity",
    "slo_rules.items",
    "slo_rules.joining",
    "slo_rules.judging",
    "slo_rules.matching",
    "slo_rules.observation",
    "slo_rules.occurrences",
    "slo_rules.passing",
    "slo_rules.paths",
    "slo_rules.promises",
    "slo_rules.standing",
    "slo_rules.under_way",
    "collector.applying",
    "collector.arrivals",
    "collector.batches",
    "collector.changes",
    "collector.copyformat",
    "collector.ingest.otlp",
    "collector.instances",
    "collector.lookup",
    "collector.reading",
)
"""What runs for every event. None of them defines a msgspec.Struct: mypyc drops the options of a class and most of its
annotations, so that what was stored could no longer be read."""
TOP = Path(__file__).parents[1]
RECORD = Path(__file__).with_name(f"compiled-{sys.implementation.cache_tag}.json")
INTERPRETED = "MILEPOST_INTERPRETED"


def source_of(module: str) -> Path:
    """The source of one of MODULES."""
    return TOP / Path(*module.split(".")).with_suffix(".py")


def extension_of(module: str) -> Path:
    """Where this interpreter looks for its compiled form first."""
    return source_of(module).with_suffix(EXTENSION_SUFFIXES[0])


def digests() -> dict[str, str]:
    """The SHA-256 of each source as it is now."""
    return {module: sha256(source_of(module).read_bytes()).hexdigest() for module in MODULES}


def _why_interpreted() -> str | None:
    """None where the compiled core can be used."""
    if os.environ.get(INTERPRETED, "") not in ("", "0"):
        return f"{INTERPRETED} is set"
    try:
        recorded = dict(json.loads(RECORD.read_bytes())["sources"])
        if not all(extension_of(module).exists() for module in MODULES):
            return "not compiled"
    except FileNotFoundError:
        return "not compiled"
    except (OSError, ValueError, LookupError, TypeError) as error:
        return f"{RECORD.name} cannot be read: {error}"
    now = digests()
    changed = [module for module in MODULES if recorded.get(module) != now[module]]
    return f"changed since it was compiled: {', '.join(changed)}; make compiled" if changed else None


class _Sources:
    """Finds the sources of MODULES, where Python by itself would take what stands beside them."""

    @staticmethod
    def find_spec(
        name: str, _path: Sequence[str] | None = None, _target: ModuleType | None = None
    ) -> ModuleSpec | None:
        return spec_from_file_location(name, source_of(name)) if name in MODULES else None


WHY_INTERPRETED = _why_interpreted()
"""Why the core is interpreted; None where it is compiled."""
SAID = "yes" if WHY_INTERPRETED is None else f"no ({WHY_INTERPRETED})"
"""The answer to "compiled core:"."""

if WHY_INTERPRETED is not None:
    sys.meta_path.insert(0, _Sources)
