"""What a check found, and how findings are printed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum

import msgspec

from milepost.plain_text import shown
from slo_rules.instants import rfc3339, to_micros

_LONGEST = 400


class Grade(StrEnum):
    """How bad it is. `unknown` is a check that could not be made."""

    OK = "ok"
    UNKNOWN = "unknown"
    WARN = "warn"
    FAIL = "fail"


_WORSE = (Grade.OK, Grade.UNKNOWN, Grade.WARN, Grade.FAIL)


@dataclass(frozen=True, slots=True)
class Finding:
    """One answer of a check: `said` is what is, `advice` what to do; it is empty where nothing is to be done."""

    check: str
    grade: Grade
    said: str
    advice: str = ""


def ok(check: str, said: str) -> Finding:
    """Nothing to do."""
    return Finding(check, Grade.OK, said)


def warn(check: str, said: str, advice: str) -> Finding:
    """It works, and somebody should look at it."""
    return Finding(check, Grade.WARN, said, advice)


def fail(check: str, said: str, advice: str) -> Finding:
    """It does not work, or is not safe."""
    return Finding(check, Grade.FAIL, said, advice)


def unknown(check: str, said: str, advice: str = "") -> Finding:
    """The check could not be made; `said` is why."""
    return Finding(check, Grade.UNKNOWN, said, advice)


def worst(findings: Iterable[Finding]) -> Grade:
    """The worst grade there is; ok where there is none."""
    return max((one.grade for one in findings), key=_WORSE.index, default=Grade.OK)


def as_document(findings: Sequence[Finding], at: datetime) -> str:
    """The findings as JSON: `at`, the worst grade, and each with `check`, `grade`, `said` and `advice`."""
    said = {"at": rfc3339(to_micros(at)), "worst": worst(findings), "findings": [asdict(one) for one in findings]}
    return msgspec.json.format(msgspec.json.encode(said).decode(), indent=2)


def as_text(findings: Sequence[Finding]) -> str:
    """The findings in words, a line each; what to do stands below."""
    width = max((len(one.check) for one in findings), default=0)
    lines: list[str] = []
    for one in findings:
        lines.append(f"{one.grade:<7}  {one.check:<{width}}  {shown(one.said, _LONGEST)}")
        if one.advice:
            lines.append(f"{'':7}  {'':{width}}  → {shown(one.advice, _LONGEST)}")
    counted = [(grade, sum(one.grade is grade for one in findings)) for grade in reversed(_WORSE)]
    lines.append(", ".join(f"{count} {grade}" for grade, count in counted if count) + ".")
    return "\n".join(lines)
