# mypy: disallow-untyped-decorators=False
from __future__ import annotations

import asyncio
import logging
from datetime import datetime
from importlib.util import find_spec
from typing import Any

import dash
from dash import ClientsideFunction, Input, Output, dcc, html, no_update

from dashboard import components as c
from dashboard.links import Links
from dashboard.pages.live import live_state, register_live
from dashboard.query_port import DashboardQuery
from dashboard.views import worklist as view

log = logging.getLogger(__name__)


def register(app: dash.Dash, query: DashboardQuery, links: Links) -> None:
    parquet = find_spec("pyarrow") is not None

    async def layout(**asked: Any) -> html.Div:
        try:
            found = await asyncio.gather(query.workflows(), query.assignees())
            workflows, assignees = (one["items"] for one in found)
        except Exception:  # noqa: BLE001 - the filters can do without; the region below says what is wrong
            workflows, assignees = [], []
        filters = view.filters_from(asked)
        return html.Div(
            [
                *live_state("worklist", pending=True),
                dcc.Store(id="worklist-still"),
                html.Div(id="worklist"),
                *view.worklist(workflows, assignees, filters, asked.get("sort"), parquet=parquet),
            ],
            className="worklist",
        )

    async def load(asked: dict[str, Any]) -> Any:
        if asked.get("pending"):
            return None
        found, noted = await asyncio.gather(
            query.instances(**view.filters_from(asked), sort="-updated_at", limit=1), query.noted()
        )
        latest = found["items"][0]["updated_at"] if found["items"] else None
        told = {name: found[name] for name in ("total", "total_exact", "value")}
        # Who handles an instance moves nothing of it, and is shown in its row all the same.
        return told | {"latest": latest, "noted": noted["last"]}

    def draw(data: Any, _: datetime) -> tuple[dict[str, Any], list[Any]]:
        return {"worklist-totals": view.totals(data) if data else ""}, []

    register_live(app, "worklist", load, draw)

    # Only when other filters are set, not with every tick: many instances are read for it, and nothing moves by itself.
    app.clientside_callback(
        ClientsideFunction("milepost", "still"), Output("worklist-still", "data"), Input("worklist-ask", "data")
    )

    @app.callback(
        Output("worklist-why", "children"), Output("worklist-why", "className"), Input("worklist-still", "data")
    )
    async def why(asked: dict[str, Any] | None) -> tuple[Any, Any]:
        if asked is None or asked.get("pending"):
            return no_update, no_update
        return await _why(view.filters_from(asked)), "why"

    async def _why(filters: dict[str, Any]) -> Any:
        if not view.compared(filters):
            return []
        try:
            found = await query.differences(**filters, limit=view.MOST_IN_COMMON, most=view.MOST_COMPARED)
        except Exception:
            log.exception("comparing for the worklist failed")
            return c.quiet("What they have in common cannot be told right now.")
        return view.in_common(found, filters, links)

    @app.callback(Output("worklist-chips", "children"), Input("worklist-ask", "data"), prevent_initial_call=True)
    async def tell(asked: dict[str, Any] | None) -> Any:
        if asked is None or asked.get("pending"):
            return no_update
        return view.chips(view.filters_from(asked))

    app.clientside_callback(
        ClientsideFunction("milepost", "filter"),
        Output("worklist-ask", "data"),
        *[Input(f"filter-{name}", "value") for name in view.CONTROLS],
    )
    app.clientside_callback(
        ClientsideFunction("milepost", "attachGrid"),
        Output("worklist-grid-state", "title"),
        Input("worklist-grid", "id"),
    )
    app.clientside_callback(
        ClientsideFunction("milepost", "refreshGrid"),
        Output("worklist-grid-state", "lang"),
        Input("worklist-shown", "data"),
    )
    app.clientside_callback(
        ClientsideFunction("milepost", "toggleFilters"),
        Output("worklist-filters", "className"),
        Input("worklist-more", "n_clicks"),
    )
    dash.register_page("worklist", path="/worklist", title="Worklist · Milepost", layout=layout)
