"""What the readers of object-centric logs share: objects with what they are related to, and events out of them.

OCEL 2.0: https://www.ocel-standard.org/, arXiv 2403.01975. Its three forms and the JSON of OCEL 1.0 become the same
events.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from collector.ingest.files.record import Fault, Record
from collector.ingest.files.timestamps import rfc3339

__all__ = ["Objects", "Related", "ocel_record", "plain_value"]

Related = tuple[str, str]
"""The id of an object and the qualifier of the relation to it; the qualifier may be empty."""

MOST_LINKED = 100
"""Of a type, objects of objects that an event names: a material is in more orders than anybody looks for."""
_EVER = ""


@dataclass(slots=True)
class _Object:
    type: str
    attributes: dict[str, list[tuple[str, Any]]] = field(default_factory=dict)
    linked: dict[str, None] = field(default_factory=dict)


class Objects:
    """The objects of a log by id. All of them are held in memory, and of no event more than one."""

    def __init__(self) -> None:
        self._objects: dict[str, _Object] = {}
        self._sorted = False

    def __len__(self) -> int:
        return len(self._objects)

    def add(self, id_: str, type_: str) -> None:
        """Note an object; of two with one id the first counts."""
        self._objects.setdefault(id_, _Object(type_))

    def say(self, id_: str, name: str, time: str | None, value: Any) -> None:
        """What an attribute is from a time on; without one, from ever. An object that is not there is passed over."""
        known = self._objects.get(id_)
        if known is not None and name:
            at = rfc3339(time) if time else None
            known.attributes.setdefault(name, []).append((_EVER if at is None else _sortable(at), value))

    def link(self, one: str, other: str) -> None:
        """Two objects are related to each other."""
        for here, there in ((one, other), (other, one)):
            known = self._objects.get(here)
            if known is not None:
                known.linked[there] = None

    def type_of(self, id_: str) -> str | None:
        """The type of an object; None where there is none."""
        known = self._objects.get(id_)
        return known.type if known is not None else None

    def linked(self, id_: str) -> Iterable[str]:
        """The objects that one is related to, in either direction."""
        known = self._objects.get(id_)
        return known.linked if known is not None else ()

    def attributes(self, id_: str, at: str) -> dict[str, Any]:
        """The attributes of an object as they were at a time (RFC 3339)."""
        known = self._objects.get(id_)
        if known is None:
            return {}
        if not self._sorted:
            for one in self._objects.values():
                for values in one.attributes.values():
                    values.sort(key=lambda said: said[0])
            self._sorted = True
        found: dict[str, Any] = {}
        until = _sortable(at)
        for name, values in known.attributes.items():
            place = bisect_right(values, until, key=lambda said: said[0])
            if place and values[place - 1][1] is not None:
                found[name] = values[place - 1][1]
        return found


def ocel_record(
    position: int,
    id_: object,
    type_: object,
    time: object,
    attributes: dict[str, Any],
    related: Iterable[Related],
    objects: Objects,
    source: str,
) -> Record | Fault:
    """An event of an object-centric log, or why it is none.

    `data` holds `activity`; `objects`, the ids of its objects by their type; `related`, the same by qualifier;
    `linked`, by type the ids of what its objects are related to; `object`, by type the attributes of the one object of
    that type as they were at the time of the event; and `event`, its own attributes. An id stands alone where there is
    one, and in a list where there are several.
    """
    where = f"event {str(id_)[:200]!r}" if id_ not in (None, "") else f"event {position}"
    if not isinstance(id_, str) or not id_.strip():
        return Fault(position, where, "without an id")
    if not isinstance(type_, str) or not type_.strip():
        return Fault(position, where, "without a type")
    occurred = rfc3339(time) if isinstance(time, str) else None
    if occurred is None:
        return Fault(position, where, "without a time" if not time else f"{str(time)[:60]!r} is no time")
    by_type: dict[str, dict[str, None]] = {}
    by_qualifier: dict[str, dict[str, None]] = {}
    for object_, qualifier in related:
        kind = objects.type_of(object_)
        if kind is None:
            return Fault(position, where, f"is related to {object_[:200]!r}, which is no object of the log")
        by_type.setdefault(kind, {})[object_] = None
        if qualifier:
            by_qualifier.setdefault(qualifier, {})[object_] = None
    linked: dict[str, dict[str, None]] = {}
    for object_ in [one for ids in by_type.values() for one in ids]:
        for other in objects.linked(object_):
            kind = objects.type_of(other)
            if kind is not None and other not in by_type.get(kind, ()):
                known = linked.setdefault(kind, {})
                if len(known) < MOST_LINKED:
                    known[other] = None
    alone = {kind: next(iter(ids)) for kind, ids in by_type.items() if len(ids) == 1}
    states = {kind: objects.attributes(one, occurred) for kind, one in alone.items()}
    data: dict[str, Any] = {"activity": type_, "objects": _shortened(by_type)}
    data |= {"related": _shortened(by_qualifier)} if by_qualifier else {}
    data |= {"linked": _shortened(linked)} if linked else {}
    data |= {"object": found} if (found := {kind: state for kind, state in states.items() if state}) else {}
    data |= {"event": attributes} if attributes else {}
    return Record(
        position,
        {"specversion": "1.0", "id": id_, "source": source, "type": type_, "time": occurred, "data": data},
    )


def plain_value(value: Any) -> Any:
    """A value of an attribute as JSON can say it."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, int) and not isinstance(value, bool) and not -(2**63) <= value < 2**63:
        return str(value)
    return value


def _shortened(found: dict[str, dict[str, None]]) -> dict[str, Any]:
    return {name: next(iter(ids)) if len(ids) == 1 else list(ids) for name, ids in found.items()}


def _sortable(time: str) -> str:
    """So that texts sort as their times do: fractions of a second all have six digits."""
    return datetime.fromisoformat(time).isoformat(timespec="microseconds")
