"""The systems and what goes from one to the other, as one picture. The table of flows says the same in words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from textwrap import wrap

import plotly.graph_objects as go

from dashboard import palette, phrases, wording
from dashboard.figures import blank, layout
from dashboard.query_port import Row

ROW_PIXELS = 92
LEVEL_PIXELS = 104
LOWER = 0.55
BOW, WIDEST_BOW = 0.17, 0.7
WORDS_WIDE, WORDS_HIGH = 0.5, 15
"""What `9 held up` takes, in columns and in pixels."""
SHORT_NAME = 14
"""As many letters of a name stand on one line of the tall picture."""
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


Spot = Callable[[float, float], tuple[float, float]]
"""Where on the picture something stands, by how far along the way it is and how far beside it."""


def map_figure(sources: Sequence[Row], flows: Sequence[Row], *, tall: bool = False) -> go.Figure:
    """Systems as points, handovers as lines: dotted and red where something is held up, thicker where more waits.

    What is handed on goes from left to right; `tall`, as a phone has room for it, from top to bottom.
    """
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
    stands = {n: (float(col), (in_column[col] - 1) / 2 - row - (col % 2) * LOWER) for n, (col, row) in at.items()}
    figure, spot = go.Figure(), (_downwards if tall else _rightwards)
    said: list[tuple[float, float]] = []
    for (sender, receiver), found in together.items():
        if sender in stands and receiver in stands:
            _flow(figure, stands[sender], stands[receiver], found, spot, said, tall=tall)
    for s in shown:
        symbol, colour = SYSTEMS.get(s["state"], SYSTEMS["unknown"])
        x, y = spot(*stands[s["source"]])
        figure.add_scatter(
            x=[x], y=[y], mode="markers", hoverinfo="text", hovertext=_system_words(s),
            marker={"symbol": symbol, "size": 15, "color": colour},
        )  # fmt: skip
        figure.add_annotation(
            x=x, y=y, text=f"<b>{_name(s, tall=tall)}</b>", showarrow=False, yshift=10, yanchor="bottom"
        )
    last = max(along for along, _ in stands.values())
    near, far = min(beside for _, beside in stands.values()), max(beside for _, beside in stands.values())
    if tall:
        bows = [_middle(stands[a], stands[b], tall=True)[1] for a, b in together if a in stands and b in stands]
        xs = [min([near - 0.62, *(at - 0.1 for at in bows)]), max([far + 0.62, *(at + 0.2 for at in bows)])]
        height, ys = round((last + 1) * LEVEL_PIXELS), [-last - 0.25, 0.5]
    else:
        low, top = near - 0.9, far + 0.75
        height, xs, ys = round((top - low) * ROW_PIXELS), [-0.45, last + 0.45], [low, top]
    figure.update_layout(
        layout(
            height,
            xaxis={"visible": False, "range": xs, "fixedrange": True},
            yaxis={"visible": False, "range": ys, "fixedrange": True},
            margin={"l": 4, "r": 4, "t": 4, "b": 4},
            dragmode=False,
        )
    )
    return figure


def _rightwards(along: float, beside: float) -> tuple[float, float]:
    return along, beside


def _downwards(along: float, beside: float) -> tuple[float, float]:
    return beside, -along


def _name(s: Row, *, tall: bool) -> str:
    name = str(s["title"] or s["source"])
    return "<br>".join(wrap(name, SHORT_NAME, break_long_words=False)) if tall else name


def _middle(start: tuple[float, float], end: tuple[float, float], *, tall: bool) -> tuple[float, float]:
    """Through where a line goes. What goes back bows the other way; what goes far bows more, if there is room."""
    across = end[0] - start[0]
    bow = BOW * across * (1.0 if across > 0 else 1.3)
    bow = max(-WIDEST_BOW, min(WIDEST_BOW, bow)) if tall else bow
    return (start[0] + end[0]) / 2, (start[1] + end[1]) / 2 + bow


def _flow(
    figure: go.Figure,
    start: tuple[float, float],
    end: tuple[float, float],
    flows: Sequence[Row],
    spot: Spot,
    said: list[tuple[float, float]],
    *,
    tall: bool,
) -> None:
    held, waiting = sum(f["held"] for f in flows), sum(f["waiting"] for f in flows)
    colour = palette.BAD if held else palette.faint(palette.GREY, 0.6)
    across, middle = end[0] - start[0], _middle(start, end, tall=tall)
    words = "<br>".join(
        f"{f['workflow_title'] or f['workflow']}: {f['title']}, {wording.count(f['waiting'])} waiting, "
        f"{wording.count(f['held'])} held up"
        for f in flows
    )
    width = min(6.0, 1.2 + waiting**0.5 / 4)
    points = [spot(*start), spot(*middle), spot(*end)]
    figure.add_scatter(
        x=[x for x, _ in points], y=[y for _, y in points], mode="lines", hoverinfo="text",
        hovertext=words, line={"width": width, "color": colour, "dash": "dot" if held else "solid", "shape": "spline"},
    )  # fmt: skip
    (x, y), (ax, ay) = spot(middle[0] + across * 0.02, middle[1]), spot(middle[0] - across * 0.025, middle[1])
    figure.add_annotation(
        x=x, y=y, ax=ax, ay=ay, axref="x", ayref="y", text="", showarrow=True,
        arrowhead=2, arrowsize=1.1, arrowwidth=1.4, arrowcolor=colour,
    )  # fmt: skip
    if held:
        x, y = points[1]
        # on the narrow picture the words stand above it, once
        text = wording.count(held) if tall else f"{wording.count(held)} held up"
        beside = {"xshift": 8, "xanchor": "left"} if tall else {"yshift": _free(x, y, said)}
        figure.add_annotation(x=x, y=y, text=text, showarrow=False, font={"size": 11, "color": palette.BAD}, **beside)


def _free(x: float, y: float, said: list[tuple[float, float]]) -> int:
    """How far above (in pixels) a place words stand over none of those said before; that is added to them."""
    shift = next(
        (
            one
            for one in (-10, 10, -24, 24)
            if not any(abs(x - at) < WORDS_WIDE and abs(y * ROW_PIXELS + one - high) < WORDS_HIGH for at, high in said)
        ),
        -10,
    )
    said.append((x, y * ROW_PIXELS + shift))
    return shift


def _system_words(s: Row) -> str:
    rate = phrases.rate_words(s["rate"]["per_minute"])
    return f"<b>{s['title'] or s['source']}</b> · {wording.state_label(s['state'])}" + (f"<br>{rate}" if rate else "")
