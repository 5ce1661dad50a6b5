"""Runs of buckets to be read: many of them as the parameters of one statement, and how their rows are read back."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from datetime import UTC, datetime
from typing import Any

from slo_rules.buckets import cover
from slo_rules.durations import MINUTE, SECOND
from slo_rules.exclusions import Span
from slo_rules.instants import to_micros
from slo_rules.reckoning import Asked

Statement = tuple[str, dict[str, Any]]
"""The name of a statement and its parameters."""
Reading = Generator[Statement, list[dict[str, Any]], Any]
"""Yields statements, is sent their rows, and returns what was asked for."""
ALWAYS = to_micros(datetime(1, 1, 1, tzinfo=UTC))


class Runs:
    """Runs of buckets, each under the number of a question."""

    def __init__(self) -> None:
        self._places: dict[tuple[str, str], int] = {}
        self._rows: list[tuple[int, int, int, int, int]] = []

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, number: int, asked: Asked, spans: Iterable[Span]) -> None:
        """All buckets in these spans, as few as can be."""
        for since, until in spans:
            for run in cover(since, until):
                self.add_width(number, asked, run.width, run.since, run.until)

    def add_width(self, number: int, asked: Asked, width: int, since: int, until: int) -> None:
        """Those of one width that begin in a span."""
        place = self._places.setdefault((asked.objective.name, asked.group), len(self._places) + 1)
        self._rows.append((number, place, width // MINUTE, since // SECOND, until // SECOND))

    def parameters(self) -> dict[str, Any]:
        """The parameters of statements that read buckets; instants are whole seconds."""
        columns = zip(*self._rows, strict=True) if self._rows else [()] * 5
        names = ("numbers", "places", "minutes", "since", "until")
        return {
            "objectives": [objective for objective, _ in self._places],
            "groups": [group for _, group in self._places],
            **{name: _array(column) for name, column in zip(names, columns, strict=True)},
        }


def _array(numbers: Iterable[int]) -> str:
    """An array as PostgreSQL writes it: of many numbers that is made in a tenth of the time of a list."""
    return f"{{{','.join(map(str, numbers))}}}"


def named(places: Iterable[Asked]) -> dict[str, Any]:
    """The parameters of statements that ask about objectives, each in all or in a group, by their numbers."""
    listed = list(places)
    return {
        "numbers": list(range(len(listed))),
        "objectives": [one.objective.name for one in listed],
        "groups": [one.group for one in listed],
    }


def series(row: dict[str, Any]) -> list[tuple[int, int]]:
    """Buckets (micros) and their values, of a row that has both in order."""
    return [(at * SECOND, value) for at, value in zip(row["at"], row["value"], strict=True)]
