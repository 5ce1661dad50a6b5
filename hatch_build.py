"""Puts the compiled core into the wheel where it has been compiled (compile_core.py); else the wheel is of source."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class CompiledCore(BuildHookInterface):  # type: ignore[type-arg]
    """Adds files to the wheel."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called by hatchling; an editable installation finds the modules where they are."""
        sys.path.insert(0, self.root)
        from slo_rules import compiled

        if version == "editable" or compiled.WHY_INTERPRETED is not None:
            return
        made = [*map(compiled.extension_of, compiled.MODULES), *Path(self.root).glob("milepost_core__mypyc.*.so")]
        build_data["force_include"] |= {
            str(path): path.relative_to(self.root).as_posix() for path in (*made, compiled.RECORD)
        }
        build_data["pure_python"] = False
        build_data["infer_tag"] = True
