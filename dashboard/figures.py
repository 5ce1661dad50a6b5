"""Figures as pure functions of rows.

Colours of text come from the page's style sheet, so one figure serves the dark and the light scheme. Plotly heeds no
zone: the times in a figure are those that the clocks of the viewer show (`wall`).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

import plotly.graph_objects as go
from dash import dcc

from dashboard import palette
from dashboard.query_port import Row
from dashboard.viewer import Viewer, viewing
from dashboard.wording import moment

# plotly's own button would upload the figure to a server outside
CONFIG = {
    "displaylogo": False,
    "responsive": True,
    "showSendToCloud": False,
    "plotlyServerURL": "",
    "modeBarButtonsToRemove": ["select2d", "lasso2d", "autoScale2d", "toImage"],
    "scrollZoom": False,
    # what months and days are called is told by the browser (04-viewer.js)
    "locale": "viewer",
}

GRID = "rgba(134,142,150,.22)"
MOST_TICKS = 5
"""So many times stand upright under a figure on a phone too; more would be turned on their side."""
HOVER = {"bgcolor": "#16181b", "bordercolor": "#16181b", "font": {"color": "#fff", "size": 12}}


def graph(component_id: str, figure: go.Figure | None = None, height: int | None = None) -> dcc.Graph:
    """Every figure on a page comes through here."""
    style = {"height": f"{height}px"} if height else {}
    return dcc.Graph(id=component_id, figure=figure or blank(), config=CONFIG, style=style, className="figure")


def layout(height: int, **more: Any) -> dict[str, Any]:
    return {
        "height": height,
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": "Inter, system-ui, sans-serif", "size": 12, "color": palette.GREY},
        "margin": {"l": 8, "r": 12, "t": 12, "b": 36},
        "hoverlabel": HOVER,
        "uirevision": "keep",
        "showlegend": False,
        "dragmode": "zoom",
        "separators": viewing.get().separators,
        **more,
    }


def wall(at: str | datetime) -> str:
    """What the viewer's clocks show at a time, without a zone."""
    known = moment(at) if isinstance(at, str) else at
    assert known is not None
    return viewing.get().local(known).replace(tzinfo=None).isoformat()


def wall_milliseconds(start: datetime, end: datetime) -> float:
    """How far apart two times stand on an axis of the viewer's clocks: what they were moved by between is left out."""
    first, last = (viewing.get().local(at).replace(tzinfo=None) for at in (start, end))
    return max(0.0, (last - first).total_seconds() * 1000)


def _step_at(at: str, step: str, zone: str) -> str:
    """Where a step stands: an hour by the viewer's clocks, a day by its date where it is one."""
    return wall(at) if step == "hour" else Viewer(zone).local(datetime.fromisoformat(at)).date().isoformat()


def _step_format(step: str) -> str:
    return f"{_day_format()} {_clock_format()}" if step == "hour" else _day_format()


def _day_format() -> str:
    return "%b %-d" if viewing.get().month_first else "%-d %b"


def _clock_format() -> str:
    return "%-I:%M %p" if viewing.get().half_days else "%H:%M"


def blank(height: int = 120) -> go.Figure:
    return go.Figure(layout=layout(height, xaxis={"visible": False}, yaxis={"visible": False}))


