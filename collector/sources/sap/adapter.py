"""SAP S/4HANA: events as CloudEvents, structured from Event Mesh and binary from Event Hub; and the handshake.

They are not signed: a path with a token, or a header Authorization that never changes, tells them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from collector.sources.adapter import Adapter
from collector.sources.bodies import object_of
from collector.sources.exchange import Answer, Native, Received, Unfit, Unreadable
from slo_rules import adapter as said

_ATTRIBUTES = ("id", "source", "type", "specversion", "time", "subject", "sapconsumertenant")
_TYPE = re.compile(r"sap\.s4\.beh\.[^.]+\.v[0-9]+\.(?P<object>[^.]+)\.(?P<event>.+)\.v[0-9]+")
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_ENTITIES = {
    "BusinessPartner": "account",
    "SalesOrder": "order",
    "SalesContract": "subscription",
    "BillingDocument": "invoice",
    "OutboundDelivery": "shipment",
    "CustomerReturn": "return",
    "CreditMemoRequest": "credit",
    "DebitMemoRequest": "invoice",
}


class Sap(Adapter):
    """See docs/sources/sap.md."""

    keeps = frozenset(f"ce-{name}" for name in _ATTRIBUTES)
    takes = frozenset(("authentication",))
    needs = "either"

    def handshake(self, received: Received, source: said.Adapter) -> Answer | None:
        """The abuse protection of CloudEvents webhooks."""
        if received.method != "OPTIONS":
            return None
        headers = {"allow": "POST, OPTIONS"}
        if origin := received.headers.get("webhook-request-origin"):
            headers |= {"webhook-allowed-origin": origin, "webhook-allowed-rate": "*"}
        return Answer(200, b"", headers)

    def accepted(self) -> Answer:
        return Answer(204)

    def read(self, received: Received, source: said.Adapter) -> Iterable[Native | Unfit]:
        body = object_of(received.body)
        sent = {name: text for name in _ATTRIBUTES if (text := received.headers.get(f"ce-{name}"))}
        event: dict[str, Any] = {name: body[name] for name in _ATTRIBUTES if name in body} | sent
        type_ = event.get("type")
        if not isinstance(type_, str) or not type_:
            raise Unreadable("not a CloudEvent: it says no type, in the body or in the header ce-type")
        # Some messaging systems do not wrap what they send in `data`.
        data = body.get("data", {name: value for name, value in body.items() if name not in _ATTRIBUTES})
        if not isinstance(data, dict):
            yield Unfit(0, "data: is not a JSON object")
        elif source.tenant and source.tenant not in (str(event.get("source")), event.get("sapconsumertenant")):
            yield Unfit(0, f"of another tenant than {source.tenant!r}")
        else:
            yield Native(0, event | {"data": data}, (type_,), _canonical(type_))


def _canonical(type_: str) -> str:
    """`…SalesOrder.ShippingBlock.Released.v1` is order.shipping_block_released; other types keep their name."""
    found = _TYPE.fullmatch(type_)
    entity = _ENTITIES.get(found["object"]) if found else None
    if found is None or entity is None:
        return type_
    return f"{entity}.{_HUMP.sub('_', found['event'].replace('.', '_')).lower()}"


ADAPTER = Sap()
