from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any
from urllib.parse import unquote

import dash
from dash import dcc, html

from dashboard import components as c
from dashboard import wording
from dashboard.links import Links
from dashboard.pages.live import in_time, live_state, register_live
from dashboard.query_port import DashboardQuery
from dashboard.views import definitions as view


def register(app: dash.Dash, query: DashboardQuery, links: Links) -> None:
    async def listed(**_: Any) -> html.Div:
        lead = "Every workflow as it was read from its file: its steps, its promises, and what has changed in it."
        return html.Div(
            [
                *live_state("definitions"),
                c.page_head("Definitions", lead=lead),
                html.Div(c.skeleton(), id="definitions"),
            ]
        )

    async def load(_: dict[str, Any]) -> Any:
        return await query.definitions()

    def draw(data: Any, _: datetime) -> tuple[dict[str, Any], list[Any]]:
        return {"definitions": view.definition_table(data["items"], data["objectives"], data["tests"], links)}, []

    register_live(app, "definitions", load, draw)
    dash.register_page("definitions", path="/definitions", title="Definitions · Milepost", layout=listed)

    async def one(name: str = "", **_: Any) -> html.Div:
        name = unquote(name)
        return html.Div(
            [
                *live_state("definition", name=name),
                html.Div([dcc.Link("Definitions", href=links.definitions())], className="crumbs"),
                html.H1(wording.humanise(name), id="definition-title"),
                html.Div(c.skeleton(), id="definition"),
            ],
            className="definition",
        )

    async def load_one(asked: dict[str, Any]) -> Any:
        name = asked["name"]
        definition, tests, flow = await asyncio.gather(
            query.definition(name), query.definition_tests(name), in_time(query.flow(name))
        )
        if definition is None or tests is None:
            return None
        return {"definition": definition, "tests": tests, "flow": flow if flow and "steps" in flow else None}

    def draw_one(data: Any, now: datetime) -> tuple[dict[str, Any], list[Any]]:
        if data is None:
            gone = c.nothing_here("No such workflow", "It is not among the loaded definitions.")
            return {"definition": gone}, []
        one = data["definition"]
        drawn = view.one_definition(one, data["flow"], data["tests"], links, now)
        return {"definition": drawn, "definition-title": one["title"] or one["name"]}, []

    register_live(app, "definition", load_one, draw_one)
    dash.register_page("definition", path_template="/definitions/<name>", title="Definition · Milepost", layout=one)
