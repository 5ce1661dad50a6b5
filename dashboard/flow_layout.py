"""Where the steps of a workflow stand on its picture, and the lines between them. All of it pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple
from urllib.parse import quote

from dashboard import palette

STEP_HEIGHT = 104
GAP = 36
"""Pixels between two rows of steps, through which the lines go."""


class Place(NamedTuple):
    """A row from the top, and which of how many steps beside each other; both from 0."""

    row: int
    column: int
    columns: int

    @property
    def middle(self) -> float:
        """The middle of the step, as a share of the width."""
        return (self.column + 0.5) / self.columns

    @property
    def style(self) -> dict[str, str]:
        """Where the step stands, for the style sheet."""
        return {
            "--x": f"{self.column / self.columns * 100:.4f}%",
            "--w": f"{100 / self.columns:.4f}%",
            "--y": f"{self.row * (STEP_HEIGHT + GAP)}px",
        }


def places(after: Mapping[str, Sequence[str]]) -> dict[str, Place]:
    """By step, which come after which others: each stands below all of these.

    Steps of one row stand in the order in which they are given. A step that comes after itself, by whatever way, is
    placed as if it did not.
    """
    rows: dict[str, int] = {}

    def row_of(name: str, on_the_way: frozenset[str]) -> int:
        if name not in rows:
            seen = on_the_way | {name}
            before = [one for one in after[name] if one in after and one not in seen]
            rows[name] = max((row_of(one, seen) + 1 for one in before), default=0)
        return rows[name]

    for name in after:
        row_of(name, frozenset((name,)))
    members: dict[int, list[str]] = {}
    for name in after:
        members.setdefault(rows[name], []).append(name)
    return {name: Place(row, column, len(names)) for row, names in members.items() for column, name in enumerate(names)}


def height(found: Mapping[str, Place]) -> int:
    """Of the whole picture in pixels."""
    rows = max((place.row for place in found.values()), default=-1) + 1
    return max(0, rows * STEP_HEIGHT + (rows - 1) * GAP)


def lines(after: Mapping[str, Sequence[str]], found: Mapping[str, Place]) -> str:
    """The lines as an SVG data address, a thousand wide, to be stretched to any width."""
    tall = height(found)
    paths = []
    for name, names in after.items():
        for before in names:
            if before not in found or found[before].row >= found[name].row:
                continue
            x1, x2 = found[before].middle * 1000, found[name].middle * 1000
            y1 = found[before].row * (STEP_HEIGHT + GAP) + STEP_HEIGHT
            y2 = found[name].row * (STEP_HEIGHT + GAP)
            bend = y2 - GAP / 2
            paths.append(f"M{x1:.0f} {y1} C{x1:.0f} {bend:.0f} {x2:.0f} {bend - GAP / 2:.0f} {x2:.0f} {y2}")
    return "data:image/svg+xml," + quote(
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 1000 {tall}' preserveAspectRatio='none'>"
        f"<path d='{' '.join(paths)}' fill='none' stroke='{palette.GREY}' stroke-width='1.5' "
        "vector-effect='non-scaling-stroke'/></svg>"
    )
