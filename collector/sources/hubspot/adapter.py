"""HubSpot: batches of webhooks of both vocabularies, the classic and the generic one, with signatures v1, v2 and v3."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from collector.sources.adapter import Adapter
from collector.sources.bodies import json_of, members_of
from collector.sources.exchange import Credentials, Native, Received, Unfit
from collector.sources.sensitive import Hidden, hide
from collector.sources.signatures import any_same, digest, hashed, in_base64, off
from slo_rules import adapter as said
from slo_rules.filters import spell

_V3 = "x-hubspot-signature-v3"
_TIMESTAMP = "x-hubspot-request-timestamp"
_PLAIN = "x-hubspot-signature"
_VERSION = "x-hubspot-signature-version"
_ESCAPED = re.compile("%(3A|2F|3F|40|21|24|27|28|29|2A|2C|3B)")
"""What is decoded of an address before it is signed, and nothing else."""
_ENTITIES = {
    "company": "account",
    "contact": "contact",
    "lead": "contact",
    "deal": "opportunity",
    "ticket": "case",
    "quote": "quote",
    "order": "order",
    "invoice": "invoice",
    "subscription": "subscription",
    "payment": "payment",
}
_OBJECTS = {
    "0-1": "contact",
    "0-2": "company",
    "0-3": "deal",
    "0-5": "ticket",
    "0-7": "product",
    "0-8": "line_item",
    "0-14": "quote",
    "0-53": "invoice",
    "0-69": "subscription",
    "0-101": "payment",
    "0-123": "order",
    "0-136": "lead",
    "0-162": "service",
}
_VERBS = {
    "creation": "created",
    "deletion": "deleted",
    "privacyDeletion": "privacy_deleted",
    "merge": "merged",
    "restore": "restored",
    "propertyChange": "updated",
    "associationChange": "associated",
    "newMessage": "message_received",
}


class HubSpot(Adapter):
    """See docs/sources/hubspot.md."""

    takes = frozenset(("url",))

    def refuse(self, received: Received, source: said.Adapter, credentials: Credentials, now: int) -> str:
        headers = received.headers
        given, version = headers.get(_V3, ""), headers.get(_VERSION, "").lower()
        signed = received.method.encode() + _address(received, source).encode("utf-8", "surrogatepass") + received.body
        if given:
            timestamp = headers.get(_TIMESTAMP, "")
            if why := off(timestamp, "epoch_ms", now, source.tolerance):
                return why
            decoded = _ESCAPED.sub(lambda found: chr(int(found[1], 16)), _address(received, source))
            signed = received.method.encode() + decoded.encode("utf-8", "surrogatepass") + received.body
            signed += timestamp.encode()
            wanted = [in_base64(digest(secret, signed)) for secret in credentials.secrets]
        elif version in ("v1", "v2"):
            given = headers.get(_PLAIN, "").lower()
            message = received.body if version == "v1" else signed
            wanted = [hashed(secret + message) for secret in credentials.secrets]
        else:
            return "there is no signature of version v1, v2 or v3"
        return "" if any_same([given], wanted) else "the signature is not that of any secret"

    def redact(self, received: Received, hidden: Hidden | None) -> bytes:
        if hidden is None:
            return received.body
        document = json_of(received.body)
        for member in document if isinstance(document, list) else ():
            name = member.get("propertyName") if isinstance(member, dict) else None
            if isinstance(name, str):
                named = {name: member.pop("propertyValue", None)}
                hide({"properties": named}, hidden)
                if name in named:
                    member["propertyValue"] = named[name]
        hide(document, hidden)
        return msgspec.json.encode(document)

    def read(self, received: Received, source: said.Adapter) -> Iterable[Native | Unfit]:
        for item, member in enumerate(members_of(received.body)):
            if not isinstance(member, dict):
                yield Unfit(item, "not a JSON object")
            elif source.tenant and spell(member.get("portalId")) != source.tenant:
                yield Unfit(item, f"of another portal than {source.tenant!r}", msgspec.json.encode(member))
            else:
                yield from _natives(item, member)


def _address(received: Received, source: said.Adapter) -> str:
    """The address as HubSpot called it. A proxy may have changed what came here, so a source can say it."""
    if not source.url:
        return received.url
    query = received.url.partition("?")[2]
    return f"{source.url}?{query}" if query and "?" not in source.url else source.url


def _natives(item: int, member: dict[str, Any]) -> Iterator[Native | Unfit]:
    kind = member.get("subscriptionType") or member.get("eventType")
    object_, _, verb = kind.partition(".") if isinstance(kind, str) else ("", "", "")
    if object_ == "object":
        number = spell(member.get("objectTypeId")) or spell(member.get("fromObjectTypeId")) or ""
        object_ = _OBJECTS.get(number, number)
    if not object_ or not verb:
        yield Unfit(item, "subscriptionType: says no object and what happened to it", msgspec.json.encode(member))
        return
    entity, word = _ENTITIES.get(object_, object_), f"{object_}.{verb}"
    name, value = spell(member.get("propertyName")), spell(member.get("propertyValue"))
    words = [word]
    if name:
        words.insert(0, f"{word}:{name}")
    if name and value:
        words.insert(0, f"{word}:{name}={value[:200]}")
    document = member | {"object": object_, "event_id": _event_id(member, str(kind), object_)}
    if name:
        document["properties"] = {name: member.get("propertyValue")}
    ended = verb == "associationChange" and member.get("associationRemoved") is True
    type_ = f"{entity}.{'dissociated' if ended else _VERBS.get(verb, verb)}"
    if verb == "associationChange":
        document["linked"] = _linked(member, object_)
        words = words if not ended else [f"{word}:removed"]
    if verb != "merge":
        yield Native(item, document, tuple(words), type_)
        return
    survivor = member.get("newObjectId") or member.get("primaryObjectId") or member.get("objectId")
    merged = member.get("mergedObjectIds")
    losers = [*(merged if isinstance(merged, list) else ()), member.get("primaryObjectId")]
    for loser in dict.fromkeys(text for one in losers if (text := spell(one)) and text != spell(survivor)):
        said_of = {"survivor": survivor, "loser": loser, "event_id": f"{document['event_id']}:{loser}"}
        yield Native(item, document | said_of, tuple(words), type_)


def _event_id(member: dict[str, Any], kind: str, object_: str) -> str:
    """What is the same whenever HubSpot sends the same again: `eventId` alone is not unique."""
    about = spell(member.get("objectId"))
    if about is None:
        about = f"{spell(member.get('fromObjectId')) or '-'}>{spell(member.get('toObjectId')) or '-'}"
    names = [member.get("portalId"), member.get("appId"), kind, member.get("objectTypeId") or object_, about]
    names += [member.get("propertyName"), member.get("occurredAt"), member.get("eventId")]
    return ":".join(spell(name) or "-" for name in names)


def _linked(member: dict[str, Any], object_: str) -> dict[str, Any]:
    """The ids of the two ends of an association, by entity; of two of one kind the first."""
    first, _, second = (spell(member.get("associationType")) or "").lower().partition("_to_")
    ends = {
        _OBJECTS.get(spell(member.get("toObjectTypeId")) or "", second): member.get("toObjectId"),
        _OBJECTS.get(spell(member.get("fromObjectTypeId")) or "", first or object_): member.get("fromObjectId"),
    }
    return {f"{_ENTITIES.get(name, name)}_id": id_ for name, id_ in ends.items() if name and id_ is not None}


ADAPTER = HubSpot()
