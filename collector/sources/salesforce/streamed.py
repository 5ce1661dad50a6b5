"""Change Data Capture and platform events as JSON: from Event Relay, AppFlow, CometD and the Pub/Sub API.

Each wraps the same payload in an envelope of its own, and one that somebody's forwarder sends may be a list of them.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from collector.sources.bodies import MAX_ITEMS, json_of
from collector.sources.exchange import Native, Unfit, Unreadable
from collector.sources.salesforce.records import ENTITIES, lead_id, long_id, name_of, states
from collector.sources.sensitive import Hidden, hide
from collector.sources.signatures import hashed
from slo_rules.filters import spell

_HEADER = "ChangeEventHeader"
_RELAY = "aws.partner/salesforce.com/"
_VERBS = {"CREATE": "created", "UPDATE": "updated", "DELETE": "deleted", "UNDELETE": "undeleted"}
_NO_RECORD = "0" * 15
"""What stands for a record in an overflow event."""
_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class _Wrapped:
    """An event without its envelope. `name` is that of a platform event, `transport` an id that repetitions share."""

    payload: dict[str, Any]
    name: str = ""
    organization: str = ""
    uuid: str = ""
    transport: str = ""
    whole: dict[str, Any] = field(default_factory=dict)


def redacted(body: bytes, hidden: Hidden) -> bytes:
    """Without what is sensitive: fields are named as in the record, whatever it is wrapped in. Raises Unreadable."""
    document = json_of(body)
    for member in document if isinstance(document, list) else [document]:
        wrapped = _unwrapped(member)
        if wrapped is not None:
            hide(wrapped.payload, hidden)
    hide(document, hidden)
    return _encode(document)


def natives(body: bytes, tenant: str, named: Container[str]) -> Iterable[Native | Unfit]:
    """An event for each record of a change, and one for each platform event. Raises Unreadable.

    What was not sent of a change is set aside besides, unless its word is `named`: then somebody knows of it.
    """
    document = json_of(body)
    members = document if isinstance(document, list) else [document]
    if len(members) > MAX_ITEMS:
        raise Unreadable(f"has {len(members)} entries; at most {MAX_ITEMS} are taken at once")
    item = 0
    for member in members:
        for found in _of_member(item, member, tenant, named):
            if found is not None:
                yield found
            # Also for what is not told: a dead letter names its item for good, whatever the mapping comes to say.
            item += 1


def _of_member(item: int, member: Any, tenant: str, named: Container[str]) -> Iterator[Native | Unfit | None]:
    wrapped = _unwrapped(member)
    if wrapped is None:
        yield Unfit(item, "neither a change nor a platform event: it has no payload", _encode(member))
    elif tenant and wrapped.organization and wrapped.organization[:15] != tenant[:15]:
        yield Unfit(item, f"of another organisation than {tenant!r}", _encode(member))
    elif isinstance(header := wrapped.payload.get(_HEADER), dict):
        yield from _changes(item, wrapped, header, tenant, named)
    elif _HEADER in wrapped.payload:
        yield Unfit(item, f"{_HEADER}: is not a JSON object", _encode(member))
    else:
        yield _platform_event(item, wrapped, tenant)


def _unwrapped(member: Any) -> _Wrapped | None:
    """What is in an envelope, by its form: EventBridge, CometD with and without its channel, Pub/Sub."""
    if not isinstance(member, dict):
        return None
    channel = _text(member, "channel") or _text(member, "topic_name")
    name = channel.removeprefix("/event/") if channel.startswith("/event/") else ""
    detail, data, event = (_object(member, key) for key in ("detail", "data", "event"))
    if detail:
        source = _text(member, "source")
        return _Wrapped(
            payload=_object(detail, "payload") or detail,
            name=_text(member, "detail-type"),
            organization=source.removeprefix(_RELAY).partition("/")[0] if source.startswith(_RELAY) else "",
            uuid=_text(_object(detail, "event"), "EventUuid"),
            transport=_text(member, "id"),
            whole=member,
        )
    if "payload" in event:
        return _Wrapped(_object(event, "payload"), name, uuid=_text(event, "id"), whole=member)
    inner = data or member
    if not isinstance(inner.get("payload"), dict):
        return None
    return _Wrapped(inner["payload"], name, uuid=_text(_object(inner, "event"), "EventUuid"), whole=member)


def _changes(
    item: int, wrapped: _Wrapped, header: Mapping[str, Any], tenant: str, named: Container[str]
) -> Iterator[Native | Unfit | None]:
    object_, kind, transaction = (_text(header, key) for key in ("entityName", "changeType", "transactionKey"))
    records = header.get("recordIds")
    ids = [text for one in records if (text := spell(one))] if isinstance(records, list) else []
    missing = [
        key for key in ("entityName", "changeType", "transactionKey", "sequenceNumber") if not _text(header, key)
    ]
    if missing:
        yield Unfit(item, f"{_HEADER}: there is no {', no '.join(missing)}", _encode(wrapped.whole))
        return
    if kind == "GAP_OVERFLOW" or not ids:
        why = f"{kind}: changes of {object_} were not sent, and of which records is not known: compare them"
        yield Unfit(item, why, _encode(wrapped.whole))
        return
    fields = {name: value for name, value in wrapped.payload.items() if name != _HEADER and value is not None}
    organization = long_id(wrapped.organization or tenant)
    about = {
        "object": object_,
        "organization": organization,
        "transaction": transaction,
        "time": header.get("commitTimestamp"),
        "origin": header.get("changeOrigin"),
        "changed": _names(header.get("changedFields")),
        "nulled": _names(header.get("nulledFields")),
        "name": name_of(fields),
    }
    word, verb = f"{object_}:{kind}", _VERBS.get(kind, "gap" if kind.startswith("GAP_") else kind.lower())
    about |= {"gap": kind} if verb == "gap" else {}
    words: tuple[str, ...] = (*states(object_, fields), word)
    if "MasterRecordId" in fields:
        words, verb = (f"{object_}:merged", word), "merged"
    for place, one in enumerate(ids):
        if _is_pattern(one):
            yield None
            continue
        record = long_id(one)
        parts = [organization, transaction, _text(header, "sequenceNumber"), record]
        about_one = about | {"id": ":".join(part for part in parts if part), "lead": lead_id(object_, record)}
        entity = ENTITIES.get(object_, object_)
        yield Native(item + place, fields | {"Id": record, "message": about_one}, words, f"{entity}.{verb}")
    patterns = [one for one in ids if _is_pattern(one)]
    if verb == "gap" or patterns:
        lost = [] if verb != "gap" or word in named else [one for one in ids if not _is_pattern(one)]
        told = [f"how {', '.join(lost[:10])} changed"] if lost else []
        told += [f"which of those with ids like {', '.join(patterns[:10])} changed"] if patterns else []
        why = f"{kind}: of {object_} it was not sent {' and '.join(told)}: look it up"
        yield Unfit(item + len(ids), why, _encode(wrapped.whole)) if told else None


def _is_pattern(id_: str) -> bool:
    return id_.endswith("*") or id_.startswith(_NO_RECORD)


def _platform_event(item: int, wrapped: _Wrapped, tenant: str) -> Native | Unfit:
    fields = {name: value for name, value in wrapped.payload.items() if value is not None}
    if not wrapped.name:
        why = "a platform event without its name: send it with its 'channel' or 'topic_name', as in /event/My_Event__e"
        return Unfit(item, why, _encode(wrapped.whole))
    organization = long_id(wrapped.organization or tenant)
    uuid = _text(fields, "EventUuid") or wrapped.uuid or wrapped.transport
    # A replay id is not always of one event alone, so that what has no id is known by what it says.
    parts = [organization, wrapped.name, uuid or hashed(_encode(wrapped.payload))]
    about = {
        "object": wrapped.name,
        "organization": organization,
        "time": fields.get("CreatedDate"),
        "id": ":".join(part for part in parts if part),
    }
    became = spell(fields.get("NewStatus"))
    words = (*([f"{wrapped.name}:NewStatus={became[:200]}"] if became else ()), wrapped.name)
    return Native(item, fields | {"message": about}, words, wrapped.name)


def _object(parent: Mapping[str, Any], name: str) -> dict[str, Any]:
    found = parent.get(name)
    return found if isinstance(found, dict) else {}


def _text(parent: Mapping[str, Any], name: str) -> str:
    return spell(parent.get(name)) or ""


def _names(fields: Any) -> list[str]:
    """Names of fields. The Pub/Sub API sends bitmaps over a schema instead, which is not here."""
    names = [text for one in fields if (text := spell(one))] if isinstance(fields, list) else []
    return [name for name in names if not name.rpartition("-")[2].startswith("0x")]
