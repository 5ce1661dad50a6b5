"""Acts: what a person says of an instance in Milepost itself. They are events of the log, with a source of their own.

An act counts for the instance with its key and never makes one. Its source is reserved: no door takes an event that
claims it (collector/copyformat.py), so that what is read here was said to Milepost and nowhere else.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from slo_rules.event import Event, event_key
from slo_rules.identity import Key
from slo_rules.instants import rfc3339, to_micros
from slo_rules.progress import Waiver

ACT_SOURCE = "milepost"
WAIVED = "milepost.waived"
WITHDRAWN = "milepost.waiver_withdrawn"
JOIN_REJECTED = "milepost.join_rejected"
JOIN_ACCEPTED = "milepost.join_accepted"
MOVED = "milepost.moved"
REHEARSED = frozenset({WAIVED, WITHDRAWN})
"""Those that tests of definitions can say: the others are about what is stored."""
ACTS = REHEARSED | {JOIN_REJECTED, JOIN_ACCEPTED, MOVED}
RESERVED = f"{ACT_SOURCE!r} is reserved for what people do in Milepost itself"

LONGEST_NAME = 200
LONGEST_REASON = 1000
LONGEST_ID = 2048
LAST_YEAR = 9000
_ONE_LINE = frozenset({"Cc", "Cs", "Zl", "Zp"})
_TURNING = frozenset("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Characters that change the direction of what stands beside them: a reason could pass for another one."""


