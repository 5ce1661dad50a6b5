"""What was promised, how much of the allowance is used, and what is left."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dash import dcc, html

from dashboard import components as c
from dashboard import wording
from dashboard.figures import sparkline
from dashboard.links import NEEDS_A_PERSON, Links
from dashboard.query_port import Row

HEADS = ("Objective", "Target", "Now", "Allowance", "Budget left", "Bad / total", "Open misses", "Trend")


def objective_table(items: Sequence[Row], trends: dict[str, Sequence[Row]], links: Links) -> Any:
    if not items:
        return c.nothing_here(
            "No objective yet",
            "An objective is a file of kind Objective beside its workflow; it appears here once it is loaded.",
        )
    ordered = sorted(items, key=lambda o: (o["budget_left_ratio"] is None, o["budget_left_ratio"] or 0))
    rows = [_row(o, trends.get(o["name"], ()), links) for o in ordered]
    return c.card(c.table(HEADS, rows, "Objectives, the tightest budget first", "objectives"))


def _row(o: Row, trend: Sequence[Row], links: Links) -> list[Any]:
    left = o["budget_left_ratio"]
    return [
        html.Div(
            [
                dcc.Link(
                    o["title"] or wording.humanise(o["name"]), href=links.objectives(o["name"]), className="strong"
                ),
                html.Span(f"{wording.humanise(o['workflow'])} · {o['owner']}", className="sub"),
                *_alarms(o),
            ],
            className="stacked",
        ),
        wording.target(o["target"]),
        wording.percent(o["ratio"], 2),
        wording.budget_words(o),
        html.Div(
            [
                html.Span(wording.budget_left(left), className=f"strong {c.budget_tone(left)}"),
                c.budget_bar(left, o["title"] or o["name"]),
            ],
            className="budget-line",
        ),
        dcc.Link(
            f"{wording.count(o['bad'])} / {wording.count(o['total'])}", href=links.counted(o["name"]), className="num"
        ),
        c.number(
            o["pending_bad"], links.worklist(workflow=o["workflow"], verdict=NEEDS_A_PERSON), "Bad and still unfinished"
        ),
        html.Img(src=sparkline(trend), alt="Good and bad per day", className="spark") if trend else wording.DASH,
    ]


def _alarms(o: Row) -> list[Any]:
    """What cannot wait: the budget burns, or it is not known how it stands."""
    found = [("firing", wording.burning_words(o).partition(",")[0])] if o["burning"] else []
    found += [("silent", wording.missing_words(o).partition(";")[0])] if o["missing_source"] else []
    found += [("catching_up", wording.replaying_words(o).partition(";")[0])] if o["replaying_source"] else []
    return [html.Span([c.mark(state), words], className="sub alarm") for state, words in found]
