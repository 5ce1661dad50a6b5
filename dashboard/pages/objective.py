# mypy: disallow-untyped-decorators=False
from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

import dash
from dash import Input, Output, dcc, html, no_update

from collector.query.moments import Unanswerable
from dashboard import components as c
from dashboard import figures, time_range, wording
from dashboard.links import Links
from dashboard.pages.live import in_time, live_state, register_live, register_range
from dashboard.query_port import DashboardQuery
from dashboard.views import objective as view
from dashboard.views import ranges
from dashboard.views.outlook import workflow_card

log = logging.getLogger(__name__)

CHART_HEIGHT = 240
MOST_PERIODS = 12
REGIONS = ("objective-groups", "objective-values", "objective-periods", "objective-exclusions", "objective-asked")


def group_of(text: str) -> list[str]:
    """The values of a group as an address says them: a JSON list of texts; anything else is no group."""
    try:
        said = json.loads(unquote(text)) if text else []
    except ValueError:
        return []
    return [str(value or "") for value in said] if isinstance(said, list) else []


def register(app: dash.Dash, query: DashboardQuery, links: Links) -> None:
    async def layout(name: str = "", group: str = "", **said: Any) -> html.Div:
        name, asked = unquote(name), time_range.asked_range(said)
        return html.Div(
            [
                *live_state("objective", name=name, group=group_of(group), **asked),
                *live_state("objective-outlook", name=name),
                html.Div([dcc.Link("Objectives", href=links.objectives())], className="crumbs"),
                html.H1(wording.humanise(name), id="objective-title"),
                html.Div(c.skeleton(3), id="objective"),
                # What arrives late stands beside what is used, or below all of it: it pushes nothing away.
                html.Div(
                    [
                        c.card(
                            [
                                html.P(id="objective-asked", className="muted note"),
                                html.H3("Error budget left", className="figure-title"),
                                figures.graph("objective-budget", height=CHART_HEIGHT),
                                html.H3("Good and bad", className="figure-title"),
                                figures.graph("objective-days", height=CHART_HEIGHT),
                            ],
                            "History",
                            ranges.control(
                                "objective", asked, "The present window", ("24h", "7d", "28d", "90d", "365d")
                            ),
                        ),
                        html.Div(
                            view.why_card(c.quiet("Looking for what they have in common …")),
                            id="objective-why",
                            **{"aria-live": "polite"},
                        ),
                    ],
                    className="columns",
                ),
                html.Div(id="objective-groups"),
                html.Div(id="objective-values"),
                c.card(html.Div(c.skeleton(3), id="objective-periods"), "Periods"),
                html.Div(id="objective-exclusions"),
                html.Div(id="objective-outlook"),
            ]
        )

    async def load(asked: dict[str, Any]) -> Any:
        since, until = time_range.span(asked, datetime.now(UTC))
        refused = None
        try:
            try:
                objective = await query.objective(asked["name"], asked["group"], since=since, until=until)
            except ValueError as error:
                if since is None and until is None:
                    raise
                refused, objective = str(error), await query.objective(asked["name"], asked["group"])
        except ValueError:
            # An address that was made up.
            return None
        if objective is None:
            return None
        periods = await query.periods(asked["name"], limit=MOST_PERIODS, group=asked["group"])
        return objective | {"periods": periods, "refused": refused, "range": time_range.range_name(asked)}

    def draw(data: Any, now: datetime) -> tuple[dict[str, Any], list[Any]]:
        if data is None:
            gone = c.nothing_here("No such objective", "It is not among the loaded definitions.")
            return dict.fromkeys(REGIONS) | {"objective": gone}, [figures.blank(), figures.blank()]
        regions = {
            "objective": view.objective_head(data, links, now),
            "objective-title": data["title"] or wording.humanise(data["name"]),
            "objective-groups": view.groups_table(data, links),
            "objective-values": view.money_table(data),
            "objective-periods": view.periods_table(data["periods"], links, list((data["group"] or {}).values())),
            "objective-exclusions": view.exclusions_list(data),
            "objective-asked": view.asked_words(data, links),
        }
        step = (data["step"], data["zone"])
        return regions, [figures.budget_left(data["budget_series"], *step), figures.good_and_bad(data["series"], *step)]

    outputs = [Output("objective-budget", "figure"), Output("objective-days", "figure")]
    register_live(app, "objective", load, draw, outputs)
    register_range(app, "objective")

    # Only when something else is asked, not with every tick: many instances are read for it, and little moves.
    @app.callback(Output("objective-why", "children"), Input("objective-ask", "data"))
    async def why(asked: dict[str, Any] | None) -> Any:
        if asked is None:
            return no_update
        since, until = time_range.span(asked, datetime.now(UTC))
        group = asked["group"]
        try:
            found = await query.objective_differences(
                asked["name"], since=since, until=until, group=group, limit=view.MOST_APART
            )
        except (ValueError, Unanswerable):
            # What is wrong with the time is told beside the figures.
            return view.why_card(c.quiet("Nothing is compared of this time."))
        except Exception:
            log.exception("comparing for the objective failed")
            return view.why_card(c.quiet("What they have in common cannot be told right now."))
        if found is None:
            return []
        return view.apart(found, links, group) or view.why_card(c.quiet("Nothing was bad in this time."))

    # By itself: what is expected changes all the time, and the figures need not be drawn anew for it.
    async def foresee(asked: dict[str, Any]) -> Any:
        return await in_time(query.outlook(objective=asked["name"]))

    def foretell(data: Any, now: datetime) -> tuple[dict[str, Any], list[Any]]:
        return {"objective-outlook": workflow_card(data, now, links)}, []

    register_live(app, "objective-outlook", foresee, foretell)
    dash.register_page("objective", path_template="/objectives/<name>", title="Objective · Milepost", layout=layout)
