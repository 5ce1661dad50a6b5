"""Incidents in lists: one cause each, with the population it holds up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import dash_mantine_components as dmc
from dash import dcc, html

from dashboard import components as c
from dashboard import time_range, wording
from dashboard.links import WITHOUT_INSTANCES, Links
from dashboard.query_port import Row
from dashboard.views import ranges

HEADS = ("Incident", "Verdict", "How many", "Value", "Holding since", "Owner", "At it", "Opened")
# the controls on the page, in the order in which the browser's function takes them
CONTROLS = ("q", "status", "severity", "domain", "owner", "sort")
STATUSES = (("firing", "open"), ("resolved", "resolved"))
SEVERITIES = (("critical", "critical"), ("warning", "warning"), ("info", "info"))
SORTS = (
    ("-count", "most instances"),
    ("-value", "most value"),
    ("oldest_since", "held up longest"),
    ("-opened_at", "opened last"),
)
LABELS = {"status": "Status", "severity": "Severity", "domain": "Domain", "owner": "Owner", "sort": "Order"}
_CHOICES = {"status": STATUSES, "sort": SORTS}
_LONGEST = 200


def filters_from(asked: Mapping[str, Any]) -> dict[str, str]:
    """The query layer's filters out of an address or a store; what cannot be asked is no filter."""
    filters = {}
    for name in CONTROLS:
        value = asked.get(name)
        value = value[0] if isinstance(value, list) and value else value
        text = str(value or "").replace("\x00", "")[:_LONGEST]
        if text and (name not in _CHOICES or text in dict(_CHOICES[name])):
            filters[name] = text
    return filters


def controls(workflows: Sequence[Row], filters: Mapping[str, str], asked: Mapping[str, str]) -> html.Div:
    owners = {w["owner"] for w in workflows} | {m["owner"] for w in workflows for m in w["milestones"]}
    options: dict[str, Sequence[tuple[str, str]]] = {
        "status": STATUSES,
        "severity": SEVERITIES,
        "domain": [(d, wording.humanise(d)) for d in sorted({w["domain"] for w in workflows})],
        "owner": [(o, o) for o in sorted(o for o in owners if o)],
        "sort": SORTS,
    }
    search = dmc.TextInput(
        id="incidents-q", value=filters.get("q", ""), placeholder="Words of the cause or of comments ( / )",
        debounce=300, size="xs", leftSection=c.icon("search", 15), label="Find", className="search",
    )  # fmt: skip
    return html.Div(
        [
            search,
            *[_select(name, options[name], filters.get(name)) for name in LABELS],
            ranges.control("incidents", asked, "any time", tuple(time_range.RELATIVE), "Open at some time in"),
        ],
        className="incident-filters",
        role="group",
        **{"aria-label": "Filters"},
    )


def _select(name: str, options: Sequence[tuple[str, str]], value: str | None) -> dmc.Select:
    data = [{"value": v, "label": label} for v, label in options]
    if value and value not in dict(options):
        # a link may name what no definition knows any more; it must still be seen, and be taken away
        data.insert(0, {"value": value, "label": value})
    return dmc.Select(
        id=f"incidents-{name}", data=data, value=value, label=LABELS[name],
        placeholder="the usual" if name == "sort" else "any", clearable=True, size="xs", className="select",
        comboboxProps={"shadow": "md"},
    )  # fmt: skip


def incident_table(data: Row, filters: Mapping[str, str], now: datetime, links: Links) -> Any:
    items = data["items"]
    if not items and any(name != "sort" for name in filters):
        return c.nothing_here("Nothing matches", "No incident fits these filters. Take one away to see more.")
    if not items:
        return c.nothing_here("No incident", "Nothing holds up a group of instances, and nothing has so far.")
    parts = []
    for title, status in (("Open", "firing"), ("Resolved", "resolved")):
        group = [i for i in items if i["status"] == status]
        if group:
            rows = [_row(i, now, links) for i in group]
            parts.append(
                c.card(c.table(HEADS, rows, f"{title} incidents", "incidents"), title, wording.count(len(group)))
            )
    if data.get("cut"):
        parts.append(c.quiet(f"These are the first {wording.count(len(items))}. Filters find the others."))
    return html.Div(parts)


def _row(i: Row, now: datetime, links: Links) -> list[Any]:
    return [
        html.Div(
            [
                dcc.Link(i["title"], href=links.incidents(i["id"]), className="strong"),
                html.Span(_beneath(i), className="sub"),
            ],
            className="stacked",
        ),
        c.badge(i["verdict"]),
        held_up(i, links),
        wording.money(i["value"], compact=True),
        c.age(i["oldest_since"], now),
        i["owner"] or wording.DASH,
        _at_it(i, now),
        c.when(i["opened_at"], now),
    ]


def _beneath(i: Row) -> str:
    return " · ".join(
        wording.humanise(one) if one != i["severity"] else one for one in (i["workflow"], i["severity"]) if one
    )


def held_up(i: Row, links: Links) -> Any:
    """How many an incident holds up, as a link to exactly these."""
    label = "What it is about" if i["verdict"] in WITHOUT_INSTANCES else "Instances held up"
    return c.number(i["count"], links.held_up_by(i), label)


def is_acknowledged(i: Row, now: datetime) -> bool:
    until = wording.moment(i.get("acknowledged_until"))
    return bool(i.get("acknowledged_by")) and (until is None or until > now)


def is_postponed(i: Row, now: datetime) -> bool:
    until = wording.moment(i.get("postponed_until"))
    return until is not None and until > now


def _at_it(i: Row, now: datetime) -> Any:
    said: list[Any] = [html.Span(i["assignee"])] if i.get("assignee") else []
    if i["status"] == "firing" and is_acknowledged(i, now):
        said.append(html.Span(f"acknowledged by {i['acknowledged_by']}", className="sub"))
    if i["status"] == "firing" and is_postponed(i, now):
        said.append(html.Span(["postponed, back ", c.when(i["postponed_until"], now)], className="sub"))
    return html.Div(said, className="stacked") if said else wording.DASH


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
                                wording.held_up(incident),
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
