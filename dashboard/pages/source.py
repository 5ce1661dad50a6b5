from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any
from urllib.parse import unquote

import dash
from dash import Output, dcc, html

from dashboard import components as c
from dashboard import figures, phrases
from dashboard.links import Links
from dashboard.pages.live import live_state, register_live
from dashboard.query_port import DashboardQuery
from dashboard.views import one_source as view


def register(app: dash.Dash, query: DashboardQuery, links: Links) -> None:
    async def layout(name: str = "", **_: Any) -> html.Div:
        name = unquote(name)
        return html.Div(
            [
                *live_state("source", name=name),
                html.Div([dcc.Link("Sources", href=links.sources())], className="crumbs"),
                html.H1(name, id="source-title"),
                html.Div(c.skeleton(), id="source"),
                html.Div(
                    c.card(
                        [
                            html.P(id="source-volume-words", className="muted note"),
                            figures.graph("source-volume", height=240),
                        ],
                        "Volume against what is usual",
                        "events an hour, the last 7 days, in UTC",
                    ),
                    id="source-volume-card",
                    className="hidden",
                ),
                html.Div(id="source-more"),
            ]
        )

    async def load(asked: dict[str, Any]) -> Any:
        name = asked["name"]
        found, dead, volume = await asyncio.gather(
            query.sources(), query.dead_letters(source=name), query.source_volume(name)
        )
        one = next((s for s in found["items"] if s["source"] == asked["name"]), None)
        flows = [f for f in found["flows"] if asked["name"] in (f["sender"], f["receiver"])]
        if one is None or volume is None:
            return None
        return {"source": one, "flows": flows, "dead": dead, "volume": volume}

    def draw(data: Any, now: datetime) -> tuple[dict[str, Any], list[Any]]:
        if data is None:
            gone = c.nothing_here("No such source", "It has sent nothing, and no definition names it.")
            return {"source": gone, "source-more": []}, [figures.blank(), "hidden"]
        volume = data["volume"]
        more = [
            c.card(view.flow_table(data["flows"], links), "Flows of this system"),
            c.card(view.letters(data["dead"], now), "Dead letters", str(data["dead"]["total"]), anchor="dead-letters"),
        ]
        regions = {
            "source": view.source_head(data["source"], now, links),
            "source-title": data["source"]["title"] or data["source"]["source"],
            "source-volume-words": phrases.volume_words(volume),
            "source-more": more,
        }
        # One hour alone is no line yet.
        known = sum(one["count"] is not None for one in volume["hours"]) > 1
        return regions, [figures.volume(volume["hours"]), "" if known else "hidden"]

    outputs = [Output("source-volume", "figure"), Output("source-volume-card", "className")]
    register_live(app, "source", load, draw, outputs)
    dash.register_page("source", path_template="/sources/<name>", title="Source · Milepost", layout=layout)
