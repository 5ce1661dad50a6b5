"""Compile what runs for every event with mypyc, in place: `python compile_core.py`, or `make compiled`.

Without a C compiler or Python's headers nothing is compiled, which is said and is no failure: the same source runs
interpreted. Where nothing has changed since the last time, nothing is done. slo_rules/compiled.py decides what is used.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import sysconfig
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path

from slo_rules.compiled import MODULES, RECORD, TOP, digests, extension_of, source_of

BUILD = TOP / "build" / "core"
GROUP = "milepost_core"


def main() -> None:
    """Compile, unless that is impossible or done already."""
    os.chdir(TOP)
    why_not = _why_impossible()
    if why_not:
        print(f"The core cannot be compiled here, and runs interpreted where it is not compiled already: {why_not}.")
        return
    made_from = {"sources": digests(), "made_by": _made_by()}
    if all(extension_of(module).exists() for module in MODULES) and _recorded() == made_from:
        return
    print(f"Compiling {len(MODULES)} modules of the core, about a minute …", flush=True)
    # The record goes first and comes last: what was interrupted does not count as compiled.
    RECORD.unlink(missing_ok=True)
    _compile()
    RECORD.write_text(json.dumps(made_from, indent=1) + "\n", "utf-8")


def _recorded() -> object:
    try:
        return json.loads(RECORD.read_text("utf-8"))
    except (FileNotFoundError, ValueError):
        return None


def _why_impossible() -> str:
    compiler = (sysconfig.get_config_var("CC") or "cc").split()[0]
    if sys.implementation.name != "cpython":
        return "only CPython has compiled modules"
    if shutil.which(os.environ.get("CC", compiler)) is None:
        return "there is no C compiler; on Debian and Ubuntu: apt install gcc"
    if not Path(sysconfig.get_path("include"), "Python.h").exists():
        return "Python's headers are missing; on Debian and Ubuntu: apt install python3-dev"
    missing = [name for name in ("mypyc", "setuptools") if find_spec(name) is None]
    return f"{' and '.join(missing)} must be installed; pip install -e '.[dev]'" if missing else ""


def _made_by() -> str:
    from mypy.version import __version__

    return f"mypy {__version__}, {sha256(Path(__file__).read_bytes()).hexdigest()}"


def _compile() -> None:
    from mypyc.build import mypycify
    from setuptools import Distribution
    from setuptools.command.build_ext import build_ext

    sources = [str(source_of(module).relative_to(TOP)) for module in MODULES]
    extensions = mypycify(
        sources, opt_level="2", debug_level="0", group_name=GROUP, target_dir=str(BUILD), strip_asserts=False
    )
    command = build_ext(Distribution({"name": GROUP, "ext_modules": extensions}))
    command.inplace = True
    command.build_temp = str(BUILD / "objects")
    command.ensure_finalized()
    command.run()


if __name__ == "__main__":
    main()
