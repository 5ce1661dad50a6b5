"""The acts of a person at a terminal. They ask what the API asks, write to the log, and apply it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from functools import partial

from collector.access import audit
from collector.acts import ActRefused, Asked, ask, ask_of_join, ask_of_move
from collector.catalogue import Catalogue, load_catalogue
from collector.log import append
from collector.query import Query
from collector.query.reader import Reader
from collector.store.database import connect, migrate
from milepost.applying import apply_log
from milepost.explaining import MOST_LISTED, Explained, find
from milepost.plain_text import shown
from milepost.settings import Settings
from milepost.stored_data import open_stored_data
from milepost.terminal import as_terminal
from slo_rules.durations import parse_duration
from slo_rules.instants import rfc3339, to_micros

LONGEST_LINE = 2_000


def until_of(text: str, now: datetime) -> str:
    """The instant that `3d` from now is; anything else as it stands."""
    try:
        return rfc3339(to_micros(now) + parse_duration(text))
    except ValueError:
        return text


Question = Callable[[Reader, Catalogue, str], Awaitable[Asked]]
"""What asks for an act on the instance with this id."""


def waive(settings: Settings, key: str, *, workflow: str | None, said: Mapping[str, str], withdraws: bool) -> list[str]:
    """Waive the one instance with a key or an id, or withdraw its waiver; the lines that say how it stands then.

    Raises ActRefused with every fault, BadQuery and NoStoredData.
    """
    return _act(settings, key, workflow, partial(ask, said=said, withdraws=withdraws))


def speak_of_join(
    settings: Settings, key: str, *, workflow: str | None, said: Mapping[str, str], accepts: bool
) -> list[str]:
    """Reject an event that joined the one instance with a key or an id wrongly, or accept it; likewise.

    Where it falls apart, the lines say how each of its parts stands.
    """
    return _act(settings, key, workflow, partial(ask_of_join, said=said, accepts=accepts))


def move(settings: Settings, key: str, *, workflow: str | None, said: Mapping[str, str]) -> list[str]:
    """Let the one instance with a key or an id count under the version in force; likewise."""

    async def question(reader: Reader, catalogue: Catalogue, id_: str) -> Asked:
        return await ask_of_move(reader, catalogue, id_, said)

    return _act(settings, key, workflow, question)


def _act(settings: Settings, key: str, workflow: str | None, question: Question) -> list[str]:
    with open_stored_data(settings) as (url, conn), as_terminal():
        catalogue = load_catalogue(conn)
        asked = asyncio.run(_ask(url, catalogue, key, workflow, question))
        migrate(url)
        with connect(url, "acting") as writing:
            with writing.transaction():
                append(writing, [asked.row], [], [])
                audit.record(writing, [asked.entry])
            apply_log(url, writing, catalogue)
        told = asyncio.run(_found(url, catalogue, asked.answer["id"], workflow)).told
        if asked.answer.get("rejected"):
            latest = [(one["id"], said) for one in told for said in one["rejected"][-1:]]
            parts = [part for id_, said in latest for part in said["parts"] if part != id_]
            for part in parts[:MOST_LISTED]:
                told += asyncio.run(_found(url, catalogue, part, workflow)).told
        lines = []
        for one in told:
            lines += [f"{one['title']} · {one['workflow']}: {one['verdict'].replace('_', ' ')}", one["explanation"]]
        return [shown(line, LONGEST_LINE) for line in lines]


async def _found(url: str, catalogue: Catalogue, key: str, workflow: str | None) -> Explained:
    reader = Reader(url, most_connections=2)
    await reader.open()
    try:
        return await find(Query(reader, catalogue), key, workflow, None, None)
    finally:
        await reader.close()


async def _ask(url: str, catalogue: Catalogue, key: str, workflow: str | None, question: Question) -> Asked:
    met = await _found(url, catalogue, key, workflow)
    reader = Reader(url, most_connections=2)
    await reader.open()
    try:
        return await question(reader, catalogue, met.told[0]["id"] if met.total == 1 else "")
    except ActRefused as refused:
        if met.total == 1:
            raise
        many = f"{met.total} instances carry it; give an id, or a --workflow"
        first = f"{key[:80]}: {many if met.total else 'nothing is known of it'}"
        raise ActRefused([first, *refused.faults[1:]], unknown=True, conflicting=False) from refused
    finally:
        await reader.close()
