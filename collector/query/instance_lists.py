"""Pages of instances, with how many there are and what they are worth.

What is open and what has finished are asked for apart: each has an index of its own that lists it without its rows
(`ix_instance_open`, `ix_instance_finished`). What has finished is without end, so of a filter that reaches into it no
more is counted than somebody would want to know.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
import sqlalchemy as sa

from collector.catalogue import Catalogue
from collector.query.finished_reach import looks_back_to
from collector.query.instances import (
    CHANCE,
    MAX_LIMIT,
    SORTS,
    BadQuery,
    InstanceFilter,
    instance_row,
    key_begins,
    key_row,
    plain,
)
from collector.query.reader import Reader, Row, amounts, rfc3339
from collector.query.unread import keys_of
from collector.store.tables import instance, instance_count
from slo_rules.identity import Key
from slo_rules.judgement import Marks
from slo_rules.workflow import KeyRule

MOST_COUNTED = 10_000
"""Finished instances that are counted and added up; of more it is only said that there are more."""
_OF_OPEN_ONLY = {"deadline_at", "stuck_since"}
"""Sorts by what nothing has that has finished (slo_rules/judging.py)."""
Conditions = Sequence[sa.ColumnElement[bool]]


@dataclass(frozen=True, slots=True)
class Totals:
    """How many instances a filter finds, and what they are worth.

    `value` is None where that was not added up; `exact` is False where there are more than `count`.
    """

    count: int
    value: list[Row] | None
    exact: bool = True

    def shown(self) -> Row:
        """As a page says it."""
        return {"total": self.count, "total_exact": self.exact, "value": self.value}


async def list_instances(
    reader: Reader,
    catalogue: Catalogue,
    marks: Marks,
    asked: InstanceFilter,
    names: Sequence[Key],
    *,
    sort: str,
    cursor: str | None,
    limit: int,
    offset: int | None,
) -> Row:
    """A page of instances with the totals of the whole filter; `names` are other keys of the one asked for.

    Raises BadQuery.
    """
    now = await reader.now()
    order = order_of(sort)
    check_page(limit, offset)
    stretches, back_to = await bounded(reader, asked, sort, now, catalogue.key_rules, names)
    place = _place(sort, cursor) if cursor else None
    # Which they are, the indexes say alone; only of these is the rest looked up.
    ids = page_of(stretches, sort, place, limit + 1, offset or 0)
    rows = await reader.select(sa.select(instance).where(instance.c.id.in_(ids)).order_by(*order))
    more = len(rows) > limit
    rows = rows[:limit]
    if more or cursor or offset or back_to:
        # What was looked for in a part only was not counted in the rest either.
        counted = stretches if asked.reads_rows else stretches_of(asked, now, catalogue.key_rules, names)
        totals = await _totals(reader, asked, counted)
        totals = replace(totals, exact=totals.exact and (back_to is None or not asked.reads_rows))
    else:
        totals = Totals(len(rows), _worth((row["value_currency"], row["value_amount"]) for row in rows))
    return {
        "items": await shown_of(reader, catalogue, marks, now, rows),
        "next_cursor": _cursor(sort, rows[-1]) if more else None,
        **totals.shown(),
        "looked_back_to": rfc3339(back_to),
    }


async def shown_of(reader: Reader, catalogue: Catalogue, marks: Marks, now: datetime, rows: Sequence[Row]) -> list[Row]:
    """Instances as lists show them; of those that cannot be read with the keys that are known all the same."""
    items = [instance_row(row, catalogue, marks, now) for row in rows]
    unread = [row for row, item in zip(rows, items, strict=True) if item["unreadable"]]
    keys = await keys_of(reader, unread)
    for item in items:
        if item["unreadable"]:
            item["keys"] = [key_row(word) for word in keys[UUID(item["id"])]]
    return items


def check_page(limit: int, offset: int | None) -> None:
    """Raises BadQuery where a page cannot be asked for so."""
    if not 1 <= limit <= MAX_LIMIT:
        raise BadQuery(f"limit: must be from 1 to {MAX_LIMIT}")
    if offset is not None and not 0 <= offset < 10**9:
        raise BadQuery("offset: must not be negative")


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of what a filter finds that one index lists; `finished` is without end."""

    conditions: Conditions
    finished: bool


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a page ended: what its last row is sorted by, when that row moved last, and its id."""

    value: Any
    moved: datetime
    id: UUID


def stretches_of(
    asked: InstanceFilter, now: datetime, rules: list[KeyRule], names: Sequence[Key]
) -> tuple[Stretch, ...]:
    """What is open and what has finished, as far as the filter reaches. Raises BadQuery."""
    if asked.names_few:
        return (Stretch(asked.conditions(now, rules, names), finished=False),)
    reached = [one for one in (False, True) if asked.reaches(finished=one)] or [False]
    return tuple(Stretch(asked.conditions(now, rules, names, finished=one), one) for one in reached)


async def bounded(
    reader: Reader, asked: InstanceFilter, sort: str, now: datetime, rules: list[KeyRule], names: Sequence[Key]
) -> tuple[tuple[Stretch, ...], datetime | None]:
    """The stretches, of what has finished no more than can be looked through, and since when. Raises BadQuery."""
    stretches = stretches_of(asked, now, rules, names)
    if not any(one.finished for one in stretches):
        return stretches, None
    back_to = await looks_back_to(reader, asked, sort, asked.by_index.conditions(now, rules, names, finished=True))
    if back_to is None:
        return stretches, None
    moved = instance.c.updated_at
    reached = [
        Stretch([*one.conditions, moved >= back_to], finished=True) if one.finished else one for one in stretches
    ]
    if asked.q:
        wordless = replace(asked, q=None).conditions(now, rules, names, finished=True)
        reached.append(Stretch([*wordless, moved < back_to, key_begins(plain("q", asked.q))], finished=True))
    return tuple(reached), back_to


def page_of(
    stretches: Sequence[Stretch], sort: str, place: _Place | None, limit: int, offset: int
) -> sa.Select[tuple[UUID]]:
    """The ids of a page. Each stretch brings its first ones in the order, and the order of these is the page's."""
    column, _ = _sort(sort)
    columns = instance.c
    parts = []
    for stretch in stretches:
        by: sa.ColumnElement[Any] = column
        order = order_of(sort)
        if stretch.finished and column.key in _OF_OPEN_ONLY:
            # The others are the order of the index, which has no column for what nothing has.
            by, order = sa.cast(sa.null(), column.type), order[1:]
        part = sa.select(columns.id, columns.updated_at, by.label("place")).where(*stretch.conditions)
        parts.append((part if place is None else part.where(_after(sort, place, stretch))).order_by(*order))
    if len(parts) == 1:
        return parts[0].with_only_columns(columns.id).limit(limit).offset(offset)
    both = sa.union_all(*(part.limit(limit + offset).subquery().select() for part in parts)).subquery()
    order = _in_order(sort, both.c.place, both.c.updated_at, both.c.id)
    return sa.select(both.c.id).order_by(*order).limit(limit).offset(offset)


