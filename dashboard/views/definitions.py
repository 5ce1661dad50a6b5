"""Definitions as they were read from files: the list of workflows, and one drawn, with its promises and versions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from dash import dcc, html

from dashboard import components as c
from dashboard import phrases, wording
from dashboard.flow_layout import Place, height, lines, places
from dashboard.links import NEEDS_A_PERSON, OPEN, Links
from dashboard.query_port import Row
from dashboard.views.definition_tests import tested_words, tests_card, tests_in_short

HEADS = ("Workflow", "Domain", "Owner", "Version", "Milestones", "Open", "Objectives", "Tests")


def definition_table(
    items: Sequence[Row], objectives: Sequence[Row], tests: Mapping[str, Mapping[str, int]], links: Links
) -> Any:
    """`tests` counts those of each workflow; what is not in it is not known yet."""
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
            tests_in_short(tests.get(w["name"])),
        ]
        for w in sorted(items, key=lambda w: (w["domain"], w["title"] or w["name"]))
    ]
    return c.card(c.table(HEADS, rows, "Workflows in force", "definitions"))


def _open(workflow: Row) -> int:
    return sum(int(n) for verdict, n in workflow["counts"].items() if verdict in OPEN)


def one_definition(w: Row, flow: Row | None, tests: Row, links: Links, now: datetime) -> list[Any]:
    """`flow` is what instances say of the steps, where that is known already."""
    steps = {step["name"]: step for step in (flow or {}).get("steps", ())}
    instances = flow["learned"]["instances"] if steps and flow else 0
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
        c.card([_milestones(w, steps, instances, tests, now), c.quiet(_seen(flow))], "Milestones and deadlines"),
        tests_card(tests),
        c.card(_promises(w, links), "Objectives"),
        c.card(_versions(w["versions"]), "Versions"),
    ]


def _seen(flow: Row | None) -> Any:
    """How far back live instances were looked at: what nothing reached in all that time may be asked for wrongly."""
    learned = (flow or {}).get("learned")
    if not learned or not learned["instances"]:
        return [
            "What no instance ever reaches may be asked for wrongly; ", html.Code("milepost coverage"),
            " says what arrives and means nothing to a definition.",
        ]  # fmt: skip
    number = wording.count(learned["instances"])
    which = f"all {number}" if learned["all_instances"] else f"the {number} that began last"
    return [
        f"Reached and last are by {which}, begun since ", c.at_time(learned["since"]),
        ": what none of them reached may be asked for wrongly. ", html.Code("milepost coverage"),
        " says what arrives and means nothing to a definition.",
    ]  # fmt: skip


def drawing(w: Row, links: Links) -> html.Div:
    """The steps below what they come after, with a line from each to each that follows it."""
    after = {m["name"]: list(m["after"] or ()) for m in w["milestones"]}
    titles = {m["name"]: m["title"] or wording.humanise(m["name"]) for m in w["milestones"]}
    found = places(after)
    return html.Div(
        [
            html.Img(src=lines(after, found), alt="", className="flow-lines"),
            html.Ol(
                [
                    _node(w, m, found[m["name"]], titles, links)
                    for m in sorted(w["milestones"], key=lambda one: found[one["name"]][:2])
                ],
                className="flow-steps",
                **{"aria-label": f"Steps of {w['title'] or w['name']}"},
            ),
        ],
        className="flow drawn",
        style={"--flow-height": f"{height(found)}px"},
    )


def _node(w: Row, m: Row, place: Place, titles: Mapping[str, str], links: Links) -> html.Li:
    after = list(m["after"] or ())
    joint = " or " if m["after_any"] else " and "
    follows = "after " + joint.join(titles.get(a, a) for a in after) if after else ""
    marks = [word for word, holds in (("starts", m["starts"]), ("completes", m["completes"])) if holds]
    marks += ["optional"] if m.get("optional") else []
    marks += [f"one of {m['choice']}"] if m.get("choice") else []
    marks += [f"for each {wording.humanise(m['each']).lower()}"] if m.get("each") else []
    waiting = int((w.get("waiting") or {}).get(m["name"], 0))
    href = links.worklist(workflow=w["name"], waiting_for=m["name"], verdict=OPEN)
    return html.Li(
        [
            html.Div(
                [html.Span(titles[m["name"]], className="strong"), c.number(waiting, href, "Waiting for this now")],
                className="node-head",
            ),
            html.Span(phrases.deadline_words(m["deadline"], titles) or None, className="node-due"),
            html.Span(follows or None, className="sub"),
            html.Span(" · ".join([m["source"] or "any source", *marks]), className="sub"),
        ],
        className="flow-step node",
        style=place.style,
    )


def _milestones(w: Row, seen: Mapping[str, Row], instances: int, tests: Row, now: datetime) -> Any:
    tested = {one["name"]: one for one in tests["milestones"]} if tests["tests"] else {}
    titles = {m["name"]: m["title"] or wording.humanise(m["name"]) for m in w["milestones"]}
    rows = [
        [
            html.Span(titles[m["name"]], className="strong"),
            phrases.deadline_words(m["deadline"], titles) or wording.DASH,
            phrases.warning_words(m["deadline"]) or wording.DASH,
            m["source"] or wording.DASH,
            m["owner"] or w["owner"],
            _reached(seen.get(m["name"]), instances),
            _last(seen.get(m["name"]), now),
            tested_words(tested.get(m["name"])),
        ]
        for m in w["milestones"]
    ]
    heads = ("Milestone", "Due", "Warned", "Source", "Owner", "Reached", "Last", "Tested")
    return c.table(heads, rows, "Milestones and when they are due", "deadlines")


def _reached(step: Row | None, instances: int) -> Any:
    """By how many of those that began last; what nothing ever reached may be asked for wrongly."""
    if step is None or not instances:
        return wording.DASH
    if not step["reached"]:
        return html.Span(f"by none of {wording.count(instances)}", className="low")
    return f"by {wording.count(step['reached'])} of {wording.count(instances)}"


def _last(step: Row | None, now: datetime) -> Any:
    return wording.DASH if step is None else c.when(step["last_reached_at"], now)


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
