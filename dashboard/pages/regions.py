from __future__ import annotations

from datetime import datetime
from typing import Any

import dash
from dash import html

from collector.access.permission import NotPermitted
from dashboard import components as c
from dashboard.pages.live import live_state, register_live
from dashboard.query_port import DashboardRegions
from dashboard.views import regions as view


def register(app: dash.Dash, regions: DashboardRegions) -> None:
    async def layout(**_: Any) -> html.Div:
        lead = "Each has a Milepost and a database of its own; what you see here are figures that they tell."
        head = c.page_head("Regions", lead=lead)
        return html.Div([*live_state("regions"), head, html.Div(c.skeleton(9), id="regions")])

    async def load(_: dict[str, Any]) -> Any:
        try:
            return await regions.overview()
        except NotPermitted as error:
            return {"refused": str(error)}

    def draw(data: Any, now: datetime) -> tuple[dict[str, Any], list[Any]]:
        return {"regions": view.regions(data, now)}, []

    register_live(app, "regions", load, draw)
    dash.register_page("regions", path="/regions", title="Regions · Milepost", layout=layout)
