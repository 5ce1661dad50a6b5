"""ServiceNow: what a business rule or a flow posts of a record, and notifications of trouble tickets by TMF688.

ServiceNow has no webhooks of its own; the form that is read is the one of docs/sources/servicenow.md, or a record as
its Table API has it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from collector.sources.adapter import Adapter
from collector.sources.bodies import object_of
from collector.sources.exchange import Credentials, Native, Received, Unfit
from collector.sources.signatures import by_signature, moment
from collector.sources.times import with_zone
from slo_rules import adapter as said
from slo_rules.adapter import Signature
from slo_rules.filters import spell

SIGNATURE = Signature("x-hmac-signature", encoding="base64")
_INSTANCE, _CORRELATION, _EVENT = "x-sn-instance", "x-correlation-id", "ce_id"
_KEY, _PLACE = "kafka-key", "kafka-place"
_SYS_ID = re.compile(r"[0-9a-f]{32}")
_TIMES = ("occurred_at", "sys_updated_on", "sys_created_on", "opened_at", "resolved_at", "closed_at")
_ENTITIES = {
    "incident": "case",
    "sn_customerservice_case": "case",
    "problem": "case",
    "sn_sprb_mgmt_case": "case",
    "sc_request": "order",
    "sc_req_item": "order",
    "customer_account": "account",
    "core_company": "account",
    "customer_contact": "contact",
    "ast_contract": "subscription",
    "service_entitlement": "entitlement",
}
_VERBS = {
    "insert": "created",
    "inserted": "created",
    "created": "created",
    "update": "updated",
    "updated": "updated",
    "delete": "deleted",
    "deleted": "deleted",
}


class ServiceNow(Adapter):
    """See docs/sources/servicenow.md."""

    keeps = frozenset((_INSTANCE, _CORRELATION, _EVENT, _KEY, _PLACE))
    takes = frozenset(("authentication", "signature", "zone"))
    needs = "either"

    def refuse(self, received: Received, source: said.Adapter, credentials: Credentials, now: int) -> str:
        if credentials.secrets and not source.authentication:
            return by_signature(received, source.signature or SIGNATURE, credentials, now, source.tolerance)
        return super().refuse(received, source, credentials, now)

    def read(self, received: Received, source: said.Adapter) -> Iterable[Native | Unfit]:
        body = object_of(received.body)
        instance = (spell(body.get("instance")) or received.headers.get(_INSTANCE, "")).partition(".")[0]
        if source.tenant and instance and instance != source.tenant.partition(".")[0]:
            yield Unfit(0, f"of another instance than {source.tenant!r}")
            return
        more: dict[str, Any] = {"instance": instance, "correlation_header": received.headers.get(_CORRELATION)}
        event = body.get("event")
        ticket = event.get("troubleTicket") if isinstance(event, dict) else None
        if isinstance(ticket, dict):
            word = spell(body.get("eventType"))
            at = with_zone(spell(body.get("eventTime")) or "", source.zone or "UTC")
            more |= {"ticket": ticket, "event_id": body.get("eventId")}
            more |= {"occurred_at": at} if moment(at, "rfc3339") is not None else {}
            yield Native(0, body | more, (word,) if word else ())
            return
        result = body.get("result")
        found = {name: _plain(value) for name, value in (result if isinstance(result, dict) else body).items()}
        # What is not there is an empty text.
        record = _of_kafka(received) | {name: value for name, value in found.items() if value != ""}
        yield _of_record(record | more, source)


def _of_kafka(received: Received) -> dict[str, Any]:
    """What a record of Kafka says beside its value; for what has no id of its own its place is one."""
    headers = received.headers
    if _PLACE not in headers:
        return {}
    key = headers.get(_KEY, "")
    said = {"sys_id": key} if _SYS_ID.fullmatch(key) else {}
    return said | {"kafka_id": headers.get(_EVENT) or headers[_PLACE]}


def _plain(value: Any) -> Any:
    """A reference as the id it leads to; with display values, the value itself and not how a user sees it."""
    return value["value"] if isinstance(value, dict) and "value" in value else value


def _of_record(record: dict[str, Any], source: said.Adapter) -> Native:
    table = spell(record.get("table")) or spell(record.get("sys_class_name")) or ""
    happened = spell(record.get("operation")) or (spell(record.get("event_type")) or "").rpartition(".")[2] or "update"
    for name in _TIMES:
        if isinstance(text := record.get(name), str):
            record[name] = with_zone(text, source.zone or "UTC")
    if not spell(record.get("event_id")):
        parts = [table, *(spell(record.get(name)) for name in ("sys_id", "sys_mod_count"))]
        whole = ":".join(part for part in parts if part) if all(parts) else None
        record["event_id"] = whole or record.get("kafka_id")
    state, before = (spell(record.get(name)) for name in ("state", "previous_state"))
    words = []
    if state and before and state != before:
        shown = spell(record.get("state_display"))
        words = [f"{table}:state={state}", *([f"{table}:{shown}"] if shown else []), f"{table}:state"]
    entity, verb = _ENTITIES.get(table), _VERBS.get(happened, happened)
    return Native(0, record | {"table": table}, (*words, f"{table}.{happened}"), f"{entity}.{verb}" if entity else "")


ADAPTER = ServiceNow()
