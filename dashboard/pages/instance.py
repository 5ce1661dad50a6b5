# mypy: disallow-untyped-decorators=False
from __future__ import annotations

from datetime import datetime
from typing import Any
from urllib.parse import unquote

import dash
import dash_mantine_components as dmc
from dash import ClientsideFunction, Input, Output, State, dcc, html, no_update

from dashboard import components as c
from dashboard import figures
from dashboard.journey import journey_figure
from dashboard.links import Links
from dashboard.pages.live import Begun, begin, in_time, live_state, register_live
from dashboard.query_port import DashboardQuery
from dashboard.viewer import viewing
from dashboard.views import instance as view
from dashboard.views import past
from dashboard.views.outlook import instance_card
from dashboard.waterfall import traces, waterfall_figure, worth_seeing

# "now" moves on the timeline even when nothing happens
REDRAW_SECONDS = 60


def register(app: dash.Dash, query: DashboardQuery, links: Links) -> None:
    async def layout(instance_id: str = "", known_at: str = "", **_: Any) -> html.Div:
        asked = {"id": unquote(instance_id), **({"known_at": unquote(known_at)} if known_at else {})}
        begun = await begin("instance", load, draw, asked, REDRAW_SECONDS)
        return html.Div(_sections(asked["id"], begun), className="instance")

    async def load(asked: dict[str, Any]) -> Any:
        return await past.read(query, asked)

    def draw(data: Any, now: datetime) -> tuple[dict[str, Any], list[Any]]:
        if data is None:
            return {"instance": view.unknown()}, [figures.blank(), "hidden", []]
        if "refused" in data:
            told = past.refused(data["refused"], links.instance(data["id"]))
            return {"instance": told}, [figures.blank(), "hidden", data["moments"]]
        now = past.judged_at(data) or now
        regions = {
            "instance": view.head(data, now, links),
            "instance-incidents": view.incidents_card(data, now, links),
            "instance-incidents-before": view.former_incidents_card(data, now, links),
            "instance-notes": view.notes_card(data, now),
            "instance-past": past.told(data, links),
            "instance-why": view.why(data),
            "instance-history": view.history(data),
            "instance-acts": view.acts(data, links),
            "instance-journey": view.journey_table(data),
            "instance-keys": view.keys_table(data, links),
            "instance-related": view.related_card(data, now, links),
            "instance-events": view.events_table(data),
        }
        return regions, [journey_figure(data, now), "", data["moments"]]

    outputs = [
        Output("instance-timeline", "figure"),
        Output("instance-body", "className"),
        Output("instance-moments", "data"),
    ]
    register_live(app, "instance", load, draw, outputs, REDRAW_SECONDS)
    app.clientside_callback(
        ClientsideFunction("milepost", "knownAt"),
        Output("instance-ask", "data"),
        Output("known-at", "max"),
        Output("known-at", "value"),
        Input("known-at", "value"),
        Input("instance-moments", "data"),
        State("instance-ask", "data"),
    )

    # By itself: a chance changes all the time, and the figures need not be drawn anew for it.
    async def foresee(asked: dict[str, Any]) -> Any:
        return await in_time(query.instance_forecast(asked["id"]))

    def foretell(data: Any, _: datetime) -> tuple[dict[str, Any], list[Any]]:
        return {"instance-outlook": instance_card(data)}, []

    register_live(app, "instance-outlook", foresee, foretell)

    # Hundreds of spans take a while to draw, and stand below what one comes for.
    app.clientside_callback(
        ClientsideFunction("milepost", "later"), Output("instance-settled", "data"), Input("instance-shown", "data")
    )

    @app.callback(
        Output("waterfall", "figure"),
        Output("trace-note", "children"),
        Output("trace", "data"),
        Output("trace", "value"),
        Output("spans-body", "className"),
        Input("trace", "value"),
        Input("instance-settled", "data"),
        State("instance-ask", "data"),
    )
    async def one_trace(chosen: str | None, shown: str | None, asked: dict[str, Any] | None) -> list[Any]:
        if not shown or asked is None:
            return [no_update] * 5
        data = await past.read(query, asked)
        found = traces(data["spans"]) if data and "spans" in data else []
        trace = next((t for t in found if t.trace_id == chosen), None) or worth_seeing(found)
        value = trace.trace_id if trace else None
        return [
            waterfall_figure(trace),
            view.trace_note(trace),
            view.trace_options(found),
            no_update if value == chosen else value,
            "" if trace else "without-spans",
        ]

    dash.register_page("instance", path_template="/instances/<instance_id>", title="Instance · Milepost", layout=layout)


def _sections(instance_id: str, begun: Begun) -> list[Any]:
    timeline, css, moments = begun.values or (None, "", None)
    trace = dmc.Select(
        id="trace", data=[], value=None, allowDeselect=False, searchable=True, size="xs", className="trace-select",
        **{"aria-label": "Trace"},
    )  # fmt: skip
    return [
        *begun.state,
        dcc.Store(id="instance-moments", data=moments),
        dcc.Store(id="instance-settled"),
        *live_state("instance-outlook", id=instance_id),
        html.Div(c.skeleton(4), id="instance"),
        html.Div(
            [
                past.slider(),
                html.Div(id="instance-incidents"),
                html.Div(id="instance-outlook"),
                html.Div(id="instance-notes"),
                c.card(figures.graph("instance-timeline", timeline), "Journey", f"times in {viewing.get().zone}"),
                html.Div(
                    [
                        c.card(html.Div(c.skeleton(2), id="instance-why"), "Why"),
                        c.card(html.Div(c.skeleton(2), id="instance-history"), "Verdicts"),
                    ],
                    className="halves",
                ),
                html.Div(id="instance-acts"),
                html.Div(id="instance-incidents-before"),
                c.card(html.Div(c.skeleton(), id="instance-journey"), "Milestones"),
                html.Div(
                    c.card(
                        [html.P(id="trace-note", className="muted note"), figures.graph("waterfall")], "Spans", trace,
                        css="spans",
                    ),
                    id="spans-body",
                ),
                c.card(html.Div(c.skeleton(2), id="instance-keys"), "Keys"),
                html.Div(id="instance-related"),
                c.card([html.Div(id="instance-events", className="plain"), c.skeleton()], "Events"),
            ],
            id="instance-body",
            className=css,
        ),
    ]  # fmt: skip
