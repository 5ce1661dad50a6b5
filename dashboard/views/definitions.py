"""Definitions as they were read from files: the list of workflows, and one drawn, with its promises and versions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dash import dcc, html

from dashboard import components as c
from dashboard import phrases, wording
from dashboard.links import NEEDS_A_PERSON, OPEN, Links
from dashboard.query_port import Row

HEADS = ("Workflow", "Domain", "Owner", "Version", "Milestones", "Open", "Objectives")


def definition_table(items: Sequence[Row], objectives: Sequence[Row], links: Links) -> Any:
    if not items:
        return c.nothing_here(
            "No definition is loaded", "Start Milepost with --definitions FOLDER, or with --definitions packs."
        )
    promised: dict[str, int] = {}
    for one in objectives:
        promised[one["workflow"]] = promised.get(one["workflow"], 0) + 1
    rows = [
        [
            html.Div(
                [
                    dcc.Link(w["title"] or w["name"], href=links.definitions(w["name"]), className="strong"),
                    html.Span(w["name"], className="sub"),
                ],
                className="stacked",
            ),
            wording.humanise(w["domain"]),
            w["owner"],
            wording.count(w["version"]),
            wording.count(len(w["milestones"])),
            c.number(_open(w), links.worklist(workflow=w["name"], verdict=OPEN), "Open instances"),
            c.number(promised.get(w["name"], 0), links.definitions(w["name"]), "Objectives of this workflow"),
        ]
        for w in sorted(items, key=lambda w: (w["domain"], w["title"] or w["name"]))
    ]
    return c.card(c.table(HEADS, rows, "Workflows in force", "definitions"))


def _open(workflow: Row) -> int:
    return sum(int(n) for verdict, n in workflow["counts"].items() if verdict in OPEN)


def one_definition(w: Row, links: Links) -> list[Any]:
    needs = sum(int(w["counts"].get(verdict, 0)) for verdict in NEEDS_A_PERSON)
    facts = [
        ("Owner", w["owner"]),
        ("Domain", wording.humanise(w["domain"])),
        ("Follows one", w["entity"]),
        ("Version", wording.count(w["version"])),
        ("Open", c.number(_open(w), links.worklist(workflow=w["name"], verdict=OPEN), "Open instances")),
        ("Needs a person", c.number(needs, links.worklist(workflow=w["name"], verdict=NEEDS_A_PERSON), "List", "bad")),
        ("Joined by", ", ".join(k["namespace"] for k in w["keys"] if k["joins"]) or wording.DASH),
        ("Calendars", ", ".join(w["calendars"]) or "around the clock"),
    ]
    return [
        html.P(w.get("description"), className="lead") if w.get("description") else None,
        c.facts(facts),
        c.card(drawing(w, links), "Steps", "a number is what waits there now"),
        c.card(_milestones(w), "Milestones and deadlines"),
        c.card(_promises(w, links), "Objectives"),
        c.card(_versions(w["versions"]), "Versions"),
    ]


def ranks(milestones: Sequence[Row]) -> list[list[Row]]:
    """Milestones in columns: each stands right of everything it comes after. A cycle is cut where it closes."""
    by_name = {m["name"]: m for m in milestones}
    found: dict[str, int] = {}

    def rank(name: str, above: frozenset[str]) -> int:
        if name not in found:
            before = [b for b in by_name[name]["after"] or () if b in by_name and b not in above]
            found[name] = max((rank(b, above | {name}) + 1 for b in before), default=0)
        return found[name]

    for m in milestones:
        rank(m["name"], frozenset({m["name"]}))
    columns: list[list[Row]] = [[] for _ in range(max(found.values(), default=-1) + 1)]
    for m in milestones:
        columns[found[m["name"]]].append(m)
    return columns


def drawing(w: Row, links: Links) -> html.Ol:
    """The steps in their order, in columns; what does not simply follow the column before it says what it follows."""
    columns = ranks(w["milestones"])
    titles = {m["name"]: m["title"] or wording.humanise(m["name"]) for m in w["milestones"]}
    items = []
    for place, column in enumerate(columns):
        before = [m["name"] for m in columns[place - 1]] if place else []
        items.append(html.Li([_node(w, m, before, titles, links) for m in column], className="rank"))
    return html.Ol(items, className="steps", **{"aria-label": f"Steps of {w['title'] or w['name']}"})


def _node(w: Row, m: Row, before: Sequence[str], titles: Mapping[str, str], links: Links) -> html.Div:
    after = list(m["after"] or ())
    follows = None
    if after and after != list(before):
        joint = " or " if m["after_any"] else " and "
        follows = html.Span("after " + joint.join(titles.get(a, a) for a in after), className="sub")
    marks = [word for word, holds in (("starts", m["starts"]), ("completes", m["completes"])) if holds]
    marks += ["optional"] if m.get("optional") else []
    marks += [f"one of {m['choice']}"] if m.get("choice") else []
    marks += [f"for each {wording.humanise(m['each']).lower()}"] if m.get("each") else []
    waiting = int((w.get("waiting") or {}).get(m["name"], 0))
    href = links.worklist(workflow=w["name"], waiting_for=m["name"], verdict=OPEN)
    return html.Div(
        [
            html.Div(
                [html.Span(titles[m["name"]], className="strong"), c.number(waiting, href, "Waiting for this now")],
                className="node-head",
            ),
            html.Span(phrases.deadline_words(m["deadline"]) or None, className="node-due"),
            follows,
            html.Span(" · ".join([m["source"] or "any source", *marks]), className="sub"),
        ],
        className="node",
    )


def _milestones(w: Row) -> Any:
    titles = {m["name"]: m["title"] or wording.humanise(m["name"]) for m in w["milestones"]}
    rows = [
        [
            html.Span(titles[m["name"]], className="strong"),
            phrases.deadline_words(m["deadline"], titles) or wording.DASH,
            phrases.warning_words(m["deadline"]) or wording.DASH,
            m["source"] or wording.DASH,
            m["owner"] or w["owner"],
        ]
        for m in w["milestones"]
    ]
    heads = ("Milestone", "Due", "Warned", "Source", "Owner")
    return c.table(heads, rows, "Milestones and when they are due", "deadlines")


def _promises(w: Row, links: Links) -> Any:
    rows = [
        [
            dcc.Link(o["title"] or wording.humanise(o["name"]), href=links.objectives(o["name"]), className="strong"),
            o["promise"],
            wording.target(o["target"]),
            o["owner"] or w["owner"],
        ]
        for o in w["objectives"]
    ]
    if not rows:
        return c.quiet("Nothing is promised of this workflow yet beyond its deadlines.")
    return c.table(("Objective", "Promise", "Target", "Owner"), rows, "Objectives of this workflow", "promises")


def _versions(versions: Sequence[Row]) -> html.Ul:
    return html.Ul(
        [
            html.Li(
                [
                    html.Div(
                        [
                            html.Span(f"Version {v['version']}", className="strong"),
                            html.Span("in force", className="sub") if v["in_force"] else None,
                            html.Span(c.at_time(v["loaded_at"]), className="muted push"),
                        ],
                        className="row",
                    ),
                    _changes(v["differences"]),
                ]
            )
            for v in versions
        ],
        className="versions",
    )


def _changes(lines: Sequence[str] | None) -> Any:
    if lines is None:
        return html.Span("The first one.", className="sub")
    if not lines:
        return html.Span("Says the same as the one before.", className="sub")
    return html.Ul([html.Li(html.Code(line)) for line in lines], className="changes")
