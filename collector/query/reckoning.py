"""Reads what objectives came to from their buckets: many questions at once, in few statements.

What it costs depends on the time that is asked for and not on how much was counted in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from psycopg.rows import dict_row

from collector.query.reader import Reader
from collector.query.runs import Reading, Runs, named, series
from collector.query.staleness import Memory, read_staleness
from collector.store.database import Connection
from collector.store.sql import load
from slo_rules.buckets import BUCKET
from slo_rules.budget import Staleness
from slo_rules.contribution import ITEMS
from slo_rules.durations import DAY, HOUR
from slo_rules.instants import to_datetime, to_micros
from slo_rules.objective import Group, Objective
from slo_rules.reckoning import (
    NONE,
    Asked,
    Counts,
    Reckoned,
    answer,
    reckon_freshness,
    reckon_volume,
    spans_of,
)

Q = load("query")
Answer = dict[str, Reckoned]
"""By unit: the number of items, or of slices, under ITEMS, and money by currency."""
MOST_GROUPS = 1_000


async def reckon(reader: Reader, asked: Sequence[Asked]) -> list[Answer]:
    """The answers to these questions, in their order."""
    answers: list[Answer] = await _read(reader, _ask(asked, reader.memory))
    return answers


async def volume_of(reader: Reader, asked: Asked) -> tuple[int, list[tuple[int, int]]] | None:
    """When the first item of an objective of volume was (micros), and how many items the buckets of a time hold.

    As `reckon_volume` wants them; None where there was never one.
    """
    first = await reader.one("begins", named([asked]))
    if first is None:
        return None
    begins, runs = to_micros(first["bucket"]), Runs()
    runs.add_width(0, asked, _width(asked.objective), max(asked.since, begins), asked.until)
    row = await reader.one("volumes", runs.parameters())
    return begins, [] if row is None else series(row)


async def staleness_of(reader: Reader, asked: Asked) -> tuple[int, Staleness] | None:
    """When an objective of freshness began to count (micros), and what was stale in a time.

    As `silences_of` wants them; None where nothing was ever counted.
    """
    first = await reader.one("begins", named([asked]))
    if first is None:
        return None
    begins = to_micros(first["bucket"])
    places = [(asked, max(asked.since, begins), asked.until)]
    (staleness,) = await _read(reader, read_staleness(places, reader.memory))
    return begins, staleness


async def _read(reader: Reader, reading: Reading) -> Any:
    """What a reading returns, of which each statement sees what is committed then."""
    try:
        statement = next(reading)
        while True:
            statement = reading.send(await reader.all(*statement))
    except StopIteration as found:
        return found.value


def reckon_on(conn: Connection, asked: Sequence[Asked], memory: Memory | None = None) -> list[Answer]:
    """The same, in the caller's transaction."""
    reading = _ask(asked, memory or Memory())
    try:
        name, parameters = next(reading)
        while True:
            with conn.cursor(row_factory=dict_row) as cursor:
                rows = cursor.execute(Q[name], parameters).fetchall()
            name, parameters = reading.send(rows)
    except StopIteration as found:
        answers: list[Answer] = found.value
        return answers


async def groups_of(reader: Reader, objective: Objective, since: int, until: int) -> list[Group]:
    """The groups in which anything may have been counted in a time (micros), in order, at most MOST_GROUPS of them."""
    if not objective.group_by:
        return []
    rows = await reader.all("groups_of_objective", _in_days(objective, since, until))
    return [row["grp"] for row in rows if objective.has(row["grp"])]


def groups_on(conn: Connection, objective: Objective, since: int, until: int) -> list[Group]:
    """The same, in the caller's transaction."""
    if not objective.group_by:
        return []
    rows = conn.execute(Q["groups_of_objective"], _in_days(objective, since, until)).fetchall()
    return [group for (group,) in rows if objective.has(group)]


