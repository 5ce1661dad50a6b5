from __future__ import annotations

from datetime import datetime
from typing import Any

import dash
from dash import ClientsideFunction, Input, Output, dcc, html

from dashboard import components as c
from dashboard import figures
from dashboard.links import Links
from dashboard.pages.live import live_state, register_live
from dashboard.query_port import DashboardQuery
from dashboard.source_map import map_figure
from dashboard.views import sources as view


def register(app: dash.Dash, query: DashboardQuery, links: Links) -> None:
    async def layout(**_: Any) -> html.Div:
        lead = "Who sends, when something last arrived, and what could not be used."
        return html.Div(
            [
                *live_state("sources"),
                c.page_head("Sources", lead=lead),
                html.Div(
                    c.card(
                        [dcc.Store(id="source-maps"), figures.graph("source-map")],
                        "Map",
                        "dotted: so many are held up on the way",
                    ),
                    className="hidden",
                    id="source-map-card",
                ),
                html.Div(c.skeleton(), id="sources"),
            ]
        )

    async def load(_: dict[str, Any]) -> Any:
        found = await query.sources()
        return {"sources": found["items"], "flows": found["flows"], "dead": await query.dead_letters()}

    def draw(data: Any, now: datetime) -> tuple[dict[str, Any], list[Any]]:
        drawn = view.source_page(data["sources"], data["flows"], data["dead"], now, links)
        maps = {name: map_figure(data["sources"], data["flows"], tall=name == "tall") for name in ("wide", "tall")}
        return {"sources": drawn}, [maps, "" if data["flows"] else "hidden"]

    outputs = [Output("source-maps", "data"), Output("source-map-card", "className")]
    register_live(app, "sources", load, draw, outputs)
    # Only the browser knows how much room there is.
    app.clientside_callback(
        ClientsideFunction("milepost", "sourceMap"),
        Output("source-map", "figure"),
        Output("source-map", "style"),
        Input("source-maps", "data"),
    )
    dash.register_page("sources", path="/sources", title="Sources · Milepost", layout=layout)
