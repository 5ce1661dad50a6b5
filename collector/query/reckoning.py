"""Reads what objectives came to from their buckets: many questions at once, in few statements.

What it costs depends on the time that is asked for and not on how much was counted in it.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from psycopg.rows import dict_row

from collector.query.reader import Reader, Row
from collector.store.database import Connection
from collector.store.sql import load
from slo_rules.buckets import BUCKET, cover
from slo_rules.budget import Staleness
from slo_rules.contribution import ITEMS
from slo_rules.durations import DAY, HOUR, MINUTE, SECOND
from slo_rules.exclusions import Span
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
_Statement = tuple[str, dict[str, Any]]
_Asking = Generator[_Statement, list[Row], list[Answer]]
MOST_GROUPS = 1_000
_ALWAYS = to_micros(datetime(1, 1, 1, tzinfo=UTC))


async def reckon(reader: Reader, asked: Sequence[Asked]) -> list[Answer]:
    """The answers to these questions, in their order."""
    asking = _ask(asked)
    try:
        statement = next(asking)
        while True:
            statement = asking.send(await reader.all(*statement))
    except StopIteration as found:
        answers: list[Answer] = found.value
        return answers


async def volume_of(reader: Reader, asked: Asked) -> tuple[int, list[tuple[int, int]]] | None:
    """When the first item of an objective of volume was (micros), and how many items the buckets of a time hold.

    As `reckon_volume` wants them; None where there was never one.
    """
    first = await reader.one("begins", _named([asked]))
    if first is None:
        return None
    begins, runs = to_micros(first["bucket"]), _Runs()
    runs.add_width(0, asked, _width(asked.objective), max(asked.since, begins), asked.until)
    row = await reader.one("volumes", runs.parameters())
    return begins, [] if row is None else _series(row)


async def staleness_of(reader: Reader, asked: Asked) -> tuple[int, Staleness] | None:
    """When an objective of freshness began to count (micros), and what was stale in a time.

    As `silences_of` wants them; None where nothing was ever counted.
    """
    first = await reader.one("begins", _named([asked]))
    if first is None:
        return None
    begins = to_micros(first["bucket"])
    since = max(asked.since - asked.since % BUCKET, begins)
    before, within = _Runs(), _Runs()
    before.add(0, asked, [(_ALWAYS, since)])
    within.add_width(0, asked, BUCKET, since, asked.until)
    steps = [(since, row["step"]) for row in await reader.all("counts", before.parameters())]
    row = await reader.one("steps", within.parameters())
    return begins, Staleness(steps + ([] if row is None else _series(row)))


def _series(row: Row) -> list[tuple[int, int]]:
    return [(at * SECOND, value) for at, value in zip(row["at"], row["value"], strict=True)]


def reckon_on(conn: Connection, asked: Sequence[Asked]) -> list[Answer]:
    """The same, in the caller's transaction."""
    asking = _ask(asked)
    try:
        name, parameters = next(asking)
        while True:
            with conn.cursor(row_factory=dict_row) as cursor:
                rows = cursor.execute(Q[name], parameters).fetchall()
            name, parameters = asking.send(rows)
    except StopIteration as found:
        answers: list[Answer] = found.value
        return answers


async def groups_of(reader: Reader, objective: Objective, since: int, until: int) -> list[Group]:
    """The groups in which anything may have been counted in a time (micros), in order, at most MOST_GROUPS of them."""
    if not objective.group_by:
        return []
    return [row["grp"] for row in await reader.all("groups_of_objective", _in_days(objective, since, until))]


def groups_on(conn: Connection, objective: Objective, since: int, until: int) -> list[Group]:
    """The same, in the caller's transaction."""
    if not objective.group_by:
        return []
    return [group for (group,) in conn.execute(Q["groups_of_objective"], _in_days(objective, since, until)).fetchall()]


def _in_days(objective: Objective, since: int, until: int) -> dict[str, Any]:
    """Groups are looked for in the buckets of days, of which the first may begin before the time."""
    days = {"since": to_datetime(since - since % DAY), "until": to_datetime(until)}
    return {"objective": objective.name, "most": MOST_GROUPS, **days}


