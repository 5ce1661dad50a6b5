"""Dynamics 365 Finance & Operations: business events, posted as they are or in the envelope of Azure Event Grid.

They are not signed: a secret comes in the query or in a header, or a token in the path.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from collector.sources.adapter import Adapter
from collector.sources.bodies import MAX_ITEMS, json_of
from collector.sources.dataverse.context import instant_of
from collector.sources.exchange import Answer, Credentials, Native, Received, Unfit, Unreadable
from collector.sources.signatures import by_value
from slo_rules import adapter as said
from slo_rules.filters import spell

_VALIDATION = "Microsoft.EventGrid.SubscriptionValidationEvent"
_SUFFIX = "BusinessEvent"
_TOO_MANY = 429
_encode = msgspec.json.Encoder().encode


class FinanceAndOperations(Adapter):
    """See docs/sources/dynamics_fno.md."""

    needs = "either"

    def handshake(self, received: Received, source: said.Adapter) -> Answer | None:
        """The validation of a subscription of Event Grid."""
        if received.headers.get("aeg-event-type", "").lower() != "subscriptionvalidation":
            return None
        try:
            asked = json_of(received.body)
        except Unreadable:
            return None
        first = asked[0] if isinstance(asked, list) and asked else None
        data = first.get("data") if isinstance(first, dict) and first.get("eventType") == _VALIDATION else None
        code = data.get("validationCode") if isinstance(data, dict) else None
        if not isinstance(code, str):
            return None
        return Answer(200, _encode({"validationResponse": code[:2048]}), {"content-type": "application/json"})

    def refuse(self, received: Received, source: said.Adapter, credentials: Credentials, now: int) -> str:
        return by_value(received, credentials) if credentials.secrets else ""

    def refused(self, status: int, why: str) -> Answer | None:
        """Where Dataverse calls for Finance & Operations, it tries again after 503, and not after 429."""
        return Answer(503, why.encode(), {"retry-after": "1"}) if status == _TOO_MANY else None

    def read(self, received: Received, source: said.Adapter) -> Iterable[Native | Unfit]:
        document = json_of(received.body)
        members = document if isinstance(document, list) else [document]
        if len(members) > MAX_ITEMS:
            raise Unreadable(f"has {len(members)} entries; at most {MAX_ITEMS} are taken at once")
        for item, member in enumerate(members):
            yield _native(item, member, source.tenant)


def _native(item: int, member: Any, tenant: str) -> Native | Unfit:
    wrapped = member.get("data") if isinstance(member, dict) else None
    event = wrapped if isinstance(wrapped, dict) and "BusinessEventId" not in member else member
    name = spell(event.get("BusinessEventId")) if isinstance(event, dict) else None
    if not name:
        if isinstance(event, dict) and "PrimaryEntityName" in event:
            return Unfit(
                item, "a change in Dataverse, and no business event: the adapter dataverse reads it", _encode(member)
            )
        return Unfit(item, "not a business event: it has no BusinessEventId", _encode(member))
    entity = spell(event.get("BusinessEventLegalEntity")) or spell(event.get("LegalEntity")) or ""
    if tenant and entity.lower() != tenant.lower():
        return Unfit(item, f"of another legal entity than {tenant!r}", _encode(member))
    plain = {key: _plain(value) for key, value in event.items()}
    about = {
        "event_id": (spell(event.get("EventId")) or "").strip("{}").lower(),
        "legal_entity": entity.lower() or None,
        "time": plain.get("EventTimeIso8601") or plain.get("EventTime"),
    }
    return Native(item, plain | about, (name.removesuffix(_SUFFIX), name), name)


def _plain(value: Any) -> Any:
    found = instant_of(value)
    return value if found is None else found[0]


ADAPTER = FinanceAndOperations()
