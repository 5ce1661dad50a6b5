"""What came of the tests of definitions: in words for people, and as JUnit XML for whatever runs them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from xml.etree import ElementTree as ET

from milepost.definition_tests import Outcome
from milepost.expectations import Failure

_NOT_IN_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def in_words(outcomes: list[Outcome]) -> str:
    """Each failed test with what was expected and what was found, and a summary."""
    failed = [outcome for outcome in outcomes if outcome.failures]
    blocks = [f"FAILED {_place(one)}\n{details(one)}\n" for one in failed]
    count = f"{len(outcomes)} test{'s' if len(outcomes) != 1 else ''}"
    result = f"{len(failed)} failed (- expected, + found)" if failed else "all passed"
    return "\n".join([*blocks, f"{count}, {result}."])


def as_junit(outcomes: list[Outcome]) -> bytes:
    """JUnit XML: a suite for each file, a case for each test."""
    top = ET.Element("testsuites", {"name": "milepost", **_counts(outcomes)})
    for file, group in groupby(outcomes, lambda outcome: outcome.test.file):
        of_file = list(group)
        suite = ET.SubElement(top, "testsuite", {"name": _clean(file), **_counts(of_file)})
        for outcome in of_file:
            test = outcome.test
            named = {"name": test.name, "classname": _clean(_class_name(file))}
            place = {"file": _clean(file), "line": str(test.line), "time": f"{outcome.seconds:.6f}"}
            case = ET.SubElement(suite, "testcase", named | place)
            if outcome.failures:
                names = [one.name for failure in outcome.failures for one in failure.differences]
                message = f"not as expected: {', '.join(dict.fromkeys(names))}"
                failure = ET.SubElement(case, "failure", {"type": "verdict", "message": _clean(message)})
                failure.text = _clean(f"{_place(outcome)}\n{details(outcome)}")
    ET.indent(top)
    written: bytes = ET.tostring(top, encoding="utf-8", xml_declaration=True)
    return written


def _place(outcome: Outcome) -> str:
    return f"{outcome.test.name} ({outcome.test.file}:{outcome.test.line})"


def details(outcome: Outcome) -> str:
    """What of a test was expected and what was found, a line each; empty where all is as expected."""
    lines = [line for failure in outcome.failures for line in _failure_lines(failure)]
    return "\n".join([*lines, *(f"  {note}" for note in outcome.notes)])


def _failure_lines(failure: Failure) -> Iterator[str]:
    yield f"  {failure.subject} (line {failure.line}):"
    for one in failure.differences:
        yield f"    - {one.name}: {one.expected}"
        yield f"    + {one.name}: {one.found}"
    for line in failure.explanation:
        yield f"    {line}"


def _counts(outcomes: list[Outcome]) -> dict[str, str]:
    failures = sum(bool(outcome.failures) for outcome in outcomes)
    seconds = sum(outcome.seconds for outcome in outcomes)
    return {"tests": str(len(outcomes)), "failures": str(failures), "errors": "0", "time": f"{seconds:.6f}"}


def _class_name(file: str) -> str:
    """Dots make the hierarchy that CI systems show."""
    path = Path(file)
    parts = [part for part in path.parent.parts if part not in (path.anchor, "..")]
    return ".".join([*parts, path.name.partition(".")[0]])


def _clean(text: str) -> str:
    """Without the characters that XML cannot hold."""
    return _NOT_IN_XML.sub("\N{REPLACEMENT CHARACTER}", text)
