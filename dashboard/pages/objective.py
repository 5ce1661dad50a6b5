from __future__ import annotations

from datetime import datetime
from typing import Any
from urllib.parse import unquote

import dash
from dash import Output, dcc, html

from dashboard import components as c
from dashboard import figures, wording
from dashboard.links import Links
from dashboard.pages.live import live_state, register_live
from dashboard.query_port import DashboardQuery
from dashboard.views import objectives as view

CHART_HEIGHT = 240
MOST_PERIODS = 12


def register(app: dash.Dash, query: DashboardQuery, links: Links) -> None:
    async def layout(name: str = "", **_: Any) -> html.Div:
        name = unquote(name)
        return html.Div(
            [
                *live_state("objective", name=name),
                html.Div([dcc.Link("Objectives", href=links.objectives())], className="crumbs"),
                html.H1(wording.humanise(name), id="objective-title"),
                html.Div(c.skeleton(3), id="objective"),
                c.card(figures.graph("objective-budget", height=CHART_HEIGHT), "Error budget left"),
                c.card(figures.graph("objective-days", height=CHART_HEIGHT), "Good and bad"),
                c.card(html.Div(c.skeleton(3), id="objective-periods"), "Periods"),
            ]
        )

    async def load(asked: dict[str, Any]) -> Any:
        objective = await query.objective(asked["name"])
        if objective is None:
            return None
        return objective | {"periods": await query.periods(asked["name"], limit=MOST_PERIODS)}

    def draw(data: Any, _: datetime) -> tuple[dict[str, Any], list[Any]]:
        if data is None:
            gone = c.nothing_here("No such objective", "It is not among the loaded definitions.")
            return {"objective": gone, "objective-periods": None}, [figures.blank(), figures.blank()]
        regions = {
            "objective": view.objective_head(data, links),
            "objective-title": data["title"] or wording.humanise(data["name"]),
            "objective-periods": view.periods_table(data["periods"]),
        }
        return regions, [figures.budget_left(data["budget_series"]), figures.good_and_bad(data["series"])]

    outputs = [Output("objective-budget", "figure"), Output("objective-days", "figure")]
    register_live(app, "objective", load, draw, outputs)
    dash.register_page("objective", path_template="/objectives/<name>", title="Objective · Milepost", layout=layout)
