from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

import dash
from dash import Output, dcc, html

from dashboard import components as c
from dashboard import figures, phrases, time_range
from dashboard.links import Links
from dashboard.pages.live import live_state, register_live, register_range
from dashboard.query_port import DashboardQuery
from dashboard.views import one_source as view
from dashboard.views import ranges


def register(app: dash.Dash, query: DashboardQuery, links: Links) -> None:
    async def layout(name: str = "", **said: Any) -> html.Div:
        name, asked = unquote(name), time_range.asked_range(said)
        return html.Div(
            [
                *live_state("source", name=name, **asked),
                html.Div([dcc.Link("Sources", href=links.sources())], className="crumbs"),
                html.H1(name, id="source-title"),
                html.Div(c.skeleton(), id="source"),
                html.Div(
                    c.card(
                        [
                            html.P(id="source-volume-words", className="muted note"),
                            figures.graph("source-volume", height=240),
                        ],
                        ["Volume against what is usual", html.Span(", events an hour", className="muted")],
                        ranges.control("source", asked, "The last 7 days", ("24h", "28d")),
                    ),
                    id="source-volume-card",
                    className="hidden",
                ),
                html.Div(id="source-more"),
            ]
        )

    async def load(asked: dict[str, Any]) -> Any:
        name, span = asked["name"], time_range.span(asked, datetime.now(UTC))
        found, dead, volume = await asyncio.gather(
            query.sources(), query.dead_letters(source=name), _volume(query, name, *span)
        )
        one = next((s for s in found["items"] if s["source"] == asked["name"]), None)
        flows = [f for f in found["flows"] if asked["name"] in (f["sender"], f["receiver"])]
        if one is None or volume is None:
            return None
        return {"source": one, "flows": flows, "dead": dead, "volume": volume, "asked": asked}

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
            "source-volume-words": volume.get("refused") or phrases.volume_words(volume),
            "source-more": more,
        }
        # One hour alone is no line yet; what somebody asked for is shown as it is, with the way to ask for another.
        known = time_range.range_name(data["asked"]) or sum(one["count"] is not None for one in volume["hours"]) > 1
        return regions, [figures.volume(volume["hours"]), "" if known else "hidden"]

    outputs = [Output("source-volume", "figure"), Output("source-volume-card", "className")]
    register_live(app, "source", load, draw, outputs)
    register_range(app, "source")
    dash.register_page("source", path_template="/sources/<name>", title="Source · Milepost", layout=layout)


async def _volume(query: DashboardQuery, name: str, since: str | None, until: str | None) -> Any:
    """The volume of a time; of one that cannot be asked about, why, beside no hours."""
    try:
        return await query.source_volume(name, since=since, until=until)
    except ValueError as error:
        return {"hours": [], "last_day": None, "refused": str(error)}
