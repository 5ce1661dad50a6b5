"""Dead letters at a terminal: listed, shown, replayed and discarded as over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import msgspec

from collector.catalogue import Catalogue, load_catalogue
from collector.query import Query
from collector.query.instances import BadQuery
from collector.query.reader import Reader
from collector.sources.dead_letters import Replay, discard_said, one_letter, read_replay
from collector.sources.receiving import receivers_of
from collector.store.database import connect, migrate
from milepost.applying import apply_log
from milepost.definition_files import read_definitions
from milepost.plain_text import shown
from milepost.settings import Settings
from milepost.stored_data import open_stored_data
from milepost.terminal import as_terminal

_LONGEST_LINE = 1_000
_LONGEST_BODY = 20_000


def listed(settings: Settings, source: str | None, reason: str | None, limit: int, *, as_json: bool) -> list[str]:
    """The lines that list what is open. Raises BadQuery and NoStoredData."""

    async def ask(url: str, catalogue: Catalogue) -> dict[str, Any]:
        reader = Reader(url, most_connections=1)
        await reader.open()
        try:
            return await Query(reader, catalogue).dead_letters(source, None, limit, reason)
        finally:
            await reader.close()

    with open_stored_data(settings) as (url, conn):
        found = asyncio.run(ask(url, load_catalogue(conn)))
    if as_json:
        return [msgspec.json.encode(found).decode()]
    lines = [
        shown(f"{one['id']:>8}  {one['received_at']}  {one['source']}  {one['reason']}: {one['detail']}", _LONGEST_LINE)
        for one in found["items"]
    ]
    left = found["total"] - len(lines)
    return [*lines, f"{left:,} more."] if left else lines or ["There are no open dead letters."]


def shown_whole(settings: Settings, number: str, *, as_json: bool) -> list[str] | None:
    """The lines that say all of a letter; None when there is none. Raises NoStoredData."""
    known = number.isascii() and number.isdecimal() and len(number) < 19
    with open_stored_data(settings) as (url, _), as_terminal():
        # That it was read is written down.
        migrate(url)
        with connect(url, "reading a letter") as conn:
            row = one_letter(conn, int(number)) if known else None
    if row is None:
        return None
    if as_json:
        return [msgspec.json.encode(row).decode()]
    body, headers, settled = row.pop("body"), row.pop("headers"), row.pop("settled")
    lines = [shown(f"{name}: {value}", _LONGEST_LINE) for name, value in row.items() if value is not None]
    if settled is not None:
        why = f": {settled['because']}" if settled["because"] else ""
        lines.append(shown(f"settled: {settled['as']} by {settled['by']} at {settled['at']}{why}", _LONGEST_LINE))
    lines += [shown(f"  {name}: {value}", _LONGEST_LINE) for name, value in (headers or {}).items()]
    return [*lines, "", shown(body or "", _LONGEST_BODY)]


def replay(
    settings: Settings, said: Mapping[str, Any], by: str, *, dry_run: bool, as_json: bool
) -> tuple[list[str], int]:
    """What came, or would come, of letters, and how many could not be used. Raises BadQuery, NoStoredData.

    DefinitionError where definitions are given that cannot be used.
    """
    which, by = read_replay({name: value for name, value in said.items() if value is not None} | {"by": by})
    given = read_definitions(settings.definitions) if settings.definitions else None
    with open_stored_data(settings) as (url, conn), as_terminal():
        migrate(url)
        catalogue = load_catalogue(conn)
        receivers = None if given is None else receivers_of(given.sources.values(), {})
        with connect(url, "replaying") as writing:
            found = Replay(catalogue, receivers).run(writing, which, by, dry_run=dry_run)
            if not dry_run and any(one.settled for one in found):
                apply_log(url, writing, catalogue)
    left = sum(not one.settled for one in found)
    if as_json:
        document = {"dry_run": dry_run, "items": [one.as_row() for one in found]}
        return [msgspec.json.encode(document).decode()], left
    lines = []
    for one in found:
        events = ", ".join(f"{type_} {id_}" for type_, id_ in one.events)
        what = one.why if not one.settled else events or one.why
        word = ("would be used" if dry_run else "used") if one.settled else "not used"
        lines.append(shown(f"{one.number:>8}  {one.source}  {word}: {what}", _LONGEST_LINE))
    return [*lines, _total(len(found), left, dry_run=dry_run)], left


def _total(found: int, left: int, *, dry_run: bool) -> str:
    if not found:
        return "There are no such open dead letters."
    return f"{found - left:,} of {found:,} {'would be used; nothing was changed' if dry_run else 'used'}."


def discard(settings: Settings, said: Mapping[str, Any], by: str, because: str) -> list[str]:
    """Discard letters; the line that says how many. Raises BadQuery and NoStoredData."""
    asked = {name: value for name, value in said.items() if value is not None}
    with open_stored_data(settings) as (url, _), as_terminal():
        migrate(url)
        with connect(url, "discarding") as writing:
            numbers = discard_said(writing, asked | {"by": by, "because": because})
    if not numbers:
        raise BadQuery("ids: there are no such open dead letters")
    return [f"{len(numbers):,} discarded."]
