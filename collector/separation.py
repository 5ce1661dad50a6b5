"""Taking an instance apart: what its events make when something that joined them does not count any more.

Two things bring that about. A key has joined more instances than its definition allows, so that it is no key at all but
a default customer or a test number; then it joins none from now on. Or a person says that an event joined wrongly; then
that event counts in none. Either happens at a place in the log, so that a rebuild comes to the same.

What was said of the instance until then stays on its record. The part that its earliest event belongs to continues it;
the others are new, or again what they were before they were joined.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import structlog

from collector.catalogue import Catalogue
from collector.changes import Changes, Prepared
from collector.copyformat import link_tail
from collector.instances import Held
from collector.log import LetterReason
from collector.replay import Logged, Part, moved, replay_under
from collector.store.database import Connection
from collector.store.sql import load
from collector.stored_progress import readable_document
from collector.unjoined import Unjoined
from slo_rules.acts import JoinWord, Move
from slo_rules.event import Event, event_key
from slo_rules.hubs import hubs_of
from slo_rules.identity import Key, split_key
from slo_rules.instants import to_datetime, to_micros
from slo_rules.judgement import Marks
from slo_rules.matching import Matcher

log = structlog.get_logger("milepost.projector")

Q = load("separation")
_DEAD_LETTER = load("projection")["dead_letter"]


@dataclass(frozen=True, slots=True)
class Place:
    """Where in the log something is decided: the number of the event that brings it about, and its arrival (micros)."""

    seq: int
    at: int


@dataclass(frozen=True, slots=True)
class Apart:
    """The instances that another one falls apart into with their joining keys, and what is to be written of them."""

    parts: dict[Held, list[Key]]
    prepared: Prepared


def history_of(conn: Connection, id_: bytes) -> list[Logged]:
    """The events of an instance in the order of the log; empty where it has not all of them, or one cannot be read."""
    rows = conn.execute(Q["history"], {"id": UUID(bytes=id_)}).fetchall()
    found = []
    for seq, received_at, occurred_at, source, event_id, type_, trace_id, body in rows:
        if source is None:
            log.warning("not_taken_apart", instance=str(UUID(bytes=id_)), reason="the log no longer has all its events")
            return []
        document = readable_document(body)
        if document is None:
            log.warning("not_taken_apart", instance=str(UUID(bytes=id_)), reason=f"event {event_id} cannot be read")
            return []
        times = to_micros(occurred_at), to_micros(received_at)
        said = Event(source, type_, *times, event_key(source, event_id), document, trace_id)
        found.append(Logged(seq, said))
    return found


def find_hubs(held: Held, history: list[Logged], unjoined: Unjoined) -> dict[Key, int]:
    """The keys of an instance that join more than they may, with how many instances each joins."""
    workflow = held.matcher.workflow
    matcher = Matcher([workflow])
    carried = []
    for logged in history:
        for _, match in matcher.matches(logged.event):
            fitting = unjoined.fit(workflow.name, match)
            if fitting is not None:
                carried.append(fitting.joining)
    return hubs_of(carried, workflow.joins_at_most)


def record_hubs(conn: Connection, held: Held, hubs: dict[Key, int], place: Place) -> None:
    """Write down that these join none from now on, and tell people; in the caller's transaction."""
    workflow, at = held.matcher.workflow, to_datetime(place.at)
    told = []
    for key, instances in hubs.items():
        namespace, value = split_key(key)
        said = {"workflow": workflow.name, "namespace": namespace, "value": value, "seq": place.seq, "at": at}
        conn.execute(Q["record_hub"], said | {"instances": instances})
        told.append(f"{key} had joined {instances:,} instances, and {workflow.joins_at_most[namespace]:,} are allowed")
        log.warning("key_joins_none", workflow=workflow.name, key=key, instances=instances)
    detail = f"{'; '.join(told)}: from now on it joins none and only finds them"
    _tell(conn, place.seq, place.at, LetterReason.KEY_JOINS_TOO_MANY, workflow.name, detail)


def record_rejection(conn: Connection, held: Held, meant: Logged, word: JoinWord, place: Place) -> None:
    """Write down that an event counts in no instance of the workflow from now on; in the caller's transaction."""
    workflow = held.matcher.workflow.name
    said = {
        "workflow": workflow,
        "event_key": UUID(bytes=word.event),
        "instance_id": UUID(bytes=held.id),
        "event_seq": meant.seq,
        "event_received_at": to_datetime(meant.event.received_at),
        "seq": place.seq,
        "at": to_datetime(place.at),
        "by": word.by,
        "reason": word.reason,
    }
    conn.execute(Q["record_rejection"], said)
    detail = f"{word.by} says that it joins wrongly: {word.reason}"
    _tell(conn, meant.seq, meant.event.received_at, LetterReason.JOIN_REJECTED, workflow, detail)


def record_failure(conn: Connection, held: Held, history: list[Logged], place: Place) -> None:
    """Tell people that a word on an event came to nothing; in the caller's transaction."""
    why = "the event is none of the instance's events" if history else "the log no longer has all of its events"
    detail = f"the instance was not taken apart: {why}"
    _tell(conn, place.seq, place.at, LetterReason.CANNOT_BE_APPLIED, held.matcher.workflow.name, detail)


def _tell(conn: Connection, seq: int, received_at: int, reason: LetterReason, workflow: str, detail: str) -> None:
    letter = {"seq": seq, "received_at": to_datetime(received_at), "reason": reason, "workflow": workflow}
    conn.execute(_DEAD_LETTER, letter | {"detail": detail})


