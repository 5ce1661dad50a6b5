# mypy: disallow-untyped-decorators=False
from __future__ import annotations

from datetime import datetime
from typing import Any
from urllib.parse import unquote

import dash
from dash import html

from dashboard import components as c
from dashboard.links import Links
from dashboard.pages.live import live_state, register_live
from dashboard.query_port import DashboardQuery
from dashboard.views import account as view


def register(app: dash.Dash, query: DashboardQuery, links: Links) -> None:
    async def layout(namespace: str = "", value: str = "", **_: Any) -> html.Div:
        return html.Div(
            [
                *live_state("account", namespace=unquote(namespace), value=unquote(value)),
                html.Div(c.skeleton(3), id="account"),
                html.Div(c.skeleton(6), id="account-domains"),
            ]
        )

    async def load(asked: dict[str, Any]) -> Any:
        found = await query.account(asked["namespace"], asked["value"])
        return {"found": found, **asked}

    def draw(data: Any, now: datetime) -> tuple[dict[str, Any], list[Any]]:
        found = data["found"]
        if found is None:
            return {"account": view.unknown(data["namespace"], data["value"]), "account-domains": []}, []
        return {"account": view.head(found, now, links), "account-domains": view.domains(found, now, links)}, []

    register_live(app, "account", load, draw)
    dash.register_page(
        "account", path_template="/accounts/<namespace>/<value>", title="Account · Milepost", layout=layout
    )
