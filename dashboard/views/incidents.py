"""Incidents: one cause each, with the population it holds up."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from dash import dcc, html

from dashboard import components as c
from dashboard import wording
from dashboard.links import Links
from dashboard.query_port import Row

HEADS = ("Incident", "Verdict", "Instances", "Value", "Holding since", "Owner", "Opened")


def incident_table(items: Sequence[Row], now: datetime, links: Links) -> Any:
    if not items:
        return c.nothing_here("No incident", "Nothing holds up a group of instances, and nothing has so far.")
    firing = [i for i in items if i["status"] == "firing"]
    resolved = [i for i in items if i["status"] != "firing"]
    parts = []
    for title, group in (("Open", firing), ("Resolved", resolved)):
        if group:
            rows = [_row(i, now, links) for i in group]
            parts.append(
                c.card(c.table(HEADS, rows, f"{title} incidents", "incidents"), title, wording.count(len(group)))
            )
    return html.Div(parts)


def _row(i: Row, now: datetime, links: Links) -> list[Any]:
    return [
        html.Div(
            [
                dcc.Link(i["title"], href=links.incidents(i["id"]), className="strong"),
                html.Span(f"{wording.humanise(i['workflow'])} · {i['severity']}", className="sub"),
            ],
            className="stacked",
        ),
        c.badge(i["verdict"]),
        c.number(i["count"], links.held_up_by(i), "Instances held up"),
        wording.money(i["value"], compact=True),
        c.age(i["oldest_since"], now),
        i["owner"] or wording.DASH,
        c.when(i["opened_at"], now),
    ]


def incident_line(incident: Row, now: datetime, links: Links) -> html.Div:
    value = wording.money(incident["value"], compact=True)
    return html.Div(
        [
            c.mark(incident["verdict"]),
            html.Div(
                [
                    dcc.Link(incident["title"], href=links.incidents(incident["id"]), className="line-title"),
                    html.Div(
                        [
                            dcc.Link(
                                wording.plural(incident["count"], "instance"),
                                href=links.held_up_by(incident),
                                className="under",
                            ),
                            html.Span(value) if value != wording.DASH else None,
                            html.Span(["for ", c.age(incident["oldest_since"], now)])
                            if incident["oldest_since"]
                            else None,
                            html.Span(incident["owner"]) if incident["owner"] else None,
                        ],
                        className="meta",
                    ),
                ],
                className="line-body",
            ),
        ],
        className="line",
    )


def incident_page(i: Row, now: datetime, links: Links) -> Any:
    timeline = [
        [c.at_time(line["at"]), wording.humanise(line["what"]), line.get("by") or "", line["detail"] or ""]
        for line in i.get("timeline") or ()
    ]
    deliveries = [
        [
            c.at_time(d["at"]),
            d["target"],
            d["kind"],
            wording.humanise(d["reason"]),
            wording.humanise(d["state"]),
            f"{wording.plural(d['attempts'], 'attempt')}, last {d['last_status'] or wording.DASH}",
        ]
        for d in i.get("deliveries") or ()
    ]
    decided = [
        [one["target"], wording.humanise(one["reason"]), one["because"], c.when(one["until"], now)]
        for one in i.get("whom") or ()
    ]
    return html.Div(
        [
            c.card(
                c.facts(
                    [
                        ("Status", c.badge(i["status"])),
                        ("Severity", wording.humanise(i["severity"])),
                        ("Taken on by", i.get("acknowledged_by") or wording.DASH),
                        ("Assigned to", i.get("assignee") or wording.DASH),
                        ("Runbook", i.get("runbook") or wording.DASH),
                        ("Instances", dcc.Link(wording.plural(i["count"], "instance"), href=links.held_up_by(i))),
                        ("Most at once", wording.count(i["peak_count"])),
                        ("Value", wording.money(i["value"])),
                        ("Verdict", c.badge(i["verdict"])),
                        ("Waiting for", wording.humanise(i["waiting_for"])),
                        ("From", i["source"] or wording.DASH),
                        ("Owner", i["owner"] or wording.DASH),
                        ("Oldest", c.age(i["oldest_since"], now)),
                        ("Opened", c.when(i["opened_at"], now)),
                        ("Resolved", c.when(i["resolved_at"], now)),
                    ]
                )
            ),
            c.card(
                c.table(("Target", "Decided", "Why", "Until"), decided, "Who is told, and why")
                if decided
                else c.quiet("No route takes it."),
                "Who is told, and why",
            ),
            c.card(c.table(("At", "What", "By", "Detail"), timeline, "What happened"), "What happened"),
            c.card(
                c.table(("At", "To", "Kind", "Reason", "State", "Attempts"), deliveries, "Who was told")
                if deliveries
                else c.quiet("Nobody has been told yet."),
                "Who was told",
            ),
        ]
    )
