"""One objective: how it stands, in which groups, what it is worth, and what each period came to."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from dash import dcc, html

from dashboard import components as c
from dashboard import wording
from dashboard.links import NEEDS_A_PERSON, Links
from dashboard.query_port import Row
from dashboard.retelling import retold
from slo_rules.filters import spell

PERIOD_HEADS = ("Period", "Good", "Bad", "Share good", "Allowance", "Promise", "When it was over")
MOST_APART = 6
GROUP_HEADS = ("Good", "Bad", "Share good", "Allowance", "Budget left")
MONEY_HEADS = ("Currency", "Good", "Bad", "Share good", "Budget left")


def objective_head(o: Row, links: Links, now: datetime) -> Any:
    """In words first: what is used, what was promised, how long it lasts, and what cannot wait."""
    left = o["budget_left_ratio"]
    pace = wording.pace_words(o, now)
    return html.Div(
        [
            *(_group_line(o, links) if o.get("group") else ()),
            html.P(
                [
                    html.Span([wording.budget_words(o), pace, "."], className="strong"),
                    " ",
                    _plain_words(o),
                ],
                className="lead",
            ),
            *([html.P(wording.burning_words(o), className="notice crit", role="status")] if o["burning"] else ()),
            *([html.P(words, className="notice", role="status")] if (words := wording.singly_words(o)) else ()),
            *([html.P(wording.missing_words(o), className="notice", role="status")] if o["missing_source"] else ()),
            *([html.P(wording.replaying_words(o), className="notice", role="status")] if o["replaying_source"] else ()),
            html.Div(c.budget_bar(left, o["title"] or o["name"]), className="budget-wide"),
            c.facts(
                [
                    ("Budget left", html.Span(wording.budget_left(left), className=f"strong {c.budget_tone(left)}")),
                    ("Target", wording.target(o["target"])),
                    *((_title(one), _further(one)) for one in o["targets"]),
                    ("Now", wording.percent(o["ratio"], 2)),
                    ("Good", wording.count(o["good"])),
                    ("Bad", c.number(o["bad"], _opened(o, links), "What was bad")),
                    ("Total", wording.count(o["total"])),
                    (
                        "Bad, still unfinished",
                        c.number(
                            o["pending_bad"],
                            links.worklist(workflow=o["workflow"], verdict=NEEDS_A_PERSON),
                            "Open misses",
                        ),
                    ),
                    *((label, _neutral(o, name, links)) for name, label in _NEUTRAL if o[name]),
                    ("Window", _window(o)),
                    (
                        "Workflow",
                        dcc.Link(wording.humanise(o["workflow"]), href=links.worklist(workflow=o["workflow"])),
                    ),
                    ("Owner", o["owner"] or wording.DASH),
                ]
            ),
        ]
    )


_NEUTRAL = (
    ("waived", "Late, but waived"),
    ("cancelled", "Cancelled"),
    ("excluded", "Excluded"),
    ("missing", "Due while nothing was known"),
)


def _opened(o: Row, links: Links, outcome: str = "bad") -> str:
    values = list((o.get("group") or {}).values())
    return links.counted(o["name"], outcome=outcome, group=values)


def _neutral(o: Row, name: str, links: Links) -> Any:
    if name not in ("waived", "cancelled") or o["unit"] == "slices":
        return wording.count(o[name])
    return c.number(o[name], _opened(o, links, name), name)


def _group_line(o: Row, links: Links) -> list[Any]:
    said = ", ".join(f"{wording.humanise(name)} {value or 'not said'}" for name, value in o["group"].items())
    return [html.P([f"Only {said}. ", dcc.Link("All together", href=links.objectives(o["name"]))], className="sub")]


def _title(target: Row) -> str:
    return f"Target “{target['name']}”"


def _further(target: Row) -> Any:
    left = target["budget_left_ratio"]
    told = html.Span(wording.budget_left(left), className=c.budget_tone(left))
    return html.Span([wording.target(target["target"]), ", ", told, " left"])


def money_table(o: Row) -> Any:
    """The same by what the instances are worth, each currency by itself; None where it is not asked for."""
    if not o["values"]:
        return None
    rows = [
        [
            one["currency"],
            wording.one_money(one["good"], one["currency"], compact=True),
            wording.one_money(one["bad"], one["currency"], compact=True),
            wording.percent(one["ratio"], 2),
            _left(one, o["title"]),
        ]
        for one in o["values"]
    ]
    return c.card(c.table(MONEY_HEADS, rows, "By what they are worth", "values"), "By value")


def groups_table(o: Row, links: Links) -> Any:
    """How each group stands, the one with the least left first; None where there are none."""
    groups = o.get("groups")
    if not groups:
        return None
    heads = tuple(wording.humanise(name) for name in o["group_by"])
    rows = [_group_row(o, one, links) for one in groups]
    table = c.table((*heads, *GROUP_HEADS), rows, "Groups, the least left first", "groups")
    more = o["groups_total"] - len(groups)
    rest = c.quiet(f"And {wording.plural(more, 'group')} with more left.") if more > 0 else None
    return c.card(html.Div([table, rest]), "Groups")


def _group_row(o: Row, one: Row, links: Links) -> Sequence[Any]:
    values = [one["group"][name] for name in o["group_by"]]
    href = links.objectives(o["name"], values)
    names: list[Any] = [value or "not said" for value in values]
    names[0] = dcc.Link(names[0], href=href, className="strong")
    return [
        *names,
        wording.count(one["good"]),
        c.number(one["bad"], links.counted(o["name"], group=values), "What was bad"),
        wording.percent(one["ratio"], 2),
        wording.budget_words(one | {"unit": o["unit"]}),
        _left(one, o["title"]),
    ]


def _left(one: Row, title: str) -> Any:
    left = one["budget_left_ratio"]
    return html.Div(
        [
            html.Span(wording.budget_left(left), className=f"strong {c.budget_tone(left)}"),
            c.budget_bar(left, title),
        ],
        className="budget-line",
    )


def asked_words(o: Row, links: Links) -> Any:
    """What the time came to that somebody asks about, and by whose days it is told; why it cannot be asked about."""
    if o["refused"]:
        return html.Span(f"This time cannot be shown, so it is the present window: {o['refused']}.", role="status")
    by = "hour by hour" if o["step"] == "hour" else f"by days of {o['zone']}"
    asked = o["asked"]
    if asked is None:
        return f"The present window, {by}."
    values = list((o.get("group") or {}).values())
    href = links.counted(o["name"], since=asked["since"], until=asked["until"], group=values)
    bad = c.number(asked["bad"], href, "What was bad")
    name = o["range"][:1].upper() + o["range"][1:]
    of = wording.budget_words(asked | {"unit": o["unit"]})
    return [f"{name}, {by}: {wording.percent(asked['ratio'], 2)} good, ", bad, f" bad; {of}."]


def why_card(told: Any) -> Any:
    """What sets the bad ones apart, under its title."""
    return c.card(told, "What sets the bad ones apart", "against those that were good")


def apart(found: Row, links: Links, group: Sequence[str]) -> Any:
    """What the bad ones have in common, best first, each with its share and the list of those; None: nothing is bad."""
    if not found["bad"]["count"]:
        return None
    told = [one for one in found["items"] if one["significant"]]
    if not told:
        others = wording.plural(found["rest"]["count"], "good one")
        return why_card(c.quiet(f"Nothing that is known of them sets them apart from {others}."))
    return why_card(html.Ul([html.Li(_apart(one, found, links, group)) for one in told], className="apart"))


def _apart(one: Row, found: Row, links: Links, group: Sequence[str]) -> list[Any]:
    bars = [
        html.Div(
            html.Div(className=f"apart-{name}", style={"width": f"{share * 100:.1f}%"}),
            className="apart-bar",
            **{"aria-hidden": "true"},
        )
        for name, share in (("held", one["bad_share"]), ("others", one["rest_share"]))
    ]
    said = spell(one["value"])
    if one["kind"] != "attribute" or not said:
        return [html.Div(retold(one["explanation"])), *bars]
    where = f"{one['attribute']}={said}"
    href = links.counted(found["name"], since=found["since"], until=found["until"], group=group, where=where)
    return [html.Div(dcc.Link(retold(one["explanation"]), href=href, className="under")), *bars]


def exclusions_list(o: Row) -> Any:
    """When nothing counted in the window, or will not, and why; None where everything counts."""
    if not o.get("exclusions"):
        return None
    lines = [
        html.Li(f"{wording.short_instant(one['since'])} to {wording.zoned_instant(one['until'])}: {one['reason']}")
        for one in o["exclusions"]
    ]
    return c.card(html.Ul(lines, className="plain-list"), "Nothing counted")


def periods_table(periods: Row, links: Links, group: Sequence[str] = ()) -> Any:
    """What was counted in each period, latest first; those before anything was counted are left out."""
    items = periods["items"]
    while len(items) > 1 and not items[-1]["total"]:
        items = items[:-1]
    rows = [
        [
            wording.period_name(periods["period"], periods["zone"], one["since"]),
            wording.count(one["good"]),
            c.number(one["bad"], _of_period(periods, one, links, group), "What was bad"),
            wording.percent(one["ratio"], 2),
            wording.budget_words(one | {"unit": periods["unit"]}),
            _kept(one),
            _closed(one),
        ]
        for one in items
    ]
    return c.table(PERIOD_HEADS, rows, "What each period came to", "periods")


def _of_period(periods: Row, one: Row, links: Links, group: Sequence[str]) -> str:
    return links.counted(periods["name"], since=one["since"], until=one["until"] if one["over"] else None, group=group)


def _kept(one: Row) -> Any:
    if one["met"] is None:
        return wording.DASH
    if not one["over"]:
        return "So far kept" if one["met"] else html.Span("Not kept so far", className="strong")
    return "Kept" if one["met"] else html.Span("Missed", className="strong")


def _closed(one: Row) -> Any:
    """What it had come to; what came late since has restated it."""
    closed = one["closed"]
    if closed is None:
        return wording.DASH
    if not one["restated"]:
        return "The same"
    share = wording.percent(closed["ratio"], 2)
    told = f"{share}, {wording.count(closed['bad'])} bad; restated since by what came late"
    return html.Span(told, title=f"Kept on {wording.instant(closed['at'])}")


def _window(o: Row) -> Any:
    window = o["window"]
    if window["period"] is None:
        return f"rolling {_length(o)}"
    until = wording.there_instant(window["until"], window["zone"])
    return html.Span(f"{window['period']}, until {until}", title=wording.instant(window["until"]))


def _length(o: Row) -> str:
    window = o["window"]
    if window["calendar"] is None:
        return wording.duration(o["window_seconds"])
    return f"{wording.open_time(window['open_seconds'])} of {window['calendar']}"


def _lately(o: Row) -> str:
    period = o["window"]["period"]
    if period is None:
        return f"of the last {_length(o)}"
    return "of today" if period == "day" else f"of this {period}"


def _plain_words(o: Row) -> str:
    counted = "of all time slices" if o.get("unit") == "slices" else "of all instances"
    what = f"Promised: {retold(o['description'])}, for {wording.target(o['target'])} {counted} {_lately(o)}."
    if o["budget_left_ratio"] is None:
        return f"{what} Nothing has been counted yet."
    remaining = (o["budget_allowed"] or 0) - (o["budget_used"] or 0)
    if remaining < 0:
        return f"{what} The budget is overspent by {wording.count(-remaining)}."
    return f"{what} {wording.count(int(remaining))} more may miss before the promise is broken."
