"""What is likely to come: how many miss a deadline soon, when backlogs are clear, how likely an instance is late."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from dash import dcc, html

from dashboard import components as c
from dashboard import outlook_words, wording
from dashboard.links import NEEDS_A_PERSON, Links
from dashboard.query_port import Row

MOST_WORKFLOWS, MOST_BACKLOGS = 3, 2
"""Lines on the overview; each objective has those of its own workflow whole."""
MOST_LAG_SECONDS = 60
"""With so much received and not applied yet, what is open may long be through."""
HEADS = ("Due within", "Expected to miss it", "Due", "Four times out of five", "Nothing can be told")
HORIZONS = {"1h": ("1 hour", 3_600), "8h": ("8 hours", 28_800), "1d": ("1 day", 86_400)}


def outlook_card(outlook: Row, now: datetime, links: Links) -> Any:
    """Of each workflow what is expected within the hour, most first; None where nothing has a deadline."""
    title, aside = "Likely within the hour", "missed deadlines"
    held_back = _held_back(outlook)
    if held_back:
        return c.card(c.quiet(held_back), title, aside)
    items: list[Row] = outlook["items"]
    if not items:
        return None
    due = [one for one in items if one["too_many"] or _first(one)["due"] or _first(one)["unknown"]]
    due.sort(key=lambda one: (not one["too_many"], -_first(one)["breaches"] if not one["too_many"] else 0))
    lines = [_line(one, links) for one in due[:MOST_WORKFLOWS]]
    if not due:
        lines.append(c.quiet("No deadline falls within the hour."))
    lines += [line for one in items for line in backlog_lines(one, now, links, one["title"])][:MOST_BACKLOGS]
    return c.card(html.Div(lines, className="lines"), title, aside)


def _held_back(outlook: Row) -> str:
    """Why nothing is told of anything; empty where something is."""
    if outlook.get("later"):
        return "What is likely to come is still being worked out."
    if outlook["lag_seconds"] > MOST_LAG_SECONDS:
        behind = wording.rough(outlook["lag_seconds"])
        return f"Not told before what was received is applied, which is {behind} behind."
    return ""


def _first(one: Row) -> Row:
    found: Row = one["expected"][0]
    return found


def _line(one: Row, links: Links) -> html.Div:
    href = due_list(links, one["workflow"], HORIZONS["1h"][1])
    if one["too_many"]:
        figure, told = wording.DASH, "more fall due than can be told of one by one"
    else:
        first = _first(one)
        figure = outlook_words.about(first["breaches"]) if first["due"] else wording.DASH
        told = outlook_words.expected_words(first)
    return html.Div(
        [
            html.Div(
                [
                    dcc.Link(one["title"] or wording.humanise(one["workflow"]), href=href, className="line-title"),
                    html.Div(html.Span(told), className="meta"),
                ],
                className="line-body",
            ),
            dcc.Link(
                figure, href=href, className="num push", title="Due within the hour, the likeliest to be late first"
            ),
        ],
        className="line",
    )


def due_list(links: Links, workflow: str, seconds: int) -> str:
    """The open instances that are due within this time, the likeliest to miss it first."""
    return links.worklist(workflow=workflow, due_within_seconds=seconds, sort="-chance")


def backlog_lines(one: Row, now: datetime, links: Links, *beside: str) -> list[Any]:
    """Of each backlog of a workflow that moves when it is clear, or that it grows; `beside` stands before it."""
    told = ((backlog, outlook_words.backlog_words(backlog, now)) for backlog in one["backlogs"])
    return [
        html.Div(
            html.Div(
                [
                    dcc.Link(
                        f"Overdue: {backlog['title']}",
                        href=links.worklist(
                            workflow=one["workflow"], waiting_for=backlog["milestone"], verdict=NEEDS_A_PERSON
                        ),
                        className="line-title",
                    ),
                    html.Div([html.Span(said) for said in (*beside, words)], className="meta"),
                ],
                className="line-body",
            ),
            className="line",
        )
        for backlog, words in told
        if words
    ]


def workflow_card(outlook: Row | None, now: datetime, links: Links) -> Any:
    """Of one workflow what is expected within the hour, 8 hours and the day; None where it has no deadline."""
    if outlook is None:
        return None
    if held_back := _held_back(outlook):
        return c.card(c.quiet(held_back), "Likely to come")
    if not outlook["items"]:
        return None
    (one,) = outlook["items"]
    title = f"Likely to come of {one['title'] or wording.humanise(one['workflow'])}"
    if one["too_many"]:
        return c.card(c.quiet("More fall due within a day than can be told of one by one."), title)
    rows = [_horizon(one, expected, links) for expected in one["expected"]]
    parts: Sequence[Any] = [
        c.table(HEADS, rows, "Deadlines of the workflow that open instances are expected to miss", "outlook"),
        html.Div(backlog_lines(one, now, links), className="lines"),
        html.P(_learned(one["learned"]), className="muted note"),
        html.P(_how_well(one["looked_back"], now), className="muted note"),
    ]
    return c.card(list(parts), title, "its next deadlines, not this objective alone")


def _horizon(one: Row, expected: Row, links: Links) -> list[Any]:
    label, seconds = HORIZONS[expected["within"]]
    href = due_list(links, one["workflow"], seconds)
    reasons = ", ".join(outlook_words.UNKNOWN_LABELS[why] for why in sorted(expected["why_unknown"]))
    known = expected["due"] > 0
    return [
        label,
        html.Span(outlook_words.about(expected["breaches"]), className="strong") if known else wording.DASH,
        c.number(expected["due"] + expected["unknown"], href, "Due, the likeliest to be late first"),
        f"{wording.count(expected['low'])} to {wording.count(expected['high'])}" if known else wording.DASH,
        html.Span(wording.count(expected["unknown"]), title=reasons or None),
    ]


def _learned(learned: Row) -> str:
    of = "all" if learned["all_instances"] else "the last"
    return (
        f"Learned from how long each stage took {of} {wording.plural(learned['instances'], 'instance')}, and from how "
        "long it is waited for. What is still to start is not foreseen."
    )


def _how_well(back: Row | None, now: datetime) -> str:
    return (
        "How well this was foretold before is not known yet."
        if back is None
        else outlook_words.looked_back_words(back, now)
    )


def instance_card(forecast: Row | None) -> Any:
    """How likely an instance is late for each of its deadlines, in words; None where it has none before it."""
    if forecast is None or forecast.get("later") or not forecast["deadlines"]:
        return None
    lines = [html.P(outlook_words.chance_words(one)) for one in forecast["deadlines"][:MOST_DEADLINES]]
    if more := len(forecast["deadlines"]) - MOST_DEADLINES:
        lines += [c.quiet(f"and {wording.count(more)} more")] if more > 0 else []
    return c.card(html.Div(lines, className="foretold"), "Likely to be late")


MOST_DEADLINES = 5
