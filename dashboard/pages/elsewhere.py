"""An address of the dashboard at which there is no page."""

from __future__ import annotations

from typing import Any

import dash
from dash import dcc, html

from dashboard import components as c
from dashboard.links import Links
from dashboard.query_port import DashboardQuery


def register(_app: dash.Dash, _query: DashboardQuery, links: Links) -> None:
    async def layout(**_: Any) -> html.Div:
        back = ["Nothing has this address. ", dcc.Link("What needs a person", href=links.overview()), " is here."]
        return c.nothing_here("There is no such page", back)

    # Dash shows the page of this name where there is no other.
    dash.register_page("not_found_404", path="/404", title="Not found · Milepost", layout=layout)
