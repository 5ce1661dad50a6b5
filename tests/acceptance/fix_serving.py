"""The real process in a short folder, with the definitions of the enterprise."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.enterprise import DEFINITIONS
from tests.acceptance.process import Serving


@pytest.fixture
def folder() -> Iterator[Path]:
    """Short, because the database's socket lies in it; not below pytest's folders, which other users cannot enter."""
    made = Path(tempfile.mkdtemp(prefix="mp-", dir="/tmp"))
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture
def serving(folder: Path) -> Iterator[Serving]:
    """A `milepost serve` that is not started yet."""
    definitions = folder / "definitions.yaml"
    definitions.write_text(DEFINITIONS)
    made = Serving(folder, definitions)
    yield made
    made.close()
