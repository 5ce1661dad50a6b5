"""Faults found in definitions, and what is likely not meant: all of them at once, each with its place."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True, order=True)
class Fault:
    """One fault: the file as it was named, the 1-based line, the path inside the document, what is wrong."""

    file: str
    line: int
    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.path or 'document'}: {self.message}"


class Severity(StrEnum):
    """How sure it is that something is not meant; a hint may well be."""

    WARNING = "warning"
    HINT = "hint"


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """What can be used and is likely not meant: its place like that of a fault, what follows from it, what to do."""

    file: str
    line: int
    path: str
    severity: Severity
    message: str
    suggestion: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.path}: {self.severity}: {self.message} — {self.suggestion}"


class DefinitionError(Exception):
    """The definitions cannot be used; carries every fault found."""

    def __init__(self, faults: list[Fault]) -> None:
        self.faults = sorted(faults)
        super().__init__("\n".join(map(str, self.faults)))
