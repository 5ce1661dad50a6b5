"""Freshdesk: webhooks of automation rules, whose bodies a customer chooses or writes, and events of apps."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

from collector.sources.adapter import Adapter
from collector.sources.bodies import form_of, object_of
from collector.sources.exchange import Native, Received, Unfit, Unreadable
from collector.sources.sensitive import FORM
from collector.sources.trees import fingerprint
from slo_rules import adapter as said
from slo_rules.filters import spell

_WRAPPER = "freshdesk_webhook"
_TRIGGERED = re.compile(r"([a-z_]{1,60})\s*:\s*(?:\{\s*from\s*:\s*([^,{}]*),\s*to\s*:\s*([^,{}]*)\}|([^,{}]+))")
"""What `{{triggered_event}}` becomes, which is no JSON: `{ticket_action:created}`, `{status:{from:4,to:6}}`."""
_LABELS = {
    "status": {"2": "Open", "3": "Pending", "4": "Resolved", "5": "Closed"},
    "priority": {"1": "Low", "2": "Medium", "3": "High", "4": "Urgent"},
}


class Freshdesk(Adapter):
    """See docs/sources/freshdesk.md."""

    takes = frozenset(("authentication",))
    needs = "either"

    def read(self, received: Received, source: said.Adapter) -> Iterable[Native | Unfit]:
        try:
            body: dict[str, Any] = dict(form_of(received.body)) if received.media == FORM else object_of(received.body)
        except Unreadable as error:
            hint = "what a template puts in is not escaped, so a quote or a line break in a field spoils it"
            raise Unreadable(f"{error}; {hint}") from error
        native = _of_app(body) if isinstance(body.get("data"), dict) and "event" in body else _of_rule(body)
        domain = native.document["account_domain"]
        if source.tenant and domain and domain != source.tenant:
            yield Unfit(0, f"of another account than {source.tenant!r}")
        else:
            yield native


def _of_rule(body: dict[str, Any]) -> Native:
    """A body of the simple form, wrapped and with `ticket_` before its names, or of one that a customer wrote."""
    inner = body.get(_WRAPPER)
    fields = {name: value for name, value in (inner if isinstance(inner, dict) else body).items() if value != ""}
    document = {name.removeprefix("ticket_"): value for name, value in fields.items() if name != "ticket_id"} | fields
    changes = _changes(spell(fields.get("triggered_event")) or spell(fields.get("event")) or "")
    number = spell(fields.get("ticket_id"))
    document |= {
        "account_domain": _domain(fields.get("ticket_url")),
        "changes": changes,
        "event_id": f"{number}:{fingerprint(fields)}" if number else None,
    }
    return Native(0, document, _words("", changes) or ("webhook",), "case.updated")


def _of_app(body: dict[str, Any]) -> Native:
    """What an app is told, and sends on."""
    data, happened = body["data"], spell(body.get("event")) or ""
    kind = next((one for one in ("ticket", "conversation", "contact") if isinstance(data.get(one), dict)), "")
    about: dict[str, Any] = dict(data[kind]) if kind else {}
    custom = about.get("custom_fields")
    document = (custom if isinstance(custom, dict) else {}) | about
    said_to_change = about.get("changes")
    changes = {
        name: {"from": _label(name, pair[0]), "to": _label(name, pair[1])}
        for name, pair in (said_to_change.items() if isinstance(said_to_change, dict) else ())
        if isinstance(pair, list) and len(pair) == 2
    }
    document |= {name: _label(name, about.get(name)) for name in _LABELS}
    number = spell(about.get("id"))
    parts = [spell(body.get("account_id")), happened, number, spell(body.get("timestamp"))]
    requester = data.get("requester")
    document |= {
        "account_domain": spell(body.get("domain")) or "",
        "account_number": spell(body.get("account_id")),
        "changes": changes,
        "event_id": ":".join(part for part in parts if part) if all(parts) else None,
        "ticket_id": spell(about.get("ticket_id")) if kind == "conversation" else number if kind == "ticket" else None,
        "contact_id": number if kind == "contact" else about.get("requester_id"),
        "requester": requester if isinstance(requester, dict) else {},
        "timestamp": body.get("timestamp"),
    }
    return Native(0, document, (*_words(f"{happened}:", changes), happened) if happened else ())


def _changes(triggered: str) -> dict[str, Any]:
    """What changed from what to what, or what was done."""
    found: dict[str, Any] = {}
    for name, before, after, done in _TRIGGERED.findall(triggered[:2000]):
        found[name] = done.strip() or {"from": _label(name, before), "to": _label(name, after)}
    return found


def _label(name: str, value: Any) -> str:
    """Webhooks say states by their labels, and what changed by its code."""
    text = (spell(value) or "").strip()
    return _LABELS.get(name, {}).get(text, text)


def _words(before: str, changes: dict[str, Any]) -> tuple[str, ...]:
    """The first that changed says what it is about; of a state its new value, too."""
    named = sorted(changes, key=("ticket_action", "status").__contains__, reverse=True)
    words = []
    for name in named:
        value = changes[name]["to"] if isinstance(changes[name], dict) else changes[name]
        words += [f"{before}{name}={value}"[:200]] if value else []
        words.append(f"{before}{name}")
    return tuple(words)


def _domain(url: Any) -> str:
    try:
        return (urlsplit(url).hostname or "") if isinstance(url, str) else ""
    except ValueError:
        return ""


ADAPTER = Freshdesk()
