"""Acts of people: what somebody asks for is held against the instance as it stands, and becomes a row of the log.

Nothing else is written here. The projector reads an act like any event, so that it survives a rebuild and is known of
the past.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import msgspec

from collector.catalogue import Catalogue
from collector.copyformat import act_row
from collector.instances import joining_keys
from collector.log import Batch, LogWriter
from collector.query.instances import definition_of, stored_progress
from collector.query.overview import lag_seconds
from collector.query.reader import Reader, Row, rfc3339
from slo_rules.acts import ACT_SOURCE, act_document, read_waiver
from slo_rules.event import event_key
from slo_rules.instants import to_micros
from slo_rules.judgement import FINAL
from slo_rules.progress import Progress


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


async def ask(reader: Reader, catalogue: Catalogue, id_: str, said: Mapping[str, Any], *, withdraws: bool) -> Asked:
    """What waives an instance, or withdraws its waiver. Raises ActRefused with every fault."""
    now = to_micros(await reader.now())
    found = await reader.one("instance", {"id": id_}) if _is_id(id_) else None
    act_id = str(uuid4())
    faults: list[str] = []
    waiver = read_waiver(said, now, event_key(ACT_SOURCE, act_id), withdraws=withdraws, faults=faults)
    unfit = bool(faults)
    if found is None:
        raise ActRefused(["id: there is no such instance", *faults], unknown=True, conflicting=False)
    progress = stored_progress(found)
    if withdraws:
        if progress.waiver is None or progress.waiver.until <= now:
            faults.insert(0, "id: the instance is not waived")
    elif found["verdict"] in FINAL:
        faults.insert(0, f"id: the instance is {found['verdict'].replace('_', ' ')}: there is nothing to waive")
    if faults or waiver is None:
        raise ActRefused(faults, unknown=False, conflicting=not unfit)
    workflow = definition_of(found, catalogue)
    key = _key(progress, joining_keys(workflow, progress))
    document = act_document(act_id, workflow.name, key, waiver)
    row = act_row(waiver.at, act_id.encode(), document["type"].encode(), msgspec.json.encode(document))
    told = {"by": waiver.by, "reason": waiver.reason, "until": rfc3339(waiver.until), "at": rfc3339(waiver.at)}
    lag = lag_seconds(await reader.one("progress_of_log"), await reader.now())
    answer = {
        "id": str(found["id"]),
        "event": {"source": ACT_SOURCE, "id": act_id, "type": document["type"]},
        "waiver": None if withdraws else told,
        "in_force": f"when the log has been applied up to it; that is {lag:.0f} s behind now",
        "lag_seconds": lag,
    }
    return Asked(row, answer)


def _is_id(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True


def _key(progress: Progress, joining: list[str]) -> str:
    """The joining key that was known first."""
    return min(joining, key=lambda key: (progress.keys[key].at, key))


class Acts:
    """Does what people ask for through the API."""

    def __init__(self, reader: Reader, catalogue: Catalogue, writer: LogWriter) -> None:
        self._reader = reader
        self._catalogue = catalogue
        self._writer = writer

    async def waive(self, id_: str, said: Mapping[str, Any]) -> Row:
        """Waive an instance; the answer comes when that is durable. Raises ActRefused and Unavailable."""
        return await self._do(id_, said, withdraws=False)

    async def withdraw(self, id_: str, said: Mapping[str, Any]) -> Row:
        """Withdraw the waiver of an instance, likewise."""
        return await self._do(id_, said, withdraws=True)

    async def _do(self, id_: str, said: Mapping[str, Any], *, withdraws: bool) -> Row:
        asked = await ask(self._reader, self._catalogue, id_, said, withdraws=withdraws)
        await asyncio.wrap_future(self._writer.submit(Batch(events=[asked.row])))
        return asked.answer
