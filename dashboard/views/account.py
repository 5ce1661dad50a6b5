"""One customer across domains: what support needs to know when they call."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from dash import dcc, html

from dashboard import components as c
from dashboard import wording
from dashboard.links import NEEDS_A_PERSON, OPEN, Links
from dashboard.query_port import Row

HEADS = ("Instance", "Verdict", "Waiting for", "Held up", "Deadline", "Owner", "Value", "Last event")
_SAID_FIRST = ("stuck", "failed", "inconsistent", "blind", "due_soon", "on_track", "paused", "waived")


def unknown(namespace: str, value: str) -> html.Div:
    return html.Div(
        [
            html.H1(value),
            c.nothing_here(
                f"Nothing of this {wording.humanise(namespace).lower()}",
                f"No instance has ever carried {namespace} {value}. Another spelling may be the known one.",
            ),
        ]
    )


def head(a: Row, now: datetime, links: Links) -> list[Any]:
    key = f"{a['namespace']}={a['value']}"
    pairs: list[tuple[str, Any]] = [
        (
            "Need a person",
            c.number(a["pressing"], links.worklist(key=key, verdict=NEEDS_A_PERSON), "Open these", "bad"),
        ),
        ("Open", c.number(a["open"], links.worklist(key=key, verdict=OPEN), "Open these")),
        ("Ever", c.number(a["total"], links.worklist(key=key), "Open all of them")),
        ("At risk", wording.money(a["value_at_risk"])),
        ("Worth of what is open", wording.money(a["value_open"])),
        ("Known since", c.when(a["first_at"], now)),
        ("Last event", c.when(a["last_at"], now)),
    ]
    if a["names"]:
        others = [
            part
            for name in a["names"]
            for part in (dcc.Link(name["value"], href=links.account(name["namespace"], name["value"])), " ")
        ]
        pairs.append(("Also known as", html.Span(others)))
    return [
        c.page_head(
            html.Span([html.Span(f"{wording.humanise(a['namespace'])} ", className="muted"), a["value"]]),
            lead=_lead(a),
        ),
        c.facts(pairs),
    ]


def _lead(a: Row) -> str:
    """The answer to a caller in one sentence."""
    if a["pressing"]:
        verb = "needs" if a["pressing"] == 1 else "need"
        worth = wording.money(a["value_at_risk"])
        return f"{wording.count(a['pressing'])} of {wording.plural(a['open'], 'open instance')} {verb} a person" + (
            f", worth {worth}." if worth != wording.DASH else "."
        )
    if a["open"]:
        return f"{wording.plural(a['open'], 'instance')} open, and none of them needs a person."
    return "Nothing is open."


def domains(a: Row, now: datetime, links: Links) -> list[Any]:
    return [
        c.card(
            [part for w in domain["workflows"] for part in _workflow(a, w, now, links)],
            wording.humanise(domain["domain"]),
            css="account-domain",
        )
        for domain in a["domains"]
    ]


def _workflow(a: Row, w: Row, now: datetime, links: Links) -> list[Any]:
    key = f"{a['namespace']}={a['value']}"
    counts = [
        dcc.Link(
            [c.mark(verdict), f"{wording.count(w['counts'][verdict])} {wording.verdict_label(verdict).lower()}"],
            href=links.worklist(key=key, workflow=w["name"], verdict=verdict),
            className="count",
        )
        for verdict in (*_SAID_FIRST, *sorted(set(w["counts"]) - set(_SAID_FIRST)))
        if w["counts"].get(verdict)
    ]
    worth = wording.money(w["value_open"])
    more = w["total"] - len(w["items"])
    return [
        html.Div(
            [
                html.H3(dcc.Link(w["title"], href=links.flows(w["name"]))),
                html.Div(counts, className="counts"),
                html.Span(f"{worth} open" if worth != wording.DASH else "", className="muted push"),
            ],
            className="account-workflow",
        ),
        c.table(
            HEADS, [_row(item, now, links) for item in w["items"]], f"{w['title']}, most pressing first", "account"
        ),
        dcc.Link(
            f"{wording.count(more)} more in the worklist",
            href=links.worklist(key=key, workflow=w["name"]),
            className="more",
        )
        if more > 0
        else None,
    ]


def _row(i: Row, now: datetime, links: Links) -> list[Any]:
    awaited = i["waiting_for_title"] or (wording.humanise(i["waiting_for"]) if i["waiting_for"] else None)
    source = html.Span(f"from {i['source_awaited']}", className="sub") if i["source_awaited"] else None
    handled = (i.get("handling") or {}).get("assigned_to")
    return [
        dcc.Link(i["title"], href=links.instance(i["id"]), className="strong"),
        c.badge(i["verdict"]),
        html.Div([awaited, source], className="stacked") if awaited else wording.DASH,
        c.age(i["stuck_since"], now),
        c.when(i["deadline_at"], now),
        html.Div(
            [i["owner"] or wording.DASH, html.Span(f"assigned to {handled}", className="sub") if handled else None],
            className="stacked",
        ),
        wording.money(i["value"]),
        c.when(i["updated_at"], now),
    ]
