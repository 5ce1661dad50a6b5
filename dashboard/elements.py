"""Elements of HTML as the browser is sent them. Dash's classes look at every property of each, which thousands feel.

Only for a region of the class `plain` (16-plain.js), which holds nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Element = dict[str, Any]


def element(name: str, children: Any = None, /, **props: Any) -> Element:
    """An element by its name in `dash.html`, with its properties as Dash calls them."""
    return {"namespace": "dash_html_components", "type": name, "props": {"children": children, **props}}


def table(heads: Sequence[str], rows: Sequence[Sequence[Any]], caption: str, css: str = "") -> Element:
    """As `components.table` draws it."""
    body = [
        element("Tr", [element("Td", cell, **{"data-label": head}) for head, cell in zip(heads, row, strict=True)])
        for row in rows
    ]
    head = element("Thead", element("Tr", [element("Th", one, scope="col") for one in heads]))
    whole = [element("Caption", caption), head, element("Tbody", body)]
    return element("Div", element("Table", whole, className=f"table {css}".strip()), className="table-scroll")
