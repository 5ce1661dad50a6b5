"""The table of the verification standard leaves no requirement out, and the tests that it names are there."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

TOP = Path(__file__).parents[2]
PAGE = (TOP / "docs" / "asvs.md").read_text("utf-8")
# How many requirements of levels 1 and 2 each section of ASVS 5.0.0 has: 253, and in each they come first.
SECTIONS = {
    "1.1": 2, "1.2": 9, "1.3": 11, "1.4": 3, "1.5": 2, "2.1": 3, "2.2": 3, "2.3": 4, "2.4": 1, "3.2": 2, "3.3": 4,
    "3.4": 6, "3.5": 5, "3.7": 2, "4.1": 3, "4.2": 1, "4.3": 2, "4.4": 4, "5.1": 1, "5.2": 3, "5.3": 2, "5.4": 3,
    "6.1": 3, "6.2": 12, "6.3": 4, "6.4": 4, "6.5": 5, "6.6": 3, "6.8": 4, "7.1": 3, "7.2": 4, "7.3": 2, "7.4": 5,
    "7.5": 2, "7.6": 2, "8.1": 2, "8.2": 3, "8.3": 1, "8.4": 1, "9.1": 3, "9.2": 4, "10.1": 2, "10.2": 2, "10.3": 4,
    "10.4": 11, "10.5": 5, "10.6": 2, "10.7": 3, "11.1": 2, "11.2": 3, "11.3": 3, "11.4": 4, "11.5": 1, "11.6": 1,
    "12.1": 3, "12.2": 2, "12.3": 4, "13.1": 1, "13.2": 5, "13.3": 2, "13.4": 5, "14.1": 2, "14.2": 4, "14.3": 3,
    "15.1": 3, "15.2": 3, "15.3": 7, "16.1": 1, "16.2": 5, "16.3": 4, "16.4": 3, "16.5": 3, "17.1": 1, "17.2": 4,
    "17.3": 2,
}  # fmt: skip
ROWS = re.findall(r"^\| ((?:\d+\.\d+\.\d+(?:, )?)+) \| (.*?) \|$", PAGE, re.MULTILINE)
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


@cache
def names_in(path: str) -> frozenset[str]:
    tree = ast.parse((TOP / path).read_text("utf-8"))
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return frozenset(one.name for one in ast.walk(tree) if isinstance(one, functions))


def test_every_requirement_of_both_levels_stands_there_once() -> None:
    found = [number for numbers, _ in ROWS for number in numbers.split(", ")]
    wanted = [f"{section}.{number}" for section, count in SECTIONS.items() for number in range(1, count + 1)]
    assert sorted(found) == sorted(wanted)
    assert len(wanted) == 253


@pytest.mark.parametrize("named", sorted(set(NAMED.findall(PAGE))), ids="::".join)
def test_a_test_that_is_named_is_there(named: tuple[str, str]) -> None:
    path, name = named
    assert name.startswith("test_")
    assert name in names_in(path)


def test_what_is_met_or_in_writing_names_a_test_and_what_is_not_says_why() -> None:
    for numbers, rest in ROWS:
        cells = rest.split(" | ")
        if len(cells) == 2:
            assert all(cells), f"{numbers} does not apply, and does not say why"
            continue
        _, how, *shown = cells
        state = re.match(r"\*\*(met|documented|in part|not met|by design)\*\*(.*)", how)
        assert state, f"{numbers} says nothing of what is known: {how}"
        if state[1] == "met":
            assert NAMED.search(" ".join(shown)), f"{numbers} is met and names no test"
        if state[1] == "documented":
            assert "](" in how or "`" in how or shown[-1].strip(" |"), f"{numbers} says not where"
        if state[1] != "met":
            assert len(state[2]) > 10, f"{numbers} is {state[1]} and does not say why"
