"""Reading the definition files of a folder."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path

from slo_rules.definitions import load
from slo_rules.faults import DefinitionError, Fault
from slo_rules.workflow import Definitions

PACKS = Path("packs")
"""The word for the packs that Milepost ships."""
MAX_FILE_BYTES = 2**20


def packs_folder() -> Path:
    """Where the shipped packs are."""
    return Path(str(files("slo_rules") / "packs"))


def read_definitions(paths: Iterable[Path]) -> Definitions:
    """The definitions in these files and folders (`*.yaml`, `*.yml`, at any depth). DefinitionError with all faults."""
    texts: dict[str, str] = {}
    faults: list[Fault] = []
    for path in paths:
        folder = packs_folder() if path == PACKS and not path.exists() else path
        found = sorted(p for p in folder.rglob("*") if p.suffix in (".yaml", ".yml")) if folder.is_dir() else [folder]
        if not found:
            faults.append(Fault(str(path), 1, "", "there are no .yaml files in this folder"))
        for file in found:
            try:
                if file.stat().st_size > MAX_FILE_BYTES:
                    raise OSError(f"larger than {MAX_FILE_BYTES} bytes")
                texts[str(file)] = file.read_text("utf-8")
            except (OSError, UnicodeDecodeError) as error:
                faults.append(Fault(str(file), 1, "", f"cannot be read: {error}"))
    try:
        definitions = load(texts)
    except DefinitionError as error:
        raise DefinitionError([*faults, *error.faults]) from error
    if faults:
        raise DefinitionError(faults)
    return definitions
