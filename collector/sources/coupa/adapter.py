"""Coupa: objects of its REST API, which is asked for what has changed; and the same bodies where somebody sends them.

Coupa tells of no events: an object is seen as it is, and between two askings what it was in between is lost.
Objects and their states: the pages "Purchase Orders API" and "Invoices API" of Coupa's technical documentation.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import count
from typing import Any
from xml.etree.ElementTree import Element

from collector.sources.bodies import json_of, xml_of
from collector.sources.exchange import Native, Received, Unfit, Unreadable
from collector.sources.polled import Ask, Polled, State, Step
from collector.sources.sensitive import local_name
from slo_rules import adapter as said
from slo_rules.durations import SECOND
from slo_rules.filters import spell
from slo_rules.instants import rfc3339

PAGE = 50
"""What Coupa answers with at most."""
_ENTITIES = {
    "purchase_orders": "purchase_order",
    "invoices": "invoice",
    "requisitions": "requisition",
    "inventory_transactions": "receipt",
    "suppliers": "supplier",
    "coupa_pay/payments": "payment",
}
_RESOURCE_OF_ROOT = {
    "order-header": "purchase_orders",
    "invoice-header": "invoices",
    "requisition-header": "requisitions",
    "inventory-transaction": "inventory_transactions",
    "supplier": "suppliers",
    "payment": "coupa_pay/payments",
}
_CREDIT_NOTE = "credit note"
_TELLS = 4
"""How many events an object may tell of."""
_NO_WORD = re.compile(r"[^a-z0-9]+")


class Coupa(Polled):
    """See docs/sources/coupa.md."""

    takes = frozenset(("authentication",))
    paths = frozenset(("", *_ENTITIES))
    needs = "either"
    knows_by = "client"
    objects = frozenset(_ENTITIES)

    def ask(self, poll: said.Poll, name: str, state: State, now: int) -> Ask:
        """What has changed in a stretch of time, by id: what changes meanwhile moves nothing that is still to come."""
        since, until, after = _stretch(poll, state, now)
        query = (
            ("updated-at[gt]", rfc3339(since)),
            ("updated-at[lt]", rfc3339(until)),
            ("id[gt]", str(after)),
            ("order_by", "id"),
            ("dir", "asc"),
            ("limit", str(PAGE)),
        )
        return Ask("GET", f"/api/{name}", query)

    def step(self, poll: said.Poll, name: str, state: State, answer: bytes, now: int) -> Step:
        since, until, after = _stretch(poll, state, now)
        found = json_of(answer)
        if not isinstance(found, list):
            raise Unreadable("the answer is not a list")
        if not found:
            return Step({"since": until}, more=False, holds=False)
        ids: list[Any] = [member.get("id") if isinstance(member, dict) else None for member in found]
        # Whoever does not heed the filter or the order would be asked for the same for ever, or passed over.
        if any(type(one) is not int for one in ids) or any(
            one <= other for one, other in zip(ids, [after, *ids], strict=False)
        ):
            raise Unreadable("the answer is not in the order of ids from where it was asked on")
        return Step({"from": since, "to": until, "id": ids[-1]}, more=True, holds=True)

    def read(self, received: Received, source: said.Adapter) -> Iterable[Native | Unfit]:
        # Places are counted over all that may come of an object, so that each can be mapped again by itself.
        item = -_TELLS
        for item, (resource, found) in zip(count(0, _TELLS), _objects(received), strict=False):
            if not isinstance(found, dict):
                yield Unfit(item, "not an object of Coupa")
                continue
            resource = resource or _resource_of(found)
            if not resource:
                yield Unfit(item, "cannot be told what it is of: send it to /sources/NAME/purchase_orders or the like")
                continue
            for place, native in enumerate(_told(resource, found)):
                yield Native(item + place, *native)
        if item < 0:
            yield Native(0, {}, ("nothing",))


def _stretch(poll: said.Poll, state: State, now: int) -> tuple[int, int, int]:
    """From when to when (micros) is being asked, and after which id; a new stretch begins where the last one ended."""
    if "to" in state:
        return int(state["from"]), int(state["to"]), int(state["id"])
    since = int(state["since"]) - poll.overlap if "since" in state else now - poll.lookback
    # Coupa's times are of whole seconds, and its filters leave the ends out.
    return since // SECOND * SECOND - SECOND, now // SECOND * SECOND, 0


def _told(resource: str, found: dict[str, Any]) -> Iterable[tuple[dict[str, Any], tuple[str, ...], str]]:
    """Document, words and type of what an object tells: its state, and what it says happened to it besides."""
    entity = _ENTITIES[resource]
    if resource == "invoices" and str(found.get("document-type", "")).lower() == _CREDIT_NOTE:
        entity = "credit"
    status = _NO_WORD.sub("_", (spell(found.get("status")) or "updated").lower()).strip("_") or "updated"
    known = ":".join(filter(None, (resource, spell(found.get("id")))))
    # One second may see two revisions; objects without revisions have their time alone.
    version = [spell(found.get("internal-revision")), spell(found.get("updated-at"))]
    document = found | _ties(found) | {"entity-id": found.get("id")}

    def one(word: str, id_: str, at: Any) -> tuple[dict[str, Any], tuple[str, ...], str]:
        return document | {"event-id": id_, "event-time": at}, (f"{entity}:{word}",), f"{entity}.{word}"

    at = found.get("updated-at")
    yield one(status, ":".join(filter(None, (known, *version))) if spell(found.get("id")) and at else "", at)
    if acknowledged := found.get("acknowledged-at"):
        yield one("acknowledged", f"{known}:acknowledged:{acknowledged}", acknowledged)
    if exported := found.get("last-exported-at"):
        yield one("exported", f"{known}:exported:{exported}", exported)
    if resource == "invoices" and _true(found.get("paid")):
        yield one("paid", f"{known}:paid", at)


def _true(value: Any) -> bool:
    return value is True or value == "true"


def _ties(found: dict[str, Any]) -> dict[str, Any]:
    """The purchase orders that an object is of: its own number, else those of its lines."""
    if own := spell(found.get("po-number")):
        return {"purchase-order": own, "purchase-orders": [own]}
    lines = found.get("invoice-lines")
    numbers = (
        (spell(line.get("po-number")) for line in lines if isinstance(line, dict)) if isinstance(lines, list) else ()
    )
    several = [number for number in dict.fromkeys(numbers) if number]
    return {"purchase-orders": several} | ({"purchase-order": several[0]} if len(several) == 1 else {})


def _objects(received: Received) -> Iterable[tuple[str, Any]]:
    """What a body holds, each with its resource where that is known."""
    if received.body.lstrip()[:1] == b"<":
        root = xml_of(received.body)
        inside = [root] if local_name(root) in _RESOURCE_OF_ROOT else list(root)
        for element in inside:
            resource = _RESOURCE_OF_ROOT.get(local_name(element))
            if resource is None:
                raise Unreadable(f"<{local_name(root)[:80]}> is no object of Coupa's")
            yield resource, _plain(element)
        return
    found = json_of(received.body)
    if isinstance(found, dict) and "errors" in found:
        raise Unreadable("tells of an error, and no object")
    resource = received.path if received.path in _ENTITIES else ""
    for member in found if isinstance(found, list) else [found]:
        yield resource, member


def _resource_of(found: dict[str, Any]) -> str:
    if "invoice-number" in found:
        return "invoices"
    return "purchase_orders" if "po-number" in found else ""


def _plain(element: Element) -> Any:
    """An element as Coupa's JSON has it: what has children is an object, or a list where its type says so."""
    children = list(element)
    if element.get("type") == "array":
        return [_plain(child) for child in children]
    if children:
        return {local_name(child): _plain(child) for child in children}
    return None if element.get("nil") == "true" else element.text


ADAPTER = Coupa()