def _in_days(objective: Objective, since: int, until: int) -> dict[str, Any]:
    """Groups are looked for in the buckets of days, of which the first may begin before the time."""
    days = {"since": to_datetime(since - since % DAY), "until": to_datetime(until)}
    return {"objective": objective.name, "most": MOST_GROUPS, **days}


def _ask(asked: Sequence[Asked], memory: Memory) -> Reading:
    """Yields statements, is sent their rows, and returns the answers."""
    answers: dict[int, Answer] = {}
    items = [number for number, one in enumerate(asked) if not one.objective.in_slices]
    if items:
        answers |= yield from _items(asked, items)
    sliced = [number for number, one in enumerate(asked) if one.objective.in_slices]
    if sliced:
        answers |= yield from _slices(asked, sliced, memory)
    return [answers[number] for number in range(len(asked))]


def _items(asked: Sequence[Asked], numbers: Sequence[int]) -> Reading:
    runs = Runs()
    for number in numbers:
        for kind, spans in enumerate(spans_of(asked[number])):
            runs.add(number * 3 + kind, asked[number], spans)
    rows = yield "counts", runs.parameters()
    found: dict[int, dict[str, list[Counts]]] = {number: {} for number in numbers}
    for row in rows:
        number, kind = divmod(row["number"], 3)
        unit = row["unit"]
        counts: Counts = (row["good"], row["bad"], row["waived"], row["cancelled"])
        if unit == ITEMS:
            # They are counted whole, whatever the column could hold.
            counts = (int(counts[0]), int(counts[1]), int(counts[2]), int(counts[3]))
        found[number].setdefault(unit, [NONE, NONE, NONE])[kind] = counts
    return {number: answer(asked[number], by_unit) for number, by_unit in found.items()}


def _slices(asked: Sequence[Asked], numbers: Sequence[int], memory: Memory) -> Reading:
    """Each objective is read once for all that is asked of it."""
    places = list({(one.objective.name, one.group): one for one in (asked[number] for number in numbers)}.values())
    since: dict[tuple[str, str], int] = {}
    until: dict[tuple[str, str], int] = {}
    for number in numbers:
        one = asked[number]
        place = (one.objective.name, one.group)
        since[place] = min(one.since, since.get(place, one.since))
        until[place] = max(one.until, until.get(place, one.until))
    rows = yield "begins", named(places)
    begins = {row["number"]: to_micros(row["bucket"]) for row in rows}
    volumes = Runs()
    fresh: dict[int, tuple[Asked, int, int]] = {}
    for number, one in enumerate(places):
        if number not in begins:
            continue
        place = (one.objective.name, one.group)
        first = max(since[place], begins[number])
        if one.objective.volume is None:
            fresh[number] = one, first, until[place]
        else:
            volumes.add_width(number, one, _width(one.objective), first, until[place])
    read = (yield from read_staleness(list(fresh.values()), memory)) if fresh else []
    staleness: dict[int, Staleness] = dict(zip(fresh, read, strict=True))
    reached: dict[int, list[tuple[int, int]]] = {}
    for row in (yield "volumes", volumes.parameters()) if volumes else []:
        reached[row["number"]] = series(row)
    at = {(one.objective.name, one.group): number for number, one in enumerate(places)}
    answers: dict[int, Answer] = {}
    for number in numbers:
        one = asked[number]
        place_number = at[one.objective.name, one.group]
        if place_number not in begins:
            found = Reckoned(0, 0)
        elif one.objective.volume is None:
            found = reckon_freshness(one, staleness[place_number], begins[place_number])
        else:
            found = reckon_volume(one, reached.get(place_number, []), begins[place_number])
        answers[number] = {ITEMS: found}
    return answers


def _width(objective: Objective) -> int:
    """The widest buckets that its slices are made of."""
    volume = objective.volume
    return HOUR if volume is not None and isinstance(volume.per, int) and volume.per % HOUR == 0 else BUCKET
