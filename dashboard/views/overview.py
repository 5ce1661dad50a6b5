"""The overview: what needs a person, where, what it is worth, and what is left of each promise."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from dash import dcc, html

from dashboard import components as c
from dashboard import phrases, wording
from dashboard.figures import sparkline
from dashboard.links import NEEDS_A_PERSON, OPEN, Links
from dashboard.query_port import Row
from dashboard.views.first_run import first_run
from dashboard.views.incidents import incident_line
from dashboard.views.outlook import outlook_card

# so many that the page needs no scrolling on a laptop
INCIDENTS_SHOWN = 4
BUDGETS_SHOWN = 4
SOURCES_SHOWN = 6
FAILING = ("failed", "inconsistent")


def overview(data: Row, now: datetime, links: Links) -> Any:
    domains: list[Row] = data["domains"]
    if not data.get("events_total"):
        return first_run(data["sources"], bool(domains))
    return html.Div(
        [
            *(html.P(said, className="behind", role="status") for said in wording.late_words(data.get("late") or ())),
            kpi_strip(domains, now, links),
            html.Div(
                [
                    html.Div(
                        [
                            domain_card(domains, links),
                            budget_card(domains, now, links),
                            source_card(data["sources"], now, links),
                        ],
                        className="main-column",
                    ),
                    html.Div(
                        [
                            incident_card(data["incidents"], now, links),
                            outlook_card(data["outlook"], now, links),
                        ],
                        className="side-column",
                    ),
                ],
                className="columns",
            ),
        ],
        className="overview",
    )


def _sum(domains: Sequence[Row], *fields: str) -> int:
    return sum(int(d.get(f) or 0) for d in domains for f in fields)


def kpi(label: str, value: str, href: str, note: Any = None, tone: str = "", state: str | None = None) -> dcc.Link:
    return dcc.Link(
        [
            html.Span([c.mark(state) if state else None, label], className="kpi-label"),
            html.Span(value, className=f"kpi-value {tone}".strip()),
            html.Span(note, className="kpi-note"),
        ],
        href=href,
        className="kpi",
    )


def kpi_strip(domains: Sequence[Row], now: datetime, links: Links) -> html.Div:
    stuck, due, blind = _sum(domains, "stuck"), _sum(domains, "due_soon"), _sum(domains, "blind")
    failing = _sum(domains, *FAILING)
    risk = wording.total_money(d["value_at_risk"] for d in domains)
    oldest = min((d["oldest_stuck_since"] for d in domains if d.get("oldest_stuck_since")), default=None)
    main, rest = risk[:1], risk[1:]
    return html.Div(
        [
            kpi(
                "Stuck", wording.count(stuck), links.worklist(verdict="stuck", sort="stuck_since"),
                ["oldest ", c.age(oldest, now)] if oldest else "nothing is stuck", "bad" if stuck else "zero", "stuck",
            ),
            kpi(
                "Failed or inconsistent", wording.count(failing), links.worklist(verdict=FAILING),
                "needs a person", "" if failing else "zero", "failed",
            ),
            kpi(
                "Value at risk", wording.money(main, compact=True) if main else wording.DASH,
                links.worklist(verdict=NEEDS_A_PERSON, sort="-value"),
                f"+ {wording.money(rest, compact=True)}" if rest else "in stuck and failed work",
            ),
            kpi(
                "Due soon", wording.count(due), links.worklist(verdict="due_soon"), "past their warning", "", "due_soon"
            ),
            kpi(
                "Blind", wording.count(blind), links.worklist(verdict="blind"), "awaited source is silent",
                "" if blind else "zero", "blind",
            ),
            kpi("Open", wording.count(_sum(domains, "open")), links.worklist(verdict=OPEN), _open_note(domains)),
        ],
        className="kpis",
        id="kpis",
    )  # fmt: skip


def _open_note(domains: Sequence[Row]) -> str:
    waived = _sum(domains, "waived")
    return f"under way, {wording.count(waived)} waived" if waived else "under way in all"


def worst_objective(objectives: Sequence[Row]) -> Row | None:
    known = [o for o in objectives if o.get("budget_left_ratio") is not None]
    return min(known, key=lambda o: o["budget_left_ratio"], default=None)


def domain_card(domains: Sequence[Row], links: Links) -> html.Section:
    heads = (
        "Domain",
        "Open",
        "Due soon",
        "Stuck",
        "Failed",
        "Blind",
        "Value at risk",
        "Missed today",
        "SLO budget left",
        "Last 7 days",
    )
    rows = [cells for d in domains for cells in domain_rows(d, links)]
    return c.card(c.table(heads, rows, "Domains and their workflows", "domains"), "Domains", "good and missed per 6 h")


def domain_rows(domain: Row, links: Links) -> list[list[Any]]:
    name = domain["domain"]
    workflows: list[Row] = domain["workflows"]
    title = html.Div(
        [
            dcc.Link(wording.humanise(name), href=links.worklist(domain=name, verdict=OPEN), className="strong"),
            html.Span(_domain_note(workflows), className="sub"),
            _waived(domain, links, domain=name),
            _orphans(domain, links, domain=name),
        ],
        className="stacked",
    )
    rows = [
        [
            title,
            *_numbers(domain, {"domain": name}, links),
            _today(workflows[0], links) if len(workflows) == 1 else "",
            _budget(domain, links),
            trend_image(name, domain["trend"]),
        ]
    ]
    if len(workflows) > 1:
        rows += [
            [
                html.Div(
                    [
                        dcc.Link(
                            w["title"] or w["name"],
                            href=links.worklist(workflow=w["name"], verdict=OPEN),
                            className="child",
                        ),
                        _waived(w, links, workflow=w["name"]),
                        _orphans(w, links, workflow=w["name"]),
                    ],
                    className="stacked",
                ),
                *_numbers(w, {"workflow": w["name"]}, links),
                _today(w, links),
                "",
                "",
            ]
            for w in workflows
        ]
    return rows


def _waived(row: Row, links: Links, **where: str) -> Any:
    """How many are waived, where any are: nobody is told of them, and nobody should forget them."""
    if not row.get("waived"):
        return None
    href = links.worklist(**where, verdict="waived")
    return dcc.Link(f"{wording.count(row['waived'])} waived", href=href, className="sub")


def _orphans(row: Row, links: Links, **where: str) -> Any:
    """How many never started, where any did not."""
    if not row.get("orphans"):
        return None
    href = links.worklist(**where, reason="orphan")
    return dcc.Link(wording.plural(row["orphans"], "orphan"), href=href, className="sub")


def _domain_note(workflows: Sequence[Row]) -> str:
    if len(workflows) == 1:
        return str(workflows[0]["title"] or workflows[0]["name"])
    return wording.plural(len(workflows), "workflow")


def _numbers(row: Row, where: dict[str, str], links: Links) -> list[Any]:
    return [
        c.number(row["open"], links.worklist(**where, verdict=OPEN), "Open"),
        c.number(row["due_soon"], links.worklist(**where, verdict="due_soon"), "Due soon"),
        c.number(row["stuck"], links.worklist(**where, verdict="stuck"), "Stuck", "bad"),
        c.number(
            row["failed"] + row["inconsistent"], links.worklist(**where, verdict=FAILING), "Failed or inconsistent"
        ),
        c.number(row["blind"], links.worklist(**where, verdict="blind"), "Blind"),
        _at_risk(row["value_at_risk"], links.worklist(**where, verdict=NEEDS_A_PERSON, sort="-value")),
    ]


def _at_risk(amounts: Sequence[Row], href: str) -> dcc.Link:
    """The largest amount; those in other currencies in a word beside it, and whole in the title."""
    more = len(amounts) - 1
    return dcc.Link(
        [
            html.Span(wording.money(amounts[:1], compact=True)),
            html.Span(f"+{more}", className="sub") if more > 0 else None,
        ],
        href=href,
        className="num amounts" + ("" if amounts else " zero"),
        title=wording.money(amounts),
    )


def _today(workflow: Row, links: Links) -> Any:
    """What was missed today until the last full hour, beside what usually is by then."""
    today = workflow["today"]
    missed, due = today["missed"], today["due"]
    name = f"workflow:{workflow['name']}"
    told = phrases.usual_words(today)
    return html.Div(
        [
            c.number(missed, links.counted(name, since=today["since"], until=today["until"]), told),
            html.Span(phrases.usual_short(today), className="sub"),
        ]
        if due
        else [html.Span(wording.DASH, className="zero", title=told)],
        className="stacked today",
    )


def _budget(domain: Row, links: Links) -> Any:
    worst = worst_objective(domain["objectives"])
    if worst is None:
        return wording.DASH
    left, title = worst["budget_left_ratio"], worst["title"] or worst["name"]
    counted = wording.plural(len(domain["objectives"]), "objective")
    return dcc.Link(
        [
            html.Span(
                [
                    html.Span(wording.budget_left(left), className=f"strong {c.budget_tone(left)}"),
                    c.budget_bar(left, title),
                ],
                className="budget-line",
            ),
            html.Span(wording.budget_short(worst), className="sub"),
        ],
        href=links.objectives(worst["name"]),
        className="stacked",
        title=f"{title}, the tightest of {counted}",
    )  # fmt: skip


def budget_card(domains: Sequence[Row], now: datetime, links: Links) -> Any:
    """The tightest budgets of all domains, with the arithmetic in words."""
    known = [o for d in domains for o in d["objectives"] if o.get("budget_left_ratio") is not None]
    if not known:
        return None
    rows = [
        dcc.Link(
            [
                html.Span(o["title"] or wording.humanise(o["name"]), className="budget-name"),
                _told(o, now),
                c.budget_bar(o["budget_left_ratio"], o["title"] or o["name"]),
                html.Span(
                    wording.budget_left(o["budget_left_ratio"]),
                    className=f"figure {c.budget_tone(o['budget_left_ratio'])}",
                ),
            ],
            href=links.objectives(o["name"]),
            className="budget-row",
        )
        for o in sorted(known, key=lambda o: o["budget_left_ratio"])[:BUDGETS_SHOWN]
    ]
    every = dcc.Link(f"all {wording.count(len(known))}", href=links.objectives(), className="more-aside")
    return c.card(html.Div(rows), "Error budgets, the tightest first", every)


def _told(objective: Row, now: datetime) -> Any:
    said = wording.pace_words(objective, now)
    return html.Span(
        wording.budget_short(objective) + said,
        title=wording.budget_words(objective) + said,
        className="muted budget-told",
    )


def trend_image(name: str, trend: Sequence[Row]) -> html.Img:
    good, bad = sum(r["good"] for r in trend), sum(r["bad"] for r in trend)
    told = f"{wording.humanise(name)}, last 7 days: {wording.count(good)} good, {wording.count(bad)} missed"
    return html.Img(src=sparkline(trend), alt=told, title=told, className="spark")


def incident_card(incidents: Sequence[Row], now: datetime, links: Links) -> html.Section:
    more = len(incidents) - INCIDENTS_SHOWN
    body: list[Any] = [incident_line(i, now, links) for i in incidents[:INCIDENTS_SHOWN]]
    if not incidents:
        body = [c.quiet("No open incident. Nothing holds up a group of instances.")]
    told = f"all {wording.count(len(incidents))}" if more > 0 else wording.count(len(incidents))
    count = dcc.Link(told, href=links.incidents(), className="more-aside", title="Open incidents")
    return c.card(html.Div(body, className="lines"), "Open incidents", count)


def source_card(sources: Sequence[Row], now: datetime, links: Links) -> html.Section:
    """Those that cannot be seen first; of a type that does not come by itself, too, though its source may be well."""
    order = {"silent": 0, "catching_up": 1, "unknown": 2, "live": 3}
    named = [(s["title"] or s["source"], s["source"], s) for s in sources]
    named += [
        (f"{title}: {one['type']}", source, one)
        for title, source, s in named
        for one in s["types"]
        if one["state"] == "silent"
    ]
    named.sort(key=lambda one: order.get(one[2]["state"], 4))
    rows: list[Any] = [
        dcc.Link(
            [
                c.mark(one["state"]),
                html.Span(title, className="pulse-name"),
                html.Span(
                    wording.state_label(one["state"]).lower() if one["state"] != "live" else None, className="muted"
                ),
                html.Span(c.age(one["last_received_at"], now), className="muted"),
            ],
            href=links.sources(source),
            className="pulse",
        )
        for title, source, one in named[:SOURCES_SHOWN]
    ]
    live = sum(s["state"] == "live" for s in sources)
    body = html.Div(rows, className="pulses") if rows else c.quiet("No source is defined yet.")
    told = dcc.Link(f"{live} of {len(sources)} live", href=links.sources(), className="more-aside")
    return c.card(body, "Sources", told)
