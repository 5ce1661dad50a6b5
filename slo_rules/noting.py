"""Noting findings at their places in a document."""

from __future__ import annotations

from slo_rules.documents import Document, Path
from slo_rules.faults import Finding, Severity
from slo_rules.reading import spelled


class Noting:
    """Every finding lands in the list shared by all documents."""

    def __init__(self, document: Document, findings: list[Finding]) -> None:
        self._document = document
        self._findings = findings

    def warn(self, path: Path, message: str, suggestion: str) -> None:
        """What does not do what it seems to."""
        self._note(Severity.WARNING, path, message, suggestion)

    def hint(self, path: Path, message: str, suggestion: str) -> None:
        """What may be meant."""
        self._note(Severity.HINT, path, message, suggestion)

    def first_of(self, *paths: Path) -> Path:
        """The first of these paths that the document has; the last where it has none."""
        return next((path for path in paths if path in self._document.lines), paths[-1])

    def _note(self, severity: Severity, path: Path, message: str, suggestion: str) -> None:
        document = self._document
        self._findings.append(Finding(document.file, document.line(path), spelled(path), severity, message, suggestion))
