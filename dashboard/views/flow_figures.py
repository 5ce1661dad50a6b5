"""A workflow step by step in figures: where the time goes, what drops off, what was done again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dash import dcc, html

from dashboard import components as c
from dashboard import wording
from dashboard.links import Links
from dashboard.query_port import Row

HEADS = ("Step", "Share of the time", "Half took", "Late", "Called off before", "Done without", "Again")
NOTE = "by the time that half took, from clock to clock, and by how many took it"


def figures_card(flow: Row, links: Links) -> Any:
    """What the instances that began last say of each step; None where none did."""
    if not flow["learned"]["instances"]:
        return None
    rows = [_row(step, links) for step in flow["steps"]]
    restarted = flow["learned"]["restarted"]
    anew = c.quiet(f"{wording.plural(restarted, 'instance')} began anew.") if restarted else None
    return c.card([c.table(HEADS, rows, "Each step in figures", "figures"), anew], "Where the time goes", NOTE)


def _row(step: Row, links: Links) -> list[Any]:
    title = step["title"] or wording.humanise(step["name"])
    share, took = step["time_share"], step["elapsed_median_seconds"]
    after = step["again_after_seconds"]
    again = f"half within {wording.rough(after)} of the first" if after is not None else None
    return [
        html.Span(title, className="strong"),
        wording.DASH if step["starts"] or share is None else _bar(share, title),
        wording.DASH if took is None else wording.rough(took),
        _opened(step, "late", title, links),
        _opened(step, "dropped", title, links),
        _opened(step, "without", title, links),
        html.Div([_opened(step, "again", title, links), html.Span(again, className="sub")], className="stacked")
        if again
        else _opened(step, "again", title, links),
    ]


def _bar(share: float, title: str) -> html.Div:
    told = wording.percent(share)
    return html.Div(
        [
            html.Span(told, className="share-words"),
            html.Div(
                html.Div(style={"width": f"{share * 100:.1f}%"}),
                className="share-bar",
                role="img",
                **{"aria-label": f"{title}: {told} of the time"},
            ),
        ],
        className="share",
    )


def _opened(step: Row, what: str, title: str, links: Links) -> Any:
    """How many, which opens to those of them that began last."""
    number, last = step[what], step["last"][what]
    if not number or not last:
        return html.Span(wording.count(number), className="num" if number else "num zero")
    return html.Details(
        [
            html.Summary(wording.count(number), title=f"{title}: those that began last"),
            html.Ul(_listed(last, number, links), className="opened"),
        ],
        className="opens",
    )


def _listed(last: Sequence[Row], number: int, links: Links) -> list[Any]:
    lines = [html.Li(dcc.Link(one["title"], href=links.instance(one["id"]), className="under")) for one in last]
    if number > len(last):
        lines.append(html.Li(f"and {wording.count(number - len(last))} that began before", className="muted"))
    return lines
