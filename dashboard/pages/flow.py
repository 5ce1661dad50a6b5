# mypy: disallow-untyped-decorators=False
from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any
from urllib.parse import unquote

import dash
from dash import dcc, html

from dashboard import components as c
from dashboard.links import Links
from dashboard.pages.live import live_state, register_live
from dashboard.query_port import DashboardQuery
from dashboard.views import flow as view


def register(app: dash.Dash, query: DashboardQuery, links: Links) -> None:
    async def layout(name: str = "", **_: Any) -> html.Div:
        return html.Div(
            [
                *live_state("flow", name=unquote(name)),
                html.Div(dcc.Link("Flows", href=links.flows()), className="crumbs"),
                html.Div(c.skeleton(3), id="flow"),
                html.Div(c.skeleton(8), id="flow-picture"),
            ]
        )

    async def load(asked: dict[str, Any]) -> Any:
        flow, workflows = await asyncio.gather(query.flow(asked["name"]), query.workflows())
        found = next((one for one in workflows["items"] if one["name"] == asked["name"]), None)
        return {
            "name": asked["name"],
            "flow": flow if found else None,
            "promised": view.promised(found) if found else {},
        }

    def draw(data: Any, now: datetime) -> tuple[dict[str, Any], list[Any]]:
        flow = data["flow"]
        if flow is None:
            return {"flow": view.unknown(data["name"]), "flow-picture": []}, []
        return {"flow": view.head(flow, now, links), "flow-picture": view.picture(flow, data["promised"], links)}, []

    register_live(app, "flow", load, draw)
    dash.register_page("flow", path_template="/flows/<name>", title="Flow · Milepost", layout=layout)

    async def layout_of_all(**_: Any) -> html.Div:
        return html.Div(
            [
                *live_state("flows"),
                c.page_head("Flows", lead="Each workflow step by step."),
                html.Div(c.skeleton(6), id="flows"),
            ]
        )

    async def load_all(_: dict[str, Any]) -> Any:
        return (await query.workflows())["items"]

    def draw_all(items: Any, _: datetime) -> tuple[dict[str, Any], list[Any]]:
        return {"flows": view.several(items, links)}, []

    register_live(app, "flows", load_all, draw_all)
    dash.register_page("flows", path="/flows", title="Flows · Milepost", layout=layout_of_all)