def end_rejection(conn: Connection, workflow: str, word: JoinWord, place: Place) -> tuple[int, int] | None:
    """Let an event count again: its number in the log and its arrival (micros), or None where it counts anyway."""
    said = {"workflow": workflow, "event_key": UUID(bytes=word.event), "reason": LetterReason.JOIN_REJECTED}
    row = conn.execute(Q["end_rejection"], said | {"at": to_datetime(place.at)}).fetchone()
    if row is None:
        return None
    conn.execute(Q["forget_letter"], said | {"seq": row[0]})
    return row[0], to_micros(row[1])


def take_apart(
    conn: Connection,
    catalogue: Catalogue,
    held: Held,
    history: list[Logged],
    unjoined: Unjoined,
    marks: Marks,
    place: Place,
    number: int,
) -> Apart:
    """Delete an instance, and say what to put in its place, in the caller's transaction."""
    workflow = held.matcher.workflow
    parts = replay_under(Matcher([workflow]), workflow.name, history, unjoined)
    numbered = {logged.seq: logged for logged in history}
    changes = Changes(number)
    changes.gone.append(held)
    unsaid = _unsaid(held, history, parts, unjoined)
    found: dict[Held, list[Key]] = {}
    for part in parts:
        one = Held(part.id, held.matcher, part.progress, None, held.verdict if part.id == held.id else None)
        others = unsaid.get(part.id, [])
        one.events = [match.key for _, match in part.said] + [logged.event.key for logged in others]
        if part.id == held.id:
            one.recorded_before()
        one.judge(place.at, marks, changes.verdicts)
        changes.touch(one)
        changes.links += [(one, _tail(numbered[seq], match.milestones)) for seq, match in part.said]
        changes.links += [(one, _tail(logged, ())) for logged in others]
        found[one] = sorted(part.keys)
    _forget(conn, held)
    _lead(conn, held, parts, place)
    return Apart(found, changes.prepare(catalogue, unjoined))


def _unsaid(held: Held, history: list[Logged], parts: list[Part], unjoined: Unjoined) -> dict[bytes, list[Logged]]:
    """By part the events of an instance that its version does not ask for: those from before it was moved.

    They are of the part whose keys they carry.
    """
    workflow = held.matcher.workflow
    told = {seq for part in parts for seq, _ in part.said}
    rejected = unjoined.rejected.get(workflow.name, ())
    found: dict[bytes, list[Logged]] = {}
    for logged in history:
        if logged.seq not in told and logged.event.key not in rejected:
            keys = set(held.matcher.joining(logged.event.document)) - unjoined.of(workflow.name)
            part = next((part for part in parts if not keys.isdisjoint(part.keys)), None)
            if part is not None:
                found.setdefault(part.id, []).append(logged)
    return found


def move(
    conn: Connection,
    catalogue: Catalogue,
    held: Held,
    said: Move,
    unjoined: Unjoined,
    marks: Marks,
    place: Place,
    number: int,
) -> Apart | None:
    """Let an instance count under another version, in the caller's transaction; None, with a dead letter, if it stays.

    It keeps its id and all its events, also those that the version does not ask for: a later one may.
    """
    history = history_of(conn, held.id)
    found = moved(catalogue, held.matcher, history, said, place.seq, unjoined) if history else "the log has lost some"
    if isinstance(found, str):
        detail = f"The instance is not moved: {found}"
        _tell(conn, place.seq, place.at, LetterReason.NOT_MOVED, held.matcher.workflow.name, detail)
        return None
    milestones = {seq: match.milestones for seq, match in found.said}
    changes = Changes(number)
    changes.gone.append(held)
    one = Held(held.id, found.matcher, found.progress, None, held.verdict)
    one.recorded_before()
    one.events = [logged.event.key for logged in history]
    one.judge(place.at, marks, changes.verdicts)
    changes.touch(one)
    changes.links += [(one, _tail(logged, milestones.get(logged.seq, ()))) for logged in history]
    _forget(conn, held)
    return Apart({one: sorted(found.keys)}, changes.prepare(catalogue, unjoined))


def _tail(logged: Logged, milestones: tuple[str, ...]) -> bytes:
    event = logged.event
    return link_tail(event.key, logged.seq, event.received_at, milestones[0] if milestones else None, event.trace_id)


def _forget(conn: Connection, held: Held) -> None:
    id_ = UUID(bytes=held.id)
    keys = [split_key(key) for key in held.progress.keys]
    parameters = {
        "id": id_,
        "workflow": held.matcher.workflow.name,
        "namespaces": [namespace for namespace, _ in keys],
        "values": [value for _, value in keys],
    }
    for statement in ("forget_joining_keys", "forget_search_keys", "forget_links", "forget_instance"):
        conn.execute(Q[statement], parameters)


def _lead(conn: Connection, held: Held, parts: list[Part], place: Place) -> None:
    """Let every id that the instance was known by lead to the part that it belongs to."""
    id_, at = UUID(bytes=held.id), to_datetime(place.at)
    ids = [UUID(bytes=part.id) for part in parts]
    merged = [(UUID(bytes=one), UUID(bytes=part.id)) for part in parts for one in part.ids if one != part.id]
    conn.execute(Q["come_back"], {"id": id_, "parts": ids})
    conn.execute(
        Q["follow"], {"id": id_, "merged": [one for one, _ in merged], "of_parts": [part for _, part in merged]}
    )
    conn.execute(Q["record_split"], {"id": id_, "parts": ids, "seq": place.seq, "at": at})
    if ids and id_ not in ids:
        first = parts[0]
        said: dict[str, Any] = {"id": id_, "part": ids[0], "event_key": UUID(bytes=first.said[0][1].key)}
        conn.execute(Q["lead_on"], said | {"seq": place.seq, "at": at})
