from __future__ import annotations

from datetime import datetime
from typing import Any
from urllib.parse import unquote

import dash
from dash import Output, dcc, html

from dashboard import components as c
from dashboard import figures
from dashboard.links import Links
from dashboard.pages.live import live_state, register_live
from dashboard.query_port import DashboardQuery
from dashboard.views import incident as view
from dashboard.views import messages

REDRAW_SECONDS = 60


def register(app: dash.Dash, query: DashboardQuery, links: Links) -> None:
    async def layout(incident_id: str = "", **_: Any) -> html.Div:
        return html.Div(
            [
                *live_state("incident", id=unquote(incident_id)),
                html.Div([dcc.Link("Incidents", href=links.incidents())], className="crumbs"),
                html.Div(
                    [html.H1("Incident", id="incident-title"), html.Div(id="incident-head", className="row")],
                    className="title-row",
                ),
                html.Div(id="incident-bar"),
                html.Div(c.skeleton(), id="incident"),
                html.Div(
                    [
                        html.Div(
                            [
                                c.card(
                                    [
                                        html.P(id="incident-going", className="going"),
                                        figures.graph("incident-points", height=200),
                                    ],
                                    "How many over time",
                                ),
                                c.card(html.Div(id="incident-timeline"), "What happened"),
                            ]
                        ),
                        html.Div(
                            [
                                c.card(html.Div(id="incident-cause"), "Cause"),
                                c.card(html.Div(id="incident-apart"), "What sets them apart"),
                                c.card(html.Div(id="incident-changes"), "Linked changes"),
                            ]
                        ),
                    ],
                    id="incident-columns",
                    className="columns incident-columns",
                ),
                html.Div(
                    [
                        c.card(html.Div(id="incident-whom"), "Who is told, and why"),
                        c.card(html.Div(id="incident-messages"), "What was sent, and what came back"),
                    ],
                    id="incident-told",
                ),
                html.P(
                    [html.Kbd("a"), html.Span("acknowledge"), html.Kbd("c"), html.Span("comment")],
                    className="keys-hint",
                ),
            ],
            id="incident-page",
            className="incident",
        )

    async def load(asked: dict[str, Any]) -> Any:
        found = await query.incident(asked["id"])
        if found is None:
            return None
        attempts = await query.incident_attempts(asked["id"])
        return found | {"sent": attempts["items"] if attempts else []}

    def draw(data: Any, now: datetime) -> tuple[dict[str, Any], list[Any]]:
        if data is None:
            missing = c.nothing_here("No such incident", "It may have been removed by retention.")
            return {"incident": missing}, [figures.blank(), "incident bare"]
        regions = {
            "incident-title": data["title"],
            "incident-head": view.headline(data, now),
            "incident-bar": view.acts(data, now),
            "incident": c.card(view.summary(data, now, links)),
            "incident-going": view.going_words(data, now),
            "incident-cause": view.cause(data, links),
            "incident-apart": view.apart(data, links),
            "incident-changes": view.changes(data, now),
            "incident-whom": view.whom(data, now),
            "incident-timeline": view.timeline(data),
            "incident-messages": messages.attempts(data["sent"]),
        }
        return regions, [figures.population(data, now), "incident"]

    register_live(
        app,
        "incident",
        load,
        draw,
        [Output("incident-points", "figure"), Output("incident-page", "className")],
        redraw_seconds=REDRAW_SECONDS,
    )
    dash.register_page("incident", path_template="/incidents/<incident_id>", title="Incident · Milepost", layout=layout)
