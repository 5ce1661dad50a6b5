"""Elements of HTML as the browser is sent them. Dash's classes look at every property of each, which thousands feel.

Only for a region of the class `plain` (16-plain.js), which holds nothing else.
"""

from __future__ import annotations

from typing import Any

Element = dict[str, Any]


def element(name: str, children: Any = None, /, **props: Any) -> Element:
    """An element by its name in `dash.html`, with its properties as Dash calls them."""
    return {"namespace": "dash_html_components", "type": name, "props": {"children": children, **props}}
