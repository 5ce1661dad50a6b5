from __future__ import annotations

from datetime import datetime
from typing import Any
from urllib.parse import unquote

import dash
from dash import dcc, html

from dashboard import components as c
from dashboard.links import Links
from dashboard.pages.live import live_state, register_live
from dashboard.query_port import DashboardQuery
from dashboard.views import incidents as view


def register(app: dash.Dash, query: DashboardQuery, links: Links) -> None:
    async def layout(incident_id: str = "", **_: Any) -> html.Div:
        return html.Div(
            [
                *live_state("incident", id=unquote(incident_id)),
                html.Div([dcc.Link("Incidents", href=links.incidents())], className="crumbs"),
                html.H1("Incident", id="incident-title"),
                html.Div(c.skeleton(), id="incident"),
            ]
        )

    async def load(asked: dict[str, Any]) -> Any:
        return await query.incident(asked["id"])

    def draw(data: Any, now: datetime) -> tuple[dict[str, Any], list[Any]]:
        if data is None:
            return {"incident": c.nothing_here("No such incident", "It may have been removed by retention.")}, []
        return {"incident": view.incident_page(data, now, links), "incident-title": data["title"]}, []

    register_live(app, "incident", load, draw)
    dash.register_page("incident", path_template="/incidents/<incident_id>", title="Incident · Milepost", layout=layout)
