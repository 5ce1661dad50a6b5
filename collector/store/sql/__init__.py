"""SQL by noun: each `.sql` file holds named blocks, `-- name: x`, `-- purpose: …`, then one statement."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

_BLOCK = re.compile(r"^-- name: (?P<name>\w+)\n-- purpose: (?P<purpose>[^\n]+)\n", re.MULTILINE)


@cache
def load(noun: str, package: str = "collector.store") -> dict[str, str]:
    """The statements of `<package>/sql/<noun>.sql` by name. ValueError when the file breaks the convention."""
    return parse((files(package) / "sql" / f"{noun}.sql").read_text("utf-8"))


def parse(text: str) -> dict[str, str]:
    """Named blocks of an SQL text; parameters are psycopg's `%(name)s`."""
    found: dict[str, str] = {}
    marks = list(_BLOCK.finditer(text))
    if not marks or text[: marks[0].start()].strip():
        raise ValueError("an SQL file starts with '-- name:' and '-- purpose:' lines")
    for mark, following in zip(marks, [*marks[1:], None], strict=True):
        statement = text[mark.end() : following.start() if following else len(text)].strip()
        if mark["name"] in found or not statement:
            raise ValueError(f"the block {mark['name']!r} is empty or there twice")
        found[mark["name"]] = statement
    return found
