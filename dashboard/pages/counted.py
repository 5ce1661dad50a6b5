from __future__ import annotations

import math
import time
from datetime import datetime
from typing import Any
from urllib.parse import unquote

import dash
from dash import dcc, html

from dashboard import components as c
from dashboard import wording
from dashboard.links import Links
from dashboard.pages.live import live_state, register_live
from dashboard.pages.objective import group_of
from dashboard.query_port import DashboardQuery
from dashboard.views import counted as view

# Such a list reads many instances, and what it says of the past hardly moves.
KEPT_SECONDS = 60
MOST_KEPT = 50


def register(app: dash.Dash, query: DashboardQuery, links: Links) -> None:
    async def layout(
        name: str = "",
        outcome: str = "bad",
        since: str = "",
        until: str = "",
        group: str = "",
        where: str = "",
        cursor: str = "",
        **_: Any,
    ) -> html.Div:
        name = unquote(name)
        said = {"since": since, "until": until, "where": where, "cursor": cursor}
        asked = {field: unquote(text) for field, text in said.items()}
        return html.Div(
            [
                *live_state("counted", name=name, outcome=unquote(outcome), group=group_of(group), **asked),
                html.Div(
                    [
                        dcc.Link("Objectives", href=links.objectives()),
                        " / ",
                        dcc.Link(wording.humanise(name), href=links.objectives(name, group_of(group))),
                    ],
                    className="crumbs",
                ),
                html.H1("What was counted", id="counted-title"),
                html.Div(c.skeleton(8), id="counted"),
            ]
        )

    kept: dict[str, tuple[float, Any]] = {}

    async def load(asked: dict[str, Any]) -> Any:
        key = repr(sorted(asked.items()))
        read_at, found = kept.get(key, (-math.inf, None))
        if time.monotonic() - read_at > KEPT_SECONDS:
            try:
                found = await query.contributors(
                    asked["name"],
                    since=asked["since"] or None,
                    until=asked["until"] or None,
                    outcome=asked["outcome"],
                    group=asked["group"],
                    where=[asked["where"]] if asked["where"] else [],
                    cursor=asked["cursor"] or None,
                )
            except ValueError as error:
                found = {"refused": str(error)}
            if len(kept) >= MOST_KEPT:
                kept.clear()
            kept[key] = (time.monotonic(), found)
        return found if found is None else found | {"asked": asked}

    def draw(data: Any, _: datetime) -> tuple[dict[str, Any], list[Any]]:
        if data is None:
            return {"counted": c.nothing_here("No such objective", "It is not among the loaded definitions.")}, []
        if "refused" in data:
            return {"counted": c.nothing_here("That cannot be listed", data["refused"])}, []
        return {"counted-title": data["title"], "counted": view.counted(data, links)}, []

    register_live(app, "counted", load, draw)
    dash.register_page(
        "counted", path_template="/objectives/<name>/counted", title="What was counted · Milepost", layout=layout
    )
