"""Who handles what: assigning, acknowledging, commenting and waiving instances, one or many at once.

A waiver changes how an instance is judged, so it goes to the log (collector/acts.py). The others are notes of people:
they change no verdict and no message, and are kept beside what is derived (collector/store/handling_tables.py).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

from psycopg import Cursor
from psycopg.rows import dict_row
from psycopg_pool import ConnectionPool
from starlette.concurrency import run_in_threadpool

from collector.access import audit
from collector.acts import ActRefused, Acts
from collector.catalogue import Catalogue
from collector.query.instances import BadQuery
from collector.query.reader import Q as QUESTIONS
from collector.query.reader import Row
from collector.query.sight import in_sight, seen_by_asker
from collector.store.database import Connection
from collector.store.sql import load
from slo_rules.acts import LONGEST_NAME, LONGEST_REASON, said_text, unknown_fields
from slo_rules.judgement import FINAL

Q = load("handling")

MOST_AT_ONCE = 500
"""Instances that one request acts on."""
_WAIVED_SIDE_BY_SIDE = 4

ASSIGN, ACKNOWLEDGE, UNACKNOWLEDGE, COMMENT, WAIVE = "assign", "acknowledge", "unacknowledge", "comment", "waive"
_FIELDS: dict[str, tuple[str, ...]] = {
    ASSIGN: ("to", "text", "seen"),
    ACKNOWLEDGE: ("text", "seen"),
    UNACKNOWLEDGE: ("text",),
    COMMENT: ("text",),
    WAIVE: ("text", "until", "seen"),
}
_SEEN = {ASSIGN: "assigned_to", ACKNOWLEDGE: "acknowledged_by"}
"""What of an instance an act replaces, and so may have been replaced by somebody else since it was looked at."""
HANDLING_LOCK = 0x6D696C65_0021
"""Whoever acts on what he has seen: two would each find it as it was before the other."""
ACTS = tuple(_FIELDS)
_ALWAYS = ("act", "ids", "by", "request")


@dataclass(frozen=True, slots=True)
class Said:
    """What somebody asks for: an act of ACTS on instances.

    `to` is who handles them from now on, None for nobody; `text` is None where nothing is said; `until` is the end of a
    waiver as it was said. A `request` is acted on once. `seen` has, of instances that somebody looked at, the name that
    stood there (None: nobody's): who handled it, who had acknowledged it, or who had waived it.
    """

    act: str
    ids: tuple[UUID, ...]
    by: str
    request: UUID
    to: str | None = None
    text: str | None = None
    until: Any = None
    seen: Mapping[UUID, str | None] = field(default_factory=dict)


def read_said(said: Mapping[str, Any]) -> Said:
    """What somebody asks for. Raises BadQuery with every fault."""
    faults: list[str] = []
    act = said.get("act")
    if not isinstance(act, str) or act not in _FIELDS:
        faults.append(f"act: {'is missing' if act is None else 'must be one of ' + ', '.join(ACTS)}")
        act, fields = "", tuple({name: None for names in _FIELDS.values() for name in names})
    else:
        fields = _FIELDS[act]
    faults += unknown_fields(said, (*_ALWAYS, *fields))
    ids = _ids(said.get("ids"), faults)
    by = said_text(said, "by", LONGEST_NAME, faults)
    to = _perhaps(said, "to", LONGEST_NAME, faults)
    needed = act in (COMMENT, WAIVE)
    text = (said_text if needed else _perhaps)(said, "text", LONGEST_REASON, faults)
    request = uuid4() if said.get("request") is None else _uuid(said["request"])
    if request is None:
        faults.append("request: must be a UUID")
    if act == WAIVE and said.get("until") is None:
        faults.append("until: is missing: a waiver always has an end")
    seen = _seen(said.get("seen"), faults)
    if faults or request is None:
        raise BadQuery(*faults)
    return Said(act, ids, by, request, to, text, said.get("until"), seen)


def _seen(said: Any, faults: list[str]) -> dict[UUID, str | None]:
    if said is None:
        return {}
    named = {_uuid(one): name for one, name in said.items()} if isinstance(said, dict) else {None: None}
    if None in named or not all(name is None or isinstance(name, str) for name in named.values()):
        faults.append("seen: must be an object of names, or null, by the ids of instances")
        return {}
    return {one: name for one, name in named.items() if one is not None}


def _ids(said: Any, faults: list[str]) -> tuple[UUID, ...]:
    if not isinstance(said, list) or not said:
        faults.append("ids: must be a list of ids")
        return ()
    if len(said) > MOST_AT_ONCE:
        faults.append(f"ids: there are {len(said)}; at most {MOST_AT_ONCE} are allowed at once")
        return ()
    found = {_uuid(one): one for one in said}
    if None in found:
        faults.append(f"ids: {str(found[None])[:60]!r} is no id of an instance")
    return tuple(one for one in found if one is not None)


def _uuid(text: Any) -> UUID | None:
    try:
        return UUID(text) if isinstance(text, str) else None
    except ValueError:
        return None


def _perhaps(said: Mapping[str, Any], name: str, longest: int, faults: list[str]) -> str | None:
    """Text that may be left out, or be empty."""
    value = said.get(name)
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    return said_text(said, name, longest, faults)


def refused(act: str, row: Mapping[str, Any]) -> str | None:
    """Why an act does not fit an instance as it stands; None where it does."""
    if act in (ASSIGN, ACKNOWLEDGE) and row["verdict"] in FINAL:
        return f"id: the instance is {row['verdict'].replace('_', ' ')}: there is nothing left to do"
    return None


class Handling:
    """What people do with instances through the API; `wrote` is told when something was noted.

    Without `acts` nothing can be waived: this process does not write the log.
    """

    def __init__(
        self, pool: ConnectionPool[Connection], catalogue: Catalogue, acts: Acts | None, wrote: Callable[[], None]
    ) -> None:
        self._pool, self._catalogue, self._acts, self._wrote = pool, catalogue, acts, wrote

    async def act(self, said: Mapping[str, Any]) -> Row:
        """Act on instances; each is answered by itself, in the order asked. Raises BadQuery with every fault.

        An instance that is refused keeps none of the others from being acted on.
        """
        asked = read_said(said)
        items = await (self._waive(asked) if asked.act == WAIVE else run_in_threadpool(self._note, asked))
        if asked.act != WAIVE:
            self._wrote()
        done = sum(item["done"] for item in items)
        return {
            "act": asked.act,
            "request": str(asked.request),
            "done": done,
            "refused": len(items) - done,
            "items": items,
        }

    def _note(self, asked: Said) -> list[Row]:
        seen = seen_by_asker(self._catalogue)
        which: tuple[str, Row] = (Q["meant"], {"ids": list(asked.ids)})
        with self._pool.connection() as conn, conn.transaction(), conn.cursor(row_factory=dict_row) as cursor:
            if asked.seen:
                cursor.execute("SELECT pg_advisory_xact_lock(%s)", (HANDLING_LOCK,))
            meant = {row["asked"]: row for row in cursor.execute(*(which if seen is None else in_sight(*which, seen)))}
            overtaken = _overtaken(cursor, asked, meant)
            fit = [row["id"] for one, row in meant.items() if one not in overtaken and not refused(asked.act, row)]
            terms = {"act": asked.act, "by": asked.by, "assigned_to": asked.to, "text": asked.text}
            noted = cursor.execute(Q["note"], terms | {"ids": fit, "request": asked.request}).fetchall()
            # What was asked for before is not done again: somebody else may have had a word since.
            new = {"ids": [row["instance_id"] for row in noted], "by": asked.by}
            former = cursor.execute(Q["handled"], new).fetchall()
            if asked.act == ASSIGN:
                cursor.execute(Q["assign"], new | {"assigned_to": asked.to})
            elif asked.act in (ACKNOWLEDGE, UNACKNOWLEDGE):
                cursor.execute(Q[asked.act], new)
            if new["ids"]:
                before = {"handled": [{name: one[name] for name in one if one[name] is not None} for one in former]}
                after = terms | {"instances": new["ids"], "request": asked.request}
                many = f"{len(new['ids'])} instances"
                audit.record(conn, [audit.entry(f"instances.{asked.act}", many, before, after)])
        return [_result(id_, meant.get(id_), asked.act, overtaken.get(id_)) for id_ in asked.ids]

    async def _waive(self, asked: Said) -> list[Row]:
        side_by_side = asyncio.Semaphore(_WAIVED_SIDE_BY_SIDE)

        async def one(id_: UUID) -> Row:
            if self._acts is None:
                return _answer(id_, None, ["act: this process does not write the log"])
            terms = {"by": asked.by, "reason": asked.text, "until": asked.until}
            async with side_by_side:
                try:
                    await self._acts.waive(str(id_), terms, request=asked.request, seen=asked.seen)
                except ActRefused as error:
                    return _answer(id_, None, error.faults)
            return _answer(id_, None, [])

        return list(await asyncio.gather(*map(one, asked.ids)))


def _overtaken(cursor: Cursor[Row], asked: Said, meant: Mapping[UUID, Row]) -> dict[UUID, str]:
    """Of instances that somebody else has acted on since they were looked at what he did; of a repeated request none.

    What somebody else did just as it is asked for now is no reason to refuse it.
    """
    if not asked.seen:
        return {}
    ids = [row["id"] for row in meant.values()]
    before = {row["instance_id"] for row in cursor.execute(Q["noted"], {"ids": ids, "request": asked.request})}
    stands = {row["id"]: row for row in cursor.execute(QUESTIONS["handling"], {"ids": ids})}
    found, field_ = {}, _SEEN[asked.act]
    for one, row in meant.items():
        if one not in asked.seen or row["id"] in before:
            continue
        now = stands.get(row["id"], {}).get(field_)
        # An acknowledgement that no longer holds keeps nobody from making one.
        if now is None and asked.act == ACKNOWLEDGE:
            continue
        if now not in (asked.seen[one], asked.to if asked.act == ASSIGN else asked.by):
            found[one] = f"seen: {_done_by_another(asked.act, now, stands.get(row['id'], {}))}"
    return found


def _done_by_another(act: str, now: str | None, stands: Row) -> str:
    if act == ACKNOWLEDGE:
        return f"{now} has acknowledged it meanwhile"
    by = stands.get("assigned_by") or "somebody"
    return f"{by} has left it to nobody meanwhile" if now is None else f"{by} has assigned it to {now} meanwhile"


def _result(id_: UUID, row: Row | None, act: str, overtaken: str | None) -> Row:
    if row is None:
        return _answer(id_, None, ["id: there is no such instance"])
    fault = refused(act, row) or overtaken
    return _answer(id_, row["title"], [] if fault is None else [fault])


def _answer(id_: UUID, title: str | None, faults: Sequence[str]) -> Row:
    said = [fault.partition(": ") for fault in faults]
    return {
        "id": str(id_),
        "title": title,
        "done": not faults,
        "faults": [{"field": field, "message": message} for field, _, message in said],
    }
