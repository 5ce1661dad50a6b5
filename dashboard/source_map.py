"""The systems and what goes from one to the other, as one picture. The table of flows says the same in words."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from dashboard import palette, phrases, wording
from dashboard.figures import blank, layout
from dashboard.query_port import Row

ROW_PIXELS = 92
LOWER = 0.55
BOW = 0.17
# symbol and colour of a system by its state; the shape tells as much as the colour
SYSTEMS = {
    "live": ("circle", palette.GOOD),
    "silent": ("x", palette.BAD),
    "catching_up": ("diamond", palette.WARN),
    "unknown": ("circle-open", palette.GREY),
}


def places(names: Sequence[str], pairs: Sequence[tuple[str, str]]) -> dict[str, tuple[int, int]]:
    """Column and row of each system: it stands right of those that hand on to it; a circle is cut where it closes."""
    before: dict[str, list[str]] = {name: [] for name in names}
    for sender, receiver in pairs:
        if sender in before and receiver in before and sender not in before[receiver]:
            before[receiver].append(sender)
    column: dict[str, int] = {}

    def settle(name: str, above: frozenset[str]) -> int:
        if name not in column:
            known = [settle(one, above | {name}) for one in before[name] if one not in above]
            column.setdefault(name, max((place + 1 for place in known), default=0))
        return column[name]

    for name in names:
        settle(name, frozenset({name}))
    rows: dict[int, int] = {}
    found = {}
    for name in names:
        row = rows.get(column[name], 0)
        rows[column[name]] = row + 1
        found[name] = (column[name], row)
    return found


def map_figure(sources: Sequence[Row], flows: Sequence[Row]) -> go.Figure:
    """Systems as points, handovers as lines: dotted and red where something is held up, thicker where more waits."""
    together: dict[tuple[str, str], list[Row]] = {}
    for flow in flows:
        together.setdefault((flow["sender"], flow["receiver"]), []).append(flow)
    talking = {name for pair in together for name in pair}
    shown = [s for s in sources if s["source"] in talking]
    if not shown:
        return blank()
    at = places([s["source"] for s in shown], list(together))
    in_column: dict[int, int] = {}
    for column, row in at.values():
        in_column[column] = max(in_column.get(column, 0), row + 1)
    # each column is centred, and every other one stands lower, so that what passes by is seen
    xy = {n: (float(col), (in_column[col] - 1) / 2 - row - (col % 2) * LOWER) for n, (col, row) in at.items()}
    figure = go.Figure()
    for (sender, receiver), found in together.items():
        if sender in xy and receiver in xy:
            _flow(figure, xy[sender], xy[receiver], found)
    for s in shown:
        symbol, colour = SYSTEMS.get(s["state"], SYSTEMS["unknown"])
        x, y = xy[s["source"]]
        figure.add_scatter(
            x=[x], y=[y], mode="markers", hoverinfo="text", hovertext=_system_words(s),
            marker={"symbol": symbol, "size": 15, "color": colour},
        )  # fmt: skip
        figure.add_annotation(
            x=x, y=y, text=f"<b>{s['title'] or s['source']}</b>", showarrow=False, yshift=19, bgcolor="rgba(0,0,0,0)"
        )
    last = max(x for x, _ in xy.values())
    top, low = max(y for _, y in xy.values()) + 0.75, min(y for _, y in xy.values()) - 0.9
    figure.update_layout(
        layout(
            round((top - low) * ROW_PIXELS),
            xaxis={"visible": False, "range": [-0.45, last + 0.45], "fixedrange": True},
            yaxis={"visible": False, "range": [low, top], "fixedrange": True},
            margin={"l": 4, "r": 4, "t": 4, "b": 4},
            dragmode=False,
        )
    )
    return figure


def _flow(figure: go.Figure, start: tuple[float, float], end: tuple[float, float], flows: Sequence[Row]) -> None:
    held, waiting = sum(f["held"] for f in flows), sum(f["waiting"] for f in flows)
    colour = palette.BAD if held else palette.faint(palette.GREY, 0.6)
    across = end[0] - start[0]
    # what goes back bows the other way, and what goes far bows more
    bow = BOW * across * (1.0 if across > 0 else 1.3)
    middle = ((start[0] + end[0]) / 2, (start[1] + end[1]) / 2 + bow)
    words = "<br>".join(
        f"{f['workflow_title'] or f['workflow']}: {f['title']}, {wording.count(f['waiting'])} waiting, "
        f"{wording.count(f['held'])} held up"
        for f in flows
    )
    width = min(6.0, 1.2 + waiting**0.5 / 4)
    figure.add_scatter(
        x=[start[0], middle[0], end[0]], y=[start[1], middle[1], end[1]], mode="lines", hoverinfo="text",
        hovertext=words, line={"width": width, "color": colour, "dash": "dot" if held else "solid", "shape": "spline"},
    )  # fmt: skip
    figure.add_annotation(
        x=middle[0] + across * 0.02, y=middle[1], ax=middle[0] - across * 0.025, ay=middle[1], axref="x", ayref="y",
        text="", showarrow=True,
        arrowhead=2, arrowsize=1.1, arrowwidth=1.4, arrowcolor=colour,
    )  # fmt: skip
    if held:
        figure.add_annotation(
            x=middle[0], y=middle[1], text=f"{wording.count(held)} held up", showarrow=False, yshift=-10,
            font={"size": 11, "color": palette.BAD},
        )  # fmt: skip


def _system_words(s: Row) -> str:
    rate = phrases.rate_words(s["rate"]["per_minute"])
    return f"<b>{s['title'] or s['source']}</b> · {wording.state_label(s['state'])}" + (f"<br>{rate}" if rate else "")
