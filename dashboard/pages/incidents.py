# mypy: disallow-untyped-decorators=False
from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import dash
from dash import ClientsideFunction, Input, Output, State, html

from dashboard import components as c
from dashboard import time_range
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
                *live_state("incidents", pending=True, **time_range.asked_range(asked)),
                c.page_head("Incidents", lead=lead, aside=_silences()),
                view.controls(workflows, view.filters_from(asked), time_range.asked_range(asked)),
                html.Div(c.skeleton(), id="incidents"),
                html.P(_keys(), className="keys-hint"),
            ]
        )

    async def load(asked: dict[str, Any]) -> Any:
        if asked.get("pending"):
            return None
        filters = view.filters_from(asked)
        since, until = time_range.span(asked, datetime.now(UTC))
        try:
            found = await query.incidents(**filters, since=since, until=until)
        except ValueError as error:
            return {"refused": str(error)}
        return found | {"filters": filters | ({"when": time_range.range_name(asked)} if since or until else {})}

    def draw(data: Any, now: datetime) -> tuple[dict[str, Any], list[Any]]:
        if data is None:
            return {"incidents": c.skeleton()}, []
        if "refused" in data:
            return {"incidents": c.nothing_here("That cannot be listed", data["refused"])}, []
        return {"incidents": view.incident_table(data, data["filters"], now, links)}, []

    register_live(app, "incidents", load, draw)
    app.clientside_callback(
        ClientsideFunction("milepost", "filterIncidents"),
        Output("incidents-ask", "data"),
        *[Input(f"incidents-{name}", "value") for name in (*view.CONTROLS, *time_range.RANGE)],
        State("incidents-ask", "data"),
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
