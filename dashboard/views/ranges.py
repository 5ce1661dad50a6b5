"""The one control by which a page is asked about a time: so long back, or between two times in the viewer's zone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import dash_mantine_components as dmc
from dash import html

from dashboard import time_range
from dashboard.viewer import viewing
from dashboard.wording import moment

ENDS = (("from", "from"), ("to", "until"))
BETWEEN = {"value": time_range.BETWEEN, "label": "Between two times"}


def choices(lengths: Sequence[str] = tuple(time_range.RELATIVE)) -> list[dict[str, str]]:
    """So long back, each by its name in an address."""
    return [{"value": one, "label": f"The last {time_range.RELATIVE[one][1]}"} for one in lengths]


def control(
    page: str, asked: Mapping[str, Any], none: str, lengths: Sequence[str], label: str | None = None
) -> html.Div:
    """The control of a page, by what its address asks; `none` is what it shows where nothing is asked.

    The browser (66-range.js) writes what is chosen to the address and to the page's ask.
    """
    return html.Div(
        [
            dmc.Select(
                id=f"{page}-since", data=[*choices(lengths), BETWEEN], value=asked.get("since") or None,
                placeholder=none, clearable=True, size="xs", label=label, comboboxProps={"shadow": "md"},
                className="range-since", **{} if label else {"aria-label": "Time"},
            ),
            html.Div(
                [picker(f"{page}-{end}", told, asked.get(end), told) for end, told in ENDS],
                id=f"{page}-since-ends",
                className=ends_class(asked.get("since")),
            ),
        ],
        className="range",
        role="group",
        **{"aria-label": "Time"},
    )  # fmt: skip


def picker(component_id: str, placeholder: str, value: str | None, label: str) -> dmc.DateTimePicker:
    """A time of the viewer's zone; `value` is an instant."""
    viewer = viewing.get()
    day = "MMM D, YYYY" if viewer.month_first else "D MMM YYYY"
    return dmc.DateTimePicker(
        id=component_id, size="xs", clearable=True, placeholder=placeholder, value=_local(value),
        valueFormat=f"{day} {'h:mm A' if viewer.half_days else 'HH:mm'}",
        clearButtonProps={"aria-label": f"Clear {label}"}, **{"aria-label": label},
    )  # fmt: skip


def ends_class(since: str | None) -> str:
    """Of what holds the two ends: they are seen where they count."""
    return "range-ends" if since == time_range.BETWEEN else "range-ends hidden"


def _local(value: str | None) -> str | None:
    try:
        at = moment(value)
        return None if at is None else f"{viewing.get().local(at):%Y-%m-%d %H:%M:00}"
    except (ValueError, OverflowError):
        return None
