# mypy: disallow-untyped-decorators=False
from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

import dash
from dash import ClientsideFunction, Input, Output, State, dcc, html, no_update

from collector.query.moments import Unanswerable
from dashboard import components as c
from dashboard import time_range
from dashboard.links import Links
from dashboard.pages.live import live_state, register_live
from dashboard.query_port import DashboardQuery
from dashboard.views import flow as view
from dashboard.views import flow_comparison as comparison
from dashboard.views.flow_figures import figures_card

log = logging.getLogger(__name__)


def register(app: dash.Dash, query: DashboardQuery, links: Links) -> None:
    async def layout(name: str = "", **said: Any) -> html.Div:
        asked = {field: str(said[field]) for field in time_range.FIELDS if said.get(field)}
        return html.Div(
            [
                *live_state("flow", name=unquote(name), chosen=[asked.get("of"), asked.get("than_of")]),
                dcc.Store(id="flow-compare-ask", data={"pending": True}),
                html.Div(dcc.Link("Flows", href=links.flows()), className="crumbs"),
                html.Div(c.skeleton(3), id="flow"),
                html.Div(c.skeleton(8), id="flow-picture"),
                html.Div(id="flow-figures"),
                c.card(
                    [comparison.form(asked), html.Div(id="flow-compared")],
                    "Compare",
                    "by when instances began",
                    anchor="flow-compare",
                ),
            ],
            className="flow-page",
        )

    async def load(asked: dict[str, Any]) -> Any:
        flow, workflows = await asyncio.gather(query.flow(asked["name"]), query.workflows())
        found = next((one for one in workflows["items"] if one["name"] == asked["name"]), None)
        return {
            "name": asked["name"],
            "flow": flow if found else None,
            "promised": view.promised(found) if found else {},
            "chosen": asked["chosen"],
        }

    def draw(data: Any, now: datetime) -> tuple[dict[str, Any], list[Any]]:
        flow = data["flow"]
        if flow is None:
            gone = {"flow": view.unknown(data["name"]), "flow-picture": [], "flow-figures": []}
            return gone, [[], [], {"display": "none"}]
        offered = comparison.groups(flow["groups"], *data["chosen"])
        regions = {
            "flow": view.head(flow, now, links),
            "flow-picture": view.picture(flow, data["promised"], links),
            "flow-figures": figures_card(flow, links),
        }
        return regions, [offered, offered, {}]

    outputs = [Output("flow-of", "data"), Output("flow-than_of", "data"), Output("flow-compare", "style")]
    register_live(app, "flow", load, draw, outputs)

    app.clientside_callback(
        ClientsideFunction("milepost", "compareFlow"),
        Output("flow-compare-ask", "data"),
        *[Input(f"flow-{field}", "value") for field in time_range.FIELDS],
        State("flow-ask", "data"),
        State("flow-compare-ask", "data"),
    )

    # Only when something else is asked, not with every tick: many instances are read for it, and little moves.
    @app.callback(Output("flow-compared", "children"), Input("flow-compare-ask", "data"))
    async def compare(asked: dict[str, Any] | None) -> Any:
        if asked is None or asked.get("pending"):
            return no_update
        sets = time_range.sides(asked, datetime.now(UTC))
        if sets is None:
            return comparison.invitation()
        try:
            found = await query.flow_comparison(asked["name"], *sets)
        except (ValueError, Unanswerable) as error:
            return comparison.refused(str(error))
        except Exception:
            log.exception("comparing for the flow failed")
            return comparison.refused("They cannot be compared right now.")
        return [] if found is None else comparison.compared(found, asked)

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
