"""Two periods or two groups of a workflow side by side: by what they differ, and each step of both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import dash_mantine_components as dmc
from dash import html

from dashboard import components as c
from dashboard import time_range, wording
from dashboard.query_port import Row
from dashboard.views import ranges

MOST_DIFFERENCES = 8
MEASURES = {
    "reached_share": "reached",
    "late_share": "late",
    "dropped_share": "called off before",
    "again_share": "reached again",
    "median_seconds": "half took",
}
TIMES = ranges.choices()
THAN = [
    {"value": time_range.BEFORE, "label": "The time before that"},
    {"value": time_range.SAME, "label": "The same time"},
    ranges.BETWEEN,
]


def form(asked: Mapping[str, str]) -> html.Div:
    """What is chosen; the browser writes it to the address and asks."""
    return html.Div(
        [
            _side("Those of", "since", [*TIMES, ranges.BETWEEN], "Any time", ("from", "to"), "of", asked),
            _side("against", "than", THAN, "The time before that", ("than_from", "than_to"), "than_of", asked),
        ],
        className="compare-form",
    )


def _side(
    said: str, time: str, times: list[dict[str, str]], none: str, ends: tuple[str, str], group: str, asked: Any
) -> html.Div:
    return html.Div(
        [
            html.Span(said, className="muted"),
            dmc.Select(
                id=f"flow-{time}", data=times, value=asked.get(time) or None, placeholder=none, size="xs",
                clearable=True, **{"aria-label": f"{said}: which time"},
            ),
            html.Div(
                [
                    ranges.picker(f"flow-{name}", told, asked.get(name), f"{said}: {told}")
                    for name, told in zip(ends, ("from", "until"), strict=True)
                ],
                id=f"flow-{time}-ends",
                className=ranges.ends_class(asked.get(time)),
            ),
            dmc.Select(
                id=f"flow-{group}", data=_known(asked.get(group)), value=asked.get(group) or None, size="xs",
                placeholder="All of them", searchable=True, clearable=True, **{"aria-label": f"{said}: which of them"},
            ),
        ],
        className="compare-side",
    )  # fmt: skip


def _known(value: str | None) -> list[Any]:
    return [{"value": value, "label": value.replace("=", ": ", 1)}] if value else []


def groups(found: Sequence[Row], *chosen: str | None) -> list[Any]:
    """The values that instances can be told apart by, under their attributes; what is chosen is among them."""
    offered: list[Row] = [
        {
            "group": wording.humanise(one["attribute"]),
            "items": [_offered(one["attribute"], each) for each in one["values"]],
        }
        for one in found
    ]
    known = {item["value"] for one in offered for item in one["items"]}
    others = [one for value in dict.fromkeys(chosen) if value not in known for one in _known(value)]
    return [*others, *offered]


def _offered(attribute: str, one: Row) -> Row:
    return {"value": f"{attribute}={one['value']}", "label": f"{one['value']} ({wording.count(one['count'])})"}


def invitation() -> Any:
    return c.quiet("Choose a time, to compare it with the time before it, or two groups.")


def refused(text: str) -> Any:
    return html.P(text, className="notice", role="status")


def compared(found: Row, asked: Mapping[str, str]) -> list[Any]:
    """The largest differences in words, and each step of both sides."""
    one, other = time_range.names(asked)
    if not (found["one"]["instances"] and found["other"]["instances"]):
        empty = one if not found["one"]["instances"] else other
        return [c.quiet(f"Nothing began: {empty}.")]
    sides = f"{_counted(found['one'], one)}, against {_counted(found['other'], other)}."
    return [
        html.P(sides, className="compare-lead"),
        _largest(found["differences"], one, other),
        html.Details([html.Summary("Every step of both"), _steps(found["steps"], one, other)], className="compare-all"),
    ]


def _counted(side: Row, name: str) -> str:
    last = "" if side["all_instances"] else "the last "
    again = f" ({wording.count(side['restarted'])} began anew)" if side["restarted"] else ""
    return f"{last}{wording.plural(side['instances'], 'instance')} of {name}{again}"


def _largest(differences: Sequence[Row], one: str, other: str) -> Any:
    if not differences:
        return c.quiet("They do not differ.")
    rows = [
        [
            html.Div([html.Span(d["title"] or wording.humanise(d["step"]), className="strong")], className="stacked"),
            MEASURES.get(d["measure"]) or most_took(),
            told(d["measure"], d["one"]),
            told(d["measure"], d["other"]),
            html.Span(change(d), className="strong" if d["sure"] else "muted"),
            "more than chance" if d["sure"] else html.Span("may be chance", className="muted"),
        ]
        for d in differences[:MOST_DIFFERENCES]
    ]
    heads = ("Step", "What", _head(one), _head(other), "Difference", "Sure")
    return c.table(heads, rows, "Differences, the largest first", "differences")


def _head(name: str) -> str:
    return name[:1].upper() + name[1:]


def told(measure: str, value: float | None) -> str:
    """A share or a duration; what was not seen is said so."""
    if value is None:
        return "not yet seen"
    return wording.rough(value) if measure.endswith("_seconds") else wording.percent(value, 1)


def change(difference: Row) -> str:
    """`3.1× as long`, `12.5 points more`: of the first side against the second."""
    one, other = difference["one"], difference["other"]
    if not difference["measure"].endswith("_seconds"):
        return f"{abs(one - other) * 100:.1f} points {'more' if one > other else 'less'}"
    if not other:
        return "longer"
    times = one / other
    if times >= 1:
        return f"{times:.1f}× as long" if times >= 1.05 else "hardly longer"
    return f"{wording.percent(1 - times)} shorter" if times <= 0.95 else "hardly shorter"


def most_took() -> str:
    """What the 95th percentile is called."""
    return f"{wording.percent(0.95)} took"


def _steps(steps: Sequence[Row], one: str, other: str) -> Any:
    rows = [
        [
            html.Span(s["title"] or wording.humanise(s["name"]), className="strong"),
            *(_pair(name, s) for name in ("reached", "late", "dropped", "again")),
            *(_pair(name, s) if not s["starts"] else wording.DASH for name in ("median_seconds", "p95_seconds")),
        ]
        for s in steps
    ]
    heads = ("Step", "Reached", "Late", "Called off", "Again", "Half took", most_took())
    caption = f"Each step: {one}, against {other}"
    return c.table(heads, rows, caption, "figures compare-steps")


def _pair(name: str, step: Row) -> html.Div:
    spell = (lambda value: told(name, value)) if name.endswith("_seconds") else wording.count
    return html.Div(
        [html.Span(spell(step["one"][name])), html.Span(f"against {spell(step['other'][name])}", className="sub")],
        className="stacked",
    )
