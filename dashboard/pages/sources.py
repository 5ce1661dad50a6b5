from __future__ import annotations

from datetime import datetime
from typing import Any

import dash
from dash import html

from dashboard import components as c
from dashboard.links import Links
from dashboard.pages.live import live_state, register_live
from dashboard.query_port import DashboardQuery
from dashboard.views import sources as view


def register(app: dash.Dash, query: DashboardQuery, links: Links) -> None:
    async def layout(**_: Any) -> html.Div:
        lead = "Who sends, when something last arrived, and what could not be used."
        return html.Div(
            [*live_state("sources"), c.page_head("Sources", lead=lead), html.Div(c.skeleton(), id="sources")]
        )

    async def load(_: dict[str, Any]) -> Any:
        return {"sources": (await query.sources())["items"], "dead": await query.dead_letters()}

    def draw(data: Any, now: datetime) -> tuple[dict[str, Any], list[Any]]:
        return {"sources": view.source_page(data["sources"], data["dead"], now, links)}, []

    register_live(app, "sources", load, draw)
    dash.register_page("sources", path="/sources", title="Sources · Milepost", layout=layout)
