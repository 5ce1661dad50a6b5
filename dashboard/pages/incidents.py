# mypy: disallow-untyped-decorators=False
from __future__ import annotations

from datetime import datetime
from typing import Any

import dash
from dash import ClientsideFunction, Input, Output, html

from dashboard import components as c
from dashboard.links import Links
from dashboard.pages.live import live_state, register_live
from dashboard.query_port import DashboardQuery
from dashboard.views import incidents as view

KEYS = (("j", "k", "move"), ("o", "", "open"), ("a", "", "acknowledge"), ("/", "", "find"))


def register(app: dash.Dash, query: DashboardQuery, links: Links) -> None:
    async def layout(**asked: Any) -> html.Div:
        try:
            workflows = (await query.workflows())["items"]
        except Exception:  # noqa: BLE001 - the filters can do without; the region below says what is wrong
            workflows = []
        lead = "One cause each, and everything it holds up. What is open stands first."
        return html.Div(
            [
                *live_state("incidents", pending=True),
                c.page_head("Incidents", lead=lead, aside=_silences()),
                view.controls(workflows, view.filters_from(asked)),
                html.Div(c.skeleton(), id="incidents"),
                html.P(_keys(), className="keys-hint"),
            ]
        )

    async def load(asked: dict[str, Any]) -> Any:
        if asked.get("pending"):
            return None
        filters = view.filters_from(asked)
        return await query.incidents(**filters) | {"filters": filters}

    def draw(data: Any, now: datetime) -> tuple[dict[str, Any], list[Any]]:
        if data is None:
            return {"incidents": c.skeleton()}, []
        return {"incidents": view.incident_table(data, data["filters"], now, links)}, []

    register_live(app, "incidents", load, draw)
    app.clientside_callback(
        ClientsideFunction("milepost", "filterIncidents"),
        Output("incidents-ask", "data"),
        *[Input(f"incidents-{name}", "value") for name in view.CONTROLS],
    )
    dash.register_page("incidents", path="/incidents", title="Incidents · Milepost", layout=layout)


def _silences() -> html.Details:
    """What is kept quiet by hand; the browser fills it when it is opened."""
    return html.Details(
        [
            html.Summary([c.icon("clock", 15), html.Span("Silences")]),
            html.Div(html.Div(id="silences"), className="menu-panel silences"),
        ],
        className="menu",
    )


def _keys() -> list[Any]:
    found: list[Any] = []
    for first, second, what in KEYS:
        found += [html.Kbd(first), *([html.Kbd(second)] if second else []), html.Span(what)]
    return found