def _ask(asked: Sequence[Asked]) -> _Asking:
    """Yields statements, is sent their rows, and returns the answers."""
    answers: dict[int, Answer] = {}
    items = [number for number, one in enumerate(asked) if not one.objective.in_slices]
    if items:
        answers |= yield from _items(asked, items)
    sliced = [number for number, one in enumerate(asked) if one.objective.in_slices]
    if sliced:
        answers |= yield from _slices(asked, sliced)
    return [answers[number] for number in range(len(asked))]


def _items(asked: Sequence[Asked], numbers: Sequence[int]) -> Generator[_Statement, list[Row], dict[int, Answer]]:
    runs = _Runs()
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


def _slices(asked: Sequence[Asked], numbers: Sequence[int]) -> Generator[_Statement, list[Row], dict[int, Answer]]:
    """Each objective is read once for all that is asked of it."""
    places = list({(one.objective.name, one.group): one for one in (asked[number] for number in numbers)}.values())
    since: dict[tuple[str, str], int] = {}
    until: dict[tuple[str, str], int] = {}
    for number in numbers:
        one = asked[number]
        place = (one.objective.name, one.group)
        # What changed in a bucket that had begun before still holds.
        begun = one.since - one.since % BUCKET
        since[place] = min(begun, since.get(place, begun))
        until[place] = max(one.until, until.get(place, one.until))
    rows = yield "begins", _named(places)
    begins = {row["number"]: to_micros(row["bucket"]) for row in rows}
    before, within, volumes = _Runs(), _Runs(), _Runs()
    for number, one in enumerate(places):
        place = (one.objective.name, one.group)
        if number not in begins:
            continue
        first = max(since[place], begins[number])
        if one.objective.volume is not None:
            volumes.add_width(number, one, _width(one.objective), first, until[place])
            continue
        before.add(number, one, [(_ALWAYS, first)])
        within.add_width(number, one, BUCKET, first, until[place])
    series: dict[int, list[tuple[int, int]]] = {number: [] for number in begins}
    if before:
        rows = yield "counts", before.parameters()
        for row in rows:
            one = places[row["number"]]
            series[row["number"]].append(
                (max(since[one.objective.name, one.group], begins[row["number"]]), row["step"])
            )
    for statement, runs in (("steps", within), ("volumes", volumes)):
        rows = (yield statement, runs.parameters()) if runs else []
        for row in rows:
            series[row["number"]] += _series(row)
    staleness = {
        number: Staleness(steps) for number, steps in series.items() if places[number].objective.volume is None
    }
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
            found = reckon_volume(one, series[place_number], begins[place_number])
        answers[number] = {ITEMS: found}
    return answers


def _width(objective: Objective) -> int:
    """The widest buckets that its slices are made of."""
    volume = objective.volume
    return HOUR if volume is not None and isinstance(volume.per, int) and volume.per % HOUR == 0 else BUCKET


def _named(places: Iterable[Asked]) -> dict[str, Any]:
    listed = list(places)
    return {
        "numbers": list(range(len(listed))),
        "objectives": [one.objective.name for one in listed],
        "groups": [one.group for one in listed],
    }


class _Runs:
    """Runs of buckets, each under the number of a question."""

    def __init__(self) -> None:
        self._places: dict[tuple[str, str], int] = {}
        self._rows: list[tuple[int, int, int, int, int]] = []

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, number: int, asked: Asked, spans: Iterable[Span]) -> None:
        """All buckets in these spans, as few as can be."""
        for since, until in spans:
            for run in cover(since, until):
                self.add_width(number, asked, run.width, run.since, run.until)

    def add_width(self, number: int, asked: Asked, width: int, since: int, until: int) -> None:
        """Those of one width that begin in a span."""
        place = self._places.setdefault((asked.objective.name, asked.group), len(self._places) + 1)
        self._rows.append((number, place, width // MINUTE, since // SECOND, until // SECOND))

    def parameters(self) -> dict[str, Any]:
        """The parameters of statements that read buckets; instants are whole seconds."""
        columns = zip(*self._rows, strict=True) if self._rows else [()] * 5
        names = ("numbers", "places", "minutes", "since", "until")
        return {
            "objectives": [objective for objective, _ in self._places],
            "groups": [group for _, group in self._places],
            **{name: _array(column) for name, column in zip(names, columns, strict=True)},
        }


def _array(numbers: Iterable[int]) -> str:
    """An array as PostgreSQL writes it: of many numbers that is made in a tenth of the time of a list."""
    return f"{{{','.join(map(str, numbers))}}}"
