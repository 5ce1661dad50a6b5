"""What is in a `RemoteExecutionContext`, of which the collections are lists of `{key, value}`. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from collector.sources.bodies import MAX_ELEMENTS
from collector.sources.exchange import Unreadable
from collector.sources.sensitive import Hidden, hide
from slo_rules.durations import MINUTE
from slo_rules.filters import spell
from slo_rules.instants import rfc3339

_DATE = re.compile(r"/Date\((?P<ms>-?[0-9]{1,15})(?P<offset>[+-][0-9]{4})?\)/")
_EARLIEST, _LATEST = -62_135_596_800_000, 253_370_764_799_000
"""Milliseconds of the years 1 and 9999."""
_NO_ID = "00000000-0000-0000-0000-000000000000"
_DEEPEST = 12


def instant_of(text: Any) -> tuple[str, bool] | None:
    """The RFC 3339 of `/Date(ms)/` and whether it is exact; None for any other text.

    With an offset the milliseconds are of the local time, against the usual reading of this form: in Microsoft's own
    example only that agrees with the time of the record. Such a time is not held to be exact.
    """
    found = _DATE.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        return None
    offset = found["offset"] or "+0000"
    minutes = int(offset[1:3]) * 60 + int(offset[3:])
    ms = int(found["ms"]) + (minutes if offset[0] == "+" else -minutes) * (MINUTE // 1000)
    return (rfc3339(ms * 1000), minutes == 0) if _EARLIEST <= ms <= _LATEST else None


def about_of(context: dict[str, Any], table: str) -> dict[str, Any] | None:
    """What a mapping finds beside the context itself; None where no record is meant.

    `record` has the columns of the images, and over them what was `written`; values are plain, lookups are
    `{id, name, type}`, and `customer` has the id of the customer under its table.
    """
    parameters = _pairs(context.get("InputParameters"))
    target, output = parameters.get("Target"), _pairs(context.get("OutputParameters"))
    written = _columns(target) | _states(parameters)
    closing = {name: value for name, value in _closing(parameters) if name not in written}
    images = [
        _columns(one) for name in ("PreEntityImages", "PostEntityImages") for one in _pairs(context.get(name)).values()
    ]
    before, after = (images[:-1], images[-1]) if _pairs(context.get("PostEntityImages")) else (images, {})
    record: dict[str, Any] = {}
    for columns in [*before, after, closing, written]:
        record |= columns
    of_closing = closing.get(f"{table}id")
    candidates = [
        context.get("PrimaryEntityId"),
        target.get("Id") if isinstance(target, dict) else None,
        output.get("id"),
        of_closing.get("id") if isinstance(of_closing, dict) else of_closing,
    ]
    id_ = next((text for one in candidates if (text := _id(one))), None)
    if id_ is None:
        return None
    merged = _id(parameters.get("SubordinateId")) if "SubordinateId" in parameters else None
    modified = written.get("modifiedon") or after.get("modifiedon")
    operation = instant_of(context.get("OperationCreatedOn"))
    time = modified or (operation[0] if operation else context.get("OperationCreatedOn"))
    return {
        "id": id_,
        "event_id": _event_id(context, table, id_),
        "time": time,
        "time_approximate": True if not modified and operation and not operation[1] else None,
        "merged": merged,
        "record": record,
        "written": written,
        "customer": _customer(record.get("customerid")),
    }


def _customer(lookup: Any) -> dict[str, Any]:
    """The id of a customer under its table: it is an account or a contact."""
    kind = lookup.get("type") if isinstance(lookup, dict) else None
    return {kind: lookup["id"]} if isinstance(kind, str) else {}


def hide_columns(document: Any, hidden: Hidden) -> None:
    """Take out the columns that are sensitive, named as in Dataverse, wherever they stand. Raises Unreadable."""
    level, seen = [document], 0
    while level:
        seen += len(level)
        if seen > MAX_ELEMENTS:
            raise Unreadable(f"has more than {MAX_ELEMENTS} values")
        deeper: list[Any] = []
        for branch in level:
            if isinstance(branch, list):
                branch[:] = [entry for entry in branch if not _is_gone(entry, hidden)]
                deeper += branch
            elif isinstance(branch, dict):
                deeper += branch.values()
        level = [one for one in deeper if isinstance(one, (dict, list))]


def _is_gone(entry: Any, hidden: Hidden) -> bool:
    """Whether all of an entry is sensitive; what a hash stands for is replaced in it."""
    key = entry.get("key") if isinstance(entry, dict) else None
    if not isinstance(key, str) or entry.get("value") is None:
        return False
    named = {key: entry["value"]}
    hide(named, hidden)
    if key in named:
        entry["value"] = named[key]
    return key not in named


def _pairs(entries: Any) -> dict[str, Any]:
    found = [one for one in entries if isinstance(one, dict)] if isinstance(entries, list) else []
    return {one["key"]: one.get("value") for one in found if isinstance(one.get("key"), str)}


def _columns(entity: Any) -> dict[str, Any]:
    """The columns of an entity or of an image, their values plain."""
    attributes = entity.get("Attributes") if isinstance(entity, dict) else None
    return {name: _plain(value) for name, value in _pairs(attributes).items()}


def _plain(value: Any, depth: int = 0) -> Any:
    """Money and choices are their value, lookups their id, name and type, times are RFC 3339."""
    if isinstance(value, str):
        found = instant_of(value)
        return value if found is None else found[0]
    if depth > _DEEPEST:
        return None
    if isinstance(value, list):
        return [_plain(one, depth + 1) for one in value]
    if not isinstance(value, dict):
        return value
    if "LogicalName" in value and "Attributes" not in value:
        return {"id": _id(value.get("Id")), "name": value.get("Name"), "type": value.get("LogicalName")}
    return _plain(value["Value"], depth + 1) if "Value" in value else value


def _states(parameters: dict[str, Any]) -> dict[str, Any]:
    """State and status come as parameters of their own with messages such as SetState and Close."""
    found = {"statecode": _plain(parameters.get("State")), "statuscode": _plain(parameters.get("Status"))}
    return {name: value for name, value in found.items() if value is not None}


def _closing(parameters: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """The columns of the activity that closes a record, such as IncidentResolution; it holds the record's id."""
    for name, value in parameters.items():
        if name != "Target" and isinstance(value, dict) and "Attributes" in value:
            yield from _columns(value).items()
        elif name == "EntityMoniker" and isinstance(value, dict):
            yield f"{value.get('LogicalName')}id", _plain(value)


def _id(value: Any) -> str | None:
    text = spell(value)
    return text.lower() if text and text != _NO_ID else None


def _event_id(context: dict[str, Any], table: str, id_: str) -> str:
    extension = context.get("OwningExtension")
    step = _id(extension.get("Id")) if isinstance(extension, dict) else None
    organization, operation = spell(context.get("OrganizationId")) or "-", _id(context.get("OperationId"))
    if operation is not None:
        return f"{organization}:{operation}:{step or '-'}"
    parts = [spell(context.get("CorrelationId")), spell(context.get("MessageName")), table, id_]
    parts += [spell(context.get("Depth")), spell(context.get("Stage"))]
    return ":".join([organization, *(part or "-" for part in parts)])
