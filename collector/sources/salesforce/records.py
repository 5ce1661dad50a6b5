"""The records of Salesforce: what they are about, the words for what happened to them, and their ids. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from slo_rules.filters import spell

ENTITIES = {
    "Account": "account",
    "Contact": "contact",
    "Lead": "contact",
    "Opportunity": "opportunity",
    "Quote": "quote",
    "Order": "order",
    "OrderSummary": "order",
    "Invoice": "invoice",
    "blng__Invoice__c": "invoice",
    "Contract": "subscription",
    "Subscription": "subscription",
    "SBQQ__Subscription__c": "subscription",
    "Asset": "entitlement",
    "Entitlement": "entitlement",
    "Case": "case",
    "Payment": "payment",
    "Shipment": "shipment",
    "FulfillmentOrder": "shipment",
}
STATES = ("StageName", "Status", "IsWon", "IsConverted")
"""Fields of which the value says what happened, the most exact first."""
_SHORT = re.compile(r"[A-Za-z0-9]{15}")
_SUFFIX = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"


def long_id(text: str) -> str:
    """An id of 15 characters in its form of 18, which is the same in any case; what is no such id stays."""
    if not _SHORT.fullmatch(text):
        return text
    parts = (text[start : start + 5] for start in (0, 5, 10))
    return text + "".join(
        _SUFFIX[sum(1 << place for place, letter in enumerate(part) if letter.isupper())] for part in parts
    )


def states(object_: str, fields: Mapping[str, Any]) -> tuple[str, ...]:
    """Words for the states of a record that are there: `Opportunity:StageName=Closed Won`."""
    found = [(name, spell(fields.get(name))) for name in STATES]
    if spell(fields.get("IsClosed")) == "true" and spell(fields.get("IsWon")) == "false":
        found.append(("IsLost", "true"))
    return tuple(f"{object_}:{name}={text[:200]}" for name, text in found if text)


def lead_id(object_: str, id_: str | None) -> str | None:
    """The id of a lead, which is told as a contact and is none yet."""
    return id_ if object_ == "Lead" else None


def name_of(fields: Mapping[str, Any]) -> str | None:
    """The name of a record; that of a person comes in parts."""
    name = fields.get("Name")
    if isinstance(name, dict):
        name = " ".join(part for key in ("FirstName", "LastName") if (part := spell(name.get(key))))
    return spell(name) or None
