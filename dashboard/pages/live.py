"""Keeps regions of a page current without remounting them."""

# mypy: disallow-untyped-decorators=False
from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import dash
import orjson
from dash import ClientsideFunction, Input, Output, State, dcc, no_update, set_props

from dashboard.components import unavailable
from dashboard.time_range import RANGE

log = logging.getLogger(__name__)

Load = Callable[[dict[str, Any]], Awaitable[Any]]
Draw = Callable[[Any, datetime], tuple[dict[str, Any], Sequence[Any]]]

FAILED = "failed"
STALE = "!"
LATER = {"later": True}
SOON_SECONDS = 0.3
"""So long a layout waits for its data before it shows itself without."""
PATIENCE_SECONDS = 1.0
"""So long a page waits for what it can do without for now: less than a tick, or they would queue up."""


def live_state(name: str, /, **arguments: Any) -> list[dcc.Store]:
    """What a layout must hold to be live: what it asks for, what comes, and the version that it shows."""
    return _state(name, arguments)


def _state(name: str, asked: dict[str, Any], regions: Any = None, shown: str | None = None) -> list[dcc.Store]:
    return [
        dcc.Store(id=f"{name}-ask", data=asked),
        dcc.Store(id=f"{name}-regions", data=regions),
        dcc.Store(id=f"{name}-drawn"),
        dcc.Store(id=f"{name}-shown", data=shown),
    ]


@dataclass(frozen=True, slots=True)
class Begun:
    """What a layout holds to be live, and the values of its further outputs where they were there in time."""

    state: list[dcc.Store]
    values: Sequence[Any] | None


async def begin(name: str, load: Load, draw: Draw, asked: dict[str, Any], redraw_seconds: int | None = None) -> Begun:
    """As `live_state`, with what is to be drawn where that is there soon; otherwise it is asked for, as ever.

    A page that ends in charts is spared to wait for what draws these before it asks.
    """
    try:
        payload = await asyncio.wait_for(load(asked), SOON_SECONDS)
        now = datetime.now(UTC)
        regions, values = draw(payload, now)
    except Exception:
        log.debug("%s is asked for by its page", name, exc_info=True)
        return Begun(_state(name, asked), None)
    shown = version(payload, asked, now, redraw_seconds)
    return Begun(_state(name, asked, as_written(regions), shown), values)


def register_range(app: dash.Dash, name: str) -> None:
    """Ask about the time that the control of a page (`views/ranges.py`) says, and write it to the address."""
    app.clientside_callback(
        ClientsideFunction("milepost", "range"),
        Output(f"{name}-ask", "data"),
        *[Input(f"{name}-{field}", "value") for field in RANGE],
        State(f"{name}-since", "id"),
        State(f"{name}-ask", "data"),
        # The layout says the same as the address, and who waits for this would otherwise never be asked.
        prevent_initial_call=True,
    )


def version(payload: Any, asked: dict[str, Any], now: datetime, redraw_seconds: int | None) -> str:
    """The same text as long as a redraw would show the same. What always moves is left out."""
    steps = int(now.timestamp()) // redraw_seconds if redraw_seconds else 0
    seen = orjson.dumps((_lasting(payload), asked, steps), default=str, option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(seen).hexdigest()[:16]


def _lasting(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _lasting(v) for k, v in value.items() if k not in ("as_of", "lag_seconds")}
    return [_lasting(v) for v in value] if isinstance(value, (list, tuple)) else value


def as_written(regions: dict[str, Any]) -> orjson.Fragment:
    """The content of regions as JSON. Dash would look at each of thousands of components three times for it."""
    return orjson.Fragment(orjson.dumps(regions, default=_component))


def _component(part: Any) -> Any:
    if hasattr(part, "to_plotly_json"):
        return part.to_plotly_json()
    raise TypeError(f"a {type(part).__name__} cannot be drawn")


async def in_time(asked: Awaitable[Any]) -> Any:
    """An answer that may have to be worked out first; LATER where it is not there in time, or cannot be given.

    What works it out goes on, so that the next to ask has it.
    """
    try:
        return await asyncio.wait_for(asked, PATIENCE_SECONDS)
    except TimeoutError:
        return LATER
    except Exception:
        log.exception("what is likely to come cannot be told")
        return LATER


def register_live(
    app: dash.Dash,
    name: str,
    load: Load,
    draw: Draw,
    outputs: Sequence[Output] = (),
    redraw_seconds: int | None = None,
) -> None:
    """Every tick loads, and draws when something differs.

    `draw` answers the content by region id, which the browser merges into the page, and one value per
    further output. The element with the id `name` is where trouble is shown.
    `redraw_seconds` redraws unchanged data that often, for what moves with the clock.
    """
    unchanged = [no_update] * (len(outputs) + 2)

    @app.callback(
        Output(f"{name}-regions", "data"),
        *outputs,
        Output(f"{name}-shown", "data"),
        Input("tick", "n_intervals"),
        Input(f"{name}-ask", "data"),
        State(f"{name}-shown", "data"),
    )
    async def refresh(_: int | None, asked: dict[str, Any] | None, shown: str | None) -> list[Any]:
        if asked is None:
            return unchanged
        try:
            payload = await load(asked)
        except Exception:
            log.exception("reading for %s failed", name)
            if shown is None:
                return [{name: unavailable()}, *unchanged[2:], FAILED]
            if shown == FAILED:
                return unchanged
            # what is on the page stays, and says that it may be old
            set_props("stale", {"hidden": False})
            return [*unchanged[1:], shown if shown.endswith(STALE) else shown + STALE]
        if shown and shown.endswith(STALE):
            set_props("stale", {"hidden": True})
        now = datetime.now(UTC)
        current = version(payload, asked, now, redraw_seconds)
        if current == shown:
            return unchanged
        regions, values = draw(payload, now)
        return [as_written(regions), *values, current]

    app.clientside_callback(
        ClientsideFunction("milepost", "morph"),
        Output(f"{name}-drawn", "data"),
        Input(f"{name}-regions", "data"),
    )
