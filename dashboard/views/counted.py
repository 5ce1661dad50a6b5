"""The items behind a number of an objective: what was due when, when it came, and why it counts or does not."""

from __future__ import annotations

from typing import Any

from dash import dcc, html

from dashboard import components as c
from dashboard import wording
from dashboard.links import Links
from dashboard.query_port import Row
from dashboard.retelling import retold

ITEM_HEADS = ("Due", "Instance", "Verdict", "Came", "Late by", "Worth", "Counts")
SLICE_HEADS = ("From", "To", "Came", "Expected", "Counts")
OUTCOMES = {"bad": "Bad", "waived": "Waived", "cancelled": "Cancelled", "good": "Good"}
_LISTED = {"items": "instance", "changes": "stale change", "slices": "slice", "silences": "silence"}


def counted(found: Row, links: Links) -> Any:
    """Which ones of the span, the other outcomes beside, and the list with its next page."""
    return html.Div(
        [
            html.P(_lead(found), className="lead"),
            html.Nav(_outcomes(found, links), className="outcomes", **{"aria-label": "Outcome"}),
            _list(found, links),
            _pages(found, links),
        ]
    )


def _lead(found: Row) -> str:
    said = [f"{wording.plural(found['total'], _LISTED[found['listed']])} {found['outcome']}"]
    said.append(f"from {wording.instant(found['since'])} to {wording.instant(found['until'])}")
    if found["values"]:
        said.append(f"worth {wording.money(found['values'], compact=True)}")
    if found["group"]:
        said.append("only " + ", ".join(f"{wording.humanise(k)} {v or 'not said'}" for k, v in found["group"].items()))
    if found["where"]:
        said.append("only " + ", ".join(f"{wording.humanise(one['name'])} {one['value']}" for one in found["where"]))
    text = ", ".join(said) + "."
    if found["left_out"]:
        text += f" {wording.plural(found['left_out'], 'more does', 'more do')} not count, and says why."
    return text


def _outcomes(found: Row, links: Links) -> list[Any]:
    allowed = {"changes": ("bad",), "silences": ("bad",), "slices": ("bad", "good")}.get(
        found["listed"], tuple(OUTCOMES)
    )
    return [
        html.Strong(OUTCOMES[one])
        if one == found["outcome"]
        else dcc.Link(OUTCOMES[one], href=_href(found, links, outcome=one))
        for one in allowed
    ]


def _href(found: Row, links: Links, **other: Any) -> str:
    asked = found["asked"]
    said = {name: asked[name] for name in ("since", "until", "group", "where")}
    return links.counted(found["name"], **{"outcome": found["outcome"]} | said | other)


def _list(found: Row, links: Links) -> Any:
    if not found["items"]:
        return c.nothing_here("Nothing there", "The objective counted nothing of that kind in this time.")
    if found["listed"] in ("slices", "silences"):
        rows = [_slice(one) for one in found["items"]]
        return c.card(c.table(SLICE_HEADS, rows, "In the order of time", "counted"))
    rows = [_item(one, links) for one in found["items"]]
    return c.card(c.table(ITEM_HEADS, rows, "In the order in which they were due", "counted"))


def _item(one: Row, links: Links) -> list[Any]:
    step = " · ".join(part for part in (one["milestone_title"], one["part"]) if part)
    return [
        c.at_time(one["due_at"]),
        html.Div(
            [
                dcc.Link(one["title"], href=links.instance(one["id"]), className="strong"),
                html.Span(step or wording.humanise(one["workflow"]), className="sub"),
            ],
            className="stacked",
        ),
        c.badge(one["verdict"]),
        c.at_time(one["arrived_at"]) if one["arrived_at"] else "not yet",
        _late(one),
        wording.money(one["value"]),
        _counts(one),
    ]


def _late(one: Row) -> Any:
    if one["late_seconds"] is None:
        return wording.DASH
    text = wording.duration(one["late_seconds"])
    if one["late_open_seconds"] is not None:
        text += f" ({wording.duration(one['late_open_seconds'])} open)"
    return html.Span(text, title="\n".join(map(retold, one["arithmetic"])))


def _slice(one: Row) -> list[Any]:
    return [
        c.at_time(one["since"]),
        c.at_time(one["until"]),
        wording.count(one["items"]),
        one["expected"],
        _counts(one),
    ]


def _counts(one: Row) -> str:
    """As what it counts; where it does not, why."""
    if one["left_out"] == "excluded":
        return "Not: " + "; ".join(one["exclusions"])
    if one["left_out"] == "missing":
        known = "nothing was known then"
        return f"Not: {known}" if one["counts_as"] is None else f"As {one['counts_as']}: {known}"
    waiver = one.get("waiver")
    if waiver:
        return f"Waived by {waiver['by']}: {waiver['reason']}"
    counts = OUTCOMES.get(one["counts_as"] or one["outcome"], wording.humanise(one["outcome"]))
    return f"{counts}, {one['slices']} slices" if one.get("slices", 1) > 1 else counts


def _pages(found: Row, links: Links) -> Any:
    shown: list[Any] = []
    if found["asked"]["cursor"]:
        shown.append(dcc.Link("From the first on", href=_href(found, links)))
    if found["next_cursor"]:
        shown.append(dcc.Link("The next", href=_href(found, links, cursor=found["next_cursor"])))
    return html.Nav(shown, className="pages-nav") if shown else None
