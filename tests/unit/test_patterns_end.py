"""No pattern of ours goes on for ever, whatever it is held against; definitions bring none of their own."""

from __future__ import annotations

import importlib
import pkgutil
import re
import time
from collections.abc import Iterator

import pytest

import alerting
import collector
import slo_rules

_ATOMS = (
    "a", "A", "0", " ", "\t", "\r\n", "\\", '"', "'", ";", ",", ".", ":", "=", "-", "/", "<", ">", "{", "[", "%", "1d",
    "a=", ';a="', 'a;b="c,', "a.", "a-", "a,b;", "<a ", "{{", "name=", "; name", '="', "%41", "é", "0.0.", "2026-11-",
)  # fmt: skip
_STARTS = ("", "a", "A:", '"', "2026-11-21T09:00:00", "content-disposition:", "boundary=", "00-")
_TIMES = 1_000


def _patterns() -> Iterator[tuple[str, re.Pattern[str] | re.Pattern[bytes]]]:
    for package in (slo_rules, collector, alerting):
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if ".migrations" in found.name or ".kafka" in found.name or ".apprise" in found.name:
                continue
            for name, value in vars(importlib.import_module(found.name)).items():
                if isinstance(value, re.Pattern):
                    yield f"{found.name}.{name}", value


PATTERNS = dict(_patterns())


def test_there_are_patterns_to_try() -> None:
    assert len(PATTERNS) > 30


@pytest.mark.parametrize("name", sorted(PATTERNS))
def test_a_pattern_ends_soon_whatever_it_is_held_against(name: str) -> None:
    pattern = PATTERNS[name]
    # Time of this process alone: what backtracks in each of 1,000 characters would take years.
    for start in _STARTS:
        for atom in _ATOMS:
            text = start + atom * (_TIMES // len(atom)) + "\0"
            began = time.process_time()
            if isinstance(pattern.pattern, bytes):
                pattern.search(text.encode())  # type: ignore[arg-type]
            else:
                pattern.search(text)  # type: ignore[arg-type]
            assert time.process_time() - began < 1.0, (name, start, atom)
