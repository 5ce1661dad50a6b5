"""Text for terminals: tables that stay tables in a file, and nothing from outside that could steer the terminal."""

from __future__ import annotations

from collections.abc import Sequence


def shown(text: str, longest: int = 80) -> str:
    """What somebody else wrote, on one line, with everything that does not print spelled out."""
    plain = "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text)
    return plain if len(plain) <= longest else plain[: longest - 1] + "…"


def table(head: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[int] = ()) -> list[str]:
    """Lines with a column under each head; the columns numbered in `right` are flush right."""
    return [f"  {line}" for line in aligned([head, *rows], right=right)]


def aligned(rows: Sequence[Sequence[str]], *, right: Sequence[int] = ()) -> list[str]:
    """A line for each row, with their cells below one another; the columns numbered in `right` are flush right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = [
            cell.rjust(width) if place in right else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return lines
