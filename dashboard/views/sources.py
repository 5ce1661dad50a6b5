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

HEADS = (
    "Source",
    "State",
    "Last arrival",
    "Silent after",
    "Clock",
    "Received",
    "Duplicates",
    "Unmatched",
    "Dead letters",
    "Awaited by",
)
DEAD_HEADS = ("Received", "Source", "Type", "Event id", "Reason", "Detail")


def source_page(sources: Sequence[Row], dead: Row, now: datetime, links: Links) -> Any:
    if not sources:
        return c.no_data_yet()
    return html.Div(
        [
            c.card(c.table(HEADS, [_row(s, now, links) for s in sources], "Sources", "sources")),
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


def _row(s: Row, now: datetime, links: Links) -> list[Any]:
    return [
        html.Div(
            [
                html.Span(s["title"] or s["source"], className="strong"),
                html.Span(f"{s['source']} · {s['owner'] or 'no owner'}", className="sub"),
            ],
            className="stacked",
        ),
        c.badge(s["state"]),
        c.when(s["last_received_at"], now),
        wording.duration(s["silent_after_seconds"]) if s["silent_after_seconds"] else wording.DASH,
        _clock(s["skew"]),
        wording.count(s["received"]),
        wording.count(s["duplicates"]),
        wording.count(s["unmatched"]),
        html.A(
            wording.count(s["dead_letters"]),
            href="#dead-letters",
            className="num" + ("" if s["dead_letters"] else " zero"),
        ),
        dcc.Link("waiting work", href=links.worklist(source_awaited=s["source"], verdict=OPEN), className="under"),
    ]


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
        wording.humanise(d["reason"]),
        d["detail"] or "",
    ]
