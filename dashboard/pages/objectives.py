from __future__ import annotations

from datetime import datetime
from typing import Any

import dash
from dash import html

from dashboard import components as c
from dashboard.links import Links
from dashboard.pages.live import live_state, register_live
from dashboard.query_port import DashboardQuery
from dashboard.views import objectives as view

# a sparkline costs one query per objective; a longer list does without
MOST_TRENDS = 40


def register(app: dash.Dash, query: DashboardQuery, links: Links) -> None:
    async def layout(**_: Any) -> html.Div:
        lead = "What was promised, how much of each allowance is used, and what is left of it."
        return html.Div(
            [*live_state("objectives"), c.page_head("Objectives", lead=lead), html.Div(c.skeleton(), id="objectives")]
        )

    async def load(_: dict[str, Any]) -> Any:
        items = (await query.objectives())["items"]
        found = [await query.objective(o["name"]) for o in items[:MOST_TRENDS]]
        return {"items": items, "trends": {o["name"]: o["series"] for o in found if o}}

    def draw(data: Any, now: datetime) -> tuple[dict[str, Any], list[Any]]:
        return {"objectives": view.objective_table(data["items"], data["trends"], links)}, []

    register_live(app, "objectives", load, draw)
    dash.register_page("objectives", path="/objectives", title="Objectives · Milepost", layout=layout)
