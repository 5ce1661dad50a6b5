"""The parts pages are made of: pure functions from rows to Dash components."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from dash import dcc, html
from dash_iconify import DashIconify

from dashboard import wording

Child = Any
Make = Callable[..., Child]
"""What a part is made of: `component`, or `elements.element` where there are hundreds in a plain region."""


def icon(name: str, size: int = 18) -> DashIconify:
    return DashIconify(icon=f"tabler:{name}", width=size, height=size)


def mark(state: str) -> html.Span:
    """The shape and colour of a verdict or state; the word stands beside it."""
    return html.Span(className=f"mk mk-{state}", **{"aria-hidden": "true"})


def badge(verdict: str) -> html.Span:
    label = wording.VERDICT_LABELS.get(verdict) or wording.state_label(verdict)
    return html.Span([mark(verdict), label], className=f"badge badge-{verdict}")


def when(text: str | None, now: datetime) -> Child:
    """A moment told from now; the browser keeps it counting without asking the server."""
    at = wording.moment(text)
    if at is None:
        return wording.DASH
    return html.Time(wording.relative(at, now), dateTime=text, title=wording.instant(text), **{"data-tell": "relative"})


def age(text: str | None, now: datetime) -> Child:
    at = wording.moment(text)
    if at is None:
        return wording.DASH
    told = wording.rough((now - at).total_seconds())
    return html.Time(told, dateTime=text, title=wording.instant(text), **{"data-tell": "age"})


def component(name: str, children: Child = None, /, **props: Any) -> Child:
    """A component by its name in `dash.html`."""
    return getattr(html, name)(children, **props)


def at_time(text: str | None, of: Make = component) -> Child:
    if not text:
        return wording.DASH
    return of("Time", wording.short_instant(text), dateTime=text, title=wording.instant(text))


def number(value: float, href: str, label: str, tone: str = "") -> dcc.Link:
    """A count that opens the list behind it. Nothing to see is written quietly."""
    quiet = "" if value else " zero"
    return dcc.Link(
        wording.count(value), href=href, className=f"num{quiet} {tone if value else ''}".strip(), title=label
    )


def card(
    children: Child, title: Child = None, aside: Child = None, css: str = "", anchor: str | None = None
) -> html.Section:
    head = [html.Div([html.H2(title), html.Div(aside, className="aside")], className="card-head")] if title else []
    extra: dict[str, Any] = {"id": anchor} if anchor else {}
    body = children if isinstance(children, list) else [children]
    return html.Section([*head, *body], className=f"card {css}".strip(), **extra)


def page_head(title: Child, aside: Child = None, lead: Child = None) -> html.Header:
    return html.Header(
        [
            html.Div([html.H1(title), html.Div(aside, className="aside")], className="page-head-row"),
            html.P(lead, className="lead") if lead else None,
        ],
        className="page-head",
    )


def fact(label: str, value: Child) -> html.Div:
    return html.Div([html.Dt(label), html.Dd(value)], className="fact")


def facts(pairs: Sequence[tuple[str, Child]]) -> html.Dl:
    return html.Dl([fact(label, value) for label, value in pairs], className="facts")


def table(
    heads: Sequence[str], rows: Sequence[Sequence[Child]], caption: str, css: str = "", of: Make = component
) -> Child:
    """On a phone each row becomes a small card; the column's name then stands before its value."""
    body = [
        of("Tr", [of("Td", cell, **{"data-label": head}) for head, cell in zip(heads, row, strict=True)])
        for row in rows
    ]
    head = of("Thead", of("Tr", [of("Th", one, scope="col") for one in heads]))
    whole = of("Table", [of("Caption", caption), head, of("Tbody", body)], className=f"table {css}".strip())
    return of("Div", whole, className="table-scroll")


def budget_bar(left_ratio: float | None, label: str) -> html.Div:
    """What is left of an error budget; below zero the bar is empty and says so in its own colour."""
    left = 0.0 if left_ratio is None else min(1.0, max(0.0, left_ratio))
    tone = budget_tone(left_ratio)
    return html.Div(
        html.Div(className=f"budget-fill {tone}", style={"width": f"{left * 100:.1f}%"}),
        className=f"budget {tone}",
        role="img",
        **{"aria-label": f"{label}: {wording.percent(left_ratio)} of the error budget left"},
    )


def budget_tone(left_ratio: float | None) -> str:
    if left_ratio is None:
        return "none"
    return "gone" if left_ratio <= 0 else "low" if left_ratio < 0.25 else "fine"


def skeleton(lines: int = 5) -> html.Div:
    return html.Div(
        [html.Div(className="bone", style={"width": f"{92 - (i * 17) % 40}%"}) for i in range(lines)],
        className="skeleton",
        role="status",
        **{"aria-label": "Loading"},
    )


def quiet(text: Child) -> html.P:
    return html.P(text, className="quiet")


def nothing_here(title: str, text: Child) -> html.Div:
    return html.Div([html.H2(title), html.P(text)], className="empty")


def unavailable() -> html.Div:
    return html.Div(
        [
            html.H2("The data cannot be read right now"),
            html.P("The store does not answer. This page tries again every five seconds; nothing is lost."),
        ],
        className="empty error",
        role="alert",
    )
