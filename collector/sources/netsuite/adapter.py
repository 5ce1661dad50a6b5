"""NetSuite: what SuiteScript posts after a record was saved. NetSuite itself has no webhooks.

The envelope `suitescript.userevent.v1` is ours. Records that plain scripts post without one are read as well, and those
of SuiteTalk REST that a reconciling job posts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from collector.sources.adapter import Adapter
from collector.sources.bodies import object_of
from collector.sources.exchange import Credentials, Native, Received, Unfit, Unreadable
from collector.sources.signatures import by_signature
from collector.sources.trees import fingerprint
from slo_rules import adapter as said
from slo_rules.adapter import Signature
from slo_rules.filters import spell

SIGNATURE = Signature("x-ns-signature", prefix="sha256=", timestamp="x-ns-timestamp", signs="{timestamp}.{body}")
_ACCOUNT = "x-ns-account"
_SCHEMA = "suitescript.userevent.v1"
_RECORD = re.compile(r"/record/v1/([A-Za-z_]{1,60})/[^/]+$")
_OF_DELETED = {"id", "sys_id"}
_ENTITIES = {
    "customer": "account",
    "contact": "contact",
    "opportunity": "opportunity",
    "estimate": "quote",
    "salesorder": "order",
    "purchaseorder": "order",
    "itemfulfillment": "shipment",
    "invoice": "invoice",
    "vendorbill": "invoice",
    "customerpayment": "payment",
    "customerdeposit": "payment",
    "vendorpayment": "payment",
    "subscription": "subscription",
    "supportcase": "case",
    "returnauthorization": "return",
    "creditmemo": "credit",
}
_VERBS = {
    "create": "created",
    "edit": "updated",
    "xedit": "updated",
    "delete": "deleted",
    "approve": "approved",
    "reject": "rejected",
    "cancel": "cancelled",
    "pack": "packed",
    "ship": "shipped",
    "saved": "updated",
}


class NetSuite(Adapter):
    """See docs/sources/netsuite.md."""

    keeps = frozenset((_ACCOUNT,))
    takes = frozenset(("authentication",))
    needs = "either"

    def refuse(self, received: Received, source: said.Adapter, credentials: Credentials, now: int) -> str:
        if credentials.secrets and not source.authentication:
            return by_signature(received, SIGNATURE, credentials, now, source.tolerance)
        return super().refuse(received, source, credentials, now)

    def read(self, received: Received, source: said.Adapter) -> Iterable[Native | Unfit]:
        body = object_of(received.body)
        if body.get("schema") == _SCHEMA:
            document = _of_envelope(body)
        elif isinstance(body.get("links"), list):
            document = _of_rest(body)
        elif isinstance(body.get("fields"), dict) and spell(body.get("type")):
            document = _of_record(body)
        else:
            raise Unreadable(f"neither an envelope whose 'schema' is {_SCHEMA} nor a record of NetSuite")
        account = spell(document.get("accountId")) or received.headers.get(_ACCOUNT) or source.tenant
        if source.tenant and account != source.tenant:
            yield Unfit(0, f"of another account than {source.tenant!r}")
            return
        kind, happened = spell(document.get("recordType")) or "", spell(document.get("eventType")) or ""
        if not kind or not happened:
            yield Unfit(0, "recordType and eventType: an event needs both")
            return
        kind = kind.lower()
        if not spell(document.get("eventId")):
            number = spell(document.get("recordId")) or "-"
            document["eventId"] = f"netsuite:{account or '-'}:{kind}:{number}:{fingerprint(body)}"
        document |= {"accountId": account, "recordType": kind}
        entity = _ENTITIES.get(kind)
        states = [spell(document["record"].get(name)) for name in ("statusref", "statusRef", "orderstatus")]
        words = [f"{kind}.{happened}:{state}" for state in states if state]
        yield Native(
            0, document, (*words, f"{kind}.{happened}"), f"{entity}.{_VERBS.get(happened, happened)}" if entity else ""
        )


def _of_envelope(body: dict[str, Any]) -> dict[str, Any]:
    new, old = (_fields(body.get(name)) for name in ("newRecord", "oldRecord"))
    return body | {"record": new or old, "old": old if new else {}}


def _of_record(body: dict[str, Any]) -> dict[str, Any]:
    """`JSON.stringify(context.newRecord)`, which does not say what happened; of a deleted record its ids are left."""
    fields = body["fields"]
    happened = "delete" if fields.keys() <= _OF_DELETED else "saved"
    return {"recordType": body["type"], "recordId": body.get("id"), "eventType": happened, "record": _fields(body)}


def _of_rest(body: dict[str, Any]) -> dict[str, Any]:
    """A record of SuiteTalk REST. Names are made those of SuiteScript, and references their id and their text."""
    own = [link.get("href") for link in body["links"] if isinstance(link, dict) and link.get("rel") == "self"]
    found = _RECORD.search(next((one for one in own if isinstance(one, str)), ""))
    if found is None:
        raise Unreadable("a record with links, of which none says what record it is")
    record: dict[str, Any] = {}
    for name, value in body.items():
        if isinstance(value, dict) and "id" in value:
            record[name.lower()] = value["id"]
            record[f"{name.lower()}name"] = value.get("refName")
        elif name != "links":
            record[name.lower()] = value
    return {
        "recordType": found[1],
        "recordId": body.get("id"),
        "eventType": "saved",
        "occurredAt": body.get("lastModifiedDate"),
        "record": record,
    }


def _fields(record: Any) -> dict[str, Any]:
    fields = record.get("fields") if isinstance(record, dict) else None
    return {name: value for name, value in fields.items() if value != ""} if isinstance(fields, dict) else {}


ADAPTER = NetSuite()
