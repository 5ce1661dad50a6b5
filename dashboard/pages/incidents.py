from __future__ import annotations

from datetime import datetime
from typing import Any

import dash
from dash import html

from dashboard import components as c
from dashboard.links import Links
from dashboard.pages.live import live_state, register_live
from dashboard.query_port import DashboardQuery
from dashboard.views import incidents as view


def register(app: dash.Dash, query: DashboardQuery, links: Links) -> None:
    async def layout(**_: Any) -> html.Div:
        lead = "One cause each, and everything it holds up. The heaviest stands first."
        return html.Div(
            [*live_state("incidents"), c.page_head("Incidents", lead=lead), html.Div(c.skeleton(), id="incidents")]
        )

    async def load(_: dict[str, Any]) -> Any:
        return (await query.incidents())["items"]

    def draw(items: Any, now: datetime) -> tuple[dict[str, Any], list[Any]]:
        return {"incidents": view.incident_table(items, now, links)}, []

    register_live(app, "incidents", load, draw)
    dash.register_page("incidents", path="/incidents", title="Incidents · Milepost", layout=layout)
