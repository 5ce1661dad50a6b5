"""Infor: Business Object Documents (BODs) that ION brings to the methods of its messaging service, IMS v3.

Elements are named without their namespace: some senders leave it out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any
from xml.etree.ElementTree import Element

from collector.sources.adapter import Adapter
from collector.sources.bodies import MAX_ITEMS, xml_of
from collector.sources.exchange import Answer, Native, Received, Unfit, Unreadable
from collector.sources.infor.messages import Message, message_of, with_document
from collector.sources.sensitive import Hidden, hide, local_name, without
from collector.sources.signatures import moment
from collector.sources.times import with_zone
from collector.sources.trees import child_of, fingerprint, text_at, tree_of
from slo_rules import adapter as said
from slo_rules.filters import spell

_PING, _PROTOCOL = "service/ping", "service/protocol"
_JSON = {"content-type": "application/json"}
_TENANT = "x-tenantid"
_BOD = re.compile(
    r"(Acknowledge|Cancel|Change|Confirm|Get|Load|Notify|Post|Process|Respond|Show|Sync|Update)([A-Z]\w*)"
)
_ENTITIES = {
    "CustomerPartyMaster": "account",
    "ContactMaster": "contact",
    "Quote": "quote",
    "SalesOrder": "order",
    "PurchaseOrder": "order",
    "Shipment": "shipment",
    "Invoice": "invoice",
    "ReceivableTransaction": "invoice",
    "RemittanceAdvice": "payment",
    "Contract": "subscription",
    "ServiceOrder": "case",
    "Incident": "case",
}
_VERBS = {
    "Sync": {"Add": "created", "Change": "updated", "Replace": "updated", "Delete": "deleted", "": "updated"},
    "Process": {"": "requested"},
    "Acknowledge": {"Accepted": "accepted", "Rejected": "rejected", "": "acknowledged"},
}


class Infor(Adapter):
    """See docs/sources/infor.md."""

    keeps = frozenset((_TENANT,))
    paths = frozenset(
        (
            *("", _PING, _PROTOCOL, "service/v3/multipartMessage", "service/v3/message/multipart"),
            *("service/v2/multipartMessage", "service/v2/message"),
        )
    )
    takes = frozenset(("authentication", "zone"))
    needs = "either"

    def asked(self, received: Received) -> Answer | None:
        if received.method != "GET" or received.path not in (_PING, _PROTOCOL):
            return None
        if received.path == _PING:
            return Answer(200)
        return Answer(200, b'{"versions": ["v3"], "hasDiscovery": false}', _JSON)

    def accepted(self) -> Answer:
        return Answer(201, b'{"status": "OK"}', _JSON)

    def redact(self, received: Received, hidden: Hidden | None) -> bytes:
        if hidden is None:
            return received.body
        content_type = received.headers.get("content-type", "")
        message = message_of(received.body, content_type)
        hide(message.parameters, hidden)
        return with_document(Message(without(message.document, "text/xml", hidden), message.parameters), content_type)

    def read(self, received: Received, source: said.Adapter) -> Iterable[Native | Unfit]:
        message = message_of(received.body, received.headers.get("content-type", ""))
        root = xml_of(message.document)
        bod = _BOD.fullmatch(local_name(root))
        area = child_of(root, "DataArea")
        if bod is None or area is None:
            raise Unreadable("not a BOD: its root is no verb with a noun, or it has no DataArea")
        verb, noun = bod[1], bod[2]
        about = _about(root, child_of(area, verb), message, received)
        tenants = {about["tenant"], received.headers.get(_TENANT, about["tenant"])}
        if source.tenant and tenants != {source.tenant}:
            raise Unreadable(f"of another tenant than {source.tenant!r}")
        nouns = [child for child in area if local_name(child) == noun]
        if not 0 < len(nouns) <= MAX_ITEMS:
            raise Unreadable(f"has {len(nouns)} elements {noun[:60]}; 1 to {MAX_ITEMS} are taken")
        time = _time(text_at(root, "ApplicationArea", "CreationDateTime"), source)
        for item, element in enumerate(nouns):
            yield _native(item, element, verb, noun, about | time, several=len(nouns) > 1)


def _about(root: Element, verb: Element | None, message: Message, received: Received) -> dict[str, Any]:
    """What a BOD and its message say of all that is in it."""
    action = child_of(child_of(verb, "ActionCriteria"), "ActionExpression")
    return {
        "tenant": text_at(verb, "TenantID") or received.headers.get(_TENANT, ""),
        "entity": text_at(verb, "AccountingEntityID"),
        "location": text_at(verb, "LocationID"),
        "action": "" if action is None else action.get("actionCode", ""),
        "sender": text_at(root, "ApplicationArea", "Sender", "LogicalID"),
        "bod_id": text_at(root, "ApplicationArea", "BODID"),
        "created_at": text_at(root, "ApplicationArea", "CreationDateTime"),
        "original_bod_id": text_at(verb, "OriginalApplicationArea", "BODID"),
        "ims": message.parameters,
    }


def _time(text: str, source: said.Adapter) -> dict[str, str]:
    """Some senders write no ISO dates, or without a zone: then it counts from its arrival on, and says so."""
    at = with_zone(text, source.zone)
    if not text or moment(at, "rfc3339") is not None:
        return {"time": at}
    return {"unreadable_time": text[:100]}


def _native(item: int, element: Element, verb: str, noun: str, about: dict[str, Any], *, several: bool) -> Native:
    header = next((child for child in element if local_name(child) == f"{noun}Header"), element)
    number = child_of(child_of(header, "DocumentID"), "ID")
    held = {} if number is None else dict(number.attrib)
    document_id = text_at(number) if number is not None else _party(header)
    place = (about["tenant"], held.get("accountingEntity", about["entity"]), held.get("location", about["location"]))
    status = text_at(header, "Status", "Code")
    document = about | {
        "event_id": _event_id(about, held.get("variationID", ""), element) + (f":{item}" if several else ""),
        "id": ":".join(part for part in (*place, document_id) if part) if document_id else "",
        "number": document_id,
        "variation": held.get("variationID", ""),
        "status": status,
        "alternate": _alternate(header),
        "extra": _extra(header),
        "reference": _references(element),
        "header": tree_of(header),
        "noun": noun,
        noun: document_id,
    }
    word, action = f"{verb}.{noun}", about["action"]
    states = [f"{word}:status={status}"] if status and action not in ("Add", "Delete") else []
    words = (*states, f"{word}:{action}", word) if action else (*states, word)
    entity, verbs = _ENTITIES.get(noun), _VERBS.get(verb, {})
    happened = verbs.get(action, verbs.get("", ""))
    return Native(item, document, words, f"{entity}.{happened}" if entity and happened else "")


def _event_id(about: dict[str, Any], variation: str, element: Element) -> str:
    """What is the same whenever ION brings the same again. All BODs of one document have the same BODID."""
    message = spell(about["ims"].get("messageId"))
    if message:
        return ":".join(filter(None, (about["tenant"], message)))
    if about["bod_id"] and about["created_at"]:
        return ":".join(filter(None, (about["bod_id"], variation, about["created_at"])))
    return fingerprint([about, tree_of(element)])


def _party(header: Element) -> str:
    """The id of a customer or a contact, which are no documents."""
    return text_at(header, "PartyIDs", "ID") or text_at(header, "ID")


def _alternate(header: Element) -> dict[str, str]:
    """Under which number others know the document, by whose it is."""
    found: dict[str, str] = {}
    for child in header:
        if local_name(child) == "AlternateDocumentID" and (number := text_at(child, "ID")):
            found.setdefault(child.get("agencyRole") or "Other", number)
    return found


def _extra(header: Element) -> dict[str, str]:
    """The names and values of the user area."""
    area = child_of(header, "UserArea")
    pairs = [one for one in area.iter() if local_name(one) == "NameValue"] if area is not None else []
    return {name: (one.text or "").strip() for one in pairs if (name := one.get("name"))}


def _references(element: Element) -> dict[str, str]:
    """The documents that are referred to, such as SalesOrderReference; of several the first."""
    found: dict[str, str] = {}
    for one in element.iter():
        name = local_name(one)
        if name.endswith("Reference") and (number := text_at(one, "DocumentID", "ID")):
            found.setdefault(name.removesuffix("Reference"), number)
    return found


ADAPTER = Infor()
