"""Outbound Messages: SOAP in and the SOAP Ack out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from xml.etree.ElementTree import Element, tostring

from collector.sources.bodies import xml_of
from collector.sources.exchange import Native, Unfit, Unreadable
from collector.sources.salesforce.records import ENTITIES, lead_id, name_of, states
from collector.sources.sensitive import Hidden, local_name, without

_MOST = 100
"""The notifications of one message."""
_NIL = "{http://www.w3.org/2001/XMLSchema-instance}nil"
_TYPE = "{http://www.w3.org/2001/XMLSchema-instance}type"
ACK = b"""<?xml version="1.0" encoding="UTF-8"?>
<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/">
 <soapenv:Body>
  <notificationsResponse xmlns="http://soap.sforce.com/2005/09/outbound">
   <Ack>true</Ack>
  </notificationsResponse>
 </soapenv:Body>
</soapenv:Envelope>
"""


def redacted(body: bytes, hidden: Hidden | None) -> bytes:
    """Without what is sensitive and the session id, with which anybody could act in Salesforce. Raises Unreadable."""
    root = xml_of(body)
    parents = [parent for parent in root.iter() if any(_is_session(child) for child in parent)]
    if parents:
        for parent in parents:
            for child in [child for child in parent if _is_session(child)]:
                parent.remove(child)
        body = tostring(root, encoding="utf-8")
    return body if hidden is None else without(body, "text/xml", hidden)


def natives(body: bytes, tenant: str) -> Iterable[Native | Unfit]:
    """An event for each notification of a message. Raises Unreadable."""
    root = xml_of(body)
    message = next((one for one in root.iter() if local_name(one) == "notifications"), None)
    if message is None:
        raise Unreadable("not an Outbound Message: it holds no 'notifications'")
    notifications = [one for one in message if local_name(one) == "Notification"]
    if not 0 < len(notifications) <= _MOST:
        raise Unreadable(f"has {len(notifications)} notifications; an Outbound Message has 1 to {_MOST}")
    organization = _text(message, "OrganizationId")
    if tenant and organization[:15] != tenant[:15]:
        raise Unreadable(f"of another organisation than {tenant!r}")
    for item, notification in enumerate(notifications):
        yield _native(item, notification, organization)


def _is_session(element: Element) -> bool:
    return local_name(element) == "SessionId" and bool("".join(element.itertext()).strip())


def _text(parent: Element, name: str) -> str:
    return next(((child.text or "").strip() for child in parent if local_name(child) == name), "")


def _native(item: int, notification: Element, organization: str) -> Native | Unfit:
    id_ = _text(notification, "Id")
    record = next((child for child in notification if local_name(child) == "sObject"), None)
    if record is None or not id_ or not organization:
        return Unfit(item, "a notification needs an Id, an sObject and the OrganizationId", tostring(notification))
    object_ = record.get(_TYPE, "").rpartition(":")[2]
    if not object_:
        return Unfit(item, "sObject: says no type", tostring(notification))
    fields = {
        local_name(child): (child.text or "").strip()
        for child in record
        if child.get(_NIL) not in ("true", "1") and (child.text or "").strip()
    }
    about = {
        "object": object_,
        "organization": organization,
        "id": f"{organization}:{id_}",
        "name": name_of(fields),
        "lead": lead_id(object_, fields.get("Id")),
    }
    document: dict[str, Any] = fields | {"message": about}
    entity = ENTITIES.get(object_, object_)
    if "MasterRecordId" in fields:
        return Native(item, document, (f"{object_}:merged", object_), f"{entity}.merged")
    return Native(item, document, (*states(object_, fields), object_), f"{entity}.updated")
