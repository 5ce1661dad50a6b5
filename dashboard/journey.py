"""The timeline of one instance: business milestones with their deadlines on top, the systems' spans under them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import plotly.graph_objects as go

from dashboard import palette, wording
from dashboard.figures import GRID, blank, layout, times_axis, wall, wall_milliseconds
from dashboard.links import OPEN
from dashboard.query_port import Row
from dashboard.wording import moment

ROW_PIXELS = 46
SPAN_ROW_PIXELS = 38
# beyond these the rows stop telling the systems apart
MOST_SERVICES = 12
OTHERS = "other services"
# beyond so many spans those of a service that fall on the same place of the axis are one mark
MOST_MARKS = 200
PLACES = 600
MOST_NAMED = 5
LABEL = {"xref": "paper", "x": 0, "xanchor": "left", "yanchor": "bottom", "showarrow": False, "align": "left"}

# symbol and colour of a milestone that has a point in time
POINTS = {
    "reached": ("circle", palette.GOOD),
    "reached_late": ("diamond", palette.ORANGE),
    "overdue": ("x", palette.BAD),
    "due": ("circle-open", palette.BLUE),
}


def journey_figure(instance: Row, now: datetime) -> go.Figure:
    """Rows from the top: one per milestone in the definition's order, then one per service with spans.

    A milestone's row shows the window from the start of its clock to its deadline (the part after
    the warning tinted), how long it really took, and what ran past the deadline in red.
    """
    journey: list[Row] = instance.get("journey") or []
    if not journey:
        return blank().update_layout(height=ROW_PIXELS)
    figure = go.Figure()
    spans: list[Row] = instance.get("spans") or []
    y = 0.0
    for step in journey:
        _milestone_row(figure, step, y, now)
        y -= 1.0
    spans, services = _busiest(spans)
    first, last = _extent(instance, journey, spans, now)
    place = (last - first) / PLACES if len(spans) > MOST_MARKS else timedelta(0)
    colours = palette.service_colours(services)
    scale = SPAN_ROW_PIXELS / ROW_PIXELS
    if services:
        figure.add_hline(y=y + 0.62, line={"color": GRID, "width": 1})
        y -= 0.1
    for service in services:
        _service_row(figure, [s for s in spans if s["service"] == service], service, y, colours[service], place)
        y -= scale
    for pause in instance.get("pauses") or []:
        stood_from, stood_to = moment(pause["from"]), moment(pause["to"]) or now
        if stood_from is not None:
            across = {"x0": wall(stood_from), "x1": wall(stood_to)}
            figure.add_vrect(**across, fillcolor=palette.GREY, opacity=0.14, line_width=0, layer="below")
    if first <= now <= last:
        _now_line(figure, now)
    height = round(len(journey) * ROW_PIXELS + len(services) * SPAN_ROW_PIXELS + 70)
    axis = times_axis(gridcolor=GRID, range=[wall(first), wall(last)], nticks=7, side="bottom", automargin=False)
    figure.update_layout(
        layout(
            height,
            barmode="overlay",
            xaxis=axis,
            yaxis={"visible": False, "range": [y + scale - 0.55, 0.95], "fixedrange": True},
            margin={"l": 10, "r": 14, "t": 18, "b": 36},
            hovermode="closest",
        )
    )
    return figure


def _bar(
    figure: go.Figure, y: float, start: datetime, end: datetime, colour: str, width: float, hover: str = ""
) -> None:
    figure.add_bar(
        base=[wall(start)],
        x=[wall_milliseconds(start, end)],
        y=[y],
        width=width,
        orientation="h",
        marker={"color": colour, "line": {"width": 0}},
        hovertext=hover,
        hoverinfo="text" if hover else "skip",
    )


def _milestone_row(figure: go.Figure, step: Row, y: float, now: datetime) -> None:
    state = step["state"]
    at, started = moment(step.get("at")), moment(step.get("started_at"))
    warn, deadline = moment(step.get("warn_at")), moment(step.get("deadline_at"))
    hover = _milestone_words(step)
    if started and deadline:
        warned = warn if warn and warn < deadline else deadline
        _bar(figure, y, started, warned, palette.faint(palette.GREY, 0.20), 0.30)
        _bar(figure, y, warned, deadline, palette.faint(palette.WARN, 0.34), 0.30)
    for stretch in step.get("closed") or []:
        shut_from, shut_to = moment(stretch["from"]), moment(stretch["to"])
        if shut_from and shut_to:
            _shut(figure, y, shut_from, shut_to)
    until = at or (now if state in ("due", "overdue") else None)
    if started and until:
        within = min(until, deadline) if deadline else until
        _bar(figure, y, started, within, palette.BLUE if not at else palette.GOOD, 0.12, hover)
        if deadline and until > deadline:
            _bar(figure, y, deadline, until, palette.BAD, 0.30 if not at else 0.12, hover)
    if deadline and state != "overdue":
        colour = palette.BAD if state == "reached_late" else palette.GREY
        figure.add_scatter(
            x=[wall(deadline)], y=[y], mode="markers", hovertext=f"Deadline {wording.instant(step['deadline_at'])}",
            hoverinfo="text", marker={"symbol": "line-ns", "size": 16, "line": {"width": 2.5, "color": colour}},
        )  # fmt: skip
    for part in step.get("parts") or []:
        _part_mark(figure, step, part, y)
    symbol, colour = POINTS.get(state, ("circle-open", palette.GREY))
    edge = {"width": 0 if at else 1.5, "color": "#fff"}
    spot = at or (deadline if state == "overdue" else None)
    if spot:
        figure.add_scatter(
            x=[wall(spot)], y=[y], mode="markers", hovertext=hover, hoverinfo="text",
            marker={"symbol": symbol, "size": 12, "color": colour, "line": edge},
        )  # fmt: skip
    title = step.get("title") or wording.humanise(step["name"])
    figure.add_annotation(**LABEL, y=y + 0.2, text=f"<b>{title}</b>  {_state_words(step, now)}")


def _shut(figure: go.Figure, y: float, start: datetime, end: datetime) -> None:
    """Time that does not count towards a deadline, hatched over the window that it lies in."""
    figure.add_bar(
        base=[wall(start)],
        x=[wall_milliseconds(start, end)],
        y=[y],
        width=0.46,
        orientation="h",
        marker={
            "color": palette.faint(palette.GREY, 0.06),
            "line": {"width": 0},
            "pattern": {"shape": "/", "size": 6, "solidity": 0.18, "fgcolor": palette.GREY, "fgopacity": 0.6},
        },
        hovertext=f"Closed, does not count<br>{wording.instant(start.isoformat())}"
        f"<br>until {wording.instant(end.isoformat())}",
        hoverinfo="text",
    )


def _part_mark(figure: go.Figure, step: Row, part: Row, y: float) -> None:
    spot = moment(part["at"]) or (moment(part["deadline_at"]) if part["state"] == "overdue" else None)
    if spot:
        symbol, colour = POINTS.get(part["state"], ("circle-open", palette.GREY))
        hover = f"{part_words(step, part)}<br>{wording.instant(spot.isoformat())}"
        figure.add_scatter(
            x=[wall(spot)], y=[y], mode="markers", hovertext=hover, hoverinfo="text",
            marker={"symbol": symbol, "size": 7, "color": colour},
        )  # fmt: skip


def part_words(step: Row, part: Row) -> str:
    """Which part it is, and how it stands."""
    return f"{wording.humanise(step['each'])} {part['value']}: {wording.state_label(part['state']).lower()}"


def _state_words(step: Row, now: datetime) -> str:
    at, deadline = moment(step.get("at")), moment(step.get("deadline_at"))
    started = moment(step.get("started_at"))
    counted = f"{step['occurred']} of {step['needed']}, " if step.get("needed", 1) > 1 and not at else ""
    if step["state"] == "overdue" and deadline:
        return f"{counted}overdue by {wording.duration((now - deadline).total_seconds())}"
    if step["state"] == "due" and deadline:
        return f"{counted}due {wording.relative(deadline, now)}"
    late = [part for part in step.get("parts") or [] if part["state"] == "reached_late"]
    if at and late:
        return f"{len(late)} of {step['occurred']} late"
    if at and deadline and at > deadline:
        return f"reached {wording.duration((at - deadline).total_seconds())} late"
    if at and started:
        return f"after {wording.duration((at - started).total_seconds())}"
    if at:
        return wording.short_instant(step["at"])
    return wording.state_label(step["state"]).lower()


def _milestone_words(step: Row) -> str:
    lines = [f"<b>{step.get('title') or step['name']}</b> · {wording.state_label(step['state'])}"]
    for label, field in (
        ("Clock started", "started_at"),
        ("Warning", "warn_at"),
        ("Deadline", "deadline_at"),
        ("Reached", "at"),
    ):
        if step.get(field):
            lines.append(f"{label} {wording.instant(step[field])}")
    lines.extend(step.get("faults") or [])
    if step.get("calendar"):
        lines.append(f"counted on {step['calendar']}" + (f" ({step['zone']})" if step.get("zone") else ""))
    if step.get("source"):
        lines.append(f"from {step['source']}")
    return "<br>".join(lines)


def _service_row(
    figure: go.Figure, spans: Sequence[Row], service: str, y: float, colour: str, place: timedelta
) -> None:
    errors = [s for s in spans if s["status"] == "error"]
    # What is shorter than a place of the axis is thinner than a pixel; its tick is not.
    seen = [s for s in spans if timedelta(milliseconds=s["duration_ms"]) >= place]
    figure.add_bar(
        base=[wall(s["start"]) for s in seen],
        x=[max(0.0, s["duration_ms"]) for s in seen],
        y=[y] * len(seen),
        width=0.26,
        orientation="h",
        marker={"color": colour, "line": {"width": 0}},
        hoverinfo="skip",
    )
    for group, symbol, shade, line in ((spans, "line-ns", colour, 2.0), (errors, "x", palette.BAD, 0.0)):
        if group:
            marks = _marks(group, place)
            figure.add_scatter(
                x=[wall(start) for start, _ in marks], y=[y] * len(marks), mode="markers",
                hovertext=[_marked_words(mine) for _, mine in marks], hoverinfo="text",
                marker={"symbol": symbol, "size": 9, "color": shade, "line": {"width": line, "color": shade}},
            )  # fmt: skip
    said = wording.plural(len(spans), "span") + (f", {wording.plural(len(errors), 'error')}" if errors else "")
    figure.add_annotation(**LABEL, y=y + 0.17, text=f"{service}  <span style='font-size:11px'>{said}</span>")


def _marks(spans: Sequence[Row], place: timedelta) -> list[tuple[datetime, list[Row]]]:
    """Spans by their starts, those that begin within one place of the axis together; each start with its spans."""
    marks: list[tuple[datetime, list[Row]]] = []
    for start, span in sorted(((datetime.fromisoformat(s["start"]), s) for s in spans), key=lambda one: one[0]):
        if marks and start - marks[-1][0] < place:
            marks[-1][1].append(span)
        else:
            marks.append((start, [span]))
    return marks


def _marked_words(spans: Sequence[Row]) -> str:
    if len(spans) == 1:
        return span_words(spans[0])
    names = Counter(s["name"] for s in spans)
    lines = [f"<b>{wording.plural(len(spans), 'span')}</b> from {wording.instant(spans[0]['start'])}"]
    lines += [f"{wording.count(times)} × {name}" for name, times in names.most_common(MOST_NAMED)]
    if (more := len(names) - MOST_NAMED) > 0:
        lines.append(f"and {wording.plural(more, 'other')}")
    return "<br>".join(lines)


def span_words(span: Row) -> str:
    lines = [f"<b>{span['name']}</b>", f"{span['service']} · {wording.duration(span['duration_ms'] / 1000)}"]
    lines.append(wording.instant(span["start"]))
    if span["status"] == "error":
        lines.append(f"error: {span.get('status_message') or 'no message'}")
    return "<br>".join(lines)


def _busiest(spans: Sequence[Row]) -> tuple[list[Row], list[str]]:
    """Spans with the services beyond the busiest ones put together, and the services by first appearance."""
    counts: dict[str, int] = {}
    for span in spans:
        counts[span["service"]] = counts.get(span["service"], 0) + 1
    kept = set(sorted(counts, key=lambda s: -counts[s])[:MOST_SERVICES])
    named = [s if s["service"] in kept else {**s, "service": OTHERS} for s in spans]
    return named, list(dict.fromkeys(s["service"] for s in sorted(named, key=lambda s: s["start"])))


def _now_line(figure: go.Figure, now: datetime) -> None:
    figure.add_vline(x=wall(now), line={"color": palette.PURPLE, "width": 1.5, "dash": "dash"})
    figure.add_annotation(
        x=wall(now), y=1, yref="paper", yanchor="bottom", showarrow=False, text="now", font={"color": palette.PURPLE}
    )


def _extent(instance: Row, journey: Sequence[Row], spans: Sequence[Row], now: datetime) -> tuple[datetime, datetime]:
    fields = ("at", "started_at", "deadline_at")
    rows = [row for step in journey for row in (step, *(step.get("parts") or []))]
    points = [p for row in rows for f in fields if (p := moment(row.get(f)))]
    points += [p for s in spans for f in ("start", "end") if (p := moment(s[f]))]
    if instance.get("verdict") in OPEN or not points:
        points.append(now)
    first, last = min(points), max(points)
    pad: Any = max((last - first) * 0.03, timedelta(milliseconds=50))
    return first - pad, last + pad
