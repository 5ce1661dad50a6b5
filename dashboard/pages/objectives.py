from __future__ import annotations

import math
import time
from datetime import datetime
from typing import Any

import dash
from dash import html

from dashboard import components as c
from dashboard.links import Links
from dashboard.pages.live import live_state, register_live
from dashboard.query_port import DashboardQuery
from dashboard.views import objectives as view

# a trend costs queries of its own, and its days hardly move
TREND_SECONDS = 60
MOST_TRENDS = 40


def register(app: dash.Dash, query: DashboardQuery, links: Links) -> None:
    async def layout(**_: Any) -> html.Div:
        lead = "What was promised, how much of each allowance is used, and what is left of it."
        return html.Div(
            [*live_state("objectives"), c.page_head("Objectives", lead=lead), html.Div(c.skeleton(), id="objectives")]
        )

    trends: dict[str, Any] = {}
    read_at = -math.inf

    async def load(_: dict[str, Any]) -> Any:
        nonlocal read_at
        items = (await query.objectives())["items"]
        if time.monotonic() - read_at > TREND_SECONDS or any(o["name"] not in trends for o in items[:MOST_TRENDS]):
            read_at = time.monotonic()
            found = [await query.objective(o["name"]) for o in items[:MOST_TRENDS]]
            trends.clear()
            trends.update({o["name"]: o["series"] for o in found if o})
        return {"items": items, "trends": dict(trends)}

    def draw(data: Any, _: datetime) -> tuple[dict[str, Any], list[Any]]:
        return {"objectives": view.objective_table(data["items"], data["trends"], links)}, []

    register_live(app, "objectives", load, draw)
    dash.register_page("objectives", path="/objectives", title="Objectives · Milepost", layout=layout)