async def _totals(reader: Reader, asked: InstanceFilter, stretches: Sequence[Stretch]) -> Totals:
    if not any(stretch.finished for stretch in stretches):
        return await totals_of(reader, stretches[0].conditions)
    kept = await _kept_count(reader, asked)
    if kept is not None and kept > MOST_COUNTED:
        return Totals(kept, None)
    rows = [row for stretch in stretches for row in await _counted(reader, stretch)]
    count = sum(row["count"] for row in rows)
    if sum(row["count"] for row in rows if row["finished"]) > MOST_COUNTED:
        return Totals(count - 1, None, exact=False)
    return Totals(count, _worth((row["value_currency"], row["amount"]) for row in rows))


async def _kept_count(reader: Reader, asked: InstanceFilter) -> int | None:
    """How many there are where that is kept: of a filter by workflow and verdict alone. None of any other."""
    conditions = asked.conditions_on_counts()
    if conditions is None:
        return None
    rows = await reader.select(
        sa.select(sa.func.coalesce(sa.func.sum(instance_count.c.count), 0).label("count")).where(*conditions)
    )
    return int(rows[0]["count"])


async def _counted(reader: Reader, stretch: Stretch) -> list[Row]:
    """What a stretch has of each currency; of what has finished one more than is counted at most."""
    found = sa.select(instance.c.value_currency, instance.c.value_amount).where(*stretch.conditions)
    counted = (found.limit(MOST_COUNTED + 1) if stretch.finished else found).subquery()
    rows = await reader.select(
        sa.select(
            counted.c.value_currency,
            sa.func.count().label("count"),
            sa.func.sum(counted.c.value_amount).label("amount"),
        ).group_by(counted.c.value_currency)
    )
    return [row | {"finished": stretch.finished} for row in rows]


