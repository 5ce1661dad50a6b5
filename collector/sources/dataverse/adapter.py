"""Dynamics 365 Sales and Service: webhooks of Dataverse, which post what a plug-in would see.

They are not signed: a secret comes in a header or in the query, whichever was registered, or a token in the path.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from collector.sources.adapter import Adapter
from collector.sources.bodies import json_of, object_of
from collector.sources.dataverse.context import about_of, hide_columns
from collector.sources.exchange import Answer, Credentials, Native, Received, Unfit, Unreadable
from collector.sources.sensitive import Hidden, hide
from collector.sources.signatures import by_value
from slo_rules import adapter as said
from slo_rules.filters import spell

_EXCEEDED = "x-ms-dynamics-msg-size-exceeded"
_ORGANIZATION = "x-ms-dynamics-organization"
_TOO_MANY = 429
_ENTITIES = {
    "account": "account",
    "contact": "contact",
    "lead": "contact",
    "opportunity": "opportunity",
    "quote": "quote",
    "salesorder": "order",
    "invoice": "invoice",
    "contract": "subscription",
    "entitlement": "entitlement",
    "incident": "case",
}
_VERBS = {
    "create": "created",
    "update": "updated",
    "delete": "deleted",
    "assign": "assigned",
    "setstate": "updated",
    "setstatedynamicentity": "updated",
    "close": "closed",
    "win": "won",
    "lose": "lost",
    "cancel": "cancelled",
    "fulfill": "fulfilled",
    "merge": "merged",
}


class Dataverse(Adapter):
    """See docs/sources/dataverse.md."""

    keeps = frozenset((_EXCEEDED, _ORGANIZATION))
    needs = "either"

    def refuse(self, received: Received, source: said.Adapter, credentials: Credentials, now: int) -> str:
        return by_value(received, credentials) if credentials.secrets else ""

    def refused(self, status: int, why: str) -> Answer | None:
        """Dataverse tries once more after 502, 503 and 504, and never after anything else."""
        return Answer(503, why.encode(), {"retry-after": "1"}) if status == _TOO_MANY else None

    def redact(self, received: Received, hidden: Hidden | None) -> bytes:
        if hidden is None:
            return received.body
        document = json_of(received.body)
        hide_columns(document, hidden)
        hide(document, hidden)
        return msgspec.json.encode(document)

    def read(self, received: Received, source: said.Adapter) -> Iterable[Native | Unfit]:
        context = object_of(received.body)
        message, table = spell(context.get("MessageName")), spell(context.get("PrimaryEntityName"))
        if not message or not table:
            raise Unreadable("not of Dataverse: it has no MessageName and no PrimaryEntityName")
        domain = received.headers.get(_ORGANIZATION)
        tenants = [spell(context.get("OrganizationId")), spell(context.get("OrganizationName")), domain]
        if source.tenant and source.tenant.lower() not in [one.lower() for one in tenants if one]:
            yield Unfit(0, f"of another organisation than {source.tenant!r}")
            return
        about = about_of(context, table)
        if about is None:
            yield Unfit(0, "says of no record what happened: neither PrimaryEntityId nor its parameters have an id")
            return
        about["incomplete"] = True if _EXCEEDED in received.headers or "InputParameters" not in context else None
        about["organization"] = domain or context.get("OrganizationName")
        entity, lowered = _ENTITIES.get(table, table), message.lower()
        yield Native(0, context | about, _words(table, message, about), f"{entity}.{_VERBS.get(lowered, lowered)}")


def _words(table: str, message: str, about: dict[str, Any]) -> tuple[str, ...]:
    """Of a state only what was written now, not what images say that it was already."""
    changed = about["written"]
    states = [(name, spell(changed.get(name))) for name in ("statuscode", "statecode")]
    found = [f"{table}:{message}:{name}={text[:200]}" for name, text in states if text]
    found += [f"{table}:{name}={text[:200]}" for name, text in states if text]
    return (*found, f"{table}:{message}")


ADAPTER = Dataverse()