class JoinWord(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Somebody's word on an event: that it joins instances wrongly and counts in none, or `accepts` it after all.

    `event` is the key of the event (slo_rules/event.py).
    """

    event: bytes
    by: str
    reason: str
    accepts: bool = False


class Move(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Somebody lets an instance count under another version of its workflow: the one in force when that is said."""

    version: int
    by: str
    reason: str


class Act(msgspec.Struct, frozen=True):
    """A waiver, its withdrawal, a word on a join or a move; workflow and joining key say of which instance."""

    workflow: str
    key: Key
    waiver: Waiver | None = None
    join: JoinWord | None = None
    move: Move | None = None


class BadAct(Exception):
    """What cannot be said so; each fault says which field, a colon, and why."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = faults


def read_act(event: Event) -> Act:
    """The act that an event of the log is. Raises BadAct."""
    said = event.document.get("data")
    if not isinstance(said, Mapping):
        raise BadAct(["data: must be an object"])
    faults: list[str] = []
    workflow, key = (said_text(said, name, LONGEST_REASON, faults) for name in ("workflow", "key"))
    rest = {name: value for name, value in said.items() if name not in ("workflow", "key")}
    if event.type in (JOIN_REJECTED, JOIN_ACCEPTED):
        join = read_join_word(rest, accepts=event.type == JOIN_ACCEPTED, faults=faults)
        if faults or join is None:
            raise BadAct(faults)
        return Act(workflow, key, join=join)
    if event.type == MOVED:
        move = read_move(rest, faults)
        if faults or move is None:
            raise BadAct(faults)
        return Act(workflow, key, move=move)
    waiver = read_waiver(rest, event.occurred_at, event.key, withdraws=event.type == WITHDRAWN, faults=faults)
    if faults or waiver is None:
        raise BadAct(faults)
    return Act(workflow, key, waiver)


def read_waiver(said: Mapping[str, Any], at: int, key: bytes, *, withdraws: bool, faults: list[str]) -> Waiver | None:
    """The waiver that somebody asks for at an instant (micros), or its withdrawal; None with every fault added."""
    found = unknown_fields(said, ("by", "reason") if withdraws else ("by", "reason", "until"))
    by = said_text(said, "by", LONGEST_NAME, found)
    reason = said_text(said, "reason", LONGEST_REASON, found)
    until = at if withdraws else read_until(said.get("until"), at, found)
    faults += found
    return None if found or until is None else Waiver(at, key, until, by, reason)


def read_join_word(said: Mapping[str, Any], *, accepts: bool, faults: list[str]) -> JoinWord | None:
    """The word that somebody asks for on the event `source` and `event`; None with every fault added."""
    found = unknown_fields(said, ("source", "event", "by", "reason"))
    event = event_named(said, found)
    by = said_text(said, "by", LONGEST_NAME, found)
    reason = said_text(said, "reason", LONGEST_REASON, found)
    faults += found
    return None if found or event is None else JoinWord(event, by, reason, accepts)


def event_named(said: Mapping[str, Any], faults: list[str]) -> bytes | None:
    """The key of the event that `source` and `event` name exactly as it was sent; None with every fault added."""
    found: list[str] = []
    source, event = (_exact(said, name, found) for name in ("source", "event"))
    if source == ACT_SOURCE:
        found.append(f"source: what people do in Milepost joins nothing; {ACT_SOURCE!r} cannot be rejected")
    faults += found
    return None if found else event_key(source, event)


def read_move(said: Mapping[str, Any], faults: list[str]) -> Move | None:
    """The move that somebody asks for to a `version`; None with every fault added."""
    found = unknown_fields(said, ("version", "by", "reason"))
    version = said.get("version")
    if not isinstance(version, int) or isinstance(version, bool) or not 0 < version < 2**31:
        found.append(f"version: {'is missing' if version is None else 'must be the number of a version'}")
    by = said_text(said, "by", LONGEST_NAME, found)
    reason = said_text(said, "reason", LONGEST_REASON, found)
    faults += found
    return None if found or not isinstance(version, int) else Move(version, by, reason)


def unknown_fields(said: Mapping[str, Any], names: tuple[str, ...]) -> list[str]:
    """A fault for each field that is none of these."""
    return [f"{str(name)[:40]}: is not known here; known are {', '.join(names)}" for name in said if name not in names]


def _exact(said: Mapping[str, Any], name: str, faults: list[str]) -> str:
    """Text that has to be what somebody else sent, whatever is in it: blanks around it count, and so does its case."""
    text = _string(said, name, faults)
    if text == "":
        faults.append(f"{name}: must not be empty")
    elif text is not None:
        _bound(text, name, LONGEST_ID, faults)
        if "\x00" in text or any(unicodedata.category(one) == "Cs" for one in text):
            faults.append(f"{name}: must be Unicode text without NUL, as that of every event is")
    return text or ""


def said_text(said: Mapping[str, Any], name: str, longest: int, faults: list[str]) -> str:
    """One line of plain text that somebody says, without blanks around it; with every fault added."""
    value = _string(said, name, faults)
    if value is None:
        return ""
    text = value.strip()
    if not text:
        faults.append(f"{name}: must not be empty")
    _bound(text, name, longest, faults)
    if any(unicodedata.category(one) in _ONE_LINE or one in _TURNING for one in text):
        faults.append(f"{name}: must be one line of plain text, without control characters")
    return text


def _string(said: Mapping[str, Any], name: str, faults: list[str]) -> str | None:
    value = said.get(name)
    if isinstance(value, str):
        return value
    faults.append(f"{name}: {'is missing' if value is None else 'must be text'}")
    return None


def _bound(text: str, name: str, longest: int, faults: list[str]) -> None:
    if len(text) > longest:
        faults.append(f"{name}: has {len(text)} characters; at most {longest} are allowed")


def read_until(value: Any, at: int, faults: list[str]) -> int | None:
    """Micros of an instant that lies ahead; None after a fault."""
    if value is None:
        faults.append("until: is missing: a waiver always has an end")
        return None
    try:
        moment = msgspec.convert(value, datetime) if isinstance(value, str) else None
    except msgspec.ValidationError:
        moment = None
    if moment is None:
        faults.append("until: must be an RFC 3339 instant such as 2026-11-21T09:14:00Z")
        return None
    if moment.tzinfo is None:
        faults.append("until: needs a zone: Z, or an offset such as +01:00")
        return None
    if not 1 < moment.year < LAST_YEAR:
        faults.append(f"until: must lie before the year {LAST_YEAR}")
        return None
    until = to_micros(moment.astimezone(UTC))
    if until <= at:
        faults.append(f"until: must lie in the future; it is {rfc3339(at // 1_000_000 * 1_000_000)} now")
        return None
    return until


def waiver_document(id_: str, workflow: str, key: Key, waiver: Waiver) -> dict[str, Any]:
    """The event to be logged, by which everybody who reads the log knows of the waiver or its withdrawal."""
    data = {"by": waiver.by, "reason": waiver.reason}
    if not waiver.withdraws:
        data["until"] = rfc3339(waiver.until)
    return _document(id_, WITHDRAWN if waiver.withdraws else WAIVED, workflow, key, waiver.at, data)


def join_document(
    id_: str, workflow: str, key: Key, at: int, said: Mapping[str, Any], *, accepts: bool
) -> dict[str, Any]:
    """The event to be logged of a word on a join that `read_join_word` takes."""
    return _document(id_, JOIN_ACCEPTED if accepts else JOIN_REJECTED, workflow, key, at, said)


def move_document(id_: str, workflow: str, key: Key, at: int, move: Move) -> dict[str, Any]:
    """The event to be logged of a move."""
    return _document(id_, MOVED, workflow, key, at, msgspec.structs.asdict(move))


def _document(id_: str, type_: str, workflow: str, key: Key, at: int, data: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": id_,
        "source": ACT_SOURCE,
        "type": type_,
        "time": rfc3339(at),
        "data": {"workflow": workflow, "key": key} | dict(data),
    }