async def totals_of(reader: Reader, conditions: Conditions) -> Totals:
    """How many instances these conditions find, and what they are worth, to the last one."""
    rows = await _counted(reader, Stretch(conditions, finished=False))
    worth = _worth((row["value_currency"], row["amount"]) for row in rows)
    return Totals(sum(row["count"] for row in rows), worth)


def _worth(of: Iterable[tuple[str | None, Decimal | None]]) -> list[Row]:
    value: dict[str, Decimal] = {}
    for currency, amount in of:
        if amount is not None:
            value[currency or ""] = value.get(currency or "", Decimal()) + amount
    return amounts(value)


def _sort(sort: str) -> tuple[sa.Column[Any], bool]:
    name = sort.removeprefix("-")
    if name not in SORTS:
        raise BadQuery(f"sort: {name[:40]!r} is none of {', '.join((*SORTS, CHANCE))}")
    return SORTS[name], sort.startswith("-")


def order_of(sort: str) -> tuple[sa.ColumnElement[Any], ...]:
    """The order that a sort asks for, with those that have no such value last. Raises BadQuery.

    By what many have not got, of these the one comes first that moved last.
    """
    column, _ = _sort(sort)
    return _in_order(sort, column, instance.c.updated_at, instance.c.id)


def _in_order(
    sort: str, column: sa.ColumnElement[Any], moved: sa.ColumnElement[Any], id_: sa.ColumnElement[Any]
) -> tuple[sa.ColumnElement[Any], ...]:
    by, descending = _sort(sort)
    first = column.desc() if descending else column.asc()
    # Of what is always there nothing is said: the other end of an index has what is missing first.
    first = first.nulls_last() if by.nullable else first
    return (first, moved.desc(), id_) if by.key in _OF_OPEN_ONLY else (first, id_)


def _cursor(sort: str, row: Row) -> str:
    """The place after this row: opaque to clients, bound to the sort it was made for."""
    value = row[SORTS[sort.removeprefix("-")].key]
    spelled = value.isoformat() if isinstance(value, datetime) else None if value is None else str(value)
    place = [sort, spelled, row["updated_at"].isoformat(), str(row["id"])]
    return base64.urlsafe_b64encode(msgspec.json.encode(place)).decode()


def _place(sort: str, cursor: str) -> _Place:
    """Raises BadQuery."""
    column, _ = _sort(sort)
    try:
        made_for, spelled, moved, id_ = msgspec.json.decode(
            base64.urlsafe_b64decode(cursor), type=tuple[str, str | None, datetime, UUID]
        )
        value: Any = spelled
        if spelled is not None and isinstance(column.type, sa.DateTime):
            value = datetime.fromisoformat(spelled)
        elif spelled is not None and isinstance(column.type, sa.Numeric):
            value = Decimal(spelled)
            if not abs(value) < 10**15:
                raise ValueError("not an amount of ours")
        elif spelled is not None:
            plain("cursor", spelled)
    except (ValueError, ArithmeticError, msgspec.DecodeError, binascii.Error) as error:
        raise BadQuery("cursor: not one of ours") from error
    if made_for != sort:
        raise BadQuery("cursor: it was made for another sort")
    return _Place(value, moved, id_)


def _after(sort: str, place: _Place, stretch: Stretch) -> sa.ColumnElement[bool]:
    column, descending = _sort(sort)
    columns = instance.c
    later = columns.id > place.id
    if column.key in _OF_OPEN_ONLY:
        later = sa.and_(columns.updated_at <= place.moved, sa.or_(columns.updated_at < place.moved, later))
        if stretch.finished:
            return later if place.value is None else sa.true()
    if place.value is None:
        return sa.and_(column.is_(None), later)
    beyond = column < place.value if descending else column > place.value
    return sa.or_(beyond, sa.and_(column == place.value, later), column.is_(None))
