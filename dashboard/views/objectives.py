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
PERIOD_HEADS = ("Period", "Good", "Bad", "Share good", "Allowance", "Promise")


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
            f"{wording.count(o['bad'])} / {wording.count(o['total'])}",
            href=links.objectives(o["name"]),
            className="num",
        ),
        c.number(
            o["pending_bad"], links.worklist(workflow=o["workflow"], verdict=NEEDS_A_PERSON), "Bad and still unfinished"
        ),
        html.Img(src=sparkline(trend), alt="Good and bad per day", className="spark") if trend else wording.DASH,
    ]


def objective_head(o: Row, links: Links) -> Any:
    left = o["budget_left_ratio"]
    return html.Div(
        [
            html.P(
                [
                    html.Span([wording.budget_words(o), "."], className="strong"),
                    " ",
                    _plain_words(o),
                ],
                className="lead",
            ),
            html.Div(c.budget_bar(left, o["title"] or o["name"]), className="budget-wide"),
            c.facts(
                [
                    ("Budget left", html.Span(wording.budget_left(left), className=f"strong {c.budget_tone(left)}")),
                    ("Target", wording.target(o["target"])),
                    ("Now", wording.percent(o["ratio"], 2)),
                    ("Good", wording.count(o["good"])),
                    ("Bad", wording.count(o["bad"])),
                    ("Total", wording.count(o["total"])),
                    (
                        "Bad, still unfinished",
                        c.number(
                            o["pending_bad"],
                            links.worklist(workflow=o["workflow"], verdict=NEEDS_A_PERSON),
                            "Open misses",
                        ),
                    ),
                    ("Window", _window(o)),
                    (
                        "Workflow",
                        dcc.Link(wording.humanise(o["workflow"]), href=links.worklist(workflow=o["workflow"])),
                    ),
                    ("Owner", o["owner"] or wording.DASH),
                ]
            ),
        ]
    )


def periods_table(periods: Row) -> Any:
    """What was counted in each period, latest first; those before anything was counted are left out."""
    items = periods["items"]
    while len(items) > 1 and not items[-1]["total"]:
        items = items[:-1]
    rows = [
        [
            wording.period_name(periods["period"], periods["zone"], one["since"]),
            wording.count(one["good"]),
            wording.count(one["bad"]),
            wording.percent(one["ratio"], 2),
            wording.budget_words(one | {"unit": periods["unit"]}),
            _kept(one),
        ]
        for one in items
    ]
    return c.table(PERIOD_HEADS, rows, "What each period came to", "periods")


def _kept(one: Row) -> Any:
    if one["met"] is None:
        return wording.DASH
    if not one["over"]:
        return "So far kept" if one["met"] else html.Span("Not kept so far", className="strong")
    return "Kept" if one["met"] else html.Span("Missed", className="strong")


def _window(o: Row) -> str:
    window = o["window"]
    if window["period"] is None:
        return f"rolling {wording.duration(o['window_seconds'])}"
    return f"{window['period']} of {window['zone']}, until {wording.instant(window['until'])}"


def _lately(o: Row) -> str:
    period = o["window"]["period"]
    if period is None:
        return f"of the last {wording.duration(o['window_seconds'])}"
    return "of today" if period == "day" else f"of this {period}"


def _plain_words(o: Row) -> str:
    counted = "of all time slices" if o.get("unit") == "slices" else "of all instances"
    what = f"Promised: {o['description']}, for {wording.target(o['target'])} {counted} {_lately(o)}."
    if o["budget_left_ratio"] is None:
        return f"{what} Nothing has been counted yet."
    remaining = (o["budget_allowed"] or 0) - (o["budget_used"] or 0)
    if remaining < 0:
        return f"{what} The budget is overspent by {wording.count(-remaining)}."
    return f"{what} {wording.count(int(remaining))} more may miss before the promise is broken."
