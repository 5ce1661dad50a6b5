"""The compiled core is used only while it is what the source says, and never changes what is stored."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from slo_rules import compiled


@pytest.fixture
def core(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A core of one module that has been compiled, as it seems."""
    monkeypatch.setattr(compiled, "TOP", tmp_path)
    monkeypatch.setattr(compiled, "MODULES", ("small.part",))
    monkeypatch.setattr(compiled, "RECORD", tmp_path / "record.json")
    monkeypatch.delenv(compiled.INTERPRETED, raising=False)
    (tmp_path / "small").mkdir()
    compiled.source_of("small.part").write_text("ONE = 1\n")
    compiled.extension_of("small.part").touch()
    compiled.RECORD.write_text(json.dumps({"sources": compiled.digests()}))
    return tmp_path


def test_what_is_as_it_was_compiled_is_used(core: Path) -> None:
    assert compiled._why_interpreted() is None


def test_a_source_that_has_changed_is_interpreted_and_named(core: Path) -> None:
    compiled.source_of("small.part").write_text("ONE = 2\n")
    assert compiled._why_interpreted() == "changed since it was compiled: small.part; make compiled"


def test_without_record_or_extension_the_core_is_not_compiled(core: Path) -> None:
    compiled.extension_of("small.part").unlink()
    assert compiled._why_interpreted() == "not compiled"
    compiled.extension_of("small.part").touch()
    compiled.RECORD.unlink()
    assert compiled._why_interpreted() == "not compiled"


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"sources": 1}'])
def test_a_record_that_cannot_be_read_means_interpreted(core: Path, text: str) -> None:
    compiled.RECORD.write_text(text)
    assert "record.json cannot be read" in (compiled._why_interpreted() or "")


@pytest.mark.parametrize(("value", "interpreted"), [("1", True), ("0", False), ("", False)])
def test_whoever_asks_for_the_interpreter_gets_it(
    core: Path, monkeypatch: pytest.MonkeyPatch, value: str, interpreted: bool
) -> None:
    monkeypatch.setenv(compiled.INTERPRETED, value)
    assert (compiled._why_interpreted() is not None) is interpreted


def test_what_is_asked_for_is_what_is_loaded() -> None:
    code = "import collector.reading, slo_rules.judging as j; print(j.__file__, collector.reading.__file__)"
    environment = os.environ | {compiled.INTERPRETED: "1"}
    said = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert all(file.endswith(".py") for file in said.stdout.split())
    if compiled.WHY_INTERPRETED is None:
        environment = os.environ | {compiled.INTERPRETED: ""}
        said = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
        assert not any(file.endswith(".py") for file in said.stdout.split())


@pytest.mark.parametrize("module", compiled.MODULES)
def test_no_struct_is_compiled(module: str) -> None:
    """The compiler would drop its options: what is an array would be stored as a map."""
    tree = ast.parse(compiled.source_of(module).read_text("utf-8"))
    classes = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    assert not [node.name for node in classes if any("Struct" in ast.unparse(base) for base in node.bases)]
    assert not [node.name for node in classes if node.keywords]