def sparkline(trend: Sequence[Row], bars: int = 28, width: int = 168, height: int = 30) -> str:
    """Good and bad per stretch of time as an SVG data address: bad stands on top, in its own colour."""
    size = max(1, -(-len(trend) // bars))
    stretches = [trend[i : i + size] for i in range(0, len(trend), size)]
    good = [sum(r["good"] for r in rows) for rows in stretches]
    bad = [sum(r["bad"] for r in rows) for rows in stretches]
    top = max((g + b for g, b in zip(good, bad, strict=True)), default=0) or 1
    step = width / max(1, len(stretches))
    parts = [f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width} {height}' preserveAspectRatio='none'>"]
    for i, (g, b) in enumerate(zip(good, bad, strict=True)):
        x, bar = f"{i * step:.1f}", f"{max(1.0, step - 1.5):.1f}"
        tall_good = g / top * (height - 2)
        # one miss among thousands must still be seen
        tall_bad = max(2.5, b / top * (height - 2)) if b else 0.0
        tall_good = min(tall_good, height - tall_bad)
        parts.append(
            f"<rect x='{x}' y='{height - tall_good:.1f}' width='{bar}' height='{tall_good:.1f}' "
            f"fill='{palette.GREY}' fill-opacity='.45'/>"
        )
        if b:
            y = height - tall_good - tall_bad
            parts.append(
                f"<rect x='{x}' y='{max(0.0, y):.1f}' width='{bar}' height='{tall_bad:.1f}' fill='{palette.BAD}'/>"
            )
    return "data:image/svg+xml," + quote("".join(parts) + "</svg>", safe="' =/:.")


def budget_left(series: Sequence[Row], step: str, zone: str) -> go.Figure:
    """How the error budget ran down: 1 is untouched, below 0 is overspent. By hours, or by days of a zone."""
    x = [_step_at(r["t"], step, zone) for r in series]
    y = [None if r["left_ratio"] is None else r["left_ratio"] * 100 for r in series]
    low = min([0.0, *(v for v in y if v is not None)])
    before, after = viewing.get().percent("|").split("|")
    figure = go.Figure(
        go.Scatter(
            x=x,
            y=y,
            mode="lines",
            line={"color": palette.BLUE, "width": 2, "shape": "hv"},
            fill="tozeroy",
            fillcolor=palette.faint(palette.BLUE, 0.10),
            hovertemplate=f"%{{x|{_step_format(step)}}}<br>{before}%{{y:,.0f}}{after} left<extra></extra>",
        )
    )
    figure.add_hline(y=0, line={"color": palette.BAD, "width": 1.5, "dash": "dot"})
    figure.update_layout(
        layout(
            240,
            xaxis=times_axis(nticks=MOST_TICKS),
            yaxis={
                "tickformat": ",.0f",
                "tickprefix": before,
                "ticksuffix": after,
                "gridcolor": GRID,
                "zeroline": False,
                "range": [low - 8, 105],
                "automargin": True,
            },
        )
    )
    return figure


def good_and_bad(series: Sequence[Row], step: str, zone: str) -> go.Figure:
    """By hours, or by days of a zone."""
    figure = go.Figure()
    x = [_step_at(r["t"], step, zone) for r in series]
    for name, field, colour in (("Good", "good", palette.faint(palette.GREY, 0.45)), ("Bad", "bad", palette.BAD)):
        figure.add_bar(
            name=name,
            x=x,
            y=[r[field] for r in series],
            marker={"color": colour, "line": {"width": 0}},
            hovertemplate=f"%{{x|{_step_format(step)}}}<br>%{{y:,}} {name.lower()}<extra></extra>",
        )
    figure.update_layout(
        layout(
            240,
            barmode="stack",
            bargap=0.25,
            xaxis=times_axis(nticks=MOST_TICKS),
            yaxis={"gridcolor": GRID, "zeroline": False, "automargin": True, "rangemode": "tozero"},
            showlegend=True,
            legend={"orientation": "h", "y": 1.14, "x": 1, "xanchor": "right"},
        )
    )
    return figure


def population(incident: Row, now: datetime) -> go.Figure:
    """How many an incident held up, each count until the next; dashed, how that goes on at the present pace."""
    points, over = incident.get("points") or (), incident["resolved_at"]
    held = "missed" if incident["verdict"] == "burning" else "held up"
    end = over or now.isoformat()
    x, y = [wall(p["at"]) for p in points], [p["count"] for p in points]
    if points:
        x, y = [*x, wall(end)], [*y, 0 if over else points[-1]["count"]]
    figure = go.Figure(
        go.Scatter(
            x=x,
            y=y,
            mode="lines",
            line={"color": palette.BAD, "width": 2, "shape": "hv"},
            fill="tozeroy",
            fillcolor=palette.faint(palette.BAD, 0.10),
            hovertemplate=f"%{{x|{_day_format()} {_clock_format()}}}<br>%{{y:,}} {held}<extra></extra>",
        )
    )
    drained = None if over else (incident.get("trend") or {}).get("drained_at")
    if points and drained:
        figure.add_scatter(
            x=[wall(end), wall(drained)],
            y=[points[-1]["count"], 0],
            mode="lines",
            line={"color": palette.GREY, "width": 2, "dash": "dot"},
            hovertemplate=f"%{{x|{_day_format()} {_clock_format()}}}<br>≈ %{{y:,.0f}} at this pace<extra></extra>",
        )
    figure.update_layout(
        layout(
            200,
            xaxis=times_axis(nticks=MOST_TICKS),
            yaxis={"gridcolor": GRID, "zeroline": False, "automargin": True, "rangemode": "tozero", "tickformat": ",d"},
        )
    )
    return figure


def volume(hours: Sequence[Row]) -> go.Figure:
    """What came in each hour, over what usually comes in it: the median, and between which quartiles."""
    x = [wall(h["t"]) for h in hours]
    usual = {name: [h["usual"] and h["usual"][name] for h in hours] for name in ("low", "median", "high")}
    figure = go.Figure()
    edge = {"mode": "lines", "line": {"width": 0, "shape": "hv"}, "hoverinfo": "skip", "showlegend": False}
    figure.add_scatter(x=x, y=usual["low"], **edge)
    figure.add_scatter(x=x, y=usual["high"], fill="tonexty", fillcolor=palette.faint(palette.GREY, 0.22), **edge)
    for name, y, line in (
        ("Usual for the hour", usual["median"], {"color": palette.GREY, "width": 1.5, "dash": "dot", "shape": "hv"}),
        ("Arrived", [h["count"] for h in hours], {"color": palette.BLUE, "width": 2, "shape": "hv"}),
    ):
        figure.add_scatter(
            name=name, x=x, y=y, mode="lines", line=line,
            hovertemplate=f"%{{x|{_day_format()} {_clock_format()}}}<br>%{{y:,.0f}} {name.lower()}<extra></extra>",
        )  # fmt: skip
    figure.update_layout(
        layout(
            240,
            xaxis=times_axis(nticks=MOST_TICKS),
            yaxis={"gridcolor": GRID, "zeroline": False, "automargin": True, "rangemode": "tozero", "tickformat": ",d"},
            showlegend=True,
            legend={"orientation": "h", "y": 1.14, "x": 1, "xanchor": "right"},
        )
    )
    return figure


def times_axis(**more: Any) -> dict[str, Any]:
    """An axis of times as the viewer spells them; what stands on a second line is told where it changes."""
    day, clock, minute, half_day, month = _day_format(), _clock_format(), 60_000, 43_200_000, "M1"
    seconds = "%-I:%M:%S" if viewing.get().half_days else "%H:%M:%S"
    stops = (
        (None, minute - 1, f"{seconds}\n{day}"),
        (minute, half_day, f"{clock}\n{day}"),
        (half_day + 1, 1_209_600_000, f"{day}\n%Y"),
        (month, "M11", "%b\n%Y"),
        ("M12", None, "%Y"),
    )
    formats = [{"dtickrange": [first, last], "value": value} for first, last, value in stops]
    axis = {"type": "date", "gridcolor": "rgba(0,0,0,0)", "zeroline": False, "automargin": True}
    return axis | {"tickformatstops": formats} | more


def seconds_between(start: str, end: str) -> float:
    first, last = moment(start), moment(end)
    return 0.0 if first is None or last is None else (last - first).total_seconds()
