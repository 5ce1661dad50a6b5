from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO

import msgspec

from collector.ingest.files.ocel import Objects, Related, ocel_record, plain_value
from collector.ingest.files.record import MAX_RECORD_BYTES, Fault, Record, UnreadableFile
from collector.ingest.files.source import chunks

__all__ = ["read_ocel_json"]

MAX_BYTES = 512 * 2**20


class _Log(msgspec.Struct):
    """OCEL 2.0, or the members of OCEL 1.0 where the names have their prefix."""

    objects: list[msgspec.Raw] | None = None
    events: list[msgspec.Raw] | None = None
    old_objects: dict[str, msgspec.Raw] | None = msgspec.field(name="ocel:objects", default=None)
    old_events: dict[str, msgspec.Raw] | None = msgspec.field(name="ocel:events", default=None)


_decode_log = msgspec.json.Decoder(_Log).decode
_decode = msgspec.json.Decoder().decode


def read_ocel_json(
    stream: BinaryIO, *, source: str, max_bytes: int = MAX_BYTES, max_record_bytes: int = MAX_RECORD_BYTES
) -> Iterator[Record | Fault]:
    """The events of an OCEL log as JSON, version 2.0 or 1.0, in the order of the file; `position` is their ordinal.

    An event's `id` is its own. What becomes of its objects is said at `ocel_record`; objects of OCEL 1.0 have no
    qualifiers, no relations and attributes that never change.

    The text is held whole, and so is no longer than `max_bytes`: a larger log is for the SQLite form. Raises
    UnreadableFile; then nothing was yielded.
    """
    content = bytearray()
    for chunk in chunks(stream):
        content += chunk
        if len(content) > max_bytes:
            raise UnreadableFile(f"holds more than {max_bytes // 2**20} MiB of JSON; convert it to OCEL as SQLite")
    try:
        log = _decode_log(bytes(content))
    except RecursionError as error:
        raise UnreadableFile("nested too deeply") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UnreadableFile(f"not an OCEL log as JSON: {error}") from error
    del content
    if log.old_events is not None:
        yield from _read_old(log, source, max_record_bytes)
        return
    if log.events is None:
        raise UnreadableFile("not an OCEL log: it has neither 'events' nor 'ocel:events'")
    objects = Objects()
    links: list[tuple[str, str]] = []
    for raw in log.objects or ():
        found = _object(raw, max_record_bytes)
        id_, type_ = found.get("id"), found.get("type")
        if not isinstance(id_, str) or not isinstance(type_, str):
            continue
        objects.add(id_, type_)
        for name, time, value in _attributes(found):
            objects.say(id_, name, time, value)
        links += [(id_, other) for other, _ in _related(found)]
    for one, other in links:
        objects.link(one, other)
    seen: set[str] = set()
    for position, raw in enumerate(log.events, 1):
        if len(raw) > max_record_bytes:
            yield Fault(position, f"event {position}", f"is longer than {max_record_bytes} bytes")
            continue
        found = _object(raw, max_record_bytes)
        own = {name: value for name, _, value in _attributes(found)}
        made = ocel_record(
            position, found.get("id"), found.get("type"), found.get("time"), own, _related(found), objects, source
        )
        yield _once(made, seen)


def _read_old(log: _Log, source: str, max_record_bytes: int) -> Iterator[Record | Fault]:
    objects = Objects()
    for id_, raw in (log.old_objects or {}).items():
        found = _object(raw, max_record_bytes)
        if isinstance(type_ := found.get("ocel:type"), str):
            objects.add(id_, type_)
            for name, value in _mapping(found.get("ocel:ovmap")).items():
                objects.say(id_, name, None, value)
    for position, (id_, raw) in enumerate((log.old_events or {}).items(), 1):
        if len(raw) > max_record_bytes:
            yield Fault(position, f"event {position}", f"is longer than {max_record_bytes} bytes")
            continue
        found = _object(raw, max_record_bytes)
        omap = found.get("ocel:omap")
        related: list[Related] = [(one, "") for one in omap if isinstance(one, str)] if isinstance(omap, list) else []
        type_, time = found.get("ocel:activity"), found.get("ocel:timestamp")
        yield ocel_record(position, id_, type_, time, _mapping(found.get("ocel:vmap")), related, objects, source)


def _once(made: Record | Fault, seen: set[str]) -> Record | Fault:
    if isinstance(made, Record):
        id_ = made.event["id"]
        if id_ in seen:
            return Fault(made.position, f"event {id_[:200]!r}", "has the id of an event before it")
        seen.add(id_)
    return made


def _object(raw: msgspec.Raw, max_record_bytes: int) -> dict[str, Any]:
    if len(raw) > max_record_bytes:
        return {}
    try:
        found = _decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _attributes(found: dict[str, Any]) -> Iterator[tuple[str, str | None, Any]]:
    """Names with the time from which on (none at an event) and the value."""
    listed = found.get("attributes")
    for one in listed if isinstance(listed, list) else ():
        if isinstance(one, dict) and isinstance(name := one.get("name"), str):
            time = one.get("time")
            yield name, time if isinstance(time, str) else None, plain_value(one.get("value"))


def _related(found: dict[str, Any]) -> list[Related]:
    listed = found.get("relationships")
    return [
        (id_, qualifier if isinstance(qualifier := one.get("qualifier"), str) else "")
        for one in (listed if isinstance(listed, list) else ())
        if isinstance(one, dict) and isinstance(id_ := one.get("objectId"), str)
    ]


def _mapping(found: Any) -> dict[str, Any]:
    return {name: plain_value(value) for name, value in found.items()} if isinstance(found, dict) else {}
