from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any

import dash
from dash import html

from dashboard import components as c
from dashboard.links import Links
from dashboard.pages.live import in_time, live_state, register_live
from dashboard.query_port import DashboardQuery
from dashboard.views import overview as view


def register(app: dash.Dash, query: DashboardQuery, links: Links) -> None:
    async def layout(**_: Any) -> html.Div:
        return html.Div([*live_state("overview"), c.page_head("Overview"), html.Div(c.skeleton(9), id="overview")])

    async def load(_: dict[str, Any]) -> Any:
        overview, outlook = await asyncio.gather(query.overview(), in_time(query.outlook()))
        return overview | {"outlook": outlook}

    def draw(data: Any, now: datetime) -> tuple[dict[str, Any], list[Any]]:
        return {"overview": view.overview(data, now, links)}, []

    register_live(app, "overview", load, draw)
    dash.register_page("overview", path="/", title="Overview · Milepost", layout=layout)
