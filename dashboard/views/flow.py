"""A workflow as a picture: what waits at each step, how long it takes against what was promised, what drops off."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from dash import dcc, html

from dashboard import components as c
from dashboard import wording
from dashboard.flow_layout import Place, height, lines, places
from dashboard.links import NEEDS_A_PERSON, OPEN, Links
from dashboard.query_port import Row
from dashboard.retelling import retold

_SAID = ("stuck", "failed", "inconsistent", "blind", "due_soon")
_UNITS = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}


def unknown(name: str) -> html.Div:
    return html.Div([html.H1(name), c.nothing_here("No such workflow", "No definition in force has this name.")])


def head(flow: Row, now: datetime, links: Links) -> list[Any]:
    pressing = sum(s["waiting"]["verdicts"].get(v, 0) for s in flow["steps"] for v in NEEDS_A_PERSON)
    lead = flow["description"] or f"Owned by {flow['owner']}."
    pairs = [
        ("Open", c.number(flow["open"], links.worklist(workflow=flow["name"], verdict=OPEN), "Open these")),
        (
            "Need a person",
            c.number(pressing, links.worklist(workflow=flow["name"], verdict=NEEDS_A_PERSON), "Open these", "bad"),
        ),
        ("Owner", flow["owner"] or wording.DASH),
        ("Domain", wording.humanise(flow["domain"])),
        ("Version", str(flow["version"])),
        ("Times learned from", _learned(flow["learned"], now)),
    ]
    return [c.page_head(flow["title"] or wording.humanise(flow["name"]), lead=lead), c.facts(pairs)]


def _learned(learned: Row, now: datetime) -> Any:
    if not learned["instances"]:
        return "nothing yet"
    which = "all " if learned["all_instances"] else "the last "
    since = wording.moment(learned["since"])
    told = f"{which}{wording.plural(learned['instances'], 'instance')}"
    return f"{told}, the oldest begun {wording.relative(since, now)}" if since else told


def picture(flow: Row, promises: Mapping[str, str | None], links: Links) -> html.Div:
    """The steps below each other, those that do not wait for each other beside each other."""
    after = {step["name"]: step["after"] for step in flow["steps"]}
    found = places(after)
    longest = _longest(flow["steps"], promises)
    begun = max((step["reached"] for step in flow["steps"]), default=0)
    return html.Div(
        [
            html.Img(src=lines(after, found), alt="", className="flow-lines"),
            html.Ol(
                [
                    _step(step, found[step["name"]], promises.get(step["name"]), flow, begun, longest, links)
                    for step in sorted(flow["steps"], key=lambda one: found[one["name"]][:2])
                ],
                className="flow-steps",
            ),
        ],
        className="flow",
        style={"--flow-height": f"{height(found)}px"},
    )


def _step(step: Row, place: Place, promise: str | None, flow: Row, begun: int, longest: float, links: Links) -> html.Li:
    title = step["title"] or wording.humanise(step["name"])
    source = f"from {step['source']}" if step["source"] else "starts it" if step["starts"] else ""
    return html.Li(
        [
            html.Div(
                [
                    html.Strong(title, className="flow-title"),
                    html.Span(", ".join(part for part in (source, step["owner"]) if part), className="sub"),
                    html.Span(_through(step, begun), className="sub"),
                ],
                className="stacked flow-what",
            ),
            html.Div(_waiting(step, flow, links), className="flow-waiting"),
            html.Div(_times(step, promise, longest), className="flow-times"),
        ],
        className="flow-step",
        style=place.style,
    )


def _through(step: Row, begun: int) -> str:
    """How many reached it, and what became of those that will not."""
    share = f" ({wording.percent(step['reached'] / begun)})" if begun and not step["starts"] else ""
    said = [f"reached by {wording.count(step['reached'])}{share}"]
    if step["dropped"]:
        said.append(f"{wording.count(step['dropped'])} called off before")
    if step["without"]:
        said.append(f"{wording.count(step['without'])} done without")
    return ", ".join(said)


def _waiting(step: Row, flow: Row, links: Links) -> list[Any]:
    waiting, said = step["waiting"], {"workflow": flow["name"], "waiting_for": step["name"]}
    title = step["title"] or wording.humanise(step["name"])
    if step["starts"] and not waiting["total"]:
        return []
    worth = wording.money(waiting["value"], compact=True)
    parts: list[Any] = [
        dcc.Link(
            [
                html.Span(
                    wording.count(waiting["total"]), className="flow-count" if waiting["total"] else "flow-count zero"
                ),
                html.Span(" waiting", className="muted"),
            ],
            href=links.worklist(**said, verdict=OPEN),
            title=f"What waits for {title}",
        ),
        html.Span(worth, className="sub") if worth != wording.DASH else None,
    ]
    counts = [
        dcc.Link(
            [
                c.mark(verdict),
                f"{wording.count(waiting['verdicts'][verdict])} {wording.verdict_label(verdict).lower()}",
            ],
            href=links.worklist(**said, verdict=verdict),
            className="count",
        )
        for verdict in _SAID
        if waiting["verdicts"].get(verdict)
    ]
    return [html.Div(parts, className="row"), html.Div(counts, className="counts")]


def _times(step: Row, promise: str | None, longest: float) -> list[Any]:
    if step["starts"] or not (step["measured"] or promise):
        return []
    median, p95, allowed = step["median_seconds"], step["p95_seconds"], seconds_of(promise)
    late = f"{wording.percent(step['late'] / step['reached'], 1)} late" if promise and step["reached"] else ""
    calendar = f"in {step['calendar']} hours" if step["calendar"] else ""
    said = retold(promise) if promise else "nothing"
    words = [
        html.Span(["half ", html.Strong(_within(median))]),
        html.Span([f"{wording.percent(0.95)} ", html.Strong(_within(p95))]),
        html.Span(["promised ", html.Strong(said)]),
        html.Span(late, className="bad" if step["late"] else "muted") if late else None,
        html.Span(calendar, className="muted") if calendar else None,
    ]
    told = f"half {_within(median)}, {wording.percent(0.95)} {_within(p95)}" + (f", promised {said}" if promise else "")
    return [_bar(median, p95, allowed, longest, told), html.Div(words, className="flow-words")]


def _within(seconds: float | None) -> str:
    return "not yet seen" if seconds is None else f"in {wording.rough(seconds)}"


def _bar(median: float | None, p95: float | None, allowed: float | None, longest: float, told: str) -> html.Div:
    """On one scale for the whole picture, by the root: minutes must be seen beside days."""

    def share(seconds: float) -> str:
        return f"{min(100.0, (seconds / longest) ** 0.5 * 100):.2f}%"

    beyond = allowed is not None and p95 is not None and p95 > allowed
    return html.Div(
        [
            html.Div(className=f"flow-p95{' beyond' if beyond else ''}", style={"width": share(p95)}) if p95 else None,
            html.Div(className="flow-median", style={"width": share(median)}) if median else None,
            html.Div(className="flow-promise", style={"left": share(allowed)}) if allowed else None,
        ],
        className="flow-bar",
        role="img",
        **{"aria-label": told},
    )


def _longest(steps: Sequence[Row], promises: Mapping[str, str | None]) -> float:
    times = [step[name] for step in steps for name in ("median_seconds", "p95_seconds")]
    times += [seconds_of(promises.get(step["name"])) for step in steps]
    return max((time for time in times if time), default=1.0)


def seconds_of(length: str | None) -> float | None:
    """Of a length as definitions spell it, `1d12h`; None of what is no plain length, such as a time of day."""
    total, digits = 0.0, ""
    for one in length or "":
        if one.isdigit() or one == ".":
            digits += one
        elif one in _UNITS and digits:
            total, digits = total + float(digits) * _UNITS[one], ""
        else:
            return None
    return total or None


def promised(workflow: Row) -> dict[str, str | None]:
    """By step what is promised where no attribute says otherwise."""
    return {
        step["name"]: (step["deadline"] or {}).get("breach") if step["deadline"] else None
        for step in workflow["milestones"]
    }


def several(workflows: Sequence[Row], links: Links) -> Any:
    """All workflows with what is open of each."""
    if not workflows:
        return c.nothing_here("No workflows", "No definitions are loaded yet.")
    rows = []
    for w in sorted(workflows, key=lambda one: (one["domain"], one["title"] or one["name"])):
        counts, name = w["counts"], w["name"]
        opened = sum(counts.get(v, 0) for v in OPEN)
        pressing = sum(counts.get(v, 0) for v in NEEDS_A_PERSON)
        rows.append(
            [
                html.Div(
                    [
                        dcc.Link(w["title"] or wording.humanise(name), href=links.flows(name), className="strong"),
                        html.Span(wording.plural(len(w["milestones"]), "step"), className="sub"),
                    ],
                    className="stacked",
                ),
                wording.humanise(w["domain"]),
                c.number(opened, links.worklist(workflow=name, verdict=OPEN), "Open these"),
                c.number(pressing, links.worklist(workflow=name, verdict=NEEDS_A_PERSON), "Open these", "bad"),
                c.number(counts.get("due_soon", 0), links.worklist(workflow=name, verdict="due_soon"), "Open these"),
                w["owner"] or wording.DASH,
            ]
        )
    heads = ("Workflow", "Domain", "Open", "Need a person", "Due soon", "Owner")
    return c.card(c.table(heads, rows, "Workflows", "flows"))
