"""What can be done about one instance from its page; the forms are those of the worklist and `61-instance-acts.js`."""

from __future__ import annotations

import orjson
from dash import html

from dashboard import components as c
from dashboard.links import OPEN
from dashboard.query_port import Row

_SHOWN = ("id", "title", "verdict", "waiting_for_title", "value", "handling", "waiver")
"""What the review of an act says of what is touched."""
_ACTS = (("assign", "Assign"), ("acknowledge", "Acknowledge"), ("comment", "Comment"), ("waive", "Waive"))


def acts_bar(i: Row) -> html.Div | None:
    """A button for each act that fits it as it stands; nothing on the page of a moment that is over."""
    if i.get("known_at"):
        return None
    acts = _ACTS if i["verdict"] in OPEN else (("comment", "Comment"),)
    buttons = [html.Button(label, className="act", **{"data-instance-act": act}) for act, label in acts]
    handling = i.get("handling") or {}
    told = [f"assigned to {handling['assigned_to']}"] if handling.get("assigned_to") else []
    told += [f"acknowledged by {handling['acknowledged_by']}"] if handling.get("acknowledged_by") else []
    item = orjson.dumps({name: i.get(name) for name in _SHOWN}).decode()
    return html.Div(
        [*buttons, c.quiet(", ".join(told))] if told else buttons,
        id="instance-do",
        className="incident-acts instance-do",
        role="group",
        **{"aria-label": "Acts", "data-item": item},
    )


def apart_button(event: Row | None, i: Row) -> html.Button | None:
    """Rejects the event that joined two into one, so that both are by themselves again."""
    return _of_join("reject", "Take apart", event, i)


def accept_button(event: Row | None, i: Row) -> html.Button | None:
    """Lets a rejected event count again."""
    return _of_join("accept", "It was right", event, i)


def _of_join(word: str, label: str, event: Row | None, i: Row) -> html.Button | None:
    if not event or i.get("known_at"):
        return None
    said = {"id": i["id"], "title": i["title"], "source": event["source"], "event": event["id"], "type": event["type"]}
    return html.Button(label, className="act", **{"data-join": word, "data-said": orjson.dumps(said).decode()})
