"""Oracle Fusion: business events that an integration of Oracle Integration (OIC) posts on, in an envelope or as XML.

Fusion itself sends to Oracle's own products only. The envelope `oic.fusion.event.v1` is ours, the XML is Oracle's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any
from xml.etree.ElementTree import Element

from collector.sources.adapter import Adapter
from collector.sources.bodies import object_of, xml_of
from collector.sources.exchange import Credentials, Native, Received, Unfit, Unreadable
from collector.sources.sensitive import Hidden, local_name, without
from collector.sources.signatures import by_signature, moment
from collector.sources.times import with_zone
from collector.sources.trees import fingerprint, tree_of
from slo_rules import adapter as said
from slo_rules.adapter import Signature
from slo_rules.filters import spell

SIGNATURE = Signature(
    "x-ingest-signature", prefix="sha256=", timestamp="x-ingest-timestamp", signs="{timestamp}.{body}"
)
_SCHEMA = "oic.fusion.event.v1"
_WRAPPERS = ("onEvent", "result", "Value")
"""Elements around an event, of which any may be missing: what is shown in OIC and what it gets differ."""
_TIMES = ("ImplementationDate", "HoldDate")
_NOT_A_LETTER = re.compile(r"[^a-z0-9]+")
_ENTITIES = {
    "SalesOrder": "order",
    "PurchaseOrder": "order",
    "FulfillmentLine": "shipment",
    "FulfilmentLine": "shipment",
    "Shipment": "shipment",
    "Invoice": "invoice",
    "Receivable": "invoice",
    "Payment": "payment",
    "Supplier": "account",
    "Customer": "account",
}


class OracleFusion(Adapter):
    """See docs/sources/oracle_fusion.md."""

    takes = frozenset(("authentication", "zone"))
    needs = "either"

    def refuse(self, received: Received, source: said.Adapter, credentials: Credentials, now: int) -> str:
        if credentials.secrets and not source.authentication:
            return by_signature(received, SIGNATURE, credentials, now, source.tolerance)
        return super().refuse(received, source, credentials, now)

    def redact(self, received: Received, hidden: Hidden | None) -> bytes:
        if hidden is None:
            return received.body
        return without(received.body, "text/xml" if _is_xml(received.body) else "application/json", hidden)

    def read(self, received: Received, source: said.Adapter) -> Iterable[Native | Unfit]:
        if _is_xml(received.body):
            yield _of_xml(xml_of(received.body), source)
            return
        body = object_of(received.body)
        if body.get("schema") != _SCHEMA:
            raise Unreadable(f"neither XML nor an envelope whose 'schema' is {_SCHEMA}")
        if source.tenant and spell(body.get("fusionPod")) != source.tenant:
            yield Unfit(0, f"of another pod than {source.tenant!r}")
        else:
            yield _of_envelope(body)


def _is_xml(body: bytes) -> bool:
    return body.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"<"


def _of_envelope(body: dict[str, Any]) -> Native:
    entity, status = body.get("entity"), body.get("status")
    kind = spell(entity.get("type")) if isinstance(entity, dict) else None
    state = spell(status.get("new")) if isinstance(status, dict) else None
    name = spell(body.get("eventName")) or ""
    # A redelivered event runs through the integration again, and has another instance and another eventId then.
    content = {key: value for key, value in body.items() if key not in ("eventId", "integration")}
    known = _ENTITIES.get(kind or "")
    verb = _NOT_A_LETTER.sub("_", name.lower()).strip("_")
    words = [f"{kind}:{name}:{state}", f"{kind}:{name}", name]
    return Native(
        0,
        body | {"event_id": fingerprint(content)},
        tuple(words if state else words[1:]) if name else (),
        f"{known}.{verb}" if known and verb else "",
    )


def _of_xml(root: Element, source: said.Adapter) -> Native:
    """An event as Fusion raises it, with or without what Oracle puts around it. Raises Unreadable."""
    event = _unwrapped(root)
    tree = tree_of(event)
    if not isinstance(tree, dict):
        raise Unreadable("not an event: nothing stands in it")
    document: dict[str, Any] = {}
    old: dict[str, str] = {}
    for name, value in tree.items():
        document[name] = value
        # Events of changes have both values as attributes.
        if isinstance(value, dict) and not value.keys().isdisjoint(("newValue", "oldValue")):
            document[name] = value.get("newValue@value", value.get("newValue", ""))
            if before := value.get("oldValue@value", value.get("oldValue", "")):
                old[name] = before
    name = local_name(event)
    if name in _WRAPPERS:
        name = "PurchaseOrder" if "POHeaderId" in document else "event"
    at = next((text for one in _TIMES if (text := spell(document.get(one)))), "")
    at = with_zone(at, source.zone)
    if moment(at, "rfc3339") is not None:
        document["time"] = at
    action = spell(document.get("EventActionCode"))
    words = (f"{name}:{action}", name) if action else (name,)
    return Native(0, document | {"old": old, "event_id": fingerprint([name, tree])}, words)


def _unwrapped(root: Element) -> Element:
    event = root
    while local_name(event) in _WRAPPERS:
        inner = [child for child in event if len(child)]
        within = next((child for child in inner if local_name(child) in _WRAPPERS), None)
        if within is None and len(event) == 1 and inner:
            within = inner[0]
        if within is None:
            break
        event = within
    return event


ADAPTER = OracleFusion()
