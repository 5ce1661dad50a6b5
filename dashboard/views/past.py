"""An instance as it was known at another time: the slider over what was learned of it, and what is told beside it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import dash_mantine_components as dmc
from dash import dcc, html

from collector.query.moments import Unanswerable, Unsettled
from dashboard import components as c
from dashboard import wording
from dashboard.links import Links
from dashboard.query_port import DashboardQuery, Row

MOST_MOMENTS = 200


async def read(query: DashboardQuery, asked: Row) -> Row | None:
    """What a page shows of an instance: now, or by what was known at `known_at`; None when there is no such instance.

    `moments` are the times at which something was learned of it. Of the past `refused` says why there is no answer.
    """
    present = await query.instance(asked["id"])
    if present is None:
        return None
    known_at, moments = asked.get("known_at"), moments_of(present)
    if not known_at:
        return present | {"moments": moments}
    try:
        found = await query.instance(asked["id"], known_at=known_at)
    except (ValueError, Unanswerable, Unsettled) as error:
        return {"id": asked["id"], "refused": str(error), "moments": moments}
    if found is None:
        return {"id": asked["id"], "refused": "Nothing was known of it then.", "moments": moments}
    said = [one for one in present["history"] if _at(one["at"]) <= _at(found["known_at"])]
    return found | {"moments": moments, "history": said}


def moments_of(instance: Row) -> list[str]:
    """When something was learned of an instance or said of it, in order; of very many, evenly chosen ones."""
    arrived = {e["received_at"] for e in instance["events"]}
    if not arrived:
        return []
    first = min(map(_at, arrived))
    # by what is judged of the past, something may have been said for a time before anything was known
    ordered = sorted((one for one in arrived | {h["at"] for h in instance["history"]} if _at(one) >= first), key=_at)
    step = -(-len(ordered) // MOST_MOMENTS) or 1
    return ordered[::step]


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def judged_at(data: Row) -> datetime | None:
    """The moment that a page is about; None where that is now."""
    return wording.moment(data.get("known_at"))


def slider() -> html.Section:
    """Moved by mouse, finger or the arrow keys; its last place is now."""
    return html.Section(
        [
            html.Span("As known", className="muted", id="known-at-label"),
            dmc.Slider(
                id="known-at", min=0, max=1, value=None, step=1, label=None, size="sm", updatemode="mouseup",
                thumbLabel="As known at", className="known-slider",
            ),
            html.Div(id="instance-past", className="known-told", role="status"),
        ],
        className="known",
    )  # fmt: skip


def told(data: Row, links: Links) -> Sequence[Any]:
    """Which moment the page is about."""
    known_at = data.get("known_at")
    if not known_at:
        return [html.Span("now", className="strong")]
    return [
        html.Span(["at ", html.Time(wording.instant(known_at), dateTime=known_at)], className="strong"),
        html.A("back to now", href=links.instance(data["id"]), className="under"),
    ]


def refused(why: str, present: str) -> html.Div:
    """Why the past cannot be told; always with the way back."""
    return html.Div([c.nothing_here("This cannot be told", why), dcc.Link("As it is now", href=present)])
