"""Sources: who sends, when something last arrived, and what could not be used."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from dash import dcc, html

from dashboard import components as c
from dashboard import wording
from dashboard.links import OPEN, Links
from dashboard.query_port import Row
from dashboard.retelling import retold
from dashboard.views.one_source import flow_table

HEADS = (
    "Source",
    "State",
    "Last arrival",
    "Expected",
    "Clock",
    "Received",
    "Duplicates",
    "Unmatched",
    "Dead letters",
    "Awaited by",
)
DEAD_HEADS = ("Received", "Source", "Type", "Event id", "Reason", "Detail")


def source_page(sources: Sequence[Row], flows: Sequence[Row], dead: Row, now: datetime, links: Links) -> Any:
    if not sources:
        return c.nothing_here("No source yet", "A source appears here once it has sent something or is defined.")
    return html.Div(
        [
            c.card(c.table(HEADS, [row for s in sources for row in _rows(s, now, links)], "Sources", "sources")),
            c.card(flow_table(flows, links), "Flows", "what goes from system to system"),
            c.card(
                c.table(DEAD_HEADS, [_dead(d, now) for d in dead["items"]], "Dead letters", "dead")
                if dead["items"]
                else c.quiet("None. Everything received could be used."),
                "Dead letters",
                wording.count(dead["total"]),
                anchor="dead-letters",
            ),
        ]
    )


def _rows(s: Row, now: datetime, links: Links) -> list[list[Any]]:
    """The source, and below it each of its types of which something is expected by itself."""
    return [_row(s, now, links), *(_of_type(one, now) for one in s["types"])]


def _of_type(one: Row, now: datetime) -> list[Any]:
    rest: list[Any] = [None] * (len(HEADS) - 4)
    return [
        html.Code(one["type"], className="child"),
        c.badge(one["state"]),
        c.when(one["last_received_at"], now),
        _expected(one, now),
        *rest,
    ]


def _expected(one: Row, now: datetime) -> Any:
    """What is expected in words, and by when the next arrival is."""
    if one["expects"] is None:
        return wording.DASH
    due = wording.moment(one["expected_by"])
    said = None if due is None else "next " if due > now else "was due "
    by = html.Span([said, c.when(one["expected_by"], now)], className="sub") if said else None
    return html.Div([html.Span(retold(one["expects"])), by], className="stacked")


def _row(s: Row, now: datetime, links: Links) -> list[Any]:
    dead = s["dead_letters"] + s["rejected"]
    return [
        html.Div(
            [
                dcc.Link(s["title"] or s["source"], href=links.sources(s["source"]), className="strong"),
                html.Span(f"{s['source']} · {s['owner'] or 'no owner'}", className="sub"),
            ],
            className="stacked",
        ),
        c.badge(s["state"]),
        c.when(s["last_received_at"], now),
        _expected(s, now),
        _clock(s["skew"]),
        _received(s),
        wording.count(s["duplicates"]),
        wording.count(s["unmatched"]),
        html.A(wording.count(dead), href="#dead-letters", className="num" + ("" if dead else " zero")),
        dcc.Link("waiting work", href=links.worklist(source_awaited=s["source"], verdict=OPEN), className="under"),
    ]


def _received(s: Row) -> Any:
    a_minute = s["rate"]["per_minute"]
    if a_minute is None:
        return wording.count(s["received"])
    lately = html.Span(f"{a_minute:g} a minute", className="sub", title="in the last hour")
    return html.Div([html.Span(wording.count(s["received"])), lately], className="stacked")


def _clock(skew: Row) -> Any:
    if skew["finding"] is None:
        return wording.DASH
    return html.Span(skew["finding"], className="low" if skew["beyond_tolerance"] else "muted")


def _dead(d: Row, now: datetime) -> list[Any]:
    return [
        c.when(d["received_at"], now),
        d["source"] or wording.DASH,
        d["type"] or wording.DASH,
        html.Code(d["event_id"] or wording.DASH),
        wording.letter_label(d["reason"]),
        d["detail"] or "",
    ]
