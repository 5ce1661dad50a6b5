"""Dynamics 365 Business Central: notifications of subscriptions, which say that something changed and never what.

Business Central deletes a subscription that is answered anything but a success, 408, 429 or 5xx. So nothing is answered
400, 401 or 404 here: a notification without the secret is dropped, and for everything else it is asked to come again.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import msgspec

from collector.sources.adapter import Adapter
from collector.sources.bodies import MAX_ITEMS, object_of
from collector.sources.exchange import Answer, Credentials, Native, Received, Unfit, Unreadable
from collector.sources.sensitive import Hidden, hide
from collector.sources.signatures import any_same
from slo_rules import adapter as said
from slo_rules.filters import spell

_RESOURCE = re.compile(
    r"/?(?P<api>.*/)?companies\((?P<company>[^()/]+)\)/(?P<set>[A-Za-z0-9_]+)(?:\((?P<id>[^()/]+)\))?(?P<query>\?.*)?",
    re.DOTALL,
)
_ENTITIES = {
    "customers": "account",
    "contacts": "contact",
    "opportunities": "opportunity",
    "salesQuotes": "quote",
    "salesOrders": "order",
    "salesShipments": "shipment",
    "salesInvoices": "invoice",
    "salesCreditMemos": "credit",
    "customerPayments": "payment",
    "customerPaymentJournals": "payment",
}
_UNAUTHENTICATED, _TOO_MANY, _OURS = 401, 429, 500
_LONGEST_TOKEN = 2048
_PLAIN = {"content-type": "text/plain; charset=utf-8", "x-content-type-options": "nosniff"}


class BusinessCentral(Adapter):
    """See docs/sources/business_central.md."""

    elsewhere = 503

    def handshake(self, received: Received, source: said.Adapter) -> Answer | None:
        """The token of a new or a renewed subscription, sent back."""
        token = received.query.get("validationToken")
        if token is None or len(token) > _LONGEST_TOKEN:
            return None
        return Answer(200, token.encode("utf-8", "replace"), _PLAIN)

    def refuse(self, received: Received, source: said.Adapter, credentials: Credentials, now: int) -> str:
        """One entry with a secret is enough: nobody else could have put it there."""
        try:
            entries = _entries(received)
        except Unreadable as error:
            return str(error)
        given = [state for one in entries if isinstance(one, dict) and isinstance(state := one.get("clientState"), str)]
        secrets = [secret.decode("utf-8", "surrogateescape") for secret in credentials.secrets]
        return "" if any_same(given, secrets) else "no clientState is a secret of the source"

    def refused(self, status: int, why: str) -> Answer | None:
        if status == _UNAUTHENTICATED:
            return Answer(200, b"", _PLAIN)
        if status == _TOO_MANY or status >= _OURS:
            return None
        return Answer(503, why.encode(), _PLAIN | {"retry-after": "60"})

    def redact(self, received: Received, hidden: Hidden | None) -> bytes:
        """Without the secret, which is in the body."""
        document = object_of(received.body)
        for entry in _members(document):
            if isinstance(entry, dict):
                entry.pop("clientState", None)
        if hidden is not None:
            hide(document, hidden)
        return msgspec.json.encode(document)

    def read(self, received: Received, source: said.Adapter) -> Iterable[Native | Unfit]:
        for item, entry in enumerate(_entries(received)):
            yield _native(item, entry, source.tenant)


def _members(document: dict[str, Any]) -> list[Any]:
    value = document.get("value")
    return value if isinstance(value, list) else []


def _entries(received: Received) -> list[Any]:
    document = object_of(received.body)
    entries = _members(document)
    if not isinstance(document.get("value"), list):
        raise Unreadable("not a notification: it has no list 'value'")
    if len(entries) > MAX_ITEMS:
        raise Unreadable(f"has {len(entries)} entries; at most {MAX_ITEMS} are taken at once")
    return entries


def _native(item: int, entry: Any, tenant: str) -> Native | Unfit:
    resource = entry.get("resource") if isinstance(entry, dict) else None
    found = _RESOURCE.fullmatch(resource) if isinstance(resource, str) else None
    if found is None:
        return Unfit(item, "resource: is not that of a record of a company", msgspec.json.encode(entry))
    change, set_ = spell(entry.get("changeType")) or "", found["set"]
    if change == "collection" or not found["id"]:
        why = (
            f"{change}: more {set_} changed at once than are named: read them from Business Central, {resource!r:.300}"
        )
        return Unfit(item, why, msgspec.json.encode(entry))
    missing = [name for name in ("subscriptionId", "changeType", "lastModifiedDateTime") if not spell(entry.get(name))]
    if missing:
        return Unfit(item, f"there is no {', no '.join(missing)}", msgspec.json.encode(entry))
    path = str(resource).lstrip("/")
    parts = [tenant, spell(entry["subscriptionId"]), path, change, spell(entry["lastModifiedDateTime"])]
    about = {
        "event_id": ":".join(part for part in parts if part),
        "company": found["company"].lower(),
        "set": set_,
        "id": found["id"].lower(),
    }
    return Native(item, entry | about, (f"{set_}:{change}",), f"{_ENTITIES.get(set_, set_)}.{change}")


ADAPTER = BusinessCentral()
