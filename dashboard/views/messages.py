"""What was sent of an incident, attempt by attempt: why, how it went, what went out and what came back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson
from dash import html

from dashboard import components as c
from dashboard import wording
from dashboard.query_port import Row
from dashboard.views.incident import told_label

_FATES = {"delivered": "delivered", "retry": "tried again", "failed": "not delivered"}
_WHY = {
    "throttled": "it takes no more for now",
    "server_error": "it has a fault",
    "unreachable": "it cannot be reached",
    "network": "the connection broke, or its answer took too long",
    "not_confirmed": "its answer says nothing of it",
    "redirected": "it wants it sent elsewhere",
    "not_allowed": "its host is on a private network, and not allowed by name",
    "bad_address": "its address cannot be used",
    "gone": "it wants no more messages",
    "refused": "it was refused",
}


def attempts(items: Sequence[Row]) -> Any:
    """A line for each, the newest first, that opens to what went out and what came back."""
    if not items:
        return c.quiet("Nothing was sent yet.")
    return html.Div([_attempt(one) for one in items], className="messages")


def _attempt(one: Row) -> html.Details:
    status = str(one["status"]) if one["status"] else "no answer"
    outcome = f"{status}, {_FATES.get(one['fate'], one['fate'])}"
    why = "" if one["fate"] == "delivered" else _WHY.get(one["reason"], wording.humanise(one["reason"]).lower())
    parts = [("Sent", one["sent"]), ("Answered", one["answer"]), ("Fault", one["error"]), ("Remark", one["remark"])]
    return html.Details(
        [
            html.Summary(
                [
                    c.at_time(one["at"]),
                    html.Span(f"{one['target']}: {told_label(one['told_because']).lower()}", className="strong"),
                    html.Span(outcome + (f": {why}" if why else ""), className=f"fate fate-{one['fate']}"),
                ]
            ),
            *[item for label, text in parts if text for item in (html.H4(label), html.Pre(_readable(text)))],
        ],
        # What is open stays open when another comes before it.
        key=f"{one['message_id']}-{one['attempt']}",
    )


def _readable(text: str) -> str:
    """JSON on lines of its own; all else as it is."""
    try:
        return orjson.dumps(orjson.loads(text), option=orjson.OPT_INDENT_2).decode()
    except orjson.JSONDecodeError:
        return text
