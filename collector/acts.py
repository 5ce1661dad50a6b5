"""Acts of people: what somebody asks for is held against the instance as it stands, and becomes a row of the log.

Nothing else is written here. The projector reads an act like any event, so that it survives a rebuild and is known of
the past.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4, uuid5

import msgspec

from collector.access import audit
from collector.access.permission import require
from collector.access.principal import ACT
from collector.catalogue import Catalogue
from collector.copyformat import act_row
from collector.instances import joining_keys
from collector.log import Batch, LogWriter
from collector.query.details import unjoined_at
from collector.query.instances import definition_of, stored_progress
from collector.query.overview import lag_seconds
from collector.query.reader import Reader, Row, rfc3339
from collector.query.sight import reader_for_asker
from collector.query.unread import LOOK, WHY
from slo_rules.acts import (
    ACT_SOURCE,
    Move,
    event_named,
    join_document,
    move_document,
    read_join_word,
    read_move,
    read_waiver,
    waiver_document,
)
from slo_rules.event import event_key
from slo_rules.instants import to_micros
from slo_rules.judgement import FINAL
from slo_rules.progress import Progress, Waiver
from slo_rules.workflow import Workflow


class ActRefused(Exception):
    """What cannot be done; each fault says which field, a colon, and why.

    `unknown` says that there is no such instance, `conflicting` that only the state of the instance is in the way.
    """

    def __init__(self, faults: list[str], *, unknown: bool, conflicting: bool) -> None:
        super().__init__("; ".join(faults))
        self.faults = faults
        self.unknown = unknown
        self.conflicting = conflicting


@dataclass(frozen=True, slots=True)
class Asked:
    """An act that can be done: the row that does it, and what is answered when that is in the log."""

    row: bytes
    answer: Row
    entry: audit.Entry


async def ask(
    reader: Reader,
    catalogue: Catalogue,
    id_: str,
    said: Mapping[str, Any],
    *,
    withdraws: bool,
    request: UUID | None = None,
    seen: Mapping[UUID, str | None] | None = None,
) -> Asked:
    """What waives an instance, or withdraws its waiver. Raises ActRefused with every fault.

    The same `request` for the same instance makes the same event, which counts once however often it is said. `seen`
    has, by the ids of instances, who had waived them when they were looked at; what somebody else did since is a fault.
    """
    act_id = str(uuid4() if request is None else uuid5(request, id_))
    now, faults = to_micros(await reader.now()), list[str]()
    waiver = read_waiver(said, now, event_key(ACT_SOURCE, act_id), withdraws=withdraws, faults=faults)
    unfit = bool(faults)
    found, progress = _meant(await _known(reader, id_), faults)
    if withdraws:
        if progress.waiver is None or progress.waiver.until <= now:
            faults.insert(0, "id: the instance is not waived")
    elif found["verdict"] in FINAL:
        faults.insert(0, f"id: the instance is {found['verdict'].replace('_', ' ')}: there is nothing to waive")
    elif waiver is not None and seen is not None and UUID(id_) in seen:
        faults += waived_meanwhile(progress.waiver, seen[UUID(id_)], waiver.by, now)
    if faults or waiver is None:
        raise ActRefused(faults, unknown=False, conflicting=not unfit)
    key = await _key(reader, catalogue, found, progress, frozenset())
    told = {"by": waiver.by, "reason": waiver.reason, "until": rfc3339(waiver.until), "at": rfc3339(waiver.at)}
    document = waiver_document(act_id, found["workflow"], key, waiver)
    return await _asked(reader, found, document, waiver.at, {"waiver": None if withdraws else told})


def waived_meanwhile(stands: Waiver | None, seen: str | None, by: str, now: int) -> list[str]:
    """What somebody other than `by` did to the waiver of an instance since it was looked at, as a fault.

    `seen` is who had waived it then, None for nobody. A waiver that came to its end was nobody's act.
    """
    if stands is None or stands.by == by:
        return []
    if stands.until == stands.at:
        return [] if seen is None else [f"seen: {stands.by} has withdrawn the waiver meanwhile"]
    return [] if stands.by == seen or stands.until <= now else [f"seen: {stands.by} has waived it meanwhile"]


async def ask_of_join(
    reader: Reader, catalogue: Catalogue, id_: str, said: Mapping[str, Any], *, accepts: bool
) -> Asked:
    """What rejects an event that joined instances wrongly, or accepts it after all. Raises ActRefused."""
    now, act_id, faults = to_micros(await reader.now()), str(uuid4()), list[str]()
    word = read_join_word(said, accepts=accepts, faults=faults)
    unfit = bool(faults)
    found, progress = _meant(await _known(reader, id_), faults)
    event = event_named(said, [])
    if event is not None:
        faults += await _in_the_way(reader, found, event, accepts=accepts)
    if faults or word is None:
        raise ActRefused(faults, unknown=False, conflicting=not unfit)
    brought = frozenset(key for key, stamp in progress.keys.items() if stamp.key == word.event)
    key = await _key(reader, catalogue, found, progress, brought)
    document = join_document(act_id, found["workflow"], key, now, said, accepts=accepts)
    return await _asked(reader, found, document, now, {"rejected": not accepts})


async def ask_of_move(reader: Reader, catalogue: Catalogue, id_: str, said: Mapping[str, Any]) -> Asked:
    """What lets an open instance count under the version in force, which a `version` left out means.

    Raises ActRefused with every fault.
    """
    now, faults = to_micros(await reader.now()), list[str]()
    known = await _known(reader, id_)
    current = catalogue.current.get(known["workflow"]) if known else None
    move = read_move({"version": current.version if current else 1} | dict(said), faults)
    unfit = bool(faults)
    found, progress = _meant(known, faults)
    faults += _faults_of_move(catalogue, found, move)
    if faults or move is None:
        raise ActRefused(faults, unknown=False, conflicting=not unfit)
    key = await _key(reader, catalogue, found, progress, frozenset())
    document = move_document(str(uuid4()), found["workflow"], key, now, move)
    return await _asked(reader, found, document, now, {"version": move.version})


def _faults_of_move(catalogue: Catalogue, found: Row, move: Move | None) -> list[str]:
    """What speaks against moving an instance, by its `workflow`, `workflow_version` and `verdict`."""
    workflow, version = found["workflow"], found["workflow_version"]
    current = catalogue.current.get(workflow)
    if found["verdict"] in FINAL:
        return [f"id: the instance is {found['verdict'].replace('_', ' ')}: what is over keeps its version"]
    if current is None:
        return [f"id: no version of {workflow} is in force"]
    if current.version == version:
        return [f"id: the instance counts under version {version}, which is in force"]
    if move is not None and move.version != current.version:
        return [f"version: must be {current.version}, the version of {workflow} that is in force"]
    if not current.joins_as(catalogue.versions[workflow, version].workflow):
        return [f"id: version {current.version} tells by other keys than version {version} which events are one"]
    return []


async def _in_the_way(reader: Reader, found: Row, event: bytes, *, accepts: bool) -> list[str]:
    """Why an event of an instance cannot be rejected now, or accepted."""
    asked = {"id": found["id"], "workflow": found["workflow"], "event_key": UUID(bytes=event), "acts": ACT_SOURCE}
    known = await reader.one("word_on_join", asked)
    assert known is not None
    if accepts:
        return [] if known["rejected"] else ["event: it is not rejected"]
    if known["rejected"]:
        return ["event: it is rejected already"]
    if not known["linked"]:
        return ["event: it is none of the instance's events"]
    if known["gone"]:
        return ["id: the log no longer has all events of the instance, so that it cannot be taken apart"]
    return [] if known["others"] else ["event: it is all that is known of the instance, and has joined nothing"]


async def _known(reader: Reader, id_: str) -> Row | None:
    return await reader.one("instance", {"id": id_}) if _is_id(id_) else None


def _meant(known: Row | None, faults: list[str]) -> tuple[Row, Progress]:
    if known is None:
        raise ActRefused(["id: there is no such instance", *faults], unknown=True, conflicting=False)
    progress = stored_progress(known)
    if progress is None:
        raise ActRefused(
            [f"id: this cannot be done to the instance now: {WHY} {LOOK}"], unknown=False, conflicting=True
        )
    return known, progress


async def _key(reader: Reader, catalogue: Catalogue, found: Row, progress: Progress, brought: frozenset[str]) -> str:
    """The joining key that was known first, if possible none of those that an event in question brought."""
    hubs = (await unjoined_at(reader, None)).of(found["workflow"])
    return naming_key(definition_of(found, catalogue), progress, hubs, brought)


def naming_key(workflow: Workflow, progress: Progress, hubs: Collection[str], brought: Collection[str] = ()) -> str:
    """The key by which an act names an instance; `hubs` join none."""
    joining = joining_keys(workflow, progress, hubs)
    return min(joining, key=lambda key: (key in brought, progress.keys[key].at, key))


async def _asked(reader: Reader, found: Row, document: dict[str, Any], at: int, told: Row) -> Asked:
    lag = lag_seconds(await reader.one("progress_of_log"), await reader.now())
    answer = {
        "id": str(found["id"]),
        "event": {name: document[name] for name in ("source", "id", "type")},
        **told,
        "in_force": f"when the log has been applied up to it; that is {lag:.0f} s behind now",
        "lag_seconds": lag,
    }
    row = act_row(at, document["id"].encode(), document["type"].encode(), msgspec.json.encode(document))
    before = {"verdict": found["verdict"], "version": found["workflow_version"]}
    done = {"event": document["id"], "said": document.get("data"), **told}
    entry = audit.entry(document["type"], f"instance {found['id']} of {found['workflow']}", before, done)
    return Asked(row, answer, entry)


def _is_id(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True


class Acts:
    """Does what people ask for through the API."""

    def __init__(self, reader: Reader, catalogue: Catalogue, writer: LogWriter) -> None:
        self._reader = reader
        self._catalogue = catalogue
        self._writer = writer

    @property
    def _readable(self) -> Reader:
        """The instances that whoever asks may see; what he may not is none for him."""
        return reader_for_asker(self._reader, self._catalogue)

    async def waive(
        self,
        id_: str,
        said: Mapping[str, Any],
        *,
        request: UUID | None = None,
        seen: Mapping[UUID, str | None] | None = None,
    ) -> Row:
        """Waive an instance; the answer comes when that is durable. Raises ActRefused and Unavailable.

        The same `request` for the same instance counts once; `seen` is as for `ask`.
        """
        asked = await ask(self._readable, self._catalogue, id_, said, withdraws=False, request=request, seen=seen)
        return await self._do(asked)

    async def withdraw(self, id_: str, said: Mapping[str, Any]) -> Row:
        """Withdraw the waiver of an instance, likewise."""
        return await self._do(await ask(self._readable, self._catalogue, id_, said, withdraws=True))

    async def reject_join(self, id_: str, said: Mapping[str, Any]) -> Row:
        """Say that an event of an instance joined it wrongly and counts in none, likewise."""
        return await self._do(await ask_of_join(self._readable, self._catalogue, id_, said, accepts=False))

    async def accept_join(self, id_: str, said: Mapping[str, Any]) -> Row:
        """Let an event count again, likewise."""
        return await self._do(await ask_of_join(self._readable, self._catalogue, id_, said, accepts=True))

    async def move(self, id_: str, said: Mapping[str, Any]) -> Row:
        """Let an open instance count under the version in force, likewise."""
        return await self._do(await ask_of_move(self._readable, self._catalogue, id_, said))

    async def _do(self, asked: Asked) -> Row:
        require(ACT)
        await asyncio.wrap_future(self._writer.submit(Batch(events=[asked.row], audit=[asked.entry])))
        self._reader.note_write()
        return asked.answer
