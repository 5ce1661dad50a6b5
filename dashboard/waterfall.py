"""The spans of one trace, as the call tree they are, on a scale of their own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from dashboard import palette, wording
from dashboard.figures import GRID, blank, layout, seconds_between
from dashboard.journey import span_words
from dashboard.query_port import Row

ROW_PIXELS = 26
# more would be neither readable nor quick; the rest is said in words
MOST_SPANS = 300


@dataclass(frozen=True)
class Trace:
    trace_id: str
    start: str
    spans: tuple[Row, ...]

    @property
    def errors(self) -> int:
        return sum(s["status"] == "error" for s in self.spans)

    @property
    def duration_ms(self) -> float:
        last = max(s["end"] for s in self.spans)
        return seconds_between(self.start, last) * 1000

    @property
    def root(self) -> Row:
        known = {s["span_id"] for s in self.spans}
        return next((s for s in self.spans if s.get("parent_span_id") not in known), self.spans[0])


def traces(spans: Sequence[Row]) -> list[Trace]:
    """Grouped by trace id, the latest first; the spans of each in the order of their start."""
    groups: dict[str, list[Row]] = {}
    for span in sorted(spans, key=lambda s: s["start"]):
        groups.setdefault(span["trace_id"], []).append(span)
    found = [Trace(trace_id, rows[0]["start"], tuple(rows)) for trace_id, rows in groups.items()]
    return sorted(found, key=lambda t: t.start, reverse=True)


def worth_seeing(found: Sequence[Trace]) -> Trace | None:
    """The latest trace with an error, else the latest."""
    return next((t for t in found if t.errors), None) or (found[0] if found else None)


def call_order(spans: Sequence[Row]) -> list[tuple[int, Row]]:
    """Depth and span, each parent before its children, siblings by start.

    A span whose parent was not received stands at depth 0; a cycle of parents is cut.
    """
    known = {s["span_id"] for s in spans}
    children: dict[str | None, list[Row]] = {}
    for span in sorted(spans, key=lambda s: s["start"]):
        parent = span.get("parent_span_id")
        children.setdefault(parent if parent in known and parent != span["span_id"] else None, []).append(span)
    ordered: list[tuple[int, Row]] = []
    seen: set[str] = set()
    pending = [(0, s) for s in reversed(children.get(None, []))]
    leftover = iter(sorted(spans, key=lambda s: s["start"]))
    while len(seen) < len(known):
        if not pending:
            orphan = next((s for s in leftover if s["span_id"] not in seen), None)
            if orphan is None:
                break
            pending = [(0, orphan)]
        depth, span = pending.pop()
        if span["span_id"] in seen:
            continue
        seen.add(span["span_id"])
        ordered.append((depth, span))
        pending += [(depth + 1, s) for s in reversed(children.get(span["span_id"], []))]
    return ordered


def waterfall_figure(trace: Trace | None) -> go.Figure:
    """One row per span, milliseconds from the start of the trace, coloured by service.

    An error is outlined in red and carries a cross.
    """
    if trace is None:
        return blank()
    rows = call_order(trace.spans)[:MOST_SPANS]
    colours = palette.service_colours([s["service"] for _, s in rows])
    whole = max(trace.duration_ms, 0.001)
    figure = go.Figure()
    for service in dict.fromkeys(s["service"] for _, s in rows):
        mine = [(i, s) for i, (_, s) in enumerate(rows) if s["service"] == service]
        wrong = [s["status"] == "error" for _, s in mine]
        figure.add_bar(
            name=service,
            y=[-i for i, _ in mine],
            base=[_offset(trace, s) for _, s in mine],
            x=[max(s["duration_ms"], whole * 0.002) for _, s in mine],
            width=0.52,
            orientation="h",
            marker={
                "color": colours[service],
                "line": {"width": [2.5 if w else 0 for w in wrong], "color": palette.BAD},
            },
            hovertext=[span_words(s) for _, s in mine],
            hoverinfo="text",
        )
    labels = [
        _label(i, span, _offset(trace, span), whole, colours[span["service"]]) for i, (_, span) in enumerate(rows)
    ]
    # No annotations: each would be added, measured and laid out by itself, and three hundred take a minute.
    for position in dict.fromkeys(one.position for one in labels):
        placed = [one for one in labels if one.position == position]
        figure.add_scatter(
            x=[one.x for one in placed], y=[-one.row for one in placed], text=[one.text for one in placed], mode="text",
            textposition=position, textfont={"size": 11.5, "color": [one.colour for one in placed]}, hoverinfo="skip",
            cliponaxis=False, showlegend=False,
        )  # fmt: skip
    figure.update_layout(
        layout(
            len(rows) * ROW_PIXELS + 90,
            barmode="overlay",
            xaxis={
                "range": [-whole * 0.01, whole * 1.02],
                "gridcolor": GRID,
                "zeroline": False,
                "ticksuffix": " ms",
                "nticks": 6,
            },
            yaxis={"visible": False, "range": [-len(rows) + 0.4, 0.7], "fixedrange": True},
            showlegend=True,
            legend={
                "orientation": "h",
                "y": 1,
                "yanchor": "bottom",
                "x": 0,
                "itemclick": False,
                "itemdoubleclick": False,
            },
            margin={"l": 8, "r": 8, "t": 34, "b": 34},
            uirevision=trace.trace_id,
        )
    )
    return figure


def _offset(trace: Trace, span: Row) -> float:
    return seconds_between(trace.start, span["start"]) * 1000


@dataclass(frozen=True, slots=True)
class _Label:
    row: int
    x: float
    text: str
    position: str
    colour: str


def _label(row: int, span: Row, start: float, whole: float, bar: str) -> _Label:
    """Beside the bar where there is room, inside it where there is none."""
    end = start + span["duration_ms"]
    cross = "✕ " if span["status"] == "error" else ""
    text = f"{cross}{span['name']}  {wording.duration(span['duration_ms'] / 1000)}"
    if end < whole * 0.62:
        return _Label(row, end, f"\N{NO-BREAK SPACE}{text}", "middle right", palette.GREY)
    if start > whole * 0.38:
        return _Label(row, start, f"{text}\N{NO-BREAK SPACE}", "middle left", palette.GREY)
    return _Label(row, start, f"\N{NO-BREAK SPACE}{text}", "middle right", palette.ink_on(bar))
