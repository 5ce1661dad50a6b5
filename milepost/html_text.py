"""HTML out of elements: the one place where text becomes markup, and everything that is not markup is escaped."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


Content = str | int | float | None | Iterable["Content"]
"""Text, which is escaped; Markup, which is not; numbers; any of these one after another. None is nothing."""


def markup(content: Content) -> Markup:
    """The content as HTML."""
    if content is None:
        return Markup("")
    if isinstance(content, Markup):
        return content
    if isinstance(content, str):
        return Markup(escape(_printable(content)))
    if isinstance(content, int | float):
        return Markup(escape(str(content)))
    return Markup("".join(map(markup, content)))


def element(name: str, *content: Content, **attributes: str | None) -> Markup:
    """An element; of the attributes those that are None are left out, and `class_` is `class`."""
    said = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(_printable(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Markup(f"<{name}{said}>{markup(content)}</{name}>")


def _printable(text: str) -> str:
    """Without what no document may hold or what would turn the text around; lines and tabs stay."""
    return "".join(one if one.isprintable() or one in "\n\t\u00a0\u202f" else "\ufffd" for one in text)
