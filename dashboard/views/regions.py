"""Several installations on one page: how each stands, as it says itself. Every figure leads to where it comes from."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from dash import html

from dashboard import components as c
from dashboard import wording
from dashboard.links import NEEDS_A_PERSON, OPEN, Links
from dashboard.query_port import Row

FAILING = ("failed", "inconsistent")
INCIDENTS_SHOWN = 8
BUDGETS_SHOWN = 8
SOURCES_SHOWN = 8
HEADS = ("Open", "Due soon", "Stuck", "Failed", "Blind", "Value at risk", "SLO budget left")


def regions(data: Row, now: datetime) -> Any:
    """All regions, or why they are not shown."""
    if data.get("refused"):
        return c.nothing_here("Not for you", f"{data['refused'].capitalize()}.")
    items: list[Row] = data["items"]
    told = [one for one in items if one["figures"]]
    body = [region_card(items, now)]
    if told:
        body.append(domain_card(told, now))
        body.append(html.Div([_budgets(told, now), _incidents(told, now)], className="halves"))
        body.append(_sources(told, now))
    return html.Div([*_silences(items, now), *body], className="regions")


def region_card(items: Sequence[Row], now: datetime) -> html.Section:
    """A line for each region, with when it said so."""
    heads = ("Region", *HEADS, "Incidents", "Sources live", "As of")
    rows = [[_name(one), *_region_cells(one), _told(one, now)] for one in items]
    live = sum(one["state"] == "live" for one in items)
    return c.card(c.table(heads, rows, "Regions", "domains of-regions"), "Regions", f"{live} of {len(items)} answer")


def domain_card(told: Sequence[Row], now: datetime) -> html.Section:
    """A line for each domain of each region."""
    rows = []
    for one in told:
        links = _links(one)
        for domain in one["figures"]["domains"]:
            where = {"domain": domain["domain"]}
            name = html.Div(
                [
                    _out(wording.humanise(domain["domain"]), links.worklist(**where, verdict=OPEN), "strong"),
                    _whose(one, now, "sub"),
                ],
                className="stacked",
            )
            rows.append([name, *_cells(domain, domain["budget_left_ratio"], links, where)])
    return c.card(c.table(("Domain", *HEADS), rows, "Domains of all regions", "domains of-domains"), "Domains")


def _silences(items: Sequence[Row], now: datetime) -> list[Any]:
    """What must not be overlooked: a region that does not answer, with how old is what is shown of it."""
    found = []
    for one in items:
        if one["state"] == "silent":
            old = [" What is shown is ", c.age(one["answered_at"], now), " old."] if one["figures"] else []
            since = ["does not answer since ", c.at_time(one["silent_since"])]
            said = [html.Strong(one["title"]), " ", *since, f": {one['why']}.", *old]
            found.append(html.P(said, className="behind", role="status"))
    return found


def _name(region: Row) -> Any:
    return html.Div(
        [
            html.Span([c.mark(region["state"]), _out(region["title"], _links(region).overview(), "strong")]),
            html.Span("no answer" if region["state"] == "silent" else None, className="sub"),
        ],
        className="stacked",
    )


def _told(region: Row, now: datetime) -> Any:
    if region["figures"] is None:
        return wording.DASH
    return c.when(region["figures"]["as_of"], now)


def _whose(region: Row, now: datetime, css: str | None = None) -> html.Span:
    """Whose figure it is, and of when."""
    return html.Span([region["title"], ", ", c.when(region["figures"]["as_of"], now)], className=css)


def _region_cells(region: Row) -> list[Any]:
    said = region["figures"]
    if said is None:
        return [wording.DASH] * (len(HEADS) + 2)
    links = _links(region)
    counts = ("open", "due_soon", "stuck", "blind", "failed", "inconsistent")
    total = {name: sum(one[name] for one in said["domains"]) for name in counts}
    total["value_at_risk"] = wording.total_money(one["value_at_risk"] for one in said["domains"])
    known = [one["budget_left_ratio"] for one in said["domains"] if one["budget_left_ratio"] is not None]
    live = f"{wording.count(said['sources_live'])} of {wording.count(said['sources_count'])}"
    return [
        *_cells(total, min(known, default=None), links, {}),
        _count(said["incidents_count"], links.incidents(), "Open incidents"),
        _out(live, links.sources(), "num"),
    ]


def _cells(row: Row, left: float | None, links: Links, where: Row) -> list[Any]:
    worth = row["value_at_risk"]
    return [
        _count(row["open"], links.worklist(**where, verdict=OPEN), "Open"),
        _count(row["due_soon"], links.worklist(**where, verdict="due_soon"), "Due soon"),
        _count(row["stuck"], links.worklist(**where, verdict="stuck"), "Stuck", "bad"),
        _count(row["failed"] + row["inconsistent"], links.worklist(**where, verdict=FAILING), "Failed or inconsistent"),
        _count(row["blind"], links.worklist(**where, verdict="blind"), "Blind"),
        _out(
            wording.money(worth, compact=True) if worth else wording.DASH,
            links.worklist(**where, verdict=NEEDS_A_PERSON, sort="-value"),
            "num" if worth else "num zero",
            wording.money(worth),
        ),
        _budget(left, links.objectives(), "the tightest"),
    ]


def _budget(left: float | None, href: str, what: str) -> Any:
    if left is None:
        return wording.DASH
    said = [html.Span(wording.budget_left(left), className=f"strong {c.budget_tone(left)}"), c.budget_bar(left, what)]
    return _out(html.Span(said, className="budget-line"), href, "stacked")


def _budgets(told: Sequence[Row], now: datetime) -> html.Section:
    known = [
        (one["budget_left_ratio"], region, one)
        for region in told
        for one in region["figures"]["objectives"]
        if one["budget_left_ratio"] is not None
    ]
    known.sort(key=lambda entry: (entry[0], entry[1]["name"], entry[2]["name"]))
    rows = [
        _out(
            [
                html.Span(one["title"], className="budget-name"),
                _whose(region, now, "muted budget-told"),
                c.budget_bar(left, one["title"]),
                html.Span(wording.budget_left(left), className=f"figure {c.budget_tone(left)}"),
            ],
            _links(region).objectives(one["name"]),
            "budget-row",
        )
        for left, region, one in known[:BUDGETS_SHOWN]
    ]
    body = html.Div(rows) if rows else c.quiet("No region says of a budget what is left of it.")
    return c.card(body, "Error budgets, the tightest first")


def _incidents(told: Sequence[Row], now: datetime) -> html.Section:
    found = [(region, one) for region in told for one in region["figures"]["incidents"]]
    found.sort(key=lambda pair: (pair[1]["severity"] != "critical", -pair[1]["count"], pair[0]["name"]))
    lines = [_incident(region, one, now) for region, one in found[:INCIDENTS_SHOWN]]
    every = sum(region["figures"]["incidents_count"] for region in told)
    body = html.Div(lines, className="lines") if lines else c.quiet("No open incident in any region that answered.")
    return c.card(body, "Open incidents", f"{wording.count(len(lines))} of {wording.count(every)}")


def _incident(region: Row, one: Row, now: datetime) -> html.Div:
    links, worth = _links(region), wording.money(one["value"], compact=True)
    meta = [
        _whose(region, now),
        html.Span(f"{wording.count(one['count'])} held up") if one["count"] else None,
        html.Span(worth) if worth != wording.DASH else None,
        html.Span(["for ", c.age(one["oldest_since"], now)]) if one["oldest_since"] else None,
    ]
    said = [_out(one["title"], links.incidents(one["id"]), "line-title"), html.Div(meta, className="meta")]
    return html.Div([c.mark(one["verdict"]), html.Div(said, className="line-body")], className="line")


def _sources(told: Sequence[Row], now: datetime) -> html.Section:
    unseen = [(r, one) for r in told for one in r["figures"]["sources"] if one["state"] not in ("live", "unknown")]
    rows = [
        _out(
            [
                c.mark(one["state"]),
                html.Span(one["title"], className="pulse-name"),
                _whose(region, now, "muted"),
                html.Span(wording.state_label(one["state"]).lower(), className="muted"),
                html.Span(c.age(one["last_received_at"], now), className="muted"),
            ],
            _links(region).sources(one["source"]),
            "pulse",
        )
        for region, one in unseen[:SOURCES_SHOWN]
    ]
    body = html.Div(rows, className="pulses") if rows else c.quiet("No source that a definition names is silent.")
    more = f"{wording.count(len(rows))} of {wording.count(len(unseen))}" if unseen else None
    return c.card(body, "Sources that cannot be seen", more)


def _count(value: int, href: str, label: str, tone: str = "") -> html.A:
    quiet = "" if value else " zero"
    return _out(wording.count(value), href, f"num{quiet} {tone if value else ''}".strip(), label)


def _out(children: Any, href: str, css: str, title: str | None = None) -> html.A:
    """A link into the dashboard of a region: another place, where somebody may have to log in."""
    return html.A(children, href=href, className=css, target="_blank", rel="noopener noreferrer", title=title)


def _links(region: Row) -> Links:
    """Addresses in a region's own dashboard; of what it says only names come into them, quoted."""
    return Links(f"{region['url']}/dashboard/")
