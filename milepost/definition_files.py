"""Reading the definition files of a folder, and finding the tests that stand beside them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from importlib.resources import files
from pathlib import Path

from slo_rules.definitions import load
from slo_rules.documents import load_documents
from slo_rules.faults import DefinitionError, Fault, Finding
from slo_rules.lint import lint
from slo_rules.workflow import Definitions

PACKS = Path("packs")
"""The word for the packs that Milepost ships."""
MAX_FILE_BYTES = 2**20
TEST_SUFFIXES = (".test.yaml", ".test.yml")
"""How the names of files end that hold tests of definitions and no definitions."""
_BETWEEN = re.compile(r"^---\n", re.MULTILINE)
"""What parts the documents of a pack."""


def packs_folder() -> Path:
    """Where the shipped packs are."""
    return Path(str(files("slo_rules") / "packs"))


def read_definitions(paths: Iterable[Path]) -> Definitions:
    """The definitions in these files and folders (`*.yaml`, `*.yml`, at any depth). DefinitionError with all faults.

    Files of tests are passed over. What of the shipped packs is defined elsewhere as well counts as it is there.
    """
    found, faults = _find(paths)
    texts, unreadable = read_texts(file for file in found if not file.name.endswith(TEST_SUFFIXES))
    texts = _without_replaced(texts)
    faults += unreadable
    try:
        definitions = load(texts)
    except DefinitionError as error:
        raise DefinitionError([*faults, *error.faults]) from error
    if any(source.adapter for source in definitions.sources.values()):
        from milepost.source_files import adapter_faults  # noqa: PLC0415 — few definitions need it, and it loads XML

        faults += adapter_faults(texts, definitions)
    if faults:
        raise DefinitionError(faults)
    return definitions


def find_warnings(paths: Iterable[Path], definitions: Definitions) -> list[Finding]:
    """What is likely not meant in the files that these definitions were read from."""
    return lint(definition_texts(paths), definitions)


def definition_texts(paths: Iterable[Path]) -> dict[str, str]:
    """The texts of the definition files in these files and folders, by name, but for those that cannot be read."""
    return _without_replaced(read_texts(file for file in _find(paths)[0] if not file.name.endswith(TEST_SUFFIXES))[0])


def find_tests(paths: Iterable[Path]) -> list[Path]:
    """The files of tests among these files and in these folders."""
    return [file for file in _find(paths)[0] if file.name.endswith(TEST_SUFFIXES)]


def find_tests_beside(paths: Iterable[Path]) -> list[Path]:
    """The files of tests in these folders, and those beside these files: `orders.test.yaml` of `orders.yaml`.

    Those of a file may also stand in a folder `tests` beside it.
    """
    found: dict[Path, None] = {}
    for path in paths:
        if not path.is_file():
            found |= dict.fromkeys(find_tests([path]))
            continue
        named = [f"{path.name.partition('.')[0]}{suffix}" for suffix in TEST_SUFFIXES]
        places = [folder / name for folder in (path.parent, path.parent / "tests") for name in named]
        found |= dict.fromkeys(place for place in places if place.is_file())
    return list(found)


def stamp_of(paths: Iterable[Path]) -> tuple[tuple[str, int, int], ...]:
    """What is another after a file of definitions, or of tests beside them, was changed, added or removed."""
    paths = list(paths)
    found = []
    for file in dict.fromkeys([*_find(paths)[0], *find_tests_beside(paths)]):
        try:
            seen = file.stat()
        except OSError:
            continue
        found.append((str(file), seen.st_mtime_ns, seen.st_size))
    return tuple(found)


def read_texts(paths: Iterable[Path]) -> tuple[dict[str, str], list[Fault]]:
    """The texts of files by name, and the faults of those that cannot be read."""
    texts: dict[str, str] = {}
    faults: list[Fault] = []
    for file in paths:
        try:
            if file.stat().st_size > MAX_FILE_BYTES:
                raise OSError(f"larger than {MAX_FILE_BYTES} bytes")
            texts[str(file)] = file.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            faults.append(Fault(str(file), 1, "", f"cannot be read: {error}"))
    return texts, faults


def _without_replaced(texts: Mapping[str, str]) -> dict[str, str]:
    """Texts by file, those of the packs without the documents whose kind and name another file defines.

    What is left keeps its lines.
    """
    packs = {file for file in texts if Path(file).is_relative_to(packs_folder())}
    if not packs or len(packs) == len(texts):
        return dict(texts)
    own = {one for file, text in texts.items() if file not in packs for one in _defined(file, text)}
    return {file: _without(file, text, own) if file in packs else text for file, text in texts.items()}


def _without(file: str, text: str, own: set[tuple[str, str]]) -> str:
    parts = _BETWEEN.split(text)
    left = ["\n" * part.count("\n") if own.intersection(_defined(file, part)) else part for part in parts]
    return text if left == parts else "---\n".join(left)


def _defined(file: str, text: str) -> Iterator[tuple[str, str]]:
    """The kinds and names of what a text defines."""
    for document in load_documents(text, file)[0]:
        value = document.value
        metadata = value.get("metadata") if isinstance(value, dict) else None
        if isinstance(metadata, dict):
            yield str(value.get("kind")), str(metadata.get("name"))


def _find(paths: Iterable[Path]) -> tuple[list[Path], list[Fault]]:
    """The YAML files, and the folders without any."""
    found: list[Path] = []
    faults: list[Fault] = []
    for path in paths:
        folder = packs_folder() if path == PACKS and not path.exists() else path
        inside = sorted(p for p in folder.rglob("*") if p.suffix in (".yaml", ".yml")) if folder.is_dir() else [folder]
        if not inside:
            faults.append(Fault(str(path), 1, "", "there are no .yaml files in this folder"))
        found += inside
    return found, faults
