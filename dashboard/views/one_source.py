"""One source: what it sends against what is expected of it, what waits for it, and what of it could not be used."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from dash import dcc, html

from dashboard import components as c
from dashboard import phrases, wording
from dashboard.links import NEEDS_A_PERSON, OPEN, Links
from dashboard.query_port import Row
from dashboard.retelling import retold

FLOW_HEADS = ("From", "To", "Step", "Waiting", "Held up", "Blind")
LETTER_HEADS = ("Received", "Type", "Event id", "Reason", "Detail")


def source_head(s: Row, now: datetime, links: Links) -> Any:
    dead = s["dead_letters"] + s["rejected"]
    waits = links.worklist(source_awaited=s["source"], verdict=OPEN)
    pairs: list[tuple[str, Any]] = [
        ("State", c.badge(s["state"])),
        ("Owner", s["owner"] or wording.DASH),
        ("Last arrival", c.when(s["last_received_at"], now)),
        ("Expected", retold(s["expects"] or "nothing in particular")),
        ("Arrives", phrases.rate_words(s["rate"]["per_minute"]) or wording.DASH),
        ("Behind its own clock", wording.DASH if s["lag_seconds"] is None else phrases.lag_words(s["lag_seconds"])),
        ("Clock", s["skew"]["finding"] or "as ours"),
        ("Received", wording.count(s["received"])),
        ("Duplicates", phrases.share_words(s["duplicates"], s["received"])),
        ("Asked for by a workflow", wording.percent(s.get("matched_share"), 1)),
        (
            "Dead letters",
            html.A(wording.count(dead), href="#dead-letters", className="num" + ("" if dead else " zero")),
        ),
        ("Waiting for it", dcc.Link("open work", href=waits)),
    ]
    if s["expected_by"]:
        pairs.insert(4, ("Next by", c.when(s["expected_by"], now)))
    return c.facts(pairs)


def flow_table(flows: Sequence[Row], links: Links) -> Any:
    """What goes from system to system; None where nothing does."""
    if not flows:
        return c.quiet("No workflow goes from one system to another here.")
    rows = [
        [
            dcc.Link(f["sender"], href=links.sources(f["sender"]), className="under"),
            dcc.Link(f["receiver"], href=links.sources(f["receiver"]), className="under"),
            html.Div(
                [
                    html.Span(f["title"]),
                    dcc.Link(
                        f["workflow_title"] or f["workflow"], href=links.definitions(f["workflow"]), className="sub"
                    ),
                ],
                className="stacked",
            ),
            c.number(f["waiting"], _list(f, OPEN, links), "Waiting for this step"),
            c.number(f["held"], _list(f, NEEDS_A_PERSON, links), "Stuck, failed or inconsistent here", "bad"),
            c.number(f["blind"], _list(f, ("blind",), links), "Blind: the receiver is silent"),
        ]
        for f in flows
    ]
    return c.table(FLOW_HEADS, rows, "What goes from system to system", "flows")


def _list(flow: Row, verdicts: Sequence[str], links: Links) -> str:
    return links.worklist(workflow=flow["workflow"], waiting_for=flow["milestone"], verdict=verdicts)


def letters(dead: Row, now: datetime) -> Any:
    """The dead letters of a source, with how many there are of each reason."""
    if not dead["items"]:
        return c.quiet("None. Everything received could be used.")
    reasons: dict[str, int] = {}
    for one in dead["items"]:
        reasons[one["reason"]] = reasons.get(one["reason"], 0) + 1
    told = ", ".join(f"{wording.count(n)} {wording.letter_label(r).lower()}" for r, n in sorted(reasons.items()))
    shown = len(dead["items"])
    of = f"Of the last {wording.count(shown)}: {told}." if shown < dead["total"] else f"{told}."
    rows = [
        [
            c.when(one["received_at"], now),
            one["type"] or wording.DASH,
            html.Code(one["event_id"] or wording.DASH),
            wording.letter_label(one["reason"]),
            one["detail"] or "",
        ]
        for one in dead["items"]
    ]
    return html.Div([c.quiet(of), c.table(LETTER_HEADS, rows, "Dead letters of this source", "dead")])
